"""``flowforge gitlab setup``: hook and labels on the simulated GitLab, made once, brought up to date, verified."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from app.demo.simulator.gitlab.server import GitLabSimulator
from app.demo.simulator.gitlab.state import Hook
from app.demo.simulator.state import Repository, Role
from app.docs import ROOT
from app.doctor.model import Check, State
from app.sealed import default_key_file
from app.setup.gitlab import HOOKS_PATH, Wish, look, set_up
from app.setup.keeping import SealedFiles
from app.system import SystemClock
from bot.forges.gitlab.client import GitLabClient
from bot.forges.gitlab.deliveries import DECODED_EVENTS, SYSTEM_HOOK, SignatureVerifier
from bot.forges.gitlab.setup import EVENT_FLAGS, WANTED

PROJECT = "acme/pay/core"
SHARED = "acme/flowforge"


@dataclass(slots=True)
class Service:
    """A web service that takes what is authentic."""

    url: str = ""
    secret: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {name.casefold(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.headers.append(headers)
        verifier = SignatureVerifier([(self.secret or "x" * 16).encode()], clock=SystemClock())
        status = 200 if verifier.verify(headers, body) else 401
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@dataclass(slots=True, kw_only=True)
class Desk:
    sim: GitLabSimulator
    project: Repository
    client: GitLabClient
    service: Service
    keeper: SealedFiles

    def wish(self, path: str = PROJECT, secret: str | None = None) -> Wish:
        return Wish(path=path, address=f"{self.service.url}{HOOKS_PATH}gitlab", labels=["flowforge"], secret=secret)

    async def set_up(self, path: str = PROJECT) -> dict[str, Check]:
        """As the command does it; the service is told the secret, as it is by its settings."""
        self.service.secret = self.service.secret or "whsec_" + "QUFB" * 10 + "QUE="
        return named(await set_up(self.client, self.wish(path, self.service.secret), None))

    def hooks(self) -> list[Hook]:
        return [hook for hook in self.sim.world.hooks.values() if hook.url.startswith(self.service.url)]


def named(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def states(checks: dict[str, Check]) -> set[State]:
    return {check.state for check in checks.values()}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    service = Service()
    server = await asyncio.start_server(service.answer, "127.0.0.1", 0)
    service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, GitLabSimulator.serve(tmp_path / "sim", webhook_secret="of-another-hook-0") as sim:
        project = await sim.people.repository(PROJECT, files={"fee.py": "rate = 1\n"}, installed=False)
        sim.people.set_role(project, sim.bot, Role.MAINTAIN)
        shared = await sim.people.repository(SHARED, files={"flowforge.yml": "version: 1\n"}, installed=False)
        sim.people.set_role(shared, sim.bot, Role.TRIAGE)
        with contextlib.closing(GitLabClient(base_url=sim.base_url, token=sim.token, clock=SystemClock())) as client:
            directory = tmp_path / "secrets"
            keeper = SealedFiles(directory, default_key_file(directory))
            yield Desk(sim=sim, project=project, client=client, service=service, keeper=keeper)
        assert sim.errors == []


def test_a_hook_sends_all_that_is_decoded_and_nothing_else() -> None:
    assert frozenset(EVENT_FLAGS) >= DECODED_EVENTS - {SYSTEM_HOOK}
    assert set(WANTED) == {EVENT_FLAGS[event] for event in DECODED_EVENTS - {SYSTEM_HOOK}}


async def test_it_makes_what_is_missing_once_and_verifies_it(desk: Desk) -> None:
    checks = await desk.set_up()
    assert states(checks) == {State.OK}, checks
    (hook,) = desk.hooks()
    assert hook.events == set(WANTED)
    assert hook.ssl
    # It signs, and shows nobody what it signs with.
    assert (hook.signing_token, hook.token) == (desk.service.secret, "")
    (delivered,) = desk.service.headers
    assert "webhook-signature" in delivered
    assert desk.service.secret not in json.dumps(delivered)
    assert list(desk.sim.world.labels[desk.project.id]) == ["flowforge"]

    assert states(await desk.set_up()) == {State.OK}
    assert len(desk.hooks()) == len(desk.sim.world.labels[desk.project.id]) == 1


async def test_a_hook_of_an_older_gitlab_shows_the_secret(desk: Desk) -> None:
    desk.sim.site.signs = False
    checks = await desk.set_up()
    assert states(checks) == {State.OK}, checks
    assert "does not sign" in checks["webhook"].says
    (hook,) = desk.hooks()
    assert (hook.signing_token, hook.token) == ("", desk.service.secret)
    assert desk.service.headers[0]["x-gitlab-token"] == desk.service.secret


async def test_a_new_secret_is_kept_and_never_shown(desk: Desk, tmp_path: Path) -> None:
    checks = named(await set_up(desk.client, desk.wish(), desk.keeper))
    (hook,) = desk.hooks()
    assert checks["webhook"].state is State.OK
    # The service does not know it yet, so the test does not arrive, and that is said.
    assert checks["delivery"].state is State.WARNING
    assert "401" in checks["delivery"].says
    (sealed,) = (tmp_path / "secrets").iterdir()
    assert sealed.name == "flowforge_gitlab_webhook_secrets.sealed"
    assert hook.signing_token not in sealed.read_text() + repr(checks)
    recorded = b"".join(exchange.response_body for exchange in desk.sim.record.exchanges)
    assert hook.signing_token.encode() not in recorded


async def test_looking_changes_nothing_and_names_what_is_missing(desk: Desk) -> None:
    checks = named(await look(desk.client, desk.wish()))
    assert {name: check.state for name, check in checks.items()} == {
        "target": State.OK,
        "webhook": State.FAILED,
        "delivery": State.SKIPPED,
        "labels": State.FAILED,
        "group file": State.OK,
    }
    assert desk.hooks() == []
    assert all(exchange.method in {"GET", "HEAD"} for exchange in desk.sim.record.exchanges)

    await desk.set_up()
    (hook,) = desk.hooks()
    hook.events.discard("note_events")
    assert "note_events" in named(await look(desk.client, desk.wish()))["webhook"].says
    assert states(await desk.set_up()) == {State.OK}
    hook.signing_token = ""
    assert "no secret" in named(await look(desk.client, desk.wish()))["webhook"].says


async def test_a_hook_that_gitlab_turned_off_is_told_and_turned_on(desk: Desk) -> None:
    await desk.set_up()
    (hook,) = desk.hooks()
    right, desk.service.secret = desk.service.secret, "another-secret-of-16"
    for number in range(40):
        desk.sim.people.comment(
            desk.sim.people.open_issue(desk.project, author=desk.sim.bot, title=f"no. {number}"),
            desk.sim.bot,
            "hello",
        )
    await desk.sim.webhooks.settled()
    assert desk.sim.webhooks.alert_status(hook) != "executable"
    desk.service.secret = right
    assert named(await look(desk.client, desk.wish()))["webhook"].state is State.WARNING
    assert desk.sim.webhooks.alert_status(hook) == "executable"  # by the test that arrived


async def test_a_token_with_too_few_rights_is_told_which_it_needs(desk: Desk) -> None:
    desk.sim.people.set_role(desk.project, desk.sim.bot, Role.WRITE)
    checks = await desk.set_up()
    assert checks["webhook"].state is State.FAILED
    assert "the role Maintainer" in checks["webhook"].todo
    assert checks["labels"].state is State.OK  # a Developer may make labels
    assert desk.hooks() == []


async def test_what_nobody_may_see_is_not_there(desk: Desk) -> None:
    checks = await desk.set_up("acme/nothing")
    assert checks["target"].state is State.FAILED
    assert {checks[name].state for name in ("webhook", "delivery", "labels")} == {State.SKIPPED}


async def test_a_group_has_one_hook_for_all_its_projects(desk: Desk) -> None:
    desk.sim.people.set_role(desk.project, desk.sim.bot, Role.ADMIN)
    checks = await desk.set_up("acme/pay")
    assert states(checks) == {State.OK}, checks
    (hook,) = desk.hooks()
    assert hook.group is desk.project.owner
    assert "flowforge" in desk.sim.world.labels[desk.project.owner.id]


async def test_a_file_of_the_group_that_the_token_cannot_see_is_warned_of(desk: Desk) -> None:
    checks = await desk.set_up()
    assert "acme/flowforge/flowforge.yml" in checks["group file"].says
    shared = desk.sim.world.repository(SHARED)
    assert shared is not None
    desk.sim.people.set_role(shared, desk.sim.bot, Role.READ)
    denied = named(await look(desk.client, desk.wish()))["group file"]
    assert (denied.state, "Reporter" in denied.todo) == (State.FAILED, True)
    desk.sim.people.set_role(shared, desk.sim.bot, Role.NONE)
    for path in (PROJECT, "acme/pay"):
        unseen = named(await look(desk.client, desk.wish(path)))["group file"]
        assert unseen.state is State.WARNING
        assert "acme/flowforge, acme/pay/flowforge" in unseen.says
        assert "before somebody else does" in unseen.todo


async def test_the_command_ends_with_a_report(desk: Desk, tmp_path: Path) -> None:
    environment = {"FLOWFORGE_GITLAB_URL": desk.sim.base_url, "FLOWFORGE_GITLAB_TOKEN": desk.sim.token}

    async def run(*options: str) -> tuple[int, str]:
        arguments = ["gitlab", "setup", PROJECT, "--url", desk.service.url, *options]
        done = await asyncio.to_thread(CliRunner(env=environment).invoke, main, arguments)
        assert desk.sim.token not in done.output
        return done.exit_code, done.output

    assert (await run("--check"))[0] == 1
    assert "say where the secrets go" in (await run())[1]
    assert desk.hooks() == []
    status, said = await run("--output", str(tmp_path / "kept"))
    (hook,) = desk.hooks()
    assert (status, hook.signing_token in said, "webhook" in said) == (0, False, True)
    desk.service.secret = hook.signing_token
    assert (await run("--check"))[0] == 0


async def test_a_further_gitlab_gets_a_hook_to_its_own_door_with_its_own_secret(desk: Desk, tmp_path: Path) -> None:
    desk.service.secret = "the secret of gitlab-acme alone"
    (tmp_path / "token").write_text(desk.sim.token)
    bound = f"project:{desk.project.id}:{desk.service.secret}"
    (tmp_path / "hooks").write_text(f"one for all projects\nproject:1:one of another project\n{bound}\n")
    entry = {"name": "gitlab-acme", "kind": "gitlab", "url": desk.sim.base_url}
    files = {"token_file": str(tmp_path / "token"), "webhook_secrets_file": str(tmp_path / "hooks")}

    async def run(forge: str, **more: str) -> tuple[int, str]:
        arguments = ["gitlab", "setup", PROJECT, "--url", desk.service.url, "--forge", forge]
        environment = {"FLOWFORGE_FORGES": json.dumps([entry | files | more])}
        done = await asyncio.to_thread(CliRunner(env=environment).invoke, main, arguments)
        assert desk.sim.token not in done.output
        assert desk.service.secret not in done.output
        return done.exit_code, done.output

    assert "is no GitLab in FLOWFORGE_FORGES" in (await run("gitlab-other"))[1]
    assert "--forge has to be `gitlab`" in (await run("github"))[1]
    assert (
        "the file of token_file of gitlab-acme cannot be read" in (await run("gitlab-acme", token_file="/nowhere"))[1]
    )
    assert desk.hooks() == []
    status, said = await run("gitlab-acme")
    (hook,) = desk.hooks()
    assert (status, hook.url) == (0, f"{desk.service.url}/webhooks/gitlab-acme"), said


def test_the_page_names_the_events_that_a_hook_sends() -> None:
    page = (ROOT / "docs" / "forges.md").read_text(encoding="utf-8")
    assert sorted(set(re.findall(r"`([a-z_]+_events)`", page))) == sorted(WANTED)
