"""The inbox: each delivery once, on disk before the answer."""

import asyncio
import sqlite3
from datetime import timedelta

import pytest
from sqlalchemy import insert, make_url, text

from app.store.database import SqlStore
from app.store.history_tables import delivery_keys
from bot.errors import StoreError, StoreUnavailableError
from bot.model.deliveries import DeliveryState
from bot.model.forge import ForgeKind
from tests.app.store.words import START, CountedIds, HandClock, delivery

GITHUB = ForgeKind.GITHUB


async def test_a_delivery_comes_back_as_it_arrived(store: SqlStore) -> None:
    sent = delivery("d-1", body=bytes(range(256)), headers={"X-A": "1", "X-B": "\x00\ud800"})
    assert await store.deliveries.add(sent)
    assert await store.deliveries.get(GITHUB, "d-1") == sent
    assert await store.deliveries.get(GITHUB, "d-2") is None
    assert await store.deliveries.get(ForgeKind.GITLAB, "d-1") is None


async def test_a_second_delivery_with_the_same_id_is_not_kept(store: SqlStore) -> None:
    assert await store.deliveries.add(delivery("d-1", body=b"first"))
    assert not await store.deliveries.add(delivery("d-1", body=b"second"))
    kept = await store.deliveries.get(GITHUB, "d-1")
    assert kept is not None
    assert kept.body == b"first"
    assert await store.deliveries.add(delivery("d-1", forge=ForgeKind.GITLAB)), "another forge has ids of its own"


async def test_of_the_same_delivery_many_times_at_once_one_is_new(store: SqlStore, neighbour: SqlStore) -> None:
    added = await asyncio.gather(
        *(each.deliveries.add(delivery("d-1")) for each in (store, neighbour) for _ in range(20)),
    )
    assert added.count(True) == 1


@pytest.mark.parametrize("ids", [("d-1", "d-2"), ("d-2", "d-1")])
async def test_two_processes_with_the_same_deliveries_do_not_wait_for_each_other(
    store: SqlStore, neighbour: SqlStore, ids: tuple[str, str]
) -> None:
    """A forge that sends again what it sent reaches two of them, in any order."""
    if store.engine.dialect.name != "postgresql":
        pytest.skip("SQLite's writers come one after the other")
    key = insert(delivery_keys).values(forge=GITHUB, received_at=START)
    async with neighbour.engine.begin() as other:
        await other.execute(key.values(delivery_id="d-1"))
        adding = asyncio.gather(*(store.deliveries.add(delivery(each)) for each in ids))
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        async with neighbour.engine.connect() as observer, asyncio.timeout(60):
            while await observer.scalar(text(waiting)) is None:
                await observer.rollback()
        await other.execute(key.values(delivery_id="d-2"))
    assert await adding == [False, False]


async def test_many_deliveries_at_once_are_all_kept(store: SqlStore) -> None:
    ids = [f"d-{index}" for index in range(200)]
    assert all(await asyncio.gather(*(store.deliveries.add(delivery(key)) for key in ids)))
    assert sorted(await store.deliveries.waiting(limit=1000)) == sorted((GITHUB, key) for key in ids)


async def test_one_delivery_that_cannot_be_kept_harms_no_other(store: SqlStore) -> None:
    naive = delivery("bad", received_at=START.replace(tzinfo=None))
    answers = await asyncio.gather(
        *(store.deliveries.add(each) for each in (delivery("d-1"), naive, delivery("d-2"))),
        return_exceptions=True,
    )
    assert answers[0] is True
    assert answers[2] is True
    assert isinstance(answers[1], StoreError)
    assert not isinstance(answers[1], StoreUnavailableError)


async def test_who_gives_up_waiting_takes_nobody_along(store: SqlStore) -> None:
    calls = [asyncio.create_task(store.deliveries.add(delivery(f"d-{index}"))) for index in range(10)]
    await asyncio.sleep(0)  # each has handed its delivery over
    calls[0].cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [True] * 9


async def test_closing_waits_for_what_was_handed_over(store: SqlStore, neighbour: SqlStore) -> None:
    call = asyncio.create_task(store.deliveries.add(delivery("d-1")))
    await asyncio.sleep(0)
    await store.deliveries.close()
    assert await neighbour.deliveries.get(GITHUB, "d-1") is not None
    assert await call


async def test_every_caller_learns_that_the_database_is_away(url: str, clock: HandClock) -> None:
    if not url.startswith("sqlite"):
        pytest.skip("a file can be locked from outside; a server's absence is tested in test_engine")
    holder = sqlite3.connect(str(make_url(url).database), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    store = SqlStore.open(url, clock, CountedIds(), busy_seconds=0.05)
    answers = await asyncio.gather(
        *(store.deliveries.add(delivery(f"d-{index}")) for index in range(5)),
        return_exceptions=True,
    )
    assert all(isinstance(answer, StoreUnavailableError) for answer in answers)
    holder.rollback()
    holder.close()
    assert await store.deliveries.add(delivery("d-0")), "and it goes on afterwards"
    await store.close()


async def test_waiting_lists_what_is_not_routed_oldest_first(store: SqlStore) -> None:
    for key, age in (("young", 1), ("old", 9), ("routed", 5), ("middle", 5), ("dead", 7), ("ignored", 7)):
        await store.deliveries.add(delivery(key, received_at=START - timedelta(seconds=age)))
    for state in (DeliveryState.ROUTED, DeliveryState.DEAD, DeliveryState.IGNORED):
        await store.deliveries.settle(GITHUB, state.value, state, error="" if state is not DeliveryState.DEAD else "?")
    assert await store.deliveries.waiting(limit=10) == [(GITHUB, "old"), (GITHUB, "middle"), (GITHUB, "young")]
    assert await store.deliveries.waiting(limit=1) == [(GITHUB, "old")]
    settled = await store.deliveries.get(GITHUB, "dead")
    assert settled is not None
    assert settled.state is DeliveryState.DEAD


async def test_failed_attempts_are_counted(store: SqlStore) -> None:
    await store.deliveries.add(delivery("d-1"))
    assert await store.deliveries.failed_attempt(GITHUB, "d-1", error="boom") == 1
    assert await store.deliveries.failed_attempt(GITHUB, "d-1", error="boom") == 2
    kept = await store.deliveries.get(GITHUB, "d-1")
    assert kept is not None
    assert (kept.attempts, kept.state) == (2, DeliveryState.NEW)
