"""Sweeps: one worker at a time, due when they are due, and never stuck with the dead."""

import asyncio
from datetime import timedelta

from structlog.testing import capture_logs

from app.store.database import SqlStore
from bot.model.forge import ForgeKind
from bot.model.sweeps import SweepBeat, SweepLease
from tests.app.store.words import OTHER, REPOSITORY, HandClock, delivery

HUB = ForgeKind.GITHUB


async def take(store: SqlStore, clock: HandClock, *, pause: float = 60, owner: str = "w-1") -> SweepLease | None:
    return await store.sweeps.take("s", owner=owner, before=clock.after(-pause), until=clock.after(30))


async def taken(store: SqlStore, clock: HandClock, *, pause: float = 60, owner: str = "w-1") -> SweepLease:
    lease = await take(store, clock, pause=pause, owner=owner)
    assert lease is not None
    return lease


async def test_one_of_many_workers_does_it(store: SqlStore, neighbour: SqlStore, clock: HandClock) -> None:
    takes = [take(each, clock, owner=f"w-{n}") for n, each in enumerate((store, neighbour) * 4)]
    assert len([lease for lease in await asyncio.gather(*takes) if lease is not None]) == 1


async def test_it_is_due_again_after_its_pause_and_not_while_somebody_is_at_it(
    store: SqlStore, neighbour: SqlStore, clock: HandClock
) -> None:
    lease = await taken(store, clock)
    clock.advance(29)
    assert await take(neighbour, clock, pause=0) is None
    assert await store.sweeps.finish(lease)
    assert await take(neighbour, clock) is None
    clock.advance(30)
    assert await take(neighbour, clock) is None
    clock.advance(1)
    assert await take(neighbour, clock) is not None


async def test_a_dead_workers_pass_is_done_by_another_and_said_to_be(
    store: SqlStore, neighbour: SqlStore, clock: HandClock
) -> None:
    ghost = await taken(store, clock, owner="the dead one")
    clock.advance(30)
    with capture_logs() as said:
        heir = await taken(neighbour, clock, pause=3600)
    assert heir.fencing == ghost.fencing + 1
    assert [(line["event"], line["held_by"]) for line in said] == [("a sweep was left behind", "the dead one")]
    assert not await store.sweeps.finish(ghost, bookmark="of a ghost")
    await store.sweeps.failed(ghost, error="of a ghost")
    assert await neighbour.sweeps.finish(heir, bookmark="of the heir")
    clock.advance(60)
    assert (await taken(store, clock)).bookmark == "of the heir"


async def test_a_bookmark_stays_until_another_is_left(store: SqlStore, clock: HandClock) -> None:
    first = await taken(store, clock)
    assert (first.bookmark, first.succeeded_at) == ("", None)
    await store.sweeps.finish(first, bookmark="page 2")
    second = await taken(store, clock, pause=0)
    assert (second.bookmark, second.succeeded_at) == ("page 2", clock.now())
    await store.sweeps.finish(second)
    third = await taken(store, clock, pause=0)
    await store.sweeps.failed(third, error="away")
    assert (await taken(store, clock, pause=0)).bookmark == "page 2"


async def test_what_has_more_to_do_is_due_at_once(store: SqlStore, clock: HandClock) -> None:
    await store.sweeps.finish(await taken(store, clock), again=True)
    await store.sweeps.finish(await taken(store, clock))
    assert await take(store, clock) is None


async def test_failures_are_counted_until_a_pass_comes_to_its_end(store: SqlStore, clock: HandClock) -> None:
    assert await store.sweeps.beats() == []
    for _ in range(2):
        await store.sweeps.failed(await taken(store, clock), error="the forge\0is away")
        clock.advance(60)
    failing = SweepBeat(name="s", succeeded_at=None, failures=2, error="the forge\0is away")
    assert await store.sweeps.beats() == [failing]
    await store.sweeps.finish(await taken(store, clock))
    assert await store.sweeps.beats() == [SweepBeat(name="s", succeeded_at=clock.now(), failures=0, error="")]


# --- repositories


async def test_repositories_take_turns(store: SqlStore, clock: HandClock) -> None:
    await store.registry.repository(REPOSITORY)
    await store.registry.repository(OTHER)

    async def turn(name: str = "tidy", limit: int = 1) -> list[int]:
        found = await store.sweeps.take_repositories(name, again_at=clock.after(100), limit=limit)
        return [one.id for one in found]

    assert await turn() == [OTHER.id]
    clock.advance(10)
    assert await turn() == [REPOSITORY.id]
    assert await turn() == []
    assert await turn("another", limit=5) == [OTHER.id, REPOSITORY.id]
    clock.advance(90)
    assert await turn(limit=5) == [OTHER.id]
    await store.sweeps.put_off("tidy", REPOSITORY, until=clock.now())
    await store.sweeps.put_off("tidy", OTHER, until=clock.after(1))
    assert await turn(limit=5) == [REPOSITORY.id]
    clock.advance(1)
    assert await turn(limit=5) == [OTHER.id]


async def test_repositories_out_of_reach_have_no_turn(store: SqlStore, clock: HandClock) -> None:
    await store.registry.repository(REPOSITORY)
    await store.registry.installation(HUB, REPOSITORY.installation_id, "acme", active=False)
    assert await store.sweeps.take_repositories("tidy", again_at=clock.after(9), limit=5) == []
    await store.registry.installation(HUB, REPOSITORY.installation_id, "acme", active=True)
    assert await store.sweeps.take_repositories("tidy", again_at=clock.after(9), limit=5) == [REPOSITORY]


# --- deliveries that are missed


async def test_missing_is_what_is_neither_here_nor_asked_for_too_often_or_just_now(
    store: SqlStore, clock: HandClock
) -> None:
    await store.deliveries.add(delivery("here"))

    async def missing(*ids: str) -> list[str]:
        before = clock.now() - timedelta(seconds=60)
        return await store.sweeps.missing(HUB, ids, attempts=2, asked_before=before)

    assert await missing() == []
    assert await missing("b", "here", "a") == ["b", "a"]
    assert await store.sweeps.asked(HUB, "a") == 1
    assert await missing("b", "a") == ["b"], "it may be on its way"
    clock.advance(60)
    assert await missing("b", "a") == ["b", "a"]
    assert await store.sweeps.asked(HUB, "a") == 2
    clock.advance(3600)
    assert await missing("b", "a") == ["b"]
    many = [f"d-{n}" for n in range(1201)]
    assert await missing("a", *many, "here") == many
