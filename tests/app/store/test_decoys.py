"""Runs that nobody works on: open while a probe lasts, invisible to everybody else, and gone afterwards."""

from app.store.database import SqlStore
from bot.model.jobs import JobState
from bot.model.runs import RunState
from tests.app.store.words import ALICE, HandClock, new_id, new_job, new_run, sha256


async def ended_job(store: SqlStore) -> str:
    job = await new_job(store)
    await store.jobs.request_end(job.id, JobState.CANCELLED, actor=ALICE, message="")
    return job.id


async def test_without_an_ended_job_there_is_no_decoy(store: SqlStore) -> None:
    await new_job(store)
    run_id = new_id()
    assert not await store.decoys.make(run_id=run_id, token_sha256=sha256("t"))
    assert await store.runs.get(run_id) is None


async def test_a_decoy_is_open_and_has_a_workspace_that_only_its_own_token_gets(store: SqlStore) -> None:
    job_id = await ended_job(store)
    run_id = new_id()
    assert await store.decoys.make(run_id=run_id, token_sha256=sha256("t"))
    run = await store.runs.get(run_id)
    assert run is not None
    assert (run.job_id, run.state) == (job_id, RunState.STARTED)
    assert await store.runs.take_workspace(run_id, sha256("another")) is None
    assert not await store.decoys.was_fetched(run_id)
    assert await store.runs.take_workspace(run_id, sha256("t")) is not None
    assert await store.decoys.was_fetched(run_id)
    await store.decoys.remove(run_id)
    assert await store.runs.get(run_id) is None


async def test_nobody_takes_a_decoy_for_a_run(store: SqlStore, clock: HandClock) -> None:
    job_id = await ended_job(store)
    run_id = new_id()
    await store.decoys.make(run_id=run_id, token_sha256=sha256("t"))
    clock.advance(86_400 * 30)
    assert await store.runs.abandoned(clock.now()) == []
    assert await store.runs.end_unstarted(clock.now()) == 0
    assert await store.runs.drop_results(clock.now()) == 0
    assert await store.runs.latest(job_id) is None
    grant = await store.ledger.grant(sha256("t"))
    assert grant is not None
    assert grant.budget_usd == 0
    assert job_id not in await store.jobs.due(clock.now(), limit=10)
    assert await store.runs.take_workspace(run_id, sha256("t")) is not None


async def test_what_a_crash_left_goes_with_the_next_one_and_nothing_else_does(
    store: SqlStore, clock: HandClock
) -> None:
    await ended_job(store)
    run = await new_run(store, await new_job(store, number=8))
    await store.runs.started(run.id, owner="s", deadline=clock.after(600), lease_until=clock.after(30))
    left, young, newest = new_id(), new_id(), new_id()
    await store.decoys.make(run_id=left, token_sha256=sha256("1"))
    clock.advance(1800)
    await store.decoys.make(run_id=young, token_sha256=sha256("2"))
    clock.advance(1801)
    await store.decoys.make(run_id=newest, token_sha256=sha256("3"))
    there = [await store.runs.get(run_id) is not None for run_id in (left, young, newest, run.id)]
    assert there == [False, True, True, True]
    await store.decoys.remove(run.id)
    assert await store.runs.get(run.id) is not None
