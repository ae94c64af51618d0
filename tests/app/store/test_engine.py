"""The engine: transactions that do not get into each other's way, and errors in our own words."""

import asyncio
import gc
import json
import os
import sqlite3
import stat
import sys
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import event, make_url, text

from app.store.database import SqlStore
from app.store.engine import Database, parse_url
from app.store.migrate import upgrade
from bot.errors import SettingsError, StoreError, StoreUnavailableError
from bot.ports.store import Store
from tests.app.store import hammer
from tests.app.store.backends import Backend
from tests.app.store.words import REPOSITORY, CountedIds, HandClock, delivery, new_id, new_job, new_run, sha256


def only_on(url: str, product: str) -> str:
    """The file of a SQLite URL, or the URL itself; skips on the other product."""
    if not url.startswith(product):
        pytest.skip(f"about {product} only")
    return str(make_url(url).database) if product == "sqlite" else url


def is_a_store(store: SqlStore) -> Store:
    """mypy sees here that every port is there, to the letter."""
    return store


# --- settings


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///x.db", "sqlite+aiosqlite"),
        ("sqlite+aiosqlite:////tmp/x.db", "sqlite+aiosqlite"),
        ("postgres://u@h/d", "postgresql+asyncpg"),
        ("postgresql://u@h/d", "postgresql+asyncpg"),
        ("postgresql+asyncpg://u@h/d", "postgresql+asyncpg"),
    ],
)
def test_each_product_has_one_driver(url: str, driver: str) -> None:
    assert parse_url(url).drivername == driver


@pytest.mark.parametrize(
    "url",
    [
        "",
        "no url: hunter2",
        "mysql://u:hunter2@h/d",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql+psycopg2://u:hunter2@h/d",
        "postgresql://u:hunter2@h:port/d",
    ],
)
def test_other_databases_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        SqlStore.open(url, HandClock(), CountedIds())
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


# --- SQLite


