"""Sandboxes that wait, are queued, outlive their supervisor or may not be started."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from sqlalchemy import text

from app.wiring import FlowForge, open_flowforge
from bot.model.jobs import JobState
from bot.model.runs import (
    RunOutcome,
    RunState,
    SandboxExited,
    SandboxPending,
    SandboxRunning,
)
from tests.bot.handlers.bench import Bench, HandClock
from tests.bot.handlers.puppet import PuppetRunner, send_result
from tests.scenarios.play import ANSWER

PENDING = 600


@contextlib.asynccontextmanager
async def worker(bench: Bench, clock: HandClock, runner: PuppetRunner, name: str) -> AsyncIterator[FlowForge]:
    """Another process, with the sandboxes that all processes see."""
    async with open_flowforge(bench.settings, worker=name, clock=clock, runner=runner) as instance:
        yield instance


async def started_by(bench: Bench, instance: FlowForge) -> str:
    """Ask for a resolution, and have ``instance`` launch the run; the run's id."""
    bench.say("/flowforge resolve")
    await bench.arrived()
    for kind, key in await bench.due():
        await bench.tick(kind, key)
    job = await bench.job()
    await instance.ticks.on["job"](job.id)
    run = await bench.store.runs.latest(job.id)
    assert run is not None
    assert run.state is RunState.STARTED
    return run.id


async def test_a_sandbox_that_never_comes_to_work_is_given_up_and_uses_no_attempt(bench: Bench) -> None:
    await bench.until_running()
    puppet = bench.runner.last
    puppet.seen = SandboxPending(reason="no node has room")
    await puppet.seen_to()
    bench.clock.advance(PENDING - 1)
    await puppet.seen_to()
    assert await bench.outcome() is None
    bench.clock.advance(2)
    await bench.ended(puppet)
    run = await bench.store.runs.latest((await bench.job()).id)
    assert run is not None
    assert (run.outcome, run.detail) == (
        RunOutcome.INFRA_RETRYABLE,
        "the sandbox did not come to work: no node has room",
    )
    await bench.work()
    assert (await bench.job()).state is JobState.QUEUED


async def test_a_sandbox_that_a_queue_holds_back_may_wait_and_has_its_whole_time_afterwards(bench: Bench) -> None:
    await bench.until_running()
    puppet = bench.runner.last
    limits = puppet.task.limits
    puppet.seen = SandboxPending(reason="the queue holds it back", queued=True)
    await puppet.seen_to()
    assert (await bench.job()).progress == "waiting until the cluster's queue lets the sandbox in"
    bench.clock.advance(limits.deadline_seconds * 10)
    await puppet.seen_to()
    assert await bench.outcome() is None
    puppet.seen = SandboxRunning(log_bytes=0, since=bench.clock.now())
    await puppet.seen_to()
    bench.clock.advance(limits.deadline_seconds - 1)
    await puppet.seen_to()
    assert await bench.outcome() is None
    await bench.finish()
    await bench.work()
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL


async def test_a_queue_that_lets_nobody_in_does_not_hold_a_job_for_ever(bench: Bench) -> None:
    await bench.until_running()
    puppet = bench.runner.last
    puppet.seen = SandboxPending(reason="the queue holds it back", queued=True)
    await puppet.seen_to()
    bench.clock.advance(86_401)
    await bench.ended(puppet)
    await bench.work()
    job = await bench.job()
    assert (job.state, job.rule) == (JobState.UNRESOLVED, RunOutcome.INFRA_TERMINAL.value)
    assert "has to look at it" in bench.stickies[0]


