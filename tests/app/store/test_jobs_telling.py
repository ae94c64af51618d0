"""Jobs of which people are still to be told, attempts that go on, and the jobs of an installation."""

from dataclasses import replace

import pytest

from app.store.database import SqlStore
from app.store.job_rows import CONCLUDE_GRACE
from bot.errors import FencingLostError
from bot.model.forge import ForgeKind
from bot.model.jobs import TERMINAL, JobState
from tests.app.store.test_jobs import WAYS, executions
from tests.app.store.words import ALICE, OTHER, REPOSITORY, HandClock, claimed, moved, new_job

GRACE = CONCLUDE_GRACE.total_seconds()


async def untold(store: SqlStore, clock: HandClock) -> list[str]:
    return await store.jobs.unconcluded(clock.now(), limit=100)


@pytest.mark.parametrize("state", [JobState.AWAITING_APPROVAL, JobState.PUBLISHED, JobState.FAILED])
async def test_people_are_told_how_a_job_stands_even_if_the_worker_dies(
    store: SqlStore, clock: HandClock, state: JobState
) -> None:
    job = await new_job(store)
    way = {JobState.PUBLISHED: (JobState.PUBLISHING,)}.get(state, WAYS[JobState.PREPARING])
    lease = await moved(store, await claimed(store, job.id), *way, state)
    assert await untold(store, clock) == [], "whoever moved it has a while to tell"
    clock.advance(GRACE)
    assert await untold(store, clock) == [job.id]
    await store.jobs.concluded(lease.job)
    clock.advance(3600)
    assert await untold(store, clock) == []


@pytest.mark.parametrize("start", [state for state in WAYS if state is not JobState.AWAITING_APPROVAL])
async def test_of_a_job_under_way_nothing_is_concluded(store: SqlStore, clock: HandClock, start: JobState) -> None:
    job = await new_job(store)
    await moved(store, await claimed(store, job.id), *WAYS[start])
    clock.advance(3600)
    assert await untold(store, clock) == []


async def test_a_job_that_was_ended_by_request_is_told_of(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    ended = await store.jobs.request_end(job.id, JobState.CANCELLED, actor=ALICE, message="")
    assert ended is not None
    assert ended.state in TERMINAL
    clock.advance(GRACE)
    assert await untold(store, clock) == [job.id]


async def test_telling_can_be_put_off(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    lease = await moved(store, await claimed(store, job.id), JobState.FAILED)
    clock.advance(GRACE)
    await store.jobs.concluded(lease.job, again_at=clock.after(60))
    assert await untold(store, clock) == []
    clock.advance(60)
    assert await untold(store, clock) == [job.id]


async def test_what_was_told_of_an_earlier_state_settles_nothing(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    waiting = await moved(store, await claimed(store, job.id), *WAYS[JobState.AWAITING_APPROVAL])
    await moved(store, waiting, JobState.PUBLISHING, JobState.PUBLISHED)
    assert not await store.jobs.concluded(waiting.job)
    clock.advance(GRACE)
    assert await untold(store, clock) == [job.id]


async def test_only_the_first_to_tell_has_told(store: SqlStore) -> None:
    job = await new_job(store)
    lease = await moved(store, await claimed(store, job.id), JobState.FAILED)
    assert await store.jobs.concluded(lease.job)
    assert not await store.jobs.concluded(lease.job)


async def test_an_open_attempt_goes_on_and_a_closed_one_is_followed(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    lease = await claimed(store, job.id)
    assert await store.jobs.resume_execution(lease, worker="w") == 1
    assert await store.jobs.resume_execution(lease, worker="w") == 1
    await store.jobs.set_retry(lease, not_before=clock.now(), error="away")
    assert await store.jobs.resume_execution(lease, worker="w") == 2
    assert await executions(store, job.id) == [(1, "retry", "", "away"), (2, "open", "", "")]


async def test_who_lost_the_job_begins_no_attempt(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    lost = await claimed(store, job.id, seconds=1)
    clock.advance(1)
    await claimed(store, job.id)
    with pytest.raises(FencingLostError):
        await store.jobs.resume_execution(lost, worker="w")
    assert await executions(store, job.id) == []


async def test_the_jobs_under_way_of_an_installation(store: SqlStore) -> None:
    first = await new_job(store)
    second = await new_job(store, repository=OTHER)
    ended = await new_job(store, number=8)
    await moved(store, await claimed(store, ended.id), JobState.FAILED)
    await new_job(store, repository=replace(OTHER, id=13, installation_id=78))
    await new_job(store, repository=replace(OTHER, forge=ForgeKind.GITLAB))
    assert await store.jobs.of_installation(REPOSITORY.forge, 77) == [first, second]
    assert await store.jobs.of_installation(REPOSITORY.forge, 79) == []
