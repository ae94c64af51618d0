"""Partitions on PostgreSQL, one for each month: made before they are needed, dropped as a whole when they are old.

A row that belongs to no month's partition goes into the default one, so that no insert ever fails; it moves when its
month gets a partition. Partitions are created, filled and then attached: attaching leaves readers and writers alone
but for the blink in which the default partition is looked through, and the tables that foreign keys name are locked.
Source: https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE

SQLite has no partitions; there nothing happens here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.engine import Database
from app.store.history_tables import PARTITIONED
from app.store.tables import APPEND_ONLY
from bot.errors import StoreUnavailableError

MONTHS_AHEAD: Final = 2
"""Partitions there are beyond this month's: as long may the retention stand still before rows go to the default one."""

_LOCK: Final = 0x464C4F57_50415254
"""The number of the advisory lock under which partitions come and go."""

_PATIENCE: Final = "500ms"
"""How long a table's users are waited for.

While we wait for them, others wait behind us. It is less than ``deadlock_timeout`` (a second, if nobody changed it):
where our locks and somebody else's come in another order, we give way and nobody else's transaction is undone.
Source: https://www.postgresql.org/docs/current/runtime-config-locks.html
"""

# lock_not_available and deadlock_detected
_IN_USE: Final = frozenset({"55P03", "40P01"})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition that has bounds. None is no bound."""

    name: str
    begins: datetime | None
    ends: datetime | None


class SqlPartitions:
    """Makes and drops partitions. Every partition is one transaction; workers that do the same wait for each other."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._here = database.engine.dialect.name == "postgresql"

    async def ensure(self, now: datetime) -> list[str]:
        """Make the partitions of this month and the next ones; the tables that were in use for too long to get them.

        Raises:
            StoreUnavailableError, StoreError: the database did not answer, or refused.
        """
        in_use: list[str] = []
        for table in PARTITIONED if self._here else ():
            try:
                for later in range(MONTHS_AHEAD + 1):
                    await self._ensure(table, month_of(now, later), month_of(now, later + 1))
            except StoreUnavailableError as error:
                if not was_in_use(error):
                    raise
                in_use.append(table)
        return in_use

    async def _ensure(self, table: str, begins: datetime, ends: datetime) -> None:
        async with self._database.writing() as connection:
            await take_turn(connection)
            for each in await partitions_of(connection, table):
                if (each.begins is None or each.begins < ends) and (each.ends is None or begins < each.ends):
                    return
            name = f"{table}_{begins:%Y_%m}"
            await _run(connection, f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS)")
            moved = await _move(connection, table, name, begins, ends)
            bounds = f"FROM ('{begins.isoformat()}') TO ('{ends.isoformat()}')"
            await _run(connection, f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES {bounds}")
            if table in APPEND_ONLY:
                # Triggers for whole statements are not handed on to partitions.
                await _run(
                    connection,
                    f"CREATE TRIGGER {name}_keep BEFORE TRUNCATE ON {name} "
                    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
                )
        log.info("partition made", partition=name, moved=moved)

    async def drop_before(self, table: str, before: datetime, *, needed: str) -> int:
        """Detach and drop what is wholly older than ``before``; how many rows went.

        A partition stays while ``needed`` finds a row; that is a query in SQL, with ``{partition}`` and ``:before``.
        Raises ``StoreUnavailableError``, also when the table was in use for too long: see ``was_in_use``.
        """
        rows, looked_at = 0, set[str]()
        while self._here:
            async with self._database.writing() as connection:
                await take_turn(connection)
                old = [each.name for each in await old_partitions(connection, table, before)]
                name = next((each for each in old if each not in looked_at), None)
                if name is None:
                    break
                looked_at.add(name)
                query = text(needed.format(partition=name)).bindparams(before=before)
                if (await connection.execute(query)).first() is None:
                    rows += await drop(connection, table, name)
        return rows


async def take_turn(connection: AsyncConnection) -> None:
    """Wait for others who make or drop partitions; from now on this transaction waits for nobody for long."""
    await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    await _run(connection, f"SET LOCAL lock_timeout = '{_PATIENCE}'")


async def partitions_of(connection: AsyncConnection, table: str) -> Sequence[Partition]:
    """The partitions of a table that have bounds, the oldest first."""
    query = text(
        """
        SELECT relname AS name,
            CAST(substring(bound FROM $$FROM \\('([^']+)'\\)$$) AS timestamptz) AS begins,
            CAST(substring(bound FROM $$TO \\('([^']+)'\\)$$) AS timestamptz) AS ends
        FROM (
            SELECT relname, pg_get_expr(relpartbound, pg_class.oid) AS bound
            FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
            WHERE inhparent = CAST(:parent AS regclass)
        ) AS partitions
        WHERE bound <> 'DEFAULT'
        ORDER BY begins NULLS FIRST
        """
    )
    rows = await connection.execute(query.bindparams(parent=table))
    return [Partition(name=row.name, begins=row.begins, ends=row.ends) for row in rows]


async def old_partitions(connection: AsyncConnection, table: str, before: datetime) -> list[Partition]:
    """The partitions whose rows are all older than ``before``."""
    found = await partitions_of(connection, table)
    return [each for each in found if each.ends is not None and each.ends <= before]


async def drop(connection: AsyncConnection, table: str, partition: str) -> int:
    """Detach a partition and drop it; how many rows it had."""
    count = text(f"SELECT count(*) FROM {partition}")  # noqa: S608 - a name of ours
    rows = int((await connection.execute(count)).scalar_one())
    await _run(connection, f"ALTER TABLE {table} DETACH PARTITION {partition}")
    await _run(connection, f"DROP TABLE {partition}")
    log.info("partition dropped", partition=partition, rows=rows)
    return rows


async def _move(connection: AsyncConnection, table: str, name: str, begins: datetime, ends: datetime) -> int:
    """Move the rows that waited in the default partition for one of their own; how many."""
    waiting = f"{table}_default WHERE {PARTITIONED[table]} >= :begins AND {PARTITIONED[table]} < :ends"
    bounds = {"begins": begins, "ends": ends}
    found = text(f"SELECT EXISTS (SELECT 1 FROM {waiting})").bindparams(**bounds)  # noqa: S608 - names of ours
    if not (await connection.execute(found)).scalar_one():
        return 0
    move = text(f"WITH moved AS (DELETE FROM {waiting} RETURNING *) INSERT INTO {name} SELECT * FROM moved")  # noqa: S608 - the same
    if table in APPEND_ONLY:
        await _run(connection, f"ALTER TABLE {table}_default DISABLE TRIGGER USER")
    moved = (await connection.execute(move.bindparams(**bounds))).rowcount
    if table in APPEND_ONLY:
        await _run(connection, f"ALTER TABLE {table}_default ENABLE TRIGGER USER")
    return moved


async def _run(connection: AsyncConnection, statement: str) -> Any:
    return await connection.exec_driver_sql(statement)


def month_of(moment: datetime, later: int = 0) -> datetime:
    """The beginning of a moment's month in UTC, or of the month that comes ``later`` months after it."""
    at = moment.astimezone(UTC)
    years, month = divmod(at.month - 1 + later, 12)
    return datetime(at.year + years, month + 1, 1, tzinfo=UTC)


def was_in_use(error: StoreUnavailableError) -> bool:
    """Whether only a table's users stood in the way."""
    state = getattr(getattr(error.__cause__, "orig", None), "sqlstate", None)
    return state in _IN_USE