async def test_a_sandbox_that_is_slow_to_start_or_to_end_keeps_its_supervisor(bench: Bench) -> None:
    bench.runner.gate = asyncio.Event()
    bench.instance.supervisor._lease = timedelta(seconds=0.3)
    bench.say("/flowforge resolve")
    work = asyncio.create_task(bench.work())
    await asyncio.wait_for(bench.runner.at_gate.wait(), 60)
    job = await bench.job()
    run = await bench.store.runs.latest(job.id)
    assert run is not None
    renewed = await renewed_lease(bench, run.id)
    bench.clock.advance(0.2)
    while await renewed_lease(bench, run.id) == renewed:  # noqa: ASYNC110 - a row tells nobody that it changed
        await asyncio.sleep(0.02)
    bench.runner.gate.set()
    await work
    assert (await bench.job()).state is JobState.RUNNING


async def renewed_lease(bench: Bench, run_id: str) -> str:
    """Until when the supervisor has the run."""
    async with bench.store.engine.connect() as connection:
        query = text("SELECT lease_until FROM runs WHERE id = :run")
        return str((await connection.execute(query, {"run": run_id})).scalar_one())


async def test_the_time_of_a_run_counts_from_when_it_began_to_work(bench: Bench) -> None:
    await bench.until_running()
    puppet = bench.runner.last
    began = bench.clock.now()
    bench.clock.advance(100)
    puppet.seen = SandboxRunning(log_bytes=1, since=began)
    await puppet.seen_to()
    puppet.seen = SandboxRunning(log_bytes=2, since=began)
    bench.clock.advance(puppet.task.limits.deadline_seconds - 99)
    await bench.ended(puppet)
    assert await bench.outcome() is RunOutcome.TIMED_OUT


async def test_a_sandbox_that_outlives_its_supervisor_is_adopted_and_nothing_is_done_twice(bench: Bench) -> None:
    runner = PuppetRunner(outlives_us=True)
    clock = bench.clock
    async with worker(bench, clock, runner, "first") as first:
        run_id = await started_by(bench, first)
    puppet = runner.last
    assert not puppet.stopped.is_set(), "whoever ends leaves it to the next one"
    run = await bench.store.runs.get(run_id)
    assert run is not None
    assert run.state is RunState.STARTED
    async with worker(bench, clock, runner, "second") as second:
        await second.supervisor.reap(clock.now())
        await puppet.seen_to()
        await send_result(bench.store, puppet, clock.now(), {"fees.py": ANSWER.encode()})
        await puppet.forgotten.wait()
        job = await bench.job()
        await second.ticks.on["job"](job.id)
        assert (await bench.job()).state is JobState.AWAITING_APPROVAL
        assert len(runner.puppets) == 1
    await bench.work()
    assert len(bench.stickies) == len(bench.check_runs) == 1


async def test_of_two_supervisors_one_adopts_the_run(bench: Bench) -> None:
    runner = PuppetRunner(outlives_us=True)
    async with worker(bench, bench.clock, runner, "first") as first:
        run_id = await started_by(bench, first)
    puppet = runner.last
    async with (
        worker(bench, bench.clock, runner, "second") as second,
        worker(bench, bench.clock, runner, "third") as third,
    ):
        await second.supervisor.reap(bench.clock.now())
        await third.supervisor.reap(bench.clock.now())
        assert tasks_of(run_id) == [f"run {run_id}"]
        puppet.seen = SandboxExited(exit_code=1, signal=None)
        await puppet.forgotten.wait()
        assert await bench.outcome() is RunOutcome.INFRA_RETRYABLE


def tasks_of(run_id: str) -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name() == f"run {run_id}"]


async def test_while_the_isolation_is_not_proved_nothing_starts_and_the_job_waits(bench: Bench) -> None:
    reason: list[str | None] = ["the sandbox can reach the database"]
    bench.instance.supervisor._guard = lambda: reason[0]
    bench.say("/flowforge resolve")
    await bench.work()
    job = await bench.job()
    assert (job.state, bench.runner.puppets) == (JobState.QUEUED, [])
    run = await bench.store.runs.latest(job.id)
    assert run is not None
    assert (run.outcome, run.detail) == (RunOutcome.INFRA_RETRYABLE, "the sandbox can reach the database")
    reason[0] = None
    bench.clock.advance(31)
    await bench.work()
    assert (await bench.job()).state is JobState.RUNNING
