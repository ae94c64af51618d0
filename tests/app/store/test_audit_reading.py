"""The audit log in a database: whatever is put into a row is seen, and nothing is needed but to read."""

import asyncio
import shutil
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from app.store.audit import append, open_for_reading, open_log
from app.store.audit_chain import Anchor, Chain, Fault, Row, Verdict, WrittenEvent
from app.store.database import SqlStore
from app.store.engine import Database, parse_url
from app.store.migrate import upgrade
from app.store.tables import audit_events
from bot.errors import SettingsError, StoreUnavailableError
from tests.app.store.test_audit import disarm, write
from tests.app.store.test_audit_chain import SAID, chained
from tests.app.store.words import START, CountedIds, HandClock

EVENTS = 7
"""How many ``write`` makes."""

SAYS = "at, actor, verb, subject, data"


async def verdict_of(url: str, *, since: int | None = None, chain: Chain | None = None) -> Verdict:
    chain = chain or Chain()
    database = open_for_reading(url)
    try:
        async with open_log(database, since=since) as log:
            async for batch in log.batches:
                chain.take(batch)
    finally:
        await database.close()
    return chain.end()


async def tamper(store: SqlStore, *statements: str) -> None:
    async with store.engine.begin() as connection:
        await disarm(connection)
    await change(store, *statements)


async def change(store: SqlStore, *statements: str) -> None:
    """In a database whose triggers are gone."""
    async with store.engine.begin() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)


async def many(store: SqlStore, count: int) -> list[WrittenEvent]:
    """That many events, written at once."""
    log = chained([SAID | {"subject": str(number), "data": {"note": "x" * 200}} for number in range(count)])
    values = [
        {
            "id": row.event.serial,
            "at": row.event.at,
            "actor": row.event.actor,
            "verb": row.event.verb,
            "subject": row.event.subject,
            "data": row.event.data,
            "previous": row.event.previous,
            "hash": row.hash,
        }
        for row in log
    ]
    async with store.engine.begin() as connection:
        await connection.execute(insert(audit_events), values)
    return log


EVIL = """'{"a": "evil", ' || substr(CAST(data AS TEXT), 2)"""
"""A second value for a key, in front of the one that Python would take."""

JUNK = {
    "sqlite": [
        f"UPDATE audit_events SET data = {EVIL} WHERE id = 4",  # noqa: S608 - ours
        "UPDATE audit_events SET actor = CAST(x'ff' AS TEXT) WHERE id = 4",
        "UPDATE audit_events SET actor = x'00' WHERE id = 4",
        "UPDATE audit_events SET at = 'never' WHERE id = 4",
        "UPDATE audit_events SET at = 4 WHERE id = 4",
        "UPDATE audit_events SET at = '2026-03-01 13:00:00.000000+01:00' WHERE id = 4",
        "UPDATE audit_events SET at = '2026-03-01T12:00:00.000000' WHERE id = 4",
        "UPDATE audit_events SET data = '{' WHERE id = 4",
        "UPDATE audit_events SET data = '' WHERE id = 4",
        "UPDATE audit_events SET previous = 'ü' WHERE id = 4",
        "UPDATE audit_events SET hash = 1 WHERE id = 4",
        "UPDATE audit_events SET id = 3.5 WHERE id = 4",
    ],
    "postgresql": [
        f"UPDATE audit_events SET data = CAST({EVIL} AS JSON) WHERE id = 4",  # noqa: S608 - ours
        "UPDATE audit_events SET at = at - INTERVAL '1 microsecond' WHERE id = 4",
        "UPDATE audit_events SET at = '2026-03-01 12:00:00+00 BC' WHERE id = 4",
        "UPDATE audit_events SET at = '12026-03-01 12:00:00+00' WHERE id = 4",
        "UPDATE audit_events SET at = 'infinity' WHERE id = 4",
        "UPDATE audit_events SET at = '-infinity' WHERE id = 4",
        "UPDATE audit_events SET previous = '' WHERE id = 4",
    ],
}
JUNK_ON_BOTH = [
    # not what was written, although decoded it would be the same
    "UPDATE audit_events SET actor = chr(16) || '0075' || substr(actor, 2) WHERE id = 4",
    # no mapping of texts
    "UPDATE audit_events SET data = '[]' WHERE id = 4",
    "UPDATE audit_events SET data = '{\"a\": 4}' WHERE id = 4",
    "UPDATE audit_events SET data = '" + "[" * 5_000 + "]" * 5_000 + "' WHERE id = 4",
    # numbers that no event has, or another one had
    "UPDATE audit_events SET id = 0 WHERE id = 4",
    "UPDATE audit_events SET id = -4 WHERE id = 4",
    "UPDATE audit_events SET id = 9223372036854775807 WHERE id = 4",
]


