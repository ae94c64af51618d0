"""Turns: only so many jobs are at work at once, whoever claims, on each database."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from app.store import job_claims
from app.store.database import SqlStore
from app.store.engine import Database, create_engine
from bot.model.forge import RepositoryRef
from bot.model.jobs import Job, JobKind, JobState
from bot.model.turns import WAITS, Cap, JobCaps
from tests.app.store import contend
from tests.app.store.words import (
    ALICE,
    OTHER,
    REPOSITORY,
    CountedIds,
    HandClock,
    claimed,
    moved,
    new_job,
)

ELSEWHERE = replace(REPOSITORY, id=13, name="elsewhere", installation_id=78)
FURTHER = replace(REPOSITORY, id=14, name="further", installation_id=79)
CAPS = JobCaps(per_repository=2, per_installation=3, overall=4)
WORKING = (JobState.PREPARING, JobState.RUNNING, JobState.VALIDATING)


@pytest.fixture
async def store(url: str, clock: HandClock) -> AsyncIterator[SqlStore]:
    store = SqlStore.open(url, clock, CountedIds(), caps=CAPS)
    yield store
    await store.close()


async def some_jobs(store: SqlStore, count: int, repository: RepositoryRef = REPOSITORY) -> list[Job]:
    return [await new_job(store, repository=repository, number=number) for number in range(1, count + 1)]


async def is_free(store: SqlStore, job: Job) -> bool:
    lease = await store.jobs.claim(job.id, owner="asks", seconds=60)
    if lease is not None:
        await store.jobs.release(lease)
    return lease is not None


async def why(store: SqlStore, clock: HandClock, job: Job) -> tuple[Cap, int] | None:
    kept = await store.jobs.kept_waiting(job.id, clock.now())
    return None if kept is None else (kept.cap, kept.at_work)


async def test_each_cap_is_kept_and_named(store: SqlStore, clock: HandClock) -> None:
    first, second, third = await some_jobs(store, 3)
    await claimed(store, first.id)
    await claimed(store, second.id)
    assert not await is_free(store, third)
    assert await why(store, clock, third) == (Cap.REPOSITORY, 2)
    beside, besides = await some_jobs(store, 2, OTHER)
    await claimed(store, beside.id)
    assert not await is_free(store, besides)
    assert await why(store, clock, besides) == (Cap.INSTALLATION, 3)
    (elsewhere,) = await some_jobs(store, 1, ELSEWHERE)
    (further,) = await some_jobs(store, 1, FURTHER)
    await claimed(store, elsewhere.id)
    assert not await is_free(store, further)
    assert await why(store, clock, further) == (Cap.SERVER, 4)
    assert await why(store, clock, first) is None, "it has its turn"


@pytest.mark.parametrize("state", WORKING)
async def test_a_job_keeps_its_place_for_as_long_as_it_is_at_work(
    store: SqlStore, clock: HandClock, state: JobState
) -> None:
    mine, other, third = await some_jobs(store, 3)
    await claimed(store, other.id)
    lease = await claimed(store, mine.id)
    lease = await moved(store, lease, *WORKING[: WORKING.index(state) + 1])
    await store.jobs.release(lease)
    assert not await is_free(store, third), "nobody holds it, and it is still at work"
    clock.advance(600)
    lease = await claimed(store, mine.id)
    await moved(store, lease, JobState.FAILED)
    assert await is_free(store, third)


@pytest.mark.parametrize("end", [JobState.QUEUED, JobState.AWAITING_APPROVAL, JobState.FAILED])
async def test_a_place_is_free_as_soon_as_a_job_waits_or_ended(store: SqlStore, end: JobState) -> None:
    mine, other, third = await some_jobs(store, 3)
    await claimed(store, other.id)
    lease = await moved(store, await claimed(store, mine.id), JobState.PREPARING)
    assert not await is_free(store, third)
    await store.jobs.release(await moved(store, lease, end))
    assert await is_free(store, third) is (end is not JobState.QUEUED), "the older one goes first"
    if end is JobState.QUEUED:
        assert await is_free(store, mine)


async def test_a_dead_workers_place_is_taken_by_whoever_takes_its_job(store: SqlStore, clock: HandClock) -> None:
    mine, other, third = await some_jobs(store, 3)
    await claimed(store, other.id, seconds=3600)
    lost = await claimed(store, mine.id, seconds=5)
    clock.advance(6)
    assert not await is_free(store, third), "its lease has run out, yet it may still write"
    assert mine.id in await store.jobs.due(clock.now(), limit=10)
    await claimed(store, mine.id)
    assert not await is_free(store, third)
    await store.jobs.release(lost)
    assert not await is_free(store, third)


async def test_what_a_person_waits_for_never_waits_for_its_turn(store: SqlStore, clock: HandClock) -> None:
    waits, *busy, ends = await some_jobs(store, 4)
    approved = await claimed(store, waits.id)
    await store.jobs.release(await moved(store, approved, JobState.PREPARING, JobState.AWAITING_APPROVAL))
    for job in busy:
        await claimed(store, job.id)
    assert not await is_free(store, ends)
    lease = await claimed(store, waits.id)
    lease = await moved(store, lease, JobState.PUBLISHING)
    await store.jobs.release(lease)
    await claimed(store, waits.id)
    cancelled = await store.jobs.request_end(ends.id, JobState.CANCELLED, actor=ALICE, message="")
    assert cancelled is not None
    assert cancelled.state is JobState.CANCELLED
    undo = await new_job(store, number=9, kind=JobKind.ROLLBACK)
    assert undo.id in await store.jobs.due(clock.now(), limit=10)
    await claimed(store, undo.id)


async def test_the_oldest_of_the_least_busy_takes_the_last_place(store: SqlStore, clock: HandClock) -> None:
    jobs = await some_jobs(store, 3)
    (beside,) = await some_jobs(store, 1, OTHER)
    (elsewhere,) = await some_jobs(store, 1, ELSEWHERE)
    (further,) = await some_jobs(store, 1, FURTHER)
    await claimed(store, elsewhere.id)
    await claimed(store, further.id)
    await claimed(store, jobs[0].id)
    assert not await is_free(store, jobs[1]), "there is room, and it is for another repository"
    kept = await store.jobs.kept_waiting(jobs[1].id, clock.now())
    assert kept is not None
    assert kept.ahead == (beside.id,)
    assert await store.jobs.next_up(clock.now()) == (beside.id,)
    await claimed(store, beside.id)
    assert await store.jobs.next_up(clock.now()) == ()


async def test_a_job_that_may_not_begin_yet_takes_nobodys_turn(store: SqlStore, clock: HandClock) -> None:
    early, second, third = await some_jobs(store, 3)
    await claimed(store, second.id)
    lease = await claimed(store, early.id)
    await store.jobs.set_retry(lease, not_before=clock.after(60), error="away")
    await store.jobs.release(lease)
    assert await store.jobs.next_up(clock.now()) == (third.id,)
    clock.advance(61)
    assert await store.jobs.next_up(clock.now()) == (early.id,)


async def test_a_job_that_says_why_it_waits_is_not_due_and_still_counts(store: SqlStore, clock: HandClock) -> None:
    first, second, third = await some_jobs(store, 3)
    for job in (first, second):
        await claimed(store, job.id)
    assert await store.jobs.due(clock.now(), limit=10) == [third.id], "somebody has to look why it does not begin"
    await store.jobs.progress(third.id, "begins again in a moment")
    assert await store.jobs.due(clock.now(), limit=10) == [third.id]
    await store.jobs.progress(third.id, f"{WAITS}2 jobs")
    assert await store.jobs.due(clock.now(), limit=10) == []
    assert await store.jobs.waiting(clock.now()) == 1
    await store.jobs.request_end(first.id, JobState.CANCELLED, actor=ALICE, message="")
    assert await store.jobs.due(clock.now(), limit=10) == []


async def test_a_busy_repository_hides_no_other_from_the_sweep(store: SqlStore, clock: HandClock) -> None:
    for job in await some_jobs(store, 30):
        await store.jobs.progress(job.id, WAITS)
    (elsewhere,) = await some_jobs(store, 1, ELSEWHERE)
    await store.jobs.progress(elsewhere.id, WAITS)
    assert elsewhere.id in await store.jobs.due(clock.now(), limit=5)
    assert await store.jobs.waiting(clock.now()) == 31


async def test_the_last_place_is_counted_by_one_worker_at_a_time(url: str, store: SqlStore, clock: HandClock) -> None:
    first, second = await some_jobs(store, 2)
    few = JobCaps(per_repository=1, per_installation=9, overall=9)
    taken = asyncio.Event()

    async def take(job: Job, *, wait: bool) -> bool:
        """As ``Jobs.claim`` does, in a transaction that stays open for a while."""
        database = Database(create_engine(url))
        async with database.writing() as connection:
            now, until = clock.now(), clock.after(60)
            mine = await job_claims.take(connection, job.id, owner=job.id, until=until, now=now, caps=few)
            taken.set()
            if wait:
                await asyncio.wait({other}, timeout=0.5)
                assert not other.done(), "it counted before this one was done"
        await database.close()
        return mine

    async def take_second() -> bool:
        await taken.wait()
        return await take(second, wait=False)

    other = asyncio.create_task(take_second())
    assert await take(first, wait=True)
    assert not await other


async def test_workers_that_claim_at_the_same_time_never_pass_a_cap(url: str, store: SqlStore) -> None:
    """Three processes, with several claims under way in each, work off the jobs of four repositories."""
    places = (REPOSITORY, OTHER, ELSEWHERE, FURTHER)
    jobs = {job.id for place in places for job in await some_jobs(store, contend.JOBS, place)}
    caps = json.dumps([CAPS.per_repository, CAPS.per_installation, CAPS.overall])
    programs = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            contend.__name__,
            url,
            f"process-{index}",
            caps,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for index in range(3)
    ]
    try:
        for program in programs:
            assert program.stdout is not None
            assert await program.stdout.readline() == b"ready\n"
    finally:  # without a line to begin with, they end
        answers = await asyncio.gather(*(program.communicate(b"go\n") for program in programs))
    got = [json.loads(out) for out, _ in answers]
    assert sorted(job_id for each in got for job_id in each["done"]) == sorted(jobs)
    most = [max(each["most"][place] for each in got) for place in range(3)]
    assert most[0] <= CAPS.per_repository
    assert most[1] <= CAPS.per_installation
    assert most[2] <= CAPS.overall
    assert most[2] > 1, "they did work at the same time"
