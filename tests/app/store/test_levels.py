"""Levels: once per key however often they are raised, and never lost."""

import asyncio
from dataclasses import replace

import pytest

from app.store.database import SqlStore
from bot.model.forge import ForgeKind
from bot.model.jobs import JobState
from bot.model.levels import LevelKind, PullKey, parse_pull_key
from tests.app.store.words import ALICE, REPOSITORY, HandClock, new_job

KIND, KEY = LevelKind.BASE_SYNC, "github:1:feature/ä:b"


async def due(store: SqlStore, clock: HandClock) -> list[str]:
    return [key for _, key in await store.levels.due(clock.now(), limit=10)]


async def test_many_raises_are_one_piece_of_work(store: SqlStore, clock: HandClock) -> None:
    for _ in range(50):
        await store.levels.raise_(KIND, KEY)
    assert await due(store, clock) == [KEY]
    lease = await store.levels.take(KIND, KEY, until=clock.after(60))
    assert lease is not None
    assert (lease.generation, await due(store, clock)) == (50, [])
    assert await store.levels.complete(lease)
    assert await due(store, clock) == []
    assert await store.levels.take(KIND, KEY, until=clock.after(60)) is None


async def test_what_is_raised_while_somebody_is_at_it_is_due_afterwards(store: SqlStore, clock: HandClock) -> None:
    await store.levels.raise_(KIND, KEY)
    lease = await store.levels.take(KIND, KEY, until=clock.after(60))
    assert lease is not None
    await store.levels.raise_(KIND, KEY)
    assert await due(store, clock) == [], "one worker at a time"
    assert await store.levels.complete(lease)
    assert await due(store, clock) == [KEY]


async def test_one_of_many_workers_gets_it(store: SqlStore, neighbour: SqlStore, clock: HandClock) -> None:
    await store.levels.raise_(KIND, KEY)
    takes = [each.levels.take(KIND, KEY, until=clock.after(60)) for each in (store, neighbour) * 4]
    assert len([lease for lease in await asyncio.gather(*takes) if lease is not None]) == 1


async def test_a_dead_workers_level_is_taken_over_and_its_ghost_completes_nothing(
    store: SqlStore, clock: HandClock
) -> None:
    await store.levels.raise_(KIND, KEY)
    ghost = await store.levels.take(KIND, KEY, until=clock.after(60))
    assert ghost is not None
    clock.advance(61)
    assert await due(store, clock) == [KEY]
    heir = await store.levels.take(KIND, KEY, until=clock.after(60))
    assert heir is not None
    assert not await store.levels.complete(ghost)
    await store.levels.later(ghost, not_before=clock.after(999), error="too late")
    assert await store.levels.complete(heir)
    assert await due(store, clock) == []


async def test_a_failure_waits_and_counts_until_somebody_asks_again(store: SqlStore, clock: HandClock) -> None:
    await store.levels.raise_(KIND, KEY)
    for attempt in range(3):
        lease = await store.levels.take(KIND, KEY, until=clock.after(60))
        assert lease is not None
        assert lease.attempts == attempt
        await store.levels.later(lease, not_before=clock.after(30), error="the forge is away")
        assert await due(store, clock) == []
        clock.advance(30)
    lease = await store.levels.take(KIND, KEY, until=clock.after(60))
    assert lease is not None
    await store.levels.later(lease, not_before=clock.after(900), error="still away")
    await store.levels.raise_(KIND, KEY)
    assert await due(store, clock) == [KEY], "news may have ended the trouble"


async def test_pull_requests_with_work_under_way_are_raised_and_no_others(store: SqlStore, clock: HandClock) -> None:
    await new_job(store, number=9)
    await new_job(store, number=7)
    await new_job(store, number=11, base_ref="next")
    ended = await new_job(store, number=8)
    await store.jobs.request_end(ended.id, JobState.CANCELLED, actor=ALICE, message="enough")
    pulls = [f"github:{REPOSITORY.id}:{number}" for number in (7, 9)]
    assert await store.levels.raise_for_jobs(REPOSITORY, base_ref="main") == pulls
    assert await due(store, clock) == pulls
    assert await store.levels.raise_for_jobs(REPOSITORY) == [*pulls, f"github:{REPOSITORY.id}:11"]
    assert await store.levels.raise_for_jobs(replace(REPOSITORY, id=REPOSITORY.id + 1)) == []
    lease = await store.levels.take(LevelKind.PR_SYNC, pulls[0], until=clock.after(60))
    assert lease is not None
    assert lease.generation == 2


@pytest.mark.parametrize(
    "text", ["", "github", "github:1", "github:1:", "github:x:1", "hub:1:1", "github:1:2:3", "github:1:²"]
)
def test_a_key_of_a_pull_request_is_read_as_it_was_written(text: str) -> None:
    assert parse_pull_key(text) is None
    key = PullKey(forge=ForgeKind.GITHUB, repository_id=12, number=7)
    assert parse_pull_key(str(key)) == key
