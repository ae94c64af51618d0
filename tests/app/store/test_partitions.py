"""Months come and go: what is old goes, what anybody still needs stays, and no row is without a place."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from app.store.audit import open_for_reading, open_log
from app.store.audit_chain import DROPPED, Anchor, Chain, Verdict
from app.store.database import SqlStore
from app.store.engine import parse_url
from app.store.history_tables import PARTITIONED, audit_anchor, delivery_keys
from app.store.migrate import downgrade, upgrade
from app.store.partitions import MONTHS_AHEAD, Partition, month_of, partitions_of
from app.store.tables import audit_events, deliveries, metadata
from bot.model.deliveries import DeliveryState
from bot.model.forge import ForgeKind
from bot.model.jobs import Job, JobState
from bot.model.retention import Keep, Retained
from tests.app.store.backends import Backend
from tests.app.store.test_audit import disarm, ids_of
from tests.app.store.test_audit_reading import verdict_of
from tests.app.store.test_proposals import proposed, push_of
from tests.app.store.words import (
    START,
    CountedIds,
    HandClock,
    claimed,
    delivery,
    model_call,
    new_job,
    new_run,
)

GITHUB = ForgeKind.GITHUB
DAY = 86_400.0
KEEP = Keep(history_months=2, audit_months=3)
NOTHING = Retained(removed={})


@pytest.fixture
async def store(url: str, clock: HandClock) -> AsyncIterator[SqlStore]:
    store = SqlStore.open(url, clock, CountedIds(), keep=KEEP)
    yield store
    await store.close()


def only_on_postgresql(store: SqlStore) -> None:
    if store.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no partitions")


async def partitions(store: SqlStore, table: str) -> list[Partition]:
    async with store.engine.connect() as connection:
        return list(await partitions_of(connection, table))


async def count(store: SqlStore, table: str) -> int:
    async with store.engine.connect() as connection:
        query = select(func.count()).select_from(metadata.tables.get(table, text(table)))
        return int((await connection.execute(query)).scalar_one())


async def history_of(store: SqlStore) -> Job:
    """A job with an execution, a call of the model and a push, all of now; it ended."""
    job, made = await proposed(store)
    lease = await claimed(store, job.id)
    await store.jobs.begin_execution(lease, worker="w")
    run = await new_run(store, job)
    await store.ledger.record(replace(model_call(run.id), started_at=lease.job.created_at))
    await store.proposals.begin_push(push_of(job, made))
    await store.jobs.move(lease, JobState.FAILED)
    return job


# --- months


@pytest.mark.parametrize(
    ("moment", "later", "expected"),
    [
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), 0, (2026, 12)),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), 1, (2027, 1)),
        (datetime(2026, 1, 1, tzinfo=UTC), -1, (2025, 12)),
        (datetime(2026, 1, 1, tzinfo=UTC), -13, (2024, 12)),
        (datetime.fromisoformat("2026-03-01T00:30:00+01:00"), 0, (2026, 2)),
    ],
)
def test_months(moment: datetime, later: int, expected: tuple[int, int]) -> None:
    assert month_of(moment, later) == datetime(*expected, 1, tzinfo=UTC)


async def test_this_month_and_the_next_ones_have_partitions(store: SqlStore, clock: HandClock) -> None:
    only_on_postgresql(store)
    assert await store.retention.retain(clock.now()) == NOTHING
    for table in PARTITIONED:
        made = [each for each in await partitions(store, table) if each.begins and each.begins >= month_of(START)]
        names = [f"{table}_2026_{month:02}" for month in range(3, 4 + MONTHS_AHEAD)]
        assert [each.name for each in made][: len(names)] == names
        assert all(one.ends == other.begins for one, other in pairwise(made[: len(names)])), "no moment lies between"
    before = [await partitions(store, table) for table in PARTITIONED]
    assert await store.retention.retain(clock.now()) == NOTHING
    assert [await partitions(store, table) for table in PARTITIONED] == before, "a second time changes nothing"


async def test_partitions_are_made_by_many_at_once(store: SqlStore, neighbour: SqlStore, clock: HandClock) -> None:
    only_on_postgresql(store)
    done = await asyncio.gather(*(each.retention.retain(clock.now()) for each in (store, neighbour) for _ in range(3)))
    assert done == [NOTHING] * 6
    for table in PARTITIONED:
        assert [each.begins for each in await partitions(store, table)].count(month_of(START)) == 1


async def test_a_row_of_a_month_without_partition_has_a_place_and_moves_when_there_is_one(
    store: SqlStore, clock: HandClock
) -> None:
    only_on_postgresql(store)
    job = await history_of(store)
    await store.deliveries.add(delivery("d-1"))
    assert [await count(store, f"{table}_default") for table in PARTITIONED] == [1, 1, 1, 1, 3]
    await store.retention.retain(clock.now())
    assert [await count(store, f"{table}_default") for table in PARTITIONED] == [0] * 5
    assert [await count(store, f"{table}_2026_03") for table in PARTITIONED] == [1, 1, 1, 1, 3]
    assert (await store.runs.usage(job.id)).model_calls == 1
    assert await store.deliveries.get(GITHUB, "d-1") == delivery("d-1")
    assert await store.audit.first_broken() is None


async def test_who_uses_a_table_is_not_waited_for_long(store: SqlStore, neighbour: SqlStore, clock: HandClock) -> None:
    only_on_postgresql(store)
    async with neighbour.engine.begin() as connection:
        await connection.execute(text("LOCK TABLE git_operations_default IN ACCESS SHARE MODE"))
        done = await store.retention.retain(clock.now())
        assert done.postponed == ("git_operations",)
        assert len(await partitions(store, "job_executions")) > len(await partitions(store, "git_operations"))
    assert await store.retention.retain(clock.now()) == NOTHING
    assert len(await partitions(store, "job_executions")) == len(await partitions(store, "git_operations"))


# --- deliveries


async def settled(store: SqlStore, *names: str) -> None:
    for name in names:
        await store.deliveries.settle(GITHUB, name, DeliveryState.ROUTED)


async def test_old_deliveries_go_with_their_keys(store: SqlStore, clock: HandClock) -> None:
    await store.retention.retain(clock.now())
    for name, age in (("old", 0.0), ("waits", 0.0), ("young", 45 * DAY)):
        clock.advance(age)
        await store.deliveries.add(delivery(name, received_at=clock.now()))
    await settled(store, "old", "young")
    assert (await store.retention.retain(clock.now())).removed == {"deliveries": 1}
    assert await store.deliveries.get(GITHUB, "old") is None
    assert await store.deliveries.get(GITHUB, "young") is not None
    assert await store.deliveries.waiting(limit=9) == [(GITHUB, "waits")], "nothing goes that was not routed"
    assert not await store.deliveries.add(delivery("young"))
    assert await count(store, "delivery_keys") == 2
    await settled(store, "waits")
    assert (await store.retention.retain(clock.now())).removed == {"deliveries": 1}
    assert await count(store, "delivery_keys") == 1
    assert await store.deliveries.add(delivery("old", received_at=clock.now())), "its name is free again"


async def test_no_delivery_goes_within_its_days(store: SqlStore, clock: HandClock) -> None:
    await store.deliveries.add(delivery("d-1"))
    await settled(store, "d-1")
    clock.advance(14 * DAY)
    assert await store.retention.retain(clock.now()) == NOTHING
    assert not await store.deliveries.add(delivery("d-1", received_at=clock.now())), "it is known as long"
    clock.advance(32 * DAY)
    assert (await store.retention.retain(clock.now())).removed == {"deliveries": 1}, "a month later at the latest"


async def test_many_old_deliveries_go_in_batches(store: SqlStore, clock: HandClock) -> None:
    key = {"forge": GITHUB, "received_at": START}
    body = {"event": "e", "headers": {}, "body": b"", "state": "routed", "attempts": 0, "error": ""}
    keys = [{"serial": number, "delivery_id": str(number), **key} for number in range(1, 2_501)]
    async with store.engine.begin() as connection:
        await connection.execute(delivery_keys.insert(), keys)
        await connection.execute(deliveries.insert(), [each | body for each in keys])
    clock.advance(60 * DAY)
    assert (await store.retention.retain(clock.now())).removed == {"deliveries": 2_500}
    assert (await count(store, "deliveries"), await count(store, "delivery_keys")) == (0, 0)


async def test_a_key_without_its_delivery_goes_too(store: SqlStore, clock: HandClock) -> None:
    """A process may die between the two."""
    await store.deliveries.add(delivery("d-1"))
    async with store.engine.begin() as connection:
        await connection.execute(text("DELETE FROM deliveries"))
    assert not await store.deliveries.add(delivery("d-1")), "until then it is known"
    clock.advance(60 * DAY)
    assert await store.retention.retain(clock.now()) == NOTHING
    assert await count(store, "delivery_keys") == 0


# --- what jobs did


async def test_the_history_of_ended_jobs_goes_and_that_of_others_stays(store: SqlStore, clock: HandClock) -> None:
    await store.retention.retain(clock.now())
    ended = await history_of(store)
    active = await new_job(store, number=8)
    run = await new_run(store, active)
    await store.jobs.begin_execution(await claimed(store, active.id), worker="w")
    await store.ledger.record(model_call(run.id))
    clock.advance(100 * DAY)
    done = await store.retention.retain(clock.now())
    assert {table: done.removed[table] for table in ("job_executions", "git_operations", "model_usage")} == {
        "job_executions": 1,
        "git_operations": 1,
        "model_usage": 1,
    }
    assert (await store.runs.usage(ended.id)).model_calls == 0
    assert (await store.runs.usage(active.id)).cost_usd == 0.25, "its budget counts it"
    assert await store.jobs.put_off(active.id) == 0
    assert await count(store, "job_executions") == 1
    assert await store.jobs.get(ended.id) is not None, "the job itself stays"


async def test_the_history_stays_for_its_months_after_the_end(store: SqlStore, clock: HandClock) -> None:
    """It counts when the job ended: what began long before is not torn from it."""
    job = await new_job(store)
    lease = await claimed(store, job.id, seconds=200 * DAY)
    await store.jobs.begin_execution(lease, worker="w")
    clock.advance(80 * DAY)
    await store.jobs.move(lease, JobState.FAILED)
    assert "job_executions" not in (await store.retention.retain(clock.now())).removed
    clock.advance(61 * DAY)
    assert "job_executions" not in (await store.retention.retain(clock.now())).removed
    clock.advance(31 * DAY)
    assert (await store.retention.retain(clock.now())).removed["job_executions"] == 1


async def test_an_old_month_goes_as_a_whole(store: SqlStore, clock: HandClock) -> None:
    only_on_postgresql(store)
    await store.retention.retain(clock.now())
    await history_of(store)
    clock.advance(100 * DAY)
    await store.retention.retain(clock.now())
    for table in ("deliveries", "job_executions", "git_operations", "model_usage"):
        begins = [each.begins for each in await partitions(store, table)]
        assert month_of(START) not in begins
        assert month_of(clock.now()) in begins


# --- the audit log


async def said(store: SqlStore, number: int) -> None:
    for _ in range(number):
        await store.audit.append(actor="a", verb="v", subject="s", data={})


async def proved(store: SqlStore) -> Verdict:
    """What ``flowforge audit verify`` finds."""
    url = store.engine.url.render_as_string(hide_password=False)
    async with store.engine.connect() as connection:
        row = (await connection.execute(select(audit_anchor).order_by(audit_anchor.c.serial.desc()))).first()
    return await verdict_of(url, chain=Chain(dropped=None if row is None else Anchor(row.serial, row.hash)))


async def test_the_audit_log_is_kept_for_ever_if_nobody_says_otherwise(url: str, clock: HandClock) -> None:
    store = SqlStore.open(url, clock, CountedIds())
    await said(store, 3)
    clock.advance(10_000 * DAY)
    assert await store.retention.retain(clock.now()) == NOTHING
    assert await ids_of(store) == [1, 2, 3]
    await store.close()


async def test_what_is_left_of_the_audit_log_is_still_proved(store: SqlStore, clock: HandClock) -> None:
    await store.retention.retain(clock.now())
    for _ in range(6):
        await said(store, 5)
        clock.advance(31 * DAY)
        await store.retention.retain(clock.now())
        assert await store.audit.first_broken() is None
    found = await proved(store)
    assert (found.broken, found.events) == (None, 18), "15 of the last months, and three that say what was dropped"
    assert found.dropped is not None
    assert found.dropped.serial == 15
    async with store.engine.connect() as connection:
        query = select(audit_events.c.data, audit_events.c.id).where(audit_events.c.verb == DROPPED)
        events = (await connection.execute(query.order_by(audit_events.c.id))).all()
        anchors = (await connection.execute(select(audit_anchor).order_by(audit_anchor.c.serial))).all()
    assert [event.data["through"] for event in events] == [f"{row.serial}:{row.hash}" for row in anchors][
        -len(events) :
    ]
    assert events[-1].data["events"] == "5"
    if store.engine.dialect.name == "postgresql":
        assert month_of(START) not in [each.begins for each in await partitions(store, "audit_events")]


async def test_a_log_may_lose_all_its_events_and_goes_on(store: SqlStore, clock: HandClock) -> None:
    await said(store, 3)
    clock.advance(200 * DAY)
    assert (await store.retention.retain(clock.now())).removed == {"audit_events": 3}
    assert await ids_of(store) == [4], "the one that says so"
    await said(store, 1)
    found = await proved(store)
    assert (found.broken, found.events) == (None, 2)


async def test_clocks_that_differ_break_nothing(store: SqlStore, clock: HandClock) -> None:
    """An old event that was written after a young one stays as long as that one does."""
    await store.retention.retain(clock.now())
    await said(store, 2)
    clock.advance(31 * DAY)
    await said(store, 1)
    clock.advance(-31 * DAY)
    await said(store, 1)
    clock.advance(31 * DAY)
    await said(store, 1)
    clock.advance(92 * DAY)
    assert (await store.retention.retain(clock.now())).removed == {"audit_events": 2}
    assert (await ids_of(store))[:3] == [3, 4, 5]
    assert await store.audit.first_broken() is None
    clock.advance(31 * DAY)
    assert (await store.retention.retain(clock.now())).removed == {"audit_events": 3}
    assert await store.audit.first_broken() is None


async def test_of_a_broken_log_nothing_is_dropped(store: SqlStore, clock: HandClock) -> None:
    await said(store, 5)
    async with store.engine.begin() as connection:
        await disarm(connection)
        await connection.execute(text("UPDATE audit_events SET actor = 'eve' WHERE id = 2"))
    clock.advance(200 * DAY)
    done = await store.retention.retain(clock.now())
    assert (done.removed, done.postponed) == ({}, ("audit_events",))
    assert await ids_of(store) == [1, 2, 3, 4, 5], "it would have removed the evidence"
    assert await store.audit.first_broken() == 2


async def test_of_many_that_drop_events_at_once_one_does(store: SqlStore, url: str, clock: HandClock) -> None:
    other = SqlStore.open(url, clock, CountedIds(), keep=KEEP)
    await said(store, 5)
    clock.advance(200 * DAY)
    done = await asyncio.gather(*(each.retention.retain(clock.now()) for each in (store, other)))
    await other.close()
    assert sum(each.removed.get("audit_events", 0) for each in done) == 5
    assert await ids_of(store) == [6]
    assert await store.audit.first_broken() is None


async def test_what_is_to_be_dropped_waits_for_who_reads_the_log(store: SqlStore, url: str, clock: HandClock) -> None:
    """Or is read as it was: a drop in between is never taken for missing events."""
    await said(store, 600)
    clock.advance(200 * DAY)
    database = open_for_reading(url)
    async with open_log(database) as log:
        chain = Chain(dropped=log.dropped)
        during = await store.retention.retain(clock.now())
        chain.take(await anext(log.batches))
        async for batch in log.batches:
            chain.take(batch)
    await database.close()
    assert chain.end().broken is None
    assert chain.end().events == 600
    after = await store.retention.retain(clock.now())
    assert during.removed.get("audit_events", 0) + after.removed.get("audit_events", 0) == 600
    assert during.postponed == (("audit_events",) if url.startswith("postgresql") else ())
    assert await store.audit.first_broken() is None


async def test_events_cannot_be_changed_in_any_partition(store: SqlStore, clock: HandClock) -> None:
    only_on_postgresql(store)
    await store.retention.retain(clock.now())
    await said(store, 3)
    clock.advance(200 * DAY)
    await said(store, 1)
    await store.retention.retain(clock.now())
    names = ["audit_events", "audit_events_default", *(each.name for each in await partitions(store, "audit_events"))]
    for name in names:
        statements = [f"TRUNCATE {name}"]
        if await count(store, name):
            statements += [f"UPDATE {name} SET actor = 'eve'", f"DELETE FROM {name}"]  # noqa: S608 - ours
        for statement in statements:
            async with store.engine.connect() as connection:
                with pytest.raises(DBAPIError, match="append-only"):
                    await connection.execute(text(statement))
    for statement in ("UPDATE audit_anchor SET serial = 1", "DELETE FROM audit_anchor", "TRUNCATE audit_anchor"):
        async with store.engine.connect() as connection:
            with pytest.raises(DBAPIError, match="append-only"):
                await connection.execute(text(statement))


# --- tables that had rows before they had partitions


async def test_rows_that_were_there_before_are_one_partition_that_goes_as_a_whole(
    backend: Backend, clock: HandClock
) -> None:
    url = await backend.empty()
    await upgrade(url)
    store = SqlStore.open(url, clock, CountedIds(), keep=KEEP)
    only_on_postgresql(store)
    await history_of(store)
    await store.deliveries.add(delivery("d-1"))
    await settled(store, "d-1")
    await downgrade(url, revision="0006")
    await upgrade(url)
    await store.close()
    store = SqlStore.open(url, clock, CountedIds(), keep=KEEP)
    for table in PARTITIONED:
        (before, *_) = await partitions(store, table)
        assert (before.name, before.begins) == (f"{table}_before", None)
        assert before.ends is not None
        assert before.ends > datetime.now(UTC), "what comes until then is in it as well"
    done = await store.retention.retain(datetime.now(UTC) + timedelta(days=200))
    assert done.removed == {
        "deliveries": 1,
        "job_executions": 1,
        "git_operations": 1,
        "model_usage": 1,
        "audit_events": 3,
    }
    for table in PARTITIONED:
        assert f"{table}_before" not in [each.name for each in await partitions(store, table)]
    assert await store.audit.first_broken() is None
    await store.close()
    await backend.drop(url)


async def test_the_anchor_is_found_again_when_the_tables_come_back(url: str, store: SqlStore, clock: HandClock) -> None:
    await said(store, 3)
    clock.advance(200 * DAY)
    await store.retention.retain(clock.now())
    await store.close()
    await downgrade(url, revision="0006")
    await upgrade(url)
    again = SqlStore.open(url, clock, CountedIds())
    assert await again.audit.first_broken() is None
    assert (await proved(again)).broken is None
    await again.close()


async def test_bounds_are_read_whatever_the_servers_zone_and_style(url: str, store: SqlStore, clock: HandClock) -> None:
    only_on_postgresql(store)
    await store.retention.retain(clock.now())
    wanted = await partitions(store, "deliveries")
    settings = {"TimeZone": "America/New_York", "DateStyle": "German, DMY"}
    engine = create_async_engine(parse_url(url), connect_args={"server_settings": settings})
    async with engine.connect() as connection:
        assert list(await partitions_of(connection, "deliveries")) == wanted
    await engine.dispose()