async def test_junk_in_a_row_is_found(store: SqlStore, url: str) -> None:
    """Each product keeps other junk; every piece is put into the same log, which is put right again in between."""
    await write(store)
    kind = store.engine.dialect.name
    await tamper(store, "DROP TABLE IF EXISTS kept", "CREATE TABLE kept AS SELECT * FROM audit_events")
    for statement in [*JUNK[kind], *JUNK_ON_BOTH]:
        await change(store, statement.replace("chr(", "char(") if kind == "sqlite" else statement)
        found = await verdict_of(url)
        assert found.broken is not None, statement
        assert found.broken.place == (1 if found.events == 0 else 4), statement
        assert found.events + 1 + found.follow == EVENTS, statement
        await change(store, "DELETE FROM audit_events", "INSERT INTO audit_events SELECT * FROM kept")
        assert (await verdict_of(url)).broken is None
    await change(store, "DROP TABLE kept")


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["DELETE FROM audit_events WHERE id = 1"], (Fault.MISSING, 1, 2, 5)),
        (["DELETE FROM audit_events WHERE id IN (4, 5)"], (Fault.MISSING, 4, 6, 1)),
        (["DELETE FROM audit_events WHERE id > 5"], (Fault.TRUNCATED, 6, None, 0)),
        (["DELETE FROM audit_events"], (Fault.TRUNCATED, 1, None, 0)),
        # two are swapped
        (
            [
                "UPDATE audit_events SET id = 100 WHERE id = 3",
                "UPDATE audit_events SET id = 3 WHERE id = 5",
                "UPDATE audit_events SET id = 5 WHERE id = 100",
            ],
            (Fault.NOT_LINKED, 3, 3, 4),
        ),
        # one is added at the end, and does not know how hashes are made
        (
            [f"INSERT INTO audit_events SELECT 8, {SAYS}, hash, previous FROM audit_events WHERE id = 7"],  # noqa: S608 - ours
            (Fault.CHANGED, 8, 8, 0),
        ),
        # one is added in front
        (
            [f"INSERT INTO audit_events SELECT 0, {SAYS}, previous, hash FROM audit_events WHERE id = 1"],  # noqa: S608 - ours
            (Fault.OUT_OF_ORDER, 1, 0, 7),
        ),
        (["UPDATE audit_events SET hash = previous WHERE id = 7"], (Fault.CHANGED, 7, 7, 0)),
    ],
)
async def test_rows_that_go_come_or_move_are_found(
    store: SqlStore, url: str, statements: list[str], expected: tuple[Fault, int, int | None, int]
) -> None:
    await write(store)
    kept = (await verdict_of(url)).newest
    await tamper(store, *statements)
    found = await verdict_of(url, chain=Chain(expected=kept))
    assert found.broken is not None
    assert (found.broken.fault, found.broken.place, found.broken.serial, found.follow) == expected
    assert found.events == found.broken.place - 1


