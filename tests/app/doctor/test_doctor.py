"""The doctor over real parts: it finds nothing where all is well, and each fault by its name, with what to do."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]  # no stubs are pinned
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from rich.console import Console

from app.demo.redis_server import embedded_redis
from app.demo.simulator.server import Simulator
from app.demo.simulator.settings import DEFAULT_EVENTS, DEFAULT_PERMISSIONS, AppSpec
from app.doctor.display import show
from app.doctor.main import ALWAYS, NAMES, examine
from app.doctor.model import Check, State, failed
from app.doctor.sandboxes import MEASURED_CLAUDE_CODE, isolation_checks
from app.doctor.schema import doctor_document, doctor_schema
from app.gateway.service import create_gateway
from app.http.server import serving_loopback
from app.settings import RunnerKind, ServiceSettings
from app.store.database import SqlStore
from app.store.migrate import downgrade, upgrade
from app.system import SystemClock, SystemIds
from bot.errors import SettingsError
from bot.model.forge import Actor, ForgeKind, RepositoryRef
from runners.guest.probe_words import Outcome
from runners.isolation import Attempt, IsolationReport
from tests.app.jobs.parts import NOWHERE, settings_of
from tests.runners.sealed_backend import SealedRunner

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "schemas" / "doctor-1.json"
PASSWORD = "hunter2-of-this-test"
CLUSTER = {"runner": RunnerKind.CLUSTER, "gateway_url": "http://192.0.2.9:8081"}
"""A gateway that pods could reach, were there one."""


class Shifted:
    """A clock that is wrong."""

    def __init__(self, seconds: float) -> None:
        self._by = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by


@dataclass(slots=True, kw_only=True)
class Installation:
    """An installation in which all is well, until a test changes a setting or breaks a part."""

    directory: Path
    sim: Simulator
    redis_url: str
    gateway_url: str
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        return self.directory / "flowforge.db"

    def settings(self) -> ServiceSettings:
        values: dict[str, Any] = {
            "database_url": f"sqlite:///{self.database}",
            "redis_url": self.redis_url,
            "gateway_url": self.gateway_url,
            "github_api_url": self.sim.base_url,
            "github_git_url": self.sim.base_url,
            "github_app_id": self.sim.app.id,
            "github_app_slug": self.sim.app.slug,
            "github_private_key": SecretStr(self.sim.app.private_key_pem),
        }
        return settings_of(self.directory, **(values | self.changes))

    async def examine(self, *, ahead: float = 0.0) -> dict[str, Check]:
        checks = await examine(self.settings, probe=False, clock=Shifted(ahead))
        assert {check.name for check in checks} >= set(ALWAYS)
        jsonschema.validate(doctor_document(checks), doctor_schema())
        said = json.dumps(doctor_document(checks))
        for secret in (self.sim.app.private_key_pem.splitlines()[1], PASSWORD):
            assert secret not in said
        return {check.name: check for check in checks}


async def installation(stack: AsyncExitStack, directory: Path, app: AppSpec | None = None) -> Installation:
    for name in ("data", "redis"):
        (directory / name).mkdir(exist_ok=True)
    sim = await stack.enter_async_context(Simulator.serve(directory / "sim", webhook_secret="s" * 16, app=app))
    await sim.people.repository("acme/pay", files={"a": "b\n"})
    await upgrade(f"sqlite:///{directory / 'flowforge.db'}")
    redis_url = await stack.enter_async_context(embedded_redis(directory / "redis"))
    store = SqlStore.open(f"sqlite:///{directory / 'flowforge.db'}", SystemClock(), SystemIds())
    stack.push_async_callback(store.close)
    http = await stack.enter_async_context(httpx.AsyncClient(timeout=60, trust_env=False))
    gateway = create_gateway(
        ledger=store.ledger, runs=store.runs, http=http, upstream=NOWHERE, api_key="k", clock=SystemClock()
    )
    gateway_url = await stack.enter_async_context(serving_loopback(gateway))
    return Installation(directory=directory, sim=sim, redis_url=redis_url, gateway_url=gateway_url)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Installation]:
    async with AsyncExitStack() as stack:
        yield await installation(stack, tmp_path)


def states(checks: dict[str, Check]) -> dict[str, str]:
    """What is not ok."""
    return {name: check.state.value for name, check in checks.items() if check.state is not State.OK}


WELL = {"backend": "warning", "rights": "skipped", "image": "skipped", "isolation": "skipped"}
"""The process backend is no sandbox."""


# --- all is well


async def test_a_development_installation_is_well_but_no_sandbox(here: Installation) -> None:
    checks = await here.examine()
    assert states(checks) == WELL
    assert checks["claude_code"].says == f"Claude Code is {MEASURED_CLAUDE_CODE}"
    assert checks["app"].says == f"the App is flowforge, id {here.sim.app.id}"


# --- each fault in its turn


async def test_a_database_that_is_gone(here: Installation) -> None:
    here.changes["database_url"] = f"sqlite:///{here.directory / 'nowhere' / 'x.db'}"
    checks = await here.examine()
    assert states(checks) == WELL | {
        "database": "failed",
        **dict.fromkeys(("migrations", "database_clock", "pauses"), "skipped"),
    }
    assert "FLOWFORGE_DATABASE_URL" in checks["database"].todo


async def test_a_database_of_no_known_kind_names_the_setting_and_no_password(here: Installation) -> None:
    here.changes["database_url"] = f"mysql://me:{PASSWORD}@db/x"
    checks = await here.examine()
    assert checks["database"].state is State.FAILED
    assert checks["redis"].state is State.OK


async def test_tables_that_are_old(here: Installation) -> None:
    await downgrade(f"sqlite:///{here.database}", revision="0001")
    checks = await here.examine()
    assert states(checks) == WELL | {"migrations": "failed", "pauses": "skipped"}
    assert "flowforge migrate" in checks["migrations"].todo


async def test_whose_configuration_cannot_be_read_is_said_and_fails_where_it_is_required(here: Installation) -> None:
    told = (await here.examine())["organisations"]
    assert told.state is State.OK
    assert "none binds the repositories of acme" in told.says
    assert "GitHub does not tell which" in told.says
    here.changes["require_organisation_config"] = True
    told = (await here.examine())["organisations"]
    assert told.state is State.FAILED
    assert "Nothing begins there." in told.todo
    await here.sim.people.repository("acme/.flowforge", files={"flowforge.yml": "version: 1\n"})
    told = (await here.examine())["organisations"]
    assert (told.state, told.says) == (State.OK, "the configuration of acme was read")


async def test_what_is_paused_is_said(here: Installation) -> None:
    store = SqlStore.open(f"sqlite:///{here.database}", SystemClock(), SystemIds())
    try:
        repository = RepositoryRef(forge=ForgeKind.GITHUB, id=7, owner="acme", name="pay", installation_id=1)
        await store.pauses.begin(repository, by=Actor(id=1, login="ada"), reason="")
        checks = await here.examine()
        assert (checks["pauses"].state, checks["pauses"].says) == (State.WARNING, "of single repositories, 1 paused")
        await store.pauses.begin(None, by=None, reason="release week")
    finally:
        await store.close()
    paused = (await here.examine())["pauses"]
    assert paused.says.startswith("everything is paused since 20")
    assert paused.says.endswith("by an operator (release week); of single repositories, 1 paused")
    assert paused.todo == "`flowforge resume` ends it."


async def test_a_redis_that_is_gone(here: Installation) -> None:
    here.changes["redis_url"] = f"redis://:{PASSWORD}@127.0.0.1:9/0"
    checks = await here.examine()
    assert states(checks) == WELL | {"redis": "failed", "redis_persistence": "skipped"}


@pytest.mark.parametrize(
    ("settings", "state", "says"),
    [
        ({"appendonly": "no", "save": ""}, State.WARNING, "keeps nothing"),
        ({"appendonly": "no", "save": "3600 1"}, State.WARNING, "snapshots only"),
        ({"appendonly": "yes", "save": ""}, State.OK, "append-only"),
    ],
)
async def test_what_redis_keeps(here: Installation, settings: dict[str, str], state: State, says: str) -> None:
    async with Redis.from_url(here.redis_url) as redis:
        for name, value in settings.items():
            await redis.config_set(name, value)
    check = (await here.examine())["redis_persistence"]
    assert check.state is state
    assert says in check.says


async def test_a_redis_that_does_not_say(here: Installation) -> None:
    async with Redis.from_url(here.redis_url) as redis:
        await redis.execute_command("ACL", "SETUSER", "worker", "on", f">{PASSWORD}", "~*", "&*", "+@all", "-config")
    here.changes["redis_url"] = here.redis_url.replace("unix://", f"unix://worker:{PASSWORD}@")
    check = (await here.examine())["redis_persistence"]
    assert (check.state, "CONFIG is not allowed" in check.says) == (State.WARNING, True)


@pytest.mark.parametrize(("ahead", "state"), [(5, "ok"), (-30, "warning"), (30, "warning")])
async def test_a_clock_that_is_a_little_wrong(here: Installation, ahead: float, state: str) -> None:
    checks = await here.examine(ahead=ahead)
    assert states(checks).get("forge_clock", "ok") == state
    assert checks["app"].state is State.OK


async def test_a_clock_that_is_wrong_is_named_before_the_credential(here: Installation) -> None:
    checks = await here.examine(ahead=300)
    assert states(checks) == WELL | {
        "forge_clock": "failed",
        "app": "failed",
        "permissions": "skipped",
        "events": "skipped",
        "installations": "skipped",
        "organisations": "skipped",
    }
    assert "NTP" in checks["forge_clock"].todo
    assert checks["app"].todo.startswith("Set the clock first")


async def test_a_forge_that_is_away(here: Installation) -> None:
    here.changes["github_api_url"] = NOWHERE
    checks = await here.examine()
    assert {checks[name].state for name in ("forge_clock", "app")} == {State.FAILED}
    assert "FLOWFORGE_GITHUB_API_URL" in checks["app"].todo


async def test_the_key_of_another_app(here: Installation) -> None:
    here.changes["github_app_id"] = 4711
    check = (await here.examine())["app"]
    assert (check.state, "FLOWFORGE_GITHUB_PRIVATE_KEY" in check.todo) == (State.FAILED, True)


async def test_a_key_that_is_none(here: Installation) -> None:
    here.changes["github_private_key"] = SecretStr(here.sim.app.private_key_pem[:200])
    checks = await here.examine()
    assert checks["forge_clock"].state is State.FAILED
    assert "private key" in checks["forge_clock"].says


async def test_the_name_of_another_app(here: Installation) -> None:
    here.changes["github_app_slug"] = "flowforge-staging"
    check = (await here.examine())["app"]
    assert (check.state, check.todo) == (State.FAILED, "Set FLOWFORGE_GITHUB_APP_SLUG to flowforge.")


async def test_an_app_that_was_given_something_else(tmp_path: Path) -> None:
    permissions = DEFAULT_PERMISSIONS | {"contents": "read"}
    app = replace(AppSpec(), permissions=permissions, events=DEFAULT_EVENTS[:-1])
    async with AsyncExitStack() as stack:
        checks = await (await installation(stack, tmp_path, app)).examine()
    assert states(checks) == WELL | {"permissions": "failed", "events": "failed", "installations": "warning"}
    assert checks["permissions"].says == "the App lacks contents: write"
    assert "push" in checks["events"].todo
    assert "acme" in checks["installations"].says


async def test_an_app_that_may_too_much(tmp_path: Path) -> None:
    app = replace(AppSpec(), permissions=DEFAULT_PERMISSIONS | {"workflows": "write"})
    async with AsyncExitStack() as stack:
        checks = await (await installation(stack, tmp_path, app)).examine()
    assert states(checks) == WELL | {"permissions": "warning"}
    assert "workflows: write" in checks["permissions"].says


async def test_an_app_that_is_installed_nowhere(here: Installation) -> None:
    here.sim.people.uninstall(next(iter(here.sim.world.installations.values())).account)
    assert states(await here.examine()) == WELL | {"installations": "warning"}


async def test_a_gateway_that_is_away_or_none(here: Installation) -> None:
    here.changes["gateway_url"] = NOWHERE
    checks = await here.examine()
    assert states(checks) == WELL | {"gateway": "failed"}
    here.changes["gateway_url"] = here.sim.base_url
    checks = await here.examine()
    assert states(checks) == WELL | {"gateway": "failed"}
    assert "is no gateway" in checks["gateway"].says


async def test_another_claude_code(here: Installation) -> None:
    claude = here.directory / "claude"
    claude.write_text("#!/bin/sh\necho '2.1.197 (Claude Code)'\n")
    claude.chmod(0o755)
    here.changes["claude_path"] = claude
    checks = await here.examine()
    assert states(checks) == WELL | {"claude_code": "failed"}
    assert "2.1.197" in checks["claude_code"].says


async def test_a_cluster_that_is_away(here: Installation) -> None:
    kubeconfig = here.directory / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:9"}}],
                "users": [{"name": "x", "user": {"token": PASSWORD}}],
            }
        )
    )
    here.changes |= CLUSTER | {"run_image": "example/run:1", "cluster_kubeconfig": kubeconfig}
    checks = await here.examine()
    assert states(checks) == {
        "gateway": "failed",
        "backend": "failed",
        "rights": "skipped",
        "image": "warning",
        "claude_code": "skipped",
        "isolation": "skipped",
    }


async def test_a_backend_that_cannot_be_made(here: Installation) -> None:
    here.changes |= CLUSTER | {"run_image": "x@sha256:0", "cluster_kubeconfig": Path("/nowhere")}
    checks = await here.examine()
    assert (checks["backend"].state, checks["image"].state) == (State.FAILED, State.OK)


async def test_settings_that_cannot_be_read() -> None:
    def load() -> ServiceSettings:
        raise SettingsError("FLOWFORGE_REDIS_URL: Field required")

    checks = await examine(load, probe=True)
    assert [check.state for check in checks] == [State.FAILED, *[State.SKIPPED] * (len(ALWAYS) - 1)]
    assert checks[0].says == "FLOWFORGE_REDIS_URL: Field required"


# --- the probe


HOLE = Attempt(kind="network", name="Redis at 10.0.0.7:6379", outcome=Outcome.SUCCEEDED, detail="connected")
WEAK = Attempt(kind="privileges", name="a user namespace", outcome=Outcome.WEAK, detail="one can be made")
WALL = Attempt(kind="files", name="writing into /etc", outcome=Outcome.HELD, detail="no")


@pytest.mark.parametrize(
    ("attempts", "problem", "claude", "expected"),
    [
        ((WALL,), None, "2.1.330 (Claude Code)", ("ok", "ok")),
        ((WALL, WEAK), None, "2.1.330 (Claude Code)", ("ok", "warning")),
        ((WALL, HOLE), None, "2.1.330 (Claude Code)", ("ok", "failed")),
        ((WALL,), "no answer", "", ("failed", "failed")),
        ((), "the image is missing", "", ("skipped", "failed")),
        ((WALL,), None, "2.1.197 (Claude Code)", ("failed", "ok")),
    ],
)
async def test_what_a_probe_found_is_said(
    tmp_path: Path, attempts: tuple[Attempt, ...], problem: str | None, claude: str, expected: tuple[str, str]
) -> None:
    async def prove() -> IsolationReport:
        return IsolationReport(at=datetime.now(UTC), attempts=attempts, problem=problem, claude_version=claude)

    settings = settings_of(
        tmp_path, database_url="sqlite:///x.db", redis_url="redis://x", runner=RunnerKind.CONTAINER, run_image="x"
    )
    version, isolation = await isolation_checks(settings, SealedRunner(tmp_path), prove)
    assert (version.state.value, isolation.state.value) == expected
    if isolation.state is State.FAILED:
        assert isolation.todo
    if HOLE in attempts:
        assert "NetworkPolicy" in isolation.todo


@pytest.mark.parametrize("attempts", [(WALL,), (WALL, WEAK)])
async def test_what_there_was_nothing_to_try_on_is_said(tmp_path: Path, attempts: tuple[Attempt, ...]) -> None:
    untried = ("the workspace of another run: no other run existed",)

    async def prove() -> IsolationReport:
        return IsolationReport(at=datetime.now(UTC), attempts=attempts, untried=untried)

    settings = settings_of(
        tmp_path, database_url="sqlite:///x.db", redis_url="redis://x", runner=RunnerKind.CONTAINER, run_image="x"
    )
    _, isolation = await isolation_checks(settings, SealedRunner(tmp_path), prove)
    assert "(not tried: the workspace of another run: no other run existed)" in isolation.says


# --- what is shown


def test_the_schema_in_the_repository_is_what_the_code_says() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == doctor_schema()


def test_a_failure_always_says_what_to_do() -> None:
    document = doctor_document([failed(name, "no", "") for name in NAMES])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, doctor_schema())


def test_what_others_say_cannot_drive_a_terminal() -> None:
    shown = StringIO()
    hostile = "\x1b[2J\u202e[bold]text[/bold] https://u:" + PASSWORD + "@host ghs_" + "a" * 36
    show(Console(file=shown, width=80, force_terminal=True), [failed("app", hostile, "Look.")])
    said = re.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue())
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "[bold]" in said
    assert PASSWORD not in said
    assert "ghs_a" not in said


async def doctor(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """The command as a process of its own, which complains about nothing."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from app.doctor.command import doctor; doctor()", *arguments),
        env={"PATH": os.defpath, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    assert complained == b""
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_the_command_fails_where_a_check_does() -> None:
    status, said = await doctor({}, "--json")
    document = json.loads(said)
    assert (status, document["ok"]) == (1, False)
    jsonschema.validate(document, doctor_schema())
    status, said = await doctor({})
    assert status == 1
    assert "FLOWFORGE_REDIS_URL" in said
    assert f"1 failed, {len(ALWAYS) - 1} skipped." in said


async def test_the_command_is_well_where_all_is(here: Installation) -> None:
    environment = {
        "FLOWFORGE_ENVIRONMENT": "development",
        "FLOWFORGE_DATA_DIR": str(here.directory / "data"),
        "FLOWFORGE_DATABASE_URL": f"sqlite:///{here.database}",
        "FLOWFORGE_REDIS_URL": here.redis_url,
        "FLOWFORGE_GATEWAY_URL": here.gateway_url,
        "FLOWFORGE_GITHUB_API_URL": here.sim.base_url,
        "FLOWFORGE_GITHUB_APP_ID": str(here.sim.app.id),
        "FLOWFORGE_GITHUB_APP_SLUG": here.sim.app.slug,
        "FLOWFORGE_GITHUB_PRIVATE_KEY": here.sim.app.private_key_pem,
        "FLOWFORGE_GITHUB_WEBHOOK_SECRETS": "s" * 16,
    }
    status, said = await doctor(environment, "--json")
    document = json.loads(said)
    assert (status, document["ok"]) == (0, True)
    jsonschema.validate(document, doctor_schema())
    status, said = await doctor(environment, "--no-probe")
    assert status == 0
    assert "the App is flowforge" in said
