"""P14: where a control is missing, nothing runs, and why is said in health, metric and log.

The engine stands for whoever takes a control away: it is given the right options, and does something else.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url

from app.demo.model.resolver import HonestResolver
from app.http.server import serving_loopback
from app.settings import RunnerKind, ServiceSettings, load_settings
from app.system import SystemIds
from app.wiring import FlowForge, open_flowforge
from bot.errors import SettingsError
from bot.handlers.launch import HELD_BACK
from bot.model.jobs import JobState
from bot.model.runs import RunOutcome, RunTask, SandboxMissing
from tests.app.jobs.parts import KEY, NOWHERE, WEBHOOK_SECRET, settings_of
from tests.app.store.backends import SqliteBackend
from tests.app.store.words import new_job
from tests.image.engine import Engine, needs_engine
from tests.promises.deployment import deployed
from tests.promises.faulty_engine import (
    HONEST,
    NETWORK,
    NO_IMAGE,
    OTHER_RUNTIME,
    PRIVILEGES,
    ROOT,
    SILENCE,
    Fault,
    FaultyEngine,
)
from tests.runners.bench import LIMITS
from tests.runners.container.bench import eventually
from tests.scenarios.play import ANSWER, Play
from tests.scenarios.test_adversarial import logged


@pytest.fixture
def faulty(engine: Engine, tmp_path: Path) -> FaultyEngine:
    return FaultyEngine(engine, tmp_path)


async def ready(http: httpx.AsyncClient) -> tuple[int, str]:
    """What ``/health/ready`` says of the isolation, and its status."""
    answer = await http.get("/health/ready")
    return answer.status_code, answer.json()["isolation"]


async def metric(http: httpx.AsyncClient) -> str:
    lines = (await http.get("/metrics")).text.splitlines()
    return next(line for line in lines if line.startswith("flowforge_isolation_proved ")).split()[1]


@needs_engine("runc")
async def test_a_control_that_goes_away_stops_the_next_run_and_lets_it_start_when_it_is_back(
    places: Path, faulty: FaultyEngine, loaded_image: str
) -> None:
    """A real job on a real worker. It is not lost, none of its attempts is used, and it says what it waits for."""
    script = HonestResolver(answers={"fees.py": ANSWER})
    with logged() as log:
        async with (
            deployed(places.parent, script, engine=faulty.line, image=loaded_image, base={}) as play,
            httpx.AsyncClient(timeout=60, base_url=play.stage.web_url, trust_env=False) as http,
        ):
            isolation = play.stage.instance.isolation
            assert isolation is not None
            assert await ready(http) == (200, "ok")
            for fault, word in (
                (ROOT, "a root that can be written"),
                (PRIVILEGES, "new privileges"),
                (NETWORK, "Redis at"),
            ):
                faulty.break_(fault)
                report = await isolation.look()
                assert [one for one in report.violations if one.name.startswith(word)], report
                status, said = await ready(http)
                assert (status, await metric(http)) == (503, "0.0")
                assert said.startswith("sandboxes are not isolated: ")
            play.say("/flowforge resolve")
            await eventually(lambda: waits(play), "the job to wait")
            assert await play.stage.instance.store.runs.latest((await play.job()).id) is None
            assert play.stage.scripted is not None
            assert play.stage.scripted.requests == []
            faulty.break_(HONEST)
            assert (await isolation.look()).proved
            assert (await ready(http), await metric(http)) == ((200, "ok"), "1.0")
            await eventually(lambda: swept(play), "the job to start", seconds=60)
            await play.until_conclusion("action_required")
            assert (await play.job()).state is JobState.AWAITING_APPROVAL
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    broken = [line for line in lines if line["event"] == "isolation broken"]
    assert len(broken) == 3
    assert all(line["level"] == "error" and line["violations"] for line in broken)
    held_back = {line["reason"] for line in lines if line["event"] == "job held back"}
    assert held_back == {said}


async def waits(play: Play) -> bool:
    """Whether the job is back in its queue and says that it waits for a sandbox."""
    job = await play.stage.instance.store.jobs.latest(play.ref, play.pull.number)
    return job is not None and (job.state, job.progress) == (JobState.QUEUED, HELD_BACK)


async def swept(play: Play) -> bool:
    """Look for work that is due, as the worker does four times a minute; whether the job is on its way."""
    await play.stage.instance.ticks.sweep()
    return (await play.job()).state is not JobState.QUEUED


@pytest.fixture
async def unproved(
    databases: SqliteBackend, places: Path, faulty: FaultyEngine, loaded_image: str, request: pytest.FixtureRequest
) -> AsyncIterator[FlowForge]:
    """A worker that has only just started; the parameter names the containers' runtime."""
    settings = settings_of(
        places,
        database_url=await databases.fresh(),
        redis_url="redis://127.0.0.1:9/0",
        runner=RunnerKind.CONTAINER,
        run_image=loaded_image,
        container_engine=faulty.line,
        container_runtime=getattr(request, "param", None),
    )
    async with open_flowforge(settings, worker="this test") as instance:
        yield instance


