"""Ending jobs by request, superseding them, and which jobs are due."""

import asyncio

import pytest

from app.store.database import SqlStore
from app.store.job_rows import START_GRACE
from bot.errors import FencingLostError, IllegalTransitionError
from bot.model.jobs import Job, JobState
from bot.model.runs import Run, RunOutcome
from tests.app.store.test_jobs import WAYS, events
from tests.app.store.words import (
    ALICE,
    OTHER,
    REPOSITORY,
    HandClock,
    claimed,
    moved,
    new_id,
    new_job,
    new_run,
    request,
)


async def state_of(store: SqlStore, job_id: str) -> JobState:
    job = await store.jobs.get(job_id)
    assert job is not None
    return job.state


async def flag_of(store: SqlStore, job_id: str) -> JobState | None:
    job = await store.jobs.get(job_id)
    assert job is not None
    return job.cancel_requested


async def stop_of(store: SqlStore, run_id: str) -> RunOutcome | None:
    run = await store.runs.get(run_id)
    assert run is not None
    return run.stop_requested


async def due(store: SqlStore, clock: HandClock) -> list[str]:
    return await store.jobs.due(clock.now(), limit=100)


async def cancel(store: SqlStore, job_id: str, message: str = "alice cancelled") -> Job | None:
    return await store.jobs.request_end(job_id, JobState.CANCELLED, actor=ALICE, message=message)


async def running(store: SqlStore, clock: HandClock, **changes: object) -> tuple[Job, Run]:
    """A job whose run is supervised and which no worker holds."""
    job = await new_job(store, **changes)
    lease = await moved(store, await claimed(store, job.id), JobState.PREPARING)
    run = await new_run(store, lease.job)
    await store.runs.started(run.id, owner="supervisor", deadline=clock.after(600), lease_until=clock.after(30))
    lease = await moved(store, lease, JobState.RUNNING)
    await store.jobs.release(lease)
    return lease.job, run


async def superseding(store: SqlStore, older: str) -> Job | None:
    return await store.jobs.create(request(), job_id=new_id(), supersede=older)


# --- by request


@pytest.mark.parametrize("start", [state for state in WAYS if state is not JobState.PUBLISHING])
@pytest.mark.parametrize("end", [JobState.CANCELLED, JobState.SUPERSEDED])
async def test_a_job_that_nobody_holds_ends_at_once(
    store: SqlStore, clock: HandClock, start: JobState, end: JobState
) -> None:
    job = await new_job(store)
    lease = await moved(store, await claimed(store, job.id), *WAYS[start])
    await store.jobs.release(lease)
    clock.advance(2)
    ended = await store.jobs.request_end(job.id, end, actor=ALICE, message="enough")
    assert ended == await store.jobs.get(job.id)
    assert ended is not None
    assert (ended.state, ended.finished_at, ended.message) == (end, clock.now(), "enough")
    last = (await events(store, f"job:{job.id}"))[-1]
    assert (last.actor, last.verb) == ("user:1:alice", "job.moved")
    assert last.data == {"from": start.value, "to": end.value, "message": "enough"}


async def test_a_held_job_is_asked(store: SqlStore) -> None:
    job = await new_job(store)
    lease = await claimed(store, job.id)
    asked = await cancel(store, job.id)
    assert asked is not None
    assert (asked.state, asked.cancel_requested, asked.message) == (
        JobState.QUEUED,
        JobState.CANCELLED,
        "alice cancelled",
    )
    assert (await events(store, f"job:{job.id}"))[-1].verb == "job.end_requested"
    # the holder goes on until it looks; what it sees tells it
    lease = await store.jobs.move(lease, JobState.PREPARING)
    assert lease.job.cancel_requested is JobState.CANCELLED


