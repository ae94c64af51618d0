"""The inbox's way in: a batch of deliveries in one turn to the database, handed to the driver itself.

SQLAlchemy takes 3 ms of a processor for the turns of one transaction and 0.1 ms for each delivery in it, which is more
than all the rest of the intake; see ``benchmarks/intake.py``. Values still go through the types of the tables' columns.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from app.store.engine import PASSING, Database
from app.store.tables import deliveries
from bot.errors import StoreError, StoreUnavailableError
from bot.model.deliveries import Delivery, DeliveryState
from bot.model.forge import ForgeName

_COLUMNS: Final = ("forge", "delivery_id", "received_at", "event", "headers", "body")
_FRESH: Final = f"'{DeliveryState.NEW.value}', 0, ''"
"""State, attempts and error of a delivery that nobody has looked at."""

_POSTGRES: Final = f"""
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::bytea[])
        AS given (forge, delivery_id, received_at, event, headers, body)
), fresh AS (
    INSERT INTO delivery_keys (forge, delivery_id, received_at)
    SELECT forge, delivery_id, received_at FROM given
    ON CONFLICT (forge, delivery_id) DO NOTHING
    RETURNING serial, forge, delivery_id
)
INSERT INTO deliveries (serial, forge, delivery_id, received_at, event, headers, body, state, attempts, error)
SELECT serial, forge, delivery_id, received_at, event, CAST(headers AS json), body, {_FRESH}
FROM fresh JOIN given USING (forge, delivery_id)
RETURNING forge, delivery_id
"""  # noqa: S608 - made of constants

_SQLITE_KEY: Final = """
INSERT INTO delivery_keys (forge, delivery_id, received_at) VALUES (?, ?, ?)
ON CONFLICT (forge, delivery_id) DO NOTHING RETURNING serial
"""
_SQLITE_ROW: Final = f"""
INSERT INTO deliveries (serial, forge, delivery_id, received_at, event, headers, body, state, attempts, error)
VALUES (?, ?, ?, ?, ?, ?, ?, {_FRESH})
"""  # noqa: S608 - made of constants

_Key = tuple[ForgeName, str]
_Row = tuple[Any, ...]


class InboxWriter:
    """Writes batches of deliveries; one transaction and one turn to the database each."""

    def __init__(self, database: Database) -> None:
        self._database = database
        dialect = database.engine.dialect
        self._postgres = dialect.name == "postgresql"
        self._processors = [_processor(name, dialect) for name in _COLUMNS]

    async def write(self, batch: Sequence[Delivery]) -> set[_Key]:
        """Keep what is not there yet; the keys of that. Of several with the same key the first one counts.

        Raises:
            StoreUnavailableError: the database is away, locked or going down.
            StoreError: it refused one of them, and so keeps none.
        """
        first = {(each.forge, each.delivery_id): each for each in reversed(batch)}
        # In one order everywhere: of two processes with the same keys in two orders each would wait for the other.
        first = dict(sorted(first.items(), key=lambda item: item[0]))
        rows = [self._row(delivery) for delivery in first.values()]
        async with self._database.driver() as driver:
            fresh = await (_write_postgres if self._postgres else _write_sqlite)(driver, rows)
        by_key = {row[:2]: key for row, key in zip(rows, first, strict=True)}
        return {by_key[forge, delivery_id] for forge, delivery_id in fresh}

    def _row(self, delivery: Delivery) -> _Row:
        values = [getattr(delivery, name) for name in _COLUMNS]
        try:
            return tuple(process(value) for process, value in zip(self._processors, values, strict=True))
        except ValueError as error:
            raise StoreError("a delivery cannot be written as its columns want it") from error


def _processor(name: str, dialect: Any) -> Callable[[Any], Any]:
    """What SQLAlchemy would do to a value of that column before it hands it to the driver."""
    found: Callable[[Any], Any] | None = deliveries.c[name].type.dialect_impl(dialect).bind_processor(dialect)
    return found or (lambda value: value)


async def _write_postgres(driver: asyncpg.Connection, rows: Sequence[_Row]) -> list[tuple[str, str]]:
    """One statement, and so a transaction of its own."""
    try:
        found = await driver.fetch(_POSTGRES, *(list(column) for column in zip(*rows, strict=True)))
    except asyncpg.PostgresError as error:
        state = str(error.sqlstate or "")
        if state.startswith(PASSING):
            raise StoreUnavailableError(f"the database could not finish (SQLSTATE {state})") from error
        raise StoreError(f"the database refused ({type(error).__name__} {state})") from error
    except ValueError as error:
        raise StoreError("the driver cannot write a delivery as its columns want it") from error
    return [(row["forge"], row["delivery_id"]) for row in found]


async def _write_sqlite(driver: Any, rows: Sequence[_Row]) -> list[tuple[str, str]]:
    """All of it in one turn to the thread in which aiosqlite keeps the connection."""
    try:
        found: list[tuple[str, str]] = await driver._execute(_in_sqlite, driver._conn, rows)  # noqa: SLF001 - it has
        # no other way to run several statements in one turn; its version is pinned
    except sqlite3.OperationalError as error:
        raise StoreUnavailableError(f"the database did not answer ({type(error).__name__})") from error
    except sqlite3.Error as error:
        raise StoreError(f"the database refused ({type(error).__name__})") from error
    return found


def _in_sqlite(connection: sqlite3.Connection, rows: Sequence[_Row]) -> list[tuple[str, str]]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        fresh = []
        for row in rows:
            serial = connection.execute(_SQLITE_KEY, row[:3]).fetchone()
            if serial is not None:
                fresh.append((serial[0], *row))
        connection.executemany(_SQLITE_ROW, fresh)
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return [(forge, delivery_id) for _, forge, delivery_id, *_ in fresh]