async def test_two_rows_with_one_number_are_found(store: SqlStore, url: str) -> None:
    """The fork that only a table without its key can hold."""
    await write(store)
    keep = "CREATE TABLE kept AS SELECT * FROM audit_events WHERE id = 4"
    await tamper(store, "DROP TABLE IF EXISTS kept", keep)
    if store.engine.dialect.name == "postgresql":
        loosen = ["ALTER TABLE audit_events DROP CONSTRAINT pk_audit_events"]
        repair = [
            "DELETE FROM audit_events WHERE actor = 'user:1:eve'",
            "ALTER TABLE audit_events ADD CONSTRAINT pk_audit_events PRIMARY KEY (id, at)",
        ]
    else:
        loose = "CREATE TABLE loose AS SELECT * FROM audit_events"
        loosen = [loose, "DROP TABLE audit_events", "ALTER TABLE loose RENAME TO audit_events"]
        repair = []
    copy = "INSERT INTO audit_events SELECT id, at, 'user:1:eve', verb, subject, data, previous, hash FROM kept"
    await change(store, *loosen, copy)
    found = await verdict_of(url)
    await change(store, "DROP TABLE kept", *repair)
    assert found.broken is not None
    # either of the two may come first
    assert found.broken.place in {4, 5}
    assert found.events + 1 + found.follow == EVENTS + 1


CELLS = st.text(max_size=6) | st.binary(max_size=6) | st.integers(-(2**63), 2**63 - 1) | st.floats()