async def test_every_connection_is_prepared(url: str, store: SqlStore) -> None:
    only_on(url, "sqlite")
    async with store.engine.connect() as one, store.engine.connect() as two:
        for connection in (one, two):
            found = [
                (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
                for name in ("foreign_keys", "journal_mode", "synchronous")
            ]
            assert found == [1, "wal", 2]


async def test_a_locked_database_is_unavailable_and_comes_back(url: str, clock: HandClock) -> None:
    holder = sqlite3.connect(only_on(url, "sqlite"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    store = SqlStore.open(url, clock, CountedIds(), busy_seconds=0.05)
    writers = [store.registry.repository(REPOSITORY) for _ in range(5)]
    answers = await asyncio.gather(*writers, return_exceptions=True)
    assert all(isinstance(answer, StoreUnavailableError) for answer in answers)
    assert await store.registry.find_repository(REPOSITORY.forge, REPOSITORY.id) is None, "readers are not kept out"
    await store.ping()
    holder.rollback()
    holder.close()
    await store.registry.repository(REPOSITORY)
    assert await store.registry.find_repository(REPOSITORY.forge, REPOSITORY.id) == REPOSITORY
    await store.close()


async def test_writers_that_wait_leave_connections_for_readers(url: str, clock: HandClock) -> None:
    holder = sqlite3.connect(only_on(url, "sqlite"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    store = SqlStore.open(url, clock, CountedIds(), busy_seconds=20)
    writers = [asyncio.create_task(store.registry.repository(REPOSITORY)) for _ in range(40)]
    await asyncio.sleep(0)  # every writer has begun to wait
    await asyncio.wait_for(store.ping(), timeout=60)
    assert not any(writer.done() for writer in writers)
    holder.rollback()
    holder.close()
    await asyncio.gather(*writers)
    await store.close()


async def test_a_database_in_no_directory_is_unavailable(tmp_path: Path) -> None:
    store = SqlStore.open(f"sqlite:///{tmp_path}/missing/x.db", HandClock(), CountedIds())
    with pytest.raises(StoreUnavailableError):
        await store.ping()
    with pytest.raises(StoreUnavailableError):
        await upgrade(f"sqlite:///{tmp_path}/missing/x.db")
    await store.close()


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    file.write_text("this is not a database, " * 100)
    store = SqlStore.open(f"sqlite:///{file}", HandClock(), CountedIds())
    with pytest.raises(StoreError):
        await store.ping()
    await store.close()


async def test_nobody_else_reads_the_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        await upgrade(f"sqlite:///{tmp_path}/x.db")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.db").stat().st_mode) == 0o600


# --- PostgreSQL


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    # port 1 is nobody's
    store = SqlStore.open("postgresql://flow:hunter2@127.0.0.1:1/flow", HandClock(), CountedIds())
    with pytest.raises(StoreUnavailableError) as caught:
        await store.ping()
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"
    await store.close()


async def test_a_database_that_is_not_there_is_unavailable(postgres_url: str) -> None:
    missing = make_url(postgres_url).set(database=new_id()).render_as_string(hide_password=False)
    store = SqlStore.open(missing, HandClock(), CountedIds())
    with pytest.raises(StoreUnavailableError):
        await store.ping()
    await store.close()


async def test_connections_that_the_server_ended_are_replaced(url: str, store: SqlStore, neighbour: SqlStore) -> None:
    only_on(url, "postgresql")
    await store.ping()
    end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
    async with neighbour.engine.begin() as connection:
        await connection.execute(text(f"{end_all} pg_backend_pid()"))
    await store.ping()
    database = Database(store.engine)

    async def end_myself() -> None:
        async with database.writing() as connection:
            await connection.execute(text(f"{end_all} 0"))
            await connection.execute(text("SELECT 1"))

    with pytest.raises(StoreUnavailableError):
        await end_myself()
    await store.ping()


# --- both


async def test_what_was_bound_is_in_no_error(store: SqlStore) -> None:
    job = await new_job(store)
    await new_run(store, job, token="hunter2")
    with pytest.raises(StoreError) as caught:
        await new_run(store, job, token="hunter2")
    assert sha256("hunter2") not in str(caught.value)
    with pytest.raises(StoreError) as caught:
        await store.deliveries.add(delivery(body=b"hunter2", received_at=clock_without_zone()))
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"


def clock_without_zone() -> datetime:
    return HandClock().now().replace(tzinfo=None)


async def test_a_failed_transaction_leaves_nothing(store: SqlStore) -> None:
    with pytest.raises(StoreError):
        await new_job(store, target_job_id=new_id())
    assert await store.jobs.latest(REPOSITORY, 7) is None
    assert await store.audit.first_broken() is None
    async with store.engine.connect() as connection:
        assert (await connection.exec_driver_sql("SELECT count(*) FROM audit_events")).scalar_one() == 0


async def test_writers_that_are_cancelled_leave_neither_locks_nor_connections(
    url: str, clock: HandClock, store: SqlStore
) -> None:
    async def append(each: SqlStore, subject: str) -> None:
        await each.audit.append(actor="a", verb="v", subject=subject, data={})

    for steps in range(25):
        # a store of its own: the writers are stopped while they connect, too
        other = SqlStore.open(url, clock, CountedIds())
        tasks = [asyncio.create_task(append(other, f"{steps}")) for _ in range(3)]
        for _ in range(steps):  # each round stops them a step further on their way
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await append(other, "after")
        await other.close()
    gc.collect()  # a connection that nobody closed would warn now, and warnings are errors
    await append(store, "last")
    assert await store.audit.first_broken() is None


async def cancelled_while_connecting(store: SqlStore) -> None:
    call = asyncio.create_task(store.ping())

    def cancel(_connection: object, _record: object) -> None:
        call.cancel()

    event.listen(store.engine.sync_engine, "connect", cancel, insert=True)
    with pytest.raises(asyncio.CancelledError):
        await call
    event.remove(store.engine.sync_engine, "connect", cancel)


async def test_a_caller_who_is_cancelled_while_connecting_leaves_no_connection(url: str, clock: HandClock) -> None:
    store = SqlStore.open(url, clock, CountedIds())
    await cancelled_while_connecting(store)
    await store.close()
    gc.collect()  # as above


async def test_who_is_still_at_it_when_the_store_closes_leaves_no_connection(url: str, clock: HandClock) -> None:
    store = SqlStore.open(url, clock, CountedIds())
    reads, end = asyncio.Event(), asyncio.Event()
    reading = asyncio.create_task(read_until(store, reads, end))
    await reads.wait()
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    assert not closing.done()
    end.set()
    await asyncio.gather(closing, reading)
    del store
    gc.collect()  # as above


async def test_who_does_not_come_to_an_end_is_not_waited_for(url: str, clock: HandClock) -> None:
    store = SqlStore.open(url, clock, CountedIds(), busy_seconds=0.05)
    reads, end = asyncio.Event(), asyncio.Event()
    reading = asyncio.create_task(read_until(store, reads, end))
    await reads.wait()
    await store.close()
    assert not reading.done()
    end.set()
    await reading
    del store
    gc.collect()  # as above


async def read_until(store: SqlStore, reads: asyncio.Event, end: asyncio.Event) -> None:
    async with store.database.reading() as connection:
        await connection.execute(text("SELECT 1"))
        reads.set()
        await end.wait()


async def test_many_writers_and_readers_at_once_all_succeed(store: SqlStore, neighbour: SqlStore) -> None:
    async def work(each: SqlStore, index: int) -> None:
        await each.audit.append(actor="a", verb="v", subject=str(index), data={})
        await each.deliveries.add(delivery(f"d-{index}"))
        await each.deliveries.waiting(limit=10)

    await asyncio.gather(*(work(each, index) for each in (store, neighbour) for index in range(40)))
    assert len(await store.deliveries.waiting(limit=100)) == 40
    assert await store.audit.first_broken() is None


async def test_several_processes_share_one_database(url: str, store: SqlStore) -> None:
    jobs = {(await new_job(store, number=number)).id for number in range(1, 11)}
    programs = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            hammer.__name__,
            url,
            f"process-{index}",
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
    assert sorted(key for each in got for key in each["won"]) == sorted(jobs)
    added = [key for each in got for key in each["added"]]
    assert len(added) == len(set(added)) == hammer.DELIVERIES
    assert await store.audit.first_broken() is None
    async with store.engine.connect() as connection:
        events = await connection.exec_driver_sql("SELECT count(*) FROM audit_events WHERE verb = 'hammer'")
        assert events.scalar_one() == 3 * hammer.EVENTS


async def test_a_store_without_tables_answers_but_refuses(backend: Backend, clock: HandClock) -> None:
    url = await backend.empty()
    store = SqlStore.open(url, clock, CountedIds())
    await store.ping()
    with pytest.raises(StoreError):
        await store.jobs.get(new_id())
    await store.close()
    await backend.drop(url)
