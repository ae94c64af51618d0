"""While no sandbox may be started, jobs that need one wait: nothing is counted, and people see that they wait."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.wiring import open_flowforge
from bot.errors import SandboxHeldBackError
from bot.handlers.launch import HELD_BACK
from bot.model.jobs import JobState
from bot.model.runs import RunKind
from tests.app.store.backends import SqliteBackend
from tests.bot.handlers.bench import Bench
from tests.bot.handlers.test_testing import bench_with, finish_tests, kinds, waits

REASON = "the sandbox can reach the database"


class Door:
    """Says why no sandbox may be started, until it is opened."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def __call__(self) -> str | None:
        return self.reason


@pytest.fixture
async def tested(databases: SqliteBackend, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_with(databases, tmp_path) as bench:
        yield bench


@contextlib.asynccontextmanager
async def guarded(bench: Bench, door: Door) -> AsyncIterator[None]:
    """Have the bench's work done by a worker that the door is before."""
    opened = open_flowforge(bench.settings, worker="guarded", clock=bench.clock, runner=bench.runner, guard=door)
    free = bench.instance
    async with opened as instance:
        bench.instance = instance
        yield
        bench.instance = free


async def rows(bench: Bench, table: str) -> int:
    async with bench.store.engine.connect() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())  # noqa: S608 - ours


async def test_a_job_waits_for_as_long_as_it_takes_and_nothing_is_counted(bench: Bench) -> None:
    door = Door()
    door.reason = REASON
    async with guarded(bench, door):
        bench.say("/flowforge resolve")
        await bench.work()
        job = await bench.job()
        assert (job.state, job.attempt, job.progress) == (JobState.QUEUED, 1, HELD_BACK)
        assert HELD_BACK in (bench.check_runs[-1].summary or "")
        assert REASON not in str(bench.sim.record.exchanges), "it names parts of the installation"
        written = [await rows(bench, table) for table in ("audit_events", "job_executions", "conflict_resolutions")]
        for _ in range(30):
            bench.clock.advance(29)
            assert ("job", job.id) not in await bench.due()
            bench.clock.advance(1)
            assert ("job", job.id) in await bench.due()
            await bench.tick("job", job.id)
        job = await bench.job()
        assert (job.state, job.attempt, job.progress) == (JobState.QUEUED, 1, HELD_BACK)
        assert await rows(bench, "runs") == 0
        assert written == [
            await rows(bench, table) for table in ("audit_events", "job_executions", "conflict_resolutions")
        ], "waiting leaves nothing behind"
        door.reason = None
        bench.clock.advance(30)
        await bench.work()
        job = await bench.job()
        assert (job.state, job.attempt) == (JobState.RUNNING, 1)
        assert bench.errors == []
        await bench.finish()
        await bench.work()
        assert (await bench.job()).state is JobState.AWAITING_APPROVAL


async def test_a_job_that_waits_can_be_cancelled(bench: Bench) -> None:
    door = Door()
    door.reason = REASON
    async with guarded(bench, door):
        bench.say("/flowforge resolve")
        await bench.work()
        bench.say("/flowforge cancel")
        await bench.work()
        assert (await bench.job()).state is JobState.CANCELLED


async def test_tests_wait_too_and_the_proposal_is_not_made_again(tested: Bench) -> None:
    door = Door()
    async with guarded(tested, door):
        await tested.until_running()
        door.reason = REASON
        await tested.finish()
        await tested.work()
        attempt = (await tested.job()).attempt
        for _ in range(12):
            job = await tested.job()
            assert (job.state, job.attempt, job.progress) == (JobState.VALIDATING, attempt, HELD_BACK)
            tested.clock.advance(30)
            await tested.work()
        assert await rows(tested, "proposals") == 1
        assert kinds(tested) == [RunKind.AGENT]
        door.reason = None
        tested.clock.advance(30)
        await tested.work()
        assert kinds(tested) == [RunKind.AGENT, RunKind.TEST]
        await finish_tests(tested)
        await waits(tested)
        assert tested.errors == []


async def test_a_sandbox_that_finds_no_room_is_not_lost(bench: Bench) -> None:
    """A namespace's quota may be used up for much longer than ten lost sandboxes take."""
    bench.runner.fails = [SandboxHeldBackError("the quota is used up") for _ in range(15)]
    bench.say("/flowforge resolve")
    for _ in range(15):
        await bench.work()
        job = await bench.job()
        assert (job.state, job.attempt, job.progress) == (JobState.QUEUED, 1, HELD_BACK)
        bench.clock.advance(30)
    assert await bench.store.runs.lost(job.id, RunKind.AGENT) == 0
    await bench.work()
    job = await bench.job()
    assert (job.state, job.attempt) == (JobState.RUNNING, 1)
    assert await rows(bench, "run_archives") == 1, "only the workspace of the run that lives"
    assert bench.errors == []


async def test_tests_that_find_no_room_are_not_lost(tested: Bench) -> None:
    await tested.until_running()
    tested.runner.fails = [SandboxHeldBackError("the quota is used up") for _ in range(12)]
    await tested.finish()
    for _ in range(12):
        await tested.work()
        assert (await tested.job()).progress == HELD_BACK
        tested.clock.advance(30)
    await tested.work()
    assert kinds(tested) == [RunKind.AGENT, RunKind.TEST]
    await finish_tests(tested)
    await waits(tested)
