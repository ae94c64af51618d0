"""The engine: connections, pragmas, transactions, and the driver's errors in our own words."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy import URL, Connection, Table, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from app.store import postgres
from app.store.limits import DEFAULT, Limits
from bot.errors import SettingsError, StoreError, StoreUnavailableError

BUSY_SECONDS: Final = 10.0
"""How long a transaction waits for others before the database counts as unavailable."""

_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_WRITES: Final = "flowforge_writes"

# SQLSTATE classes after which the same transaction may succeed: connection exceptions, transaction rollbacks
# (deadlock), insufficient resources, operator intervention (shutdown).
# Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
PASSING: Final = ("08", "40", "53", "57", "55P03")


def parse_url(url: str) -> URL:
    """A database URL with the one driver we use for its product.

    Raises:
        SettingsError: no such product, no URL, a parameter nobody knows, or a SQLite database in memory, which no
            second connection could see.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise SettingsError("the database URL cannot be read; write sqlite:///path or postgresql://…") from None
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise SettingsError(f"databases of the kind {parsed.drivername!r} are not supported; use sqlite or postgresql")
    if driver.startswith("sqlite") and parsed.database in {None, "", ":memory:"}:
        raise SettingsError("the SQLite database needs a file: write sqlite:///path")
    if driver.startswith("postgresql"):
        postgres.check_parameters(parsed)
    return parsed.set(drivername=driver)


def create_engine(url: str, *, busy_seconds: float = BUSY_SECONDS, limits: Limits = DEFAULT) -> AsyncEngine:
    """An engine on which every transaction begins as this module wants it; nothing is connected yet.

    ``busy_seconds`` is how long a transaction waits for others, or for a connection, before the database counts as
    unavailable.

    Raises:
        SettingsError: see ``parse_url`` and ``postgres.connection_arguments``.
    """
    parsed = parse_url(url)
    lite = parsed.get_backend_name() == "sqlite"
    # isolation_level None keeps sqlite3 from beginning transactions by itself, and late.
    options: dict[str, Any] = {"timeout": busy_seconds, "isolation_level": None}
    if not lite:
        parsed, options = postgres.connection_arguments(parsed, limits, busy_seconds)
    try:
        engine = create_async_engine(
            parsed,
            connect_args=options,
            pool_size=limits.pool_size,
            max_overflow=limits.max_overflow,
            pool_recycle=-1 if lite else limits.recycle_seconds,
            pool_timeout=busy_seconds,
            pool_pre_ping=not lite,
            # What is bound may be a webhook's body or a token's hash: none of it belongs into an exception's text.
            hide_parameters=True,
        )
    except (ArgumentError, NoSuchModuleError):
        raise SettingsError("the database URL cannot be read; write sqlite:///path or postgresql://…") from None
    if lite:
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    elif limits.pgbouncer:
        event.listen(engine.sync_engine, "begin", _Timeouts(postgres.timeouts(limits, busy_seconds)))
    return engine


class _Timeouts:
    """Sets timeouts for one transaction, where a connection cannot have any of its own."""

    def __init__(self, timeouts: Mapping[str, str]) -> None:
        settings = (f"set_config('{name}', '{value}', true)" for name, value in timeouts.items())
        self._statement = f"SELECT {', '.join(settings)}"

    def __call__(self, connection: Connection) -> None:
        connection.exec_driver_sql(self._statement)


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    """Foreign keys are off by default, and only WAL lets readers and a writer work at the same time."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA journal_mode")
    # Asking again for a mode that is set already would need a lock.
    if cursor.fetchone()[0] != "wal":
        cursor.execute("PRAGMA journal_mode=WAL")
    # What was answered with 202 must outlive a power cut: FULL syncs the log at every commit.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Writers take the lock at once: a reader that turns writer fails when another one was faster."""
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours.

    Raises:
        StoreUnavailableError: the database is gone, locked beyond the timeout, shutting down, or out of connections.
        StoreError: the database refused what was asked.
    """
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError, OSError) as error:
        raise StoreUnavailableError(f"the database did not answer ({type(error).__name__})") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # asyncpg's errors while connecting reach us as they are.
        raise StoreUnavailableError(f"the database refused the connection ({type(error).__name__})") from error
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", None) or "")
        if error.connection_invalidated or state.startswith(PASSING):
            raise StoreUnavailableError(f"the database could not finish (SQLSTATE {state or 'unknown'})") from error
        raise StoreError(f"the database refused ({type(error).__name__} {state})") from error
    except SQLAlchemyError as error:
        raise StoreError(f"the database layer failed ({type(error).__name__})") from error


class Database:
    """Transactions on one engine, for one event loop.

    On SQLite the writers of this process queue up in front of the file's lock: its own waiting is a poll without any
    order, and each writer that waits there keeps a connection from a reader.
    """

    def __init__(self, engine: AsyncEngine, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.engine = engine
        self._writing = engine.execution_options(**{_WRITES: True})
        self._turn = asyncio.Lock() if engine.dialect.name == "sqlite" else None
        self._busy_seconds = busy_seconds
        self._used: set[asyncio.Task[AsyncConnection]] = set()
        self._unused = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads; it sees one state of the database on SQLite. Raises as ``translated``."""
        with translated():
            async with self._connected(self.engine) as connection, connection.begin():
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes, kept when the block ends and undone when it raises. Raises as ``translated``."""
        with translated():
            async with self._my_turn(), self._connected(self._writing) as connection, connection.begin():
                yield connection

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[Any]:
        """The driver's own connection, for one writer in its turn; transactions are the caller's. Raises as above.

        What the driver raises is translated only where it means that the database is away.
        """
        with translated():
            async with self._my_turn(), self._connected(self.engine) as connection:
                yield (await connection.get_raw_connection()).driver_connection

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        if self._turn is None:
            yield
            return
        async with asyncio.timeout(self._busy_seconds):
            await self._turn.acquire()
        try:
            yield
        finally:
            self._turn.release()

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """A connection of the pool.

        It is fetched and put back by tasks of their own: a caller who is cancelled while a new connection is made would
        leave it to the garbage collector, and its server process running till then.
        """
        opening = asyncio.create_task(_open(engine))
        self._used.add(opening)
        try:
            connection = await asyncio.shield(opening)
        except BaseException:
            self._close_later(opening)
            raise
        try:
            yield connection
        finally:
            await asyncio.shield(self._close_later(opening))

    def _close_later(self, opening: asyncio.Task[AsyncConnection]) -> asyncio.Task[None]:
        closing = asyncio.create_task(self._give_back(opening))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        return closing

    async def _give_back(self, opening: asyncio.Task[AsyncConnection]) -> None:
        try:
            try:
                connection = await opening
            except Exception:  # noqa: BLE001 - there is none, and whoever asked for it knows or is gone
                return
            if self._closed:
                await connection.invalidate()  # it would go to a pool that nobody looks into any more
            await connection.close()
        finally:
            self._used.discard(opening)
            if not self._used:
                self._unused.set()

    async def close(self) -> None:
        """Close every connection; transactions that are under way have as long to end as they may wait for others.

        What is under way then is not cut off, but its connection is closed when it ends.
        """
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._busy_seconds):
                    while self._used:
                        self._unused.clear()
                        await self._unused.wait()
        finally:
            self._closed = True
            await self.engine.dispose()


async def _open(engine: AsyncEngine) -> AsyncConnection:
    return await engine.connect().start()


def insert(connection: AsyncConnection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``, alike on both products."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