async def refusal(instance: FlowForge) -> str:
    """Why a run does not start now; that it does not is seen."""
    job = await new_job(instance.store, number=99)
    ids = SystemIds()
    task = RunTask(
        run_id=ids.new_id(), token=ids.new_token(), gateway_url=NOWHERE, model=job.request.model, limits=LIMITS
    )
    digest = hashlib.sha256(task.token.encode()).hexdigest()
    await instance.store.runs.create(
        run_id=task.run_id, job=job, token_sha256=digest, model=task.model, limits=LIMITS, kind=task.kind
    )
    await instance.supervisor.launch(task, job_id=job.id)
    run = await instance.store.runs.get(task.run_id)
    assert run is not None
    assert run.outcome is RunOutcome.INFRA_RETRYABLE
    assert await instance.runner.observe(task.run_id) == SandboxMissing()
    return run.detail


@needs_engine("runc")
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (None, "isolation is not proved yet"),
        (SILENCE, "isolation is not proved: the probe gave 0 answers"),
        (NO_IMAGE, "isolation is not proved: the container did not start: "),
    ],
    ids=["before the first proof", "a probe without an answer", "an image that is missing"],
)
async def test_without_a_proof_no_run_starts(
    unproved: FlowForge, faulty: FaultyEngine, fault: Fault | None, words: str
) -> None:
    await assert_nothing_starts(unproved, faulty, fault, words)


@needs_engine("runsc", "runc")
@pytest.mark.parametrize("unproved", ["runsc"], indirect=True)
async def test_without_the_kernel_that_was_asked_for_no_run_starts(unproved: FlowForge, faulty: FaultyEngine) -> None:
    said = await assert_nothing_starts(unproved, faulty, OTHER_RUNTIME, "sandboxes are not isolated: ")
    assert "the host's kernel" in said


async def assert_nothing_starts(instance: FlowForge, faulty: FaultyEngine, fault: Fault | None, words: str) -> str:
    assert instance.isolation is not None
    if fault is not None:
        faulty.break_(fault)
        assert not (await instance.isolation.look()).proved
    detail = await refusal(instance)
    assert detail.startswith(words)
    async with (
        serving_loopback(instance.watch) as url,
        httpx.AsyncClient(timeout=60, base_url=url, trust_env=False) as http,
    ):
        assert await ready(http) == (503, detail)
        assert await metric(http) == "0.0"
    return detail


USUAL = {
    "FLOWFORGE_DATABASE_URL": "sqlite:////nowhere/at/all.db",
    "FLOWFORGE_REDIS_URL": "redis://127.0.0.1:9/0",
    "FLOWFORGE_GITHUB_APP_ID": "1",
    "FLOWFORGE_GITHUB_APP_SLUG": "flowforge",
    "FLOWFORGE_GITHUB_PRIVATE_KEY": KEY,
    "FLOWFORGE_GITHUB_WEBHOOK_SECRETS": WEBHOOK_SECRET,
    "FLOWFORGE_RUNNER": "container",
    "FLOWFORGE_RUN_IMAGE": "localhost/flowforge-run:1",
}


def test_production_starts_no_worker_without_a_sandbox() -> None:
    """``flowforge worker`` as an operator starts it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOWFORGE_")}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "worker"],
        env={**kept, **USUAL, "FLOWFORGE_RUNNER": "process"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "is refused in production" in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"FLOWFORGE_RUN_IMAGE": ""}, "needs the guest image in FLOWFORGE_RUN_IMAGE"),
        ({"FLOWFORGE_GITHUB_WEBHOOK_SECRETS": ""}, "FLOWFORGE_GITHUB_WEBHOOK_SECRETS must be set too"),
        ({"FLOWFORGE_GITHUB_WEBHOOK_SECRETS": "short"}, "at least 16 characters"),
        ({"FLOWFORGE_GITHUB_PRIVATE_KEY": None}, "FLOWFORGE_GITHUB_PRIVATE_KEY must be set too"),
    ],
    ids=["nothing", "the image", "the webhook secret", "a sound webhook secret", "the App's key"],
)
def test_settings_that_lack_a_control_are_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], words: str | None
) -> None:
    """Every process reads them first, and does not start without."""
    monkeypatch.delenv("FLOWFORGE_SECRETS_DIR", raising=False)
    given: dict[str, str | None] = {**USUAL, **changes}
    for name, value in given.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    if words is None:
        assert load_settings(ServiceSettings).runner is RunnerKind.CONTAINER
        return
    with pytest.raises(SettingsError, match=words):
        load_settings(ServiceSettings)


async def test_without_a_database_nothing_is_ready(unproved: FlowForge) -> None:
    """Nor is anything without Redis: these settings name one that is not there."""
    await unproved.store.close()
    take_away(Path(str(make_url(unproved.settings.database_url.get_secret_value()).database)))
    async with (
        serving_loopback(unproved.watch) as url,
        httpx.AsyncClient(timeout=60, base_url=url, trust_env=False) as http,
    ):
        answer = await http.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json().keys() == {"database", "redis", "migrations", "isolation"}
    assert "ok" not in answer.json().values()


def take_away(database: Path) -> None:
    """SQLite would make another one where there is none, but not where something else is."""
    database.unlink()
    database.mkdir()
