"""The sweep rings for everything that waits: deliveries, jobs, ended jobs nobody was told of, and reports."""

from datetime import timedelta

from bot.handlers.sweep import RingAgain
from bot.model.jobs import JobState
from bot.model.runs import RunOutcome, RunState
from tests.bot.handlers.bench import Bench

KEPT = timedelta(days=14)


class Bell:
    """The ``Queue`` port: remembers who rang."""

    def __init__(self) -> None:
        self.rung: list[tuple[str, str]] = []

    async def ring(self, kind: str, key: str) -> None:
        self.rung.append((kind, key))


async def sweep(bench: Bench) -> list[tuple[str, str]]:
    bell = Bell()
    count = await RingAgain(store=bench.store, queue=bell, clock=bench.clock)()
    assert count == len(bell.rung)
    return bell.rung


async def test_each_kind_is_rung_for_until_it_is_done(bench: Bench) -> None:
    await bench.work()
    assert await sweep(bench) == []
    bench.say("/flowforge resolve")
    await bench.arrived()
    ((kind, delivery),) = await sweep(bench)
    assert kind == "delivery"
    assert delivery.startswith("github:")
    assert await sweep(bench) == [("delivery", delivery)], "again, as long as nobody did it"
    await bench.tick("delivery", delivery)
    rung = await sweep(bench)
    job = await bench.job()
    assert rung[0] == ("job", job.id)
    assert {kind for kind, _ in rung[1:]} == {"report"}
    await bench.tick("job", job.id)
    assert {kind for kind, _ in await sweep(bench)} == {"report"}, "a running job waits for its run"
    await bench.work()
    assert await sweep(bench) == []


async def test_a_run_that_ended_unheard_rings_its_job(bench: Bench) -> None:
    job = await bench.until_running()
    await bench.finish()
    assert await sweep(bench) == [("job", job.id)]


async def test_a_job_that_ended_under_a_dead_worker_is_rung_for_once_more(bench: Bench) -> None:
    job = await bench.until_running()
    lease = await bench.store.jobs.claim(job.id, owner="dies", seconds=5)
    assert lease is not None
    await bench.store.jobs.move(lease, JobState.FAILED, rule="internal", message="It died.")
    assert await sweep(bench) == []
    bench.clock.advance(31)
    assert await sweep(bench) == [("job", job.id)]
    await bench.work()
    assert bench.check_runs[-1].conclusion == "failure"
    bench.clock.advance(3600)
    assert await sweep(bench) == []


async def test_a_job_that_waits_for_a_person_is_left_in_peace(bench: Bench) -> None:
    await bench.until_proposed()
    bench.clock.advance(3600)
    assert await sweep(bench) == []


# --- what nobody needs any more


async def test_what_a_sandbox_sent_goes_when_its_job_ended_long_ago(bench: Bench) -> None:
    job = await bench.until_proposed()
    run = await bench.store.runs.latest(job.id)
    assert run is not None
    bench.clock.advance(KEPT.total_seconds() * 2)
    await bench.instance.ticks.sweep("retention")
    assert await bench.store.runs.result(run.id) is not None, "somebody may still approve"
    bench.say("/flowforge reject")
    await bench.work()
    bench.clock.advance(KEPT.total_seconds() - 3600)
    await bench.instance.ticks.sweep("retention")
    assert await bench.store.runs.result(run.id) is not None
    bench.clock.advance(3601)
    await bench.instance.ticks.sweep("retention")
    assert await bench.store.runs.result(run.id) is None


async def test_a_run_that_nobody_came_to_start_ends_and_its_job_starts_over(bench: Bench) -> None:
    job = await bench.until_running()
    limits = bench.runner.last.task.limits
    await bench.store.runs.ended(bench.runner.last.task.run_id, RunOutcome.INFRA_RETRYABLE, detail="")
    run = await bench.store.runs.create(run_id="0" * 32, job=job, token_sha256="0" * 64, model="m", limits=limits)
    await bench.store.runs.put_workspace(run.id, b"a whole repository")
    bench.clock.advance(121)
    await bench.instance.ticks.sweep()
    ended = await bench.store.runs.get(run.id)
    assert ended is not None
    assert (ended.state, ended.outcome) == (RunState.ENDED, RunOutcome.INFRA_RETRYABLE)
    await bench.work()
    bench.clock.advance(31)
    await bench.work()
    assert (await bench.job()).state is JobState.RUNNING
    assert len(bench.runner.puppets) == 2