async def test_a_lease_that_ran_out_holds_nothing(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    lease = await claimed(store, job.id, seconds=10)
    clock.advance(10)
    await cancel(store, job.id)
    assert await state_of(store, job.id) is JobState.CANCELLED
    with pytest.raises(FencingLostError):
        await store.jobs.move(lease, JobState.PREPARING)
    await store.jobs.release(lease)
    assert await state_of(store, job.id) is JobState.CANCELLED


async def test_the_first_wish_counts(store: SqlStore) -> None:
    job = await new_job(store)
    lease = await claimed(store, job.id)
    await cancel(store, job.id, "first")
    await store.jobs.request_end(job.id, JobState.SUPERSEDED, actor=ALICE, message="second")
    assert await flag_of(store, job.id) is JobState.CANCELLED
    await store.jobs.release(lease)
    ended = await store.jobs.request_end(job.id, JobState.SUPERSEDED, actor=ALICE, message="third")
    assert ended is not None
    assert (ended.state, ended.message) == (JobState.CANCELLED, "first")


@pytest.mark.parametrize(
    ("end", "outcome"),
    [(JobState.CANCELLED, RunOutcome.CANCELLED), (JobState.SUPERSEDED, RunOutcome.SUPERSEDED)],
)
async def test_the_run_of_a_job_is_asked_to_stop(
    store: SqlStore, clock: HandClock, end: JobState, outcome: RunOutcome
) -> None:
    job, run = await running(store, clock)
    asked = await store.jobs.request_end(job.id, end, actor=ALICE, message="")
    assert asked is not None
    assert (asked.state, asked.cancel_requested) == (JobState.RUNNING, end)
    assert await stop_of(store, run.id) is outcome
    assert await store.runs.heartbeat(run.id, owner="supervisor", lease_until=clock.after(30)) is outcome


async def test_a_run_made_after_the_wish_is_asked_to_stop(store: SqlStore) -> None:
    job = await new_job(store)
    lease = await moved(store, await claimed(store, job.id), JobState.PREPARING)
    await cancel(store, job.id)
    run = await new_run(store, lease.job)
    assert run.stop_requested is RunOutcome.CANCELLED


async def test_no_run_outlives_its_job(store: SqlStore, clock: HandClock) -> None:
    job, run = await running(store, clock)
    await moved(store, await claimed(store, job.id), JobState.FAILED)
    assert await stop_of(store, run.id) is RunOutcome.CANCELLED


async def test_a_push_under_way_is_never_dropped(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    lease = await moved(store, await claimed(store, job.id), JobState.PUBLISHING)
    await store.jobs.release(lease)
    asked = await cancel(store, job.id)
    assert asked is not None
    assert (asked.state, asked.cancel_requested) == (JobState.PUBLISHING, JobState.CANCELLED)
    assert await due(store, clock) == [job.id]


@pytest.mark.parametrize("state", sorted(set(JobState) - {JobState.CANCELLED, JobState.SUPERSEDED}))
async def test_nobody_can_wish_for_another_end(store: SqlStore, state: JobState) -> None:
    job = await new_job(store)
    with pytest.raises(IllegalTransitionError):
        await store.jobs.request_end(job.id, state, actor=ALICE, message="")


async def test_a_wish_and_a_claim_at_once_never_lose_each_other(store: SqlStore, neighbour: SqlStore) -> None:
    for number in range(1, 11):
        job = await new_job(store, number=number)
        lease, asked = await asyncio.gather(
            store.jobs.claim(job.id, owner="w", seconds=60),
            neighbour.jobs.request_end(job.id, JobState.CANCELLED, actor=ALICE, message=""),
        )
        assert asked is not None
        found = await store.jobs.get(job.id)
        assert found is not None
        assert (found.state is JobState.CANCELLED) == (lease is None)
        assert found.cancel_requested is JobState.CANCELLED


# --- superseding


async def test_a_job_that_nobody_holds_is_superseded_at_once(store: SqlStore, clock: HandClock) -> None:
    older = await new_job(store)
    newer = await superseding(store, older.id)
    assert newer is not None
    assert await state_of(store, older.id) is JobState.SUPERSEDED
    assert await due(store, clock) == [newer.id]
    await claimed(store, newer.id)


async def test_the_newer_job_waits_until_the_older_one_ended(store: SqlStore, clock: HandClock) -> None:
    older, run = await running(store, clock)
    newer = await superseding(store, older.id)
    assert newer is not None
    assert await store.jobs.active(REPOSITORY, 7) == newer
    assert await flag_of(store, older.id) is JobState.SUPERSEDED
    assert await stop_of(store, run.id) is RunOutcome.SUPERSEDED
    assert await due(store, clock) == []
    assert await store.jobs.claim(newer.id, owner="w", seconds=60) is None

    await store.runs.ended(run.id, RunOutcome.SUPERSEDED, detail="")
    assert await due(store, clock) == [older.id]
    lease = await claimed(store, older.id)
    assert await store.jobs.claim(newer.id, owner="w", seconds=60) is None
    await store.jobs.move(lease, JobState.SUPERSEDED)
    assert await due(store, clock) == [newer.id]
    await claimed(store, newer.id)


async def test_a_waiting_job_can_be_superseded_itself(store: SqlStore, clock: HandClock) -> None:
    older, run = await running(store, clock)
    second = await superseding(store, older.id)
    assert second is not None
    third = await superseding(store, second.id)
    assert third is not None
    assert await state_of(store, second.id) is JobState.SUPERSEDED
    assert await store.jobs.claim(third.id, owner="w", seconds=60) is None, "the oldest still runs"
    await store.runs.ended(run.id, RunOutcome.SUPERSEDED, detail="")
    await moved(store, await claimed(store, older.id), JobState.SUPERSEDED)
    assert await due(store, clock) == [third.id]


async def test_a_waiting_job_can_be_cancelled_at_once(store: SqlStore, clock: HandClock) -> None:
    older, _ = await running(store, clock)
    newer = await superseding(store, older.id)
    assert newer is not None
    await cancel(store, newer.id)
    assert await state_of(store, newer.id) is JobState.CANCELLED
    third = await superseding(store, older.id)
    assert third is not None
    assert third.state is JobState.QUEUED


async def test_only_the_named_job_is_superseded(store: SqlStore, clock: HandClock) -> None:
    older, _ = await running(store, clock)
    assert await superseding(store, new_id()) is None
    newer = await superseding(store, older.id)
    assert newer is not None
    assert await superseding(store, older.id) is None, "the waiting job was not to be superseded"
    assert await state_of(store, newer.id) is JobState.QUEUED
    elsewhere = await store.jobs.create(request(repository=OTHER), job_id=new_id(), supersede=newer.id)
    assert elsewhere is not None
    assert await flag_of(store, newer.id) is None


async def test_a_cancelled_job_that_winds_down_can_be_followed(store: SqlStore, clock: HandClock) -> None:
    older, run = await running(store, clock)
    await cancel(store, older.id)
    newer = await superseding(store, older.id)
    assert newer is not None
    assert await flag_of(store, older.id) is JobState.CANCELLED
    assert await stop_of(store, run.id) is RunOutcome.CANCELLED


async def test_superseding_a_job_that_ended_just_makes_a_job(store: SqlStore, clock: HandClock) -> None:
    older = await new_job(store)
    await cancel(store, older.id)
    newer = await superseding(store, older.id)
    assert newer is not None
    assert await due(store, clock) == [newer.id]


async def test_of_requests_that_supersede_at_once_one_waits(store: SqlStore, neighbour: SqlStore) -> None:
    older = await new_job(store)
    await claimed(store, older.id)
    made = await asyncio.gather(*(superseding(each, older.id) for each in (store, neighbour) for _ in range(8)))
    assert len([job for job in made if job is not None]) == 1


async def test_the_end_and_a_superseding_request_at_once_leave_no_job_waiting_for_ever(
    store: SqlStore, neighbour: SqlStore, clock: HandClock
) -> None:
    for number in range(1, 11):
        older = await new_job(store, number=number)
        lease = await claimed(store, older.id)
        _, newer = await asyncio.gather(
            store.jobs.move(lease, JobState.FAILED),
            neighbour.jobs.create(request(number=number), job_id=new_id(), supersede=older.id),
        )
        assert newer is not None
        assert newer.id in await due(store, clock)


# --- due


async def test_jobs_are_due_in_the_order_they_were_asked_for(store: SqlStore, clock: HandClock) -> None:
    made = [(await new_job(store, number=number)).id for number in range(1, 6)]
    assert await due(store, clock) == made
    assert await store.jobs.due(clock.now(), limit=2) == made[:2]


async def test_a_leased_job_is_not_due_until_the_lease_ran_out(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    lease = await claimed(store, job.id, seconds=60)
    assert await due(store, clock) == []
    await store.jobs.release(lease)
    assert await due(store, clock) == [job.id]
    await claimed(store, job.id, seconds=60)
    clock.advance(60)
    assert await due(store, clock) == [job.id]


@pytest.mark.parametrize("start", list(WAYS))
async def test_only_a_job_that_waits_for_a_person_is_never_due(
    store: SqlStore, clock: HandClock, start: JobState
) -> None:
    job = await new_job(store)
    await store.jobs.release(await moved(store, await claimed(store, job.id), *WAYS[start]))
    assert await due(store, clock) == ([] if start is JobState.AWAITING_APPROVAL else [job.id])


async def test_a_retry_waits_for_its_moment_and_a_move_ends_the_wait(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    lease = await claimed(store, job.id)
    await store.jobs.set_retry(lease, not_before=clock.after(30), error="away")
    assert await due(store, clock) == [], "the lease stays until it is released"
    await store.jobs.release(lease)
    clock.advance(29)
    assert await due(store, clock) == []
    clock.advance(1)
    assert await due(store, clock) == [job.id]
    lease = await claimed(store, job.id)
    await store.jobs.set_retry(lease, not_before=clock.after(30), error="away")
    await store.jobs.release(await store.jobs.move(lease, JobState.PREPARING))
    assert await due(store, clock) == [job.id]


async def test_a_running_job_is_due_when_its_run_ended(store: SqlStore, clock: HandClock) -> None:
    job, run = await running(store, clock)
    clock.advance(3600)
    assert await due(store, clock) == [], "an abandoned run is the sweep's to end, first"
    await store.runs.ended(run.id, RunOutcome.SUCCEEDED, detail="")
    assert await due(store, clock) == [job.id]


async def test_a_job_whose_run_was_never_started_is_not_stuck(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    lease = await moved(store, await claimed(store, job.id), JobState.PREPARING)
    await new_run(store, lease.job)
    lease = await moved(store, lease, JobState.RUNNING)
    await store.jobs.release(lease)
    assert await due(store, clock) == []
    clock.advance(START_GRACE.total_seconds())
    assert await due(store, clock) == [job.id]


async def test_a_cancelled_job_is_due_when_nobody_holds_it(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    lease = await moved(store, await claimed(store, job.id), JobState.PREPARING, JobState.AWAITING_APPROVAL)
    await store.jobs.set_retry(lease, not_before=clock.after(3600), error="")
    await cancel(store, job.id)
    assert await due(store, clock) == []
    await store.jobs.release(lease)
    assert await due(store, clock) == [job.id], "neither the person nor the delay is waited for"


async def test_a_cancelled_job_with_a_live_run_is_not_due(store: SqlStore, clock: HandClock) -> None:
    job, run = await running(store, clock)
    await cancel(store, job.id)
    assert await due(store, clock) == []
    await store.runs.ended(run.id, RunOutcome.CANCELLED, detail="")
    assert await due(store, clock) == [job.id]
