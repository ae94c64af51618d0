"""Workers that die around the repository's tests: nothing is lost, nothing is done twice."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.model.jobs import JobState
from bot.model.proposals import SuiteOutcome
from bot.model.runs import RunKind, RunOutcome
from tests.app.store.backends import SqliteBackend
from tests.bot.handlers.bench import WAIT, Bench
from tests.bot.handlers.puppet import PuppetRunner, send_result, send_tests
from tests.bot.handlers.test_sandboxes import worker
from tests.bot.handlers.test_testing import bench_with, evidence, finish_tests, kinds, until_tests, waits
from tests.scenarios.play import ANSWER

LEASE = 301.0


@pytest.fixture
async def bench(databases: SqliteBackend, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_with(databases, tmp_path) as bench:
        yield bench


async def test_tests_whose_launcher_died_are_not_started_a_second_time(bench: Bench) -> None:
    await bench.until_running()
    await send_result(bench.store, bench.runner.last, bench.clock.now(), {"fees.py": ANSWER.encode()})
    await bench.ended()
    bench.runner.gate = asyncio.Event()
    dead = asyncio.create_task(bench.work())
    await asyncio.wait_for(bench.runner.at_gate.wait(), WAIT)
    assert (await bench.job()).state is JobState.VALIDATING
    bench.runner.at_gate.clear()
    bench.clock.advance(LEASE)
    await bench.work()
    assert (await bench.job()).state is JobState.RUNNING
    assert not bench.runner.at_gate.is_set()
    bench.runner.gate.set()
    await dead
    await finish_tests(bench)
    await waits(bench)
    assert kinds(bench) == [RunKind.AGENT, RunKind.TEST]


async def test_tests_that_were_never_started_are_started_after_all(bench: Bench) -> None:
    """The worker died between the run's row and its start, or before the row said what is tested."""
    job = await until_tests(bench)
    await bench.store.runs.ended(bench.runner.last.task.run_id, RunOutcome.INFRA_RETRYABLE, detail="")
    await bench.store.runs.create(
        run_id="0" * 32,
        job=job,
        token_sha256="0" * 64,
        model="m",
        limits=bench.runner.last.task.limits,
        kind=RunKind.TEST,
    )
    known = await evidence(bench)
    await bench.store.proposals.save_tests(job.id, replace(known, run_id="0" * 32))
    bench.clock.advance(121)
    await bench.work()
    await bench.work()
    assert (await bench.job()).state is JobState.RUNNING
    assert kinds(bench) == [RunKind.AGENT, RunKind.TEST, RunKind.TEST]
    await finish_tests(bench)
    await waits(bench)


async def test_tests_that_ended_while_nobody_worked_are_read_once(bench: Bench) -> None:
    await until_tests(bench)
    bench.sim.faults.secondary_limit("GET", r"/repos/acme/fees/pulls/1$", retry_after=90)
    assert await send_tests(bench.store, bench.runner.last, exit_code=1)
    await bench.ended()
    for _ in range(6):
        await bench.work()
        bench.clock.advance(60)
    await waits(bench)
    assert (await evidence(bench)).outcome is SuiteOutcome.FAILED
    assert kinds(bench) == [RunKind.AGENT, RunKind.TEST]
    assert len(bench.branches) == 1


async def test_tests_that_outlive_their_worker_are_adopted(bench: Bench) -> None:
    runner = PuppetRunner(outlives_us=True)
    clock = bench.clock
    bench.say("/flowforge resolve")
    await bench.arrived()
    for kind, key in await bench.due():
        await bench.tick(kind, key)
    job = await bench.job()
    async with worker(bench, clock, runner, "first") as first:
        await first.ticks.on["job"](job.id)
        await send_result(bench.store, runner.last, clock.now(), {"fees.py": ANSWER.encode()})
        await runner.last.forgotten.wait()
        await first.ticks.on["job"](job.id)
        assert runner.last.task.kind is RunKind.TEST
    puppet = runner.last
    assert not puppet.stopped.is_set()
    async with worker(bench, clock, runner, "second") as second:
        await second.supervisor.reap(clock.now())
        await puppet.seen_to()
        await send_tests(bench.store, puppet)
        await puppet.forgotten.wait()
        await second.ticks.on["job"](job.id)
        await waits(bench)
    assert [one.task.kind for one in runner.puppets] == [RunKind.AGENT, RunKind.TEST]
    assert (await evidence(bench)).outcome is SuiteOutcome.PASSED


async def test_what_a_dead_worker_wrote_down_counts(bench: Bench) -> None:
    """It read how the tests ended, and died before the job moved on."""
    job = await until_tests(bench)
    assert await send_tests(bench.store, bench.runner.last)
    await bench.ended()
    known = await evidence(bench)
    failed = replace(known, outcome=SuiteOutcome.FAILED, exit_status=4, at=bench.clock.now())
    await bench.store.proposals.save_tests(job.id, failed)
    await bench.work()
    await waits(bench)
    assert await evidence(bench) == failed
    assert "ended with status 4" in bench.stickies[0]
    assert kinds(bench) == [RunKind.AGENT, RunKind.TEST]