@pytest.fixture(scope="module")
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with a log and no triggers."""
    file = tmp_path_factory.mktemp("audit") / "log.db"

    async def make() -> None:
        await upgrade(f"sqlite:///{file}")
        store = SqlStore.open(f"sqlite:///{file}", HandClock(), CountedIds())
        await write(store)
        await tamper(store)
        await store.close()

    asyncio.run(make())
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    return file


@settings(max_examples=150)
@given(st.sampled_from([column.name for column in audit_events.c]), st.integers(1, EVENTS), CELLS)
def test_whatever_is_put_into_a_cell_is_found(log_file: Path, column: str, serial: int, value: object) -> None:
    copy = log_file.with_name("copy.db")
    shutil.copy(log_file, copy)
    cell = f"SELECT CAST({column} AS BLOB) FROM audit_events WHERE rowid = {serial}"  # noqa: S608 - ours
    with closing(sqlite3.connect(copy)) as connection, connection:
        (before,) = connection.execute(cell).fetchone()
        try:
            connection.execute(
                f"UPDATE audit_events SET {column} = ? WHERE rowid = {serial}",  # noqa: S608 - ours
                (value,),
            )
        except sqlite3.IntegrityError:
            assume(False)
        (after,) = connection.execute(cell).fetchone()
        assume(before != after)
    verdict = asyncio.run(verdict_of(f"sqlite:///{copy}"))
    assert verdict.broken is not None
    assert verdict.events + 1 + verdict.follow == EVENTS
    if column != "id":
        assert verdict.events == serial - 1


async def test_events_that_are_appended_meanwhile_change_no_verdict(
    store: SqlStore, neighbour: SqlStore, url: str
) -> None:
    """One statement sees one state, however long it is read."""
    written = await many(store, 1_200)
    chain, seen = Chain(), 0
    database = open_for_reading(url)
    async with open_log(database) as log:
        async for batch in log.batches:
            chain.take(batch)
            seen += 1
            await neighbour.audit.append(actor="a", verb="v", subject="s", data={})
    await database.close()
    assert seen == 3
    assert chain.end() == Verdict(events=1_200, newest=Anchor(1_200, written[-1].hash), broken=None, follow=0)
    assert (await verdict_of(url)).events == 1_203


async def test_two_writers_never_make_a_false_alarm(store: SqlStore, neighbour: SqlStore, url: str) -> None:
    async def work(writer: SqlStore) -> None:
        for number in range(60):
            await writer.audit.append(actor="a", verb="v", subject=str(number), data={})

    writers = [asyncio.create_task(work(each)) for each in (store, neighbour)]
    counts = []
    while not all(writer.done() for writer in writers):
        verdict = await verdict_of(url)
        assert verdict.broken is None
        counts.append(verdict.events)
    await asyncio.gather(*writers)
    assert any(0 < count < 120 for count in counts), "none was counted while they wrote"
    assert (await verdict_of(url)).events == 120


async def test_a_part_begins_where_it_is_told(store: SqlStore, url: str) -> None:
    await write(store)
    (third,) = [row for row in await rows_of(url) if isinstance(row, WrittenEvent) and row.event.serial == 3]
    found = await verdict_of(url, since=4, chain=Chain(Anchor(3, third.hash)))
    assert (found.broken, found.events) == (None, 4)
    assert (await verdict_of(url, since=100)).events == 0


async def rows_of(url: str) -> list[Row]:
    database = open_for_reading(url)
    try:
        async with open_log(database) as log:
            return [row async for batch in log.batches for row in batch]
    finally:
        await database.close()


async def test_events_come_back_as_they_were_written(store: SqlStore, url: str) -> None:
    await write(store)
    found = await rows_of(url)
    assert len(found) == EVENTS
    for number, row in enumerate(found, start=1):
        assert isinstance(row, WrittenEvent)
        assert (row.event.serial, row.event.at, row.event.actor) == (number, START, f"user:{number}:ada")
        assert row.event.data == {"note": "NUL \x00, \udcff, ü", "b": "1", "a": str(number)}


async def test_memory_does_not_grow_with_the_log(store: SqlStore, url: str) -> None:
    await many(store, 1_500)
    small = await peak_of(url)
    await tamper(store, "DELETE FROM audit_events")
    await many(store, 9_000)
    large = await peak_of(url)
    assert large < small * 1.5, f"{small} bytes at 1,500 events, {large} at 9,000"


async def peak_of(url: str) -> int:
    """The most bytes that Python had while all was verified."""
    tracemalloc.start()
    try:
        assert (await verdict_of(url)).broken is None
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_the_right_to_read_is_enough(store: SqlStore, url: str) -> None:
    """No transaction may write there any more, and none needs to."""
    await write(store)
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        await change(store, f'ALTER DATABASE "{parsed.database}" SET default_transaction_read_only = on')
        with pytest.raises(DBAPIError, match="read-only"):
            await write_by_another(url)
        assert (await verdict_of(url)).events == EVENTS
        await change(store, f'ALTER DATABASE "{parsed.database}" RESET default_transaction_read_only')
        return
    await store.close()
    file = Path(str(parsed.database))
    before = await asyncio.to_thread(file.read_bytes)
    assert (await verdict_of(url)).events == EVENTS
    assert await asyncio.to_thread(file.read_bytes) == before
    database = open_for_reading(url)
    with pytest.raises(StoreUnavailableError, match="OperationalError"):
        async with database.writing() as connection:
            await append(connection, START, actor="a", verb="v", subject="s", data={})
    await database.close()


async def write_by_another(url: str) -> None:
    """A connection that is made now."""
    engine = create_async_engine(parse_url(url))
    try:
        async with engine.begin() as connection:
            await append(connection, START, actor="a", verb="v", subject="s", data={})
    finally:
        await engine.dispose()


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_copy_of_a_file_is_read_as_it_is(log_file: Path, tmp_path: Path, journal: str) -> None:
    copy = tmp_path / "a copy, 100 % #.db"
    shutil.copy(log_file, copy)
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute(f"PRAGMA journal_mode={journal}")
    before = copy.read_bytes()
    database = open_for_reading(f"sqlite:///{copy}")
    assert database.engine.url.get_backend_name() == "sqlite"
    assert asyncio.run(counted(database)) == EVENTS
    assert copy.read_bytes() == before


async def counted(database: Database) -> int:
    try:
        async with open_log(database) as log:
            return sum([len(batch) async for batch in log.batches])
    finally:
        await database.close()


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="unable to open"):
        open_for_reading(f"sqlite:///{tmp_path / 'none.db'}")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "other").write_text("no database at all, and longer than a header of a hundred bytes " * 4)
    with pytest.raises(StoreUnavailableError, match="not a database"):
        open_for_reading(f"sqlite:///{tmp_path / 'other'}")
    with pytest.raises(SettingsError):
        open_for_reading("mysql://host/database")
