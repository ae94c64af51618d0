"""Steps that fail, workers that die, runs that get lost: every job comes to an end that people can see."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from app.wiring import FlowForge, open_flowforge
from bot.errors import ForgeUnavailableError, GitError, SandboxError, SandboxRefusedError
from bot.model.jobs import Job, JobState
from bot.model.runs import RunOutcome, SandboxLost
from tests.bot.handlers.bench import WAIT, Bench, HandClock
from tests.bot.handlers.puppet import Puppet, PuppetRunner, send_result

LEASE = 301.0
PULL = r"/repos/acme/fees/pulls/1$"


async def executions(bench: Bench) -> list[tuple[Any, ...]]:
    """Attempt, status and error class of each execution of the newest job."""
    job = await bench.job()
    query = "SELECT attempt, status, error_class FROM job_executions WHERE job_id = :job ORDER BY serial"
    async with bench.store.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query), {"job": job.id})]


async def routed(bench: Bench) -> Job:
    """Ask for a resolution, and get as far as the queued job."""
    bench.say("/flowforge resolve")
    await bench.arrived()
    for kind, key in await bench.due():
        assert kind == "delivery"
        await bench.tick(kind, key)
    return await bench.job()


@contextlib.asynccontextmanager
async def another_worker(bench: Bench, clock: HandClock) -> AsyncIterator[FlowForge]:
    """A second process on the same database, with a clock and sandboxes of its own."""
    async with open_flowforge(bench.settings, worker="another", clock=clock, runner=PuppetRunner()) as instance:
        yield instance


async def test_from_a_command_to_a_push_and_back(bench: Bench) -> None:
    before = bench.head
    await bench.until_proposed()
    (commit,) = bench.branches.values()
    bench.say("/flowforge approve")
    await bench.work()
    assert (bench.head, bench.branches) == (commit, {})
    assert (await bench.job()).state is JobState.PUBLISHED
    bench.say("/flowforge rollback")
    await bench.work()
    assert bench.head == before
    assert bench.errors == []


# --- steps that fail


async def test_a_step_waits_as_long_as_the_forge_asks_for(bench: Bench) -> None:
    job = await routed(bench)
    bench.sim.faults.secondary_limit("GET", PULL, retry_after=90)
    await bench.work()
    assert isinstance(bench.errors[0], ForgeUnavailableError)
    assert (await bench.job()).state is JobState.QUEUED
    bench.clock.advance(89)
    assert ("job", job.id) not in await bench.due()
    bench.clock.advance(2)
    await bench.work()
    assert (await bench.job()).state is JobState.RUNNING
    assert await executions(bench) == [(1, "retry", ""), (2, "open", "")]


async def test_limits_of_the_forge_are_no_attempts_however_many_there_are(bench: Bench) -> None:
    await routed(bench)
    fault = bench.sim.faults.secondary_limit("GET", PULL, retry_after=61, times=7)
    while (await bench.job()).state is JobState.QUEUED:
        await bench.work()
        bench.clock.advance(61)
    assert fault.seen == 7, "more often than a step may fail"
    assert (await bench.job()).state is JobState.RUNNING


async def test_a_sandbox_that_cannot_be_started_uses_no_attempt_and_in_the_end_people_are_told(bench: Bench) -> None:
    bench.runner.fails = [SandboxError(f"no room for sandbox {number}") for number in range(10)]
    bench.say("/flowforge resolve")
    waits = []
    await bench.work()
    while (job := await bench.job()).finished_at is None:
        assert job.state is JobState.QUEUED
        waited = 0
        while ("job", job.id) not in await bench.due():
            bench.clock.advance(1)
            waited += 1
        waits.append(waited)
        await bench.work()
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert (job.state, job.rule) == (JobState.UNRESOLVED, RunOutcome.INFRA_RETRYABLE.value)
    assert "could not be run" in bench.stickies[0]
    assert "no room" not in bench.stickies[0], "what is wrong with the machine is for its operator"
    assert (bench.check_runs[-1].status, bench.check_runs[-1].conclusion) == ("completed", "action_required")


async def test_a_sandbox_that_can_never_be_started_is_not_tried_again(bench: Bench) -> None:
    bench.runner.fails = [SandboxRefusedError("there is no namespace for runs")]
    bench.say("/flowforge resolve")
    await bench.work()
    job = await bench.job()
    assert (job.state, job.rule) == (JobState.UNRESOLVED, RunOutcome.INFRA_TERMINAL.value)
    run = await bench.store.runs.latest(job.id)
    assert run is not None
    assert run.detail == "there is no namespace for runs"
    assert bench.runner.puppets == []


async def test_a_mirror_that_cannot_be_made_fails_the_job_and_shows_no_path(bench: Bench) -> None:
    mirrors = bench.settings.data_dir / "mirrors"
    shutil.rmtree(mirrors)
    mirrors.write_text("no directory can be made here")
    bench.say("/flowforge resolve")
    for _ in range(5):
        await bench.work()
        bench.clock.advance(60)
    assert (await bench.job()).state is JobState.FAILED
    assert [row[1:] for row in await executions(bench)] == [("error", "GitError")] * 5
    assert len(bench.errors) >= 5, "each is raised again, for the log"
    assert isinstance(bench.errors[0], GitError)
    assert "cannot be made" in bench.stickies[0]
    assert str(mirrors) not in str(bench.sim.record.exchanges)


async def test_an_answer_that_does_not_help_ends_as_failed_with_the_forges_words(bench: Bench) -> None:
    await bench.until_running()
    bench.sim.faults.fail("GET", PULL, status=403, times=99, message="Resource not accessible by integration")
    await bench.finish()
    for _ in range(5):
        await bench.work()
        bench.clock.advance(60)
    assert (await bench.job()).state is JobState.FAILED
    assert "Resource not accessible by integration" in bench.stickies[0]


# --- workers that die or fall behind


async def test_a_worker_that_is_cut_off_gives_its_job_back_at_once(bench: Bench) -> None:
    bench.runner.gate = asyncio.Event()
    bench.say("/flowforge resolve")
    working = asyncio.create_task(bench.work())
    await asyncio.wait_for(bench.runner.at_gate.wait(), WAIT)
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
    job = await bench.job()
    assert job.state is JobState.PREPARING
    assert ("job", job.id) in await bench.due()


async def test_a_job_whose_workers_are_all_cut_off_fails_instead_of_taking_more_of_them(bench: Bench) -> None:
    job = await routed(bench)
    hold = bench.sim.faults.hold("GET", PULL)
    for _ in range(5):
        hold.arrived.clear()
        cut_off = asyncio.create_task(bench.tick("job", job.id))
        await asyncio.wait_for(hold.arrived.wait(), WAIT)
        cut_off.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cut_off
    assert [row[1] for row in await executions(bench)] == ["abandoned"] * 4 + ["open"]
    hold.release()
    await bench.work()
    job = await bench.job()
    assert (job.state, job.rule) == (JobState.FAILED, "internal")
    assert "cut off" in bench.stickies[0]


async def test_a_run_whose_launcher_died_is_not_started_a_second_time(bench: Bench) -> None:
    bench.runner.gate = asyncio.Event()
    bench.say("/flowforge resolve")
    dead = asyncio.create_task(bench.work())
    await asyncio.wait_for(bench.runner.at_gate.wait(), WAIT)
    bench.runner.at_gate.clear()
    bench.clock.advance(LEASE)
    await bench.work()
    job = await bench.job()
    assert job.state is JobState.RUNNING
    assert not bench.runner.at_gate.is_set()
    bench.runner.gate.set()
    await dead
    await bench.finish()
    await bench.work()
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL
    assert len(bench.runner.puppets) == 1
    assert bench.errors == [], "the one that came back found its lease gone, and said nothing"


async def test_the_end_of_a_job_is_shown_also_when_its_worker_died_right_then(bench: Bench) -> None:
    await bench.until_proposed()
    job, branches = await bench.job(), bench.branches
    lease = await bench.store.jobs.claim(job.id, owner="dies at once", seconds=60)
    assert lease is not None
    await bench.store.jobs.move(lease, JobState.CANCELLED, rule="cancelled", message="Cancelled on request.")
    await bench.work()
    assert (bench.check_runs[-1].conclusion, bench.branches) == ("action_required", branches)
    bench.clock.advance(31)
    await bench.work()
    assert (bench.check_runs[-1].conclusion, bench.branches) == ("cancelled", {})
    assert await bench.due() == []


async def test_what_could_not_be_cleared_away_is_cleared_later(bench: Bench) -> None:
    await bench.until_proposed()
    bench.sim.faults.fail("GET", r"/acme/fees\.git/info/refs", status=500, times=1)
    bench.say("/flowforge reject")
    await bench.work()
    assert bench.check_runs[-1].conclusion == "neutral", "people see the end all the same"
    assert len(bench.branches) == 1
    bench.clock.advance(121)
    await bench.work()
    assert bench.branches == {}


# --- runs that get lost


async def test_a_sandbox_that_is_lost_starts_over_after_a_pause_and_uses_no_attempt(bench: Bench) -> None:
    await bench.until_running()
    for lost, pause in enumerate((5, 10, 20, 40, 80, 160), start=1):
        bench.runner.last.seen = SandboxLost(outcome=RunOutcome.INFRA_RETRYABLE, detail="evicted")
        await bench.ended()
        await bench.work()
        assert (await bench.job()).state is JobState.QUEUED
        assert len(bench.runner.puppets) == lost, "not at once"
        bench.clock.advance(pause + 1)
        await bench.work()
        assert len(bench.runner.puppets) == lost + 1
    await bench.finish()
    await bench.work()
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL


async def test_what_is_left_of_an_ended_run_is_removed_and_a_live_run_is_let_be(bench: Bench) -> None:
    await bench.until_running()
    live = bench.runner.last
    stray = Puppet(task=replace(live.task, run_id="f" * 32), aged=True)
    live.aged = True
    bench.runner.puppets.insert(0, stray)
    async with another_worker(bench, HandClock(bench.clock.time)) as other:
        assert isinstance(other.runner, PuppetRunner)
        other.runner.puppets = bench.runner.puppets
        assert await other.supervisor.sink() == 1
        assert stray.forgotten.is_set()
        assert not live.forgotten.is_set()
        other.runner.puppets = []


async def test_a_worker_that_dies_during_a_run_is_followed_by_another_one(bench: Bench) -> None:
    """Its clock stands still from now on: it renews nothing any more, as if it were dead."""
    await bench.until_running()
    lost = bench.runner.last
    clock = HandClock(bench.clock.time)
    async with another_worker(bench, clock) as heir:
        clock.advance(20)
        await heir.supervisor.reap(clock.now())
        assert await bench.outcome() is None, "its lease still holds"
        clock.advance(11)
        await heir.supervisor.reap(clock.now())
        assert await bench.outcome() is RunOutcome.INFRA_RETRYABLE
        job = await bench.job()
        await heir.ticks.on["job"](job.id)
        clock.advance(6)
        await heir.ticks.on["job"](job.id)
        assert (await bench.job()).state is JobState.RUNNING
        assert isinstance(heir.runner, PuppetRunner)
        assert not await send_result(bench.store, lost, clock.now(), {"fees.py": b"late"}), "nobody takes that any more"
        await bench.ended(lost)
        assert lost.stopped.is_set(), "when it comes back it ends what it had started"
        fresh = heir.runner.last
        assert fresh.task.run_id != lost.task.run_id
        await bench.finish(puppet=fresh)
        await heir.ticks.on["job"](job.id)
        assert (await bench.job()).state is JobState.AWAITING_APPROVAL
    await bench.work()
    assert len(bench.stickies) == len(bench.check_runs) == 1


async def test_the_second_try_survives_the_death_of_the_worker_that_launched_it(bench: Bench) -> None:
    await bench.until_running()
    bench.runner.gate = asyncio.Event()
    bench.runner.at_gate.clear()
    await bench.finish({"fees.py": b"RATE = 7\n"})
    dead = asyncio.create_task(bench.work())
    await asyncio.wait_for(bench.runner.at_gate.wait(), WAIT)
    assert (await bench.job()).state is JobState.VALIDATING
    bench.clock.advance(LEASE)
    await bench.work()
    assert (await bench.job()).state is JobState.RUNNING
    bench.runner.gate.set()
    await dead
    assert len(bench.runner.puppets) == 2
    await bench.finish()
    await bench.work()
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL


async def test_a_run_that_was_never_started_starts_over(bench: Bench) -> None:
    job = await bench.until_running()
    await bench.store.runs.ended(bench.runner.last.task.run_id, RunOutcome.INFRA_RETRYABLE, detail="")
    run = await bench.store.runs.create(
        run_id="0" * 32, job=job, token_sha256="0" * 64, model="m", limits=bench.runner.last.task.limits
    )
    bench.clock.advance(121)
    await bench.work()
    await bench.work()
    latest = await bench.store.runs.latest(job.id)
    assert latest is not None
    assert latest.id != run.id
    assert (await bench.job()).state is JobState.RUNNING


@pytest.mark.parametrize("command", ["/flowforge cancel", "/flowforge resolve keep the old rate"])
async def test_a_job_that_is_to_end_ends_with_its_sandbox(bench: Bench, command: str) -> None:
    first = await bench.until_running()
    puppet = bench.runner.last
    bench.say(command)
    await bench.work()
    bench.clock.advance(1)
    await asyncio.wait_for(puppet.stopped.wait(), WAIT)
    await bench.ended(puppet)
    await bench.work()
    ended = await bench.store.jobs.get(first.id)
    assert ended is not None
    assert ended.finished_at is not None
    newer = await bench.job()
    assert (newer.id == first.id) is (command == "/flowforge cancel")
    assert newer.id == first.id or newer.state is JobState.RUNNING
