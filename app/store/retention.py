"""What is old goes: whole partitions where there are any, rows in small batches where there are none."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import ColumnElement, Table, delete, exists, select

from app.store.audit_drop import BrokenLogError, drop_audit
from app.store.engine import Database
from app.store.history_tables import delivery_keys
from app.store.partitions import SqlPartitions, month_of, was_in_use
from app.store.tables import audit_events, deliveries, git_operations, job_executions, jobs, model_usage
from bot.errors import StoreUnavailableError
from bot.model.deliveries import DeliveryState
from bot.model.retention import Keep, Retained

_BATCH: Final = 1000
"""Rows in one transaction: SQLite's other writers wait for its end."""

_HISTORY: Final = (job_executions, git_operations, model_usage)

_NOT_ROUTED: Final = "SELECT 1 FROM {partition} WHERE state = 'new' AND received_at < :before LIMIT 1"
_OF_YOUNG_JOBS: Final = """
    SELECT 1 FROM {partition} AS old JOIN jobs ON jobs.id = old.job_id
    WHERE jobs.finished_at IS NULL OR jobs.finished_at >= :before LIMIT 1
"""
"""What keeps a partition."""

log = structlog.get_logger(__name__)


class SqlRetention:
    """Removes old rows; implements ``bot.ports.retention.Retention``.

    A delivery stays until it was routed, however old. What a job did stays until the job's end is old: its budget
    counts its calls of the model, an undo needs its push.
    """

    def __init__(self, database: Database, keep: Keep) -> None:
        self._database = database
        self._keep = keep
        self._partitions = SqlPartitions(database)

    async def retain(self, now: datetime) -> Retained:
        """Make the partitions of this month and the next ones, and remove what is too old at ``now``.

        Raises:
            StoreUnavailableError, StoreError: the database did not answer, or refused.
        """
        removed: Counter[str] = Counter()
        postponed = dict.fromkeys(await self._partitions.ensure(now))
        for table, old in self._work(now).items():
            try:
                removed[table.name] += await old()
            except StoreUnavailableError as error:
                if not was_in_use(error):
                    raise
                postponed[table.name] = None
            except BrokenLogError as error:
                log.exception("the audit log is broken, nothing of it is dropped", place=error.place)
                postponed[table.name] = None
        if postponed:
            log.warning("old rows stay, or partitions are not made, until the next time", tables=[*postponed])
        return Retained(removed={table: count for table, count in removed.items() if count}, postponed=(*postponed,))

    def _work(self, now: datetime) -> dict[Table, Callable[[], Awaitable[int]]]:
        """How to remove what is old of each table."""
        work: dict[Table, Callable[[], Awaitable[int]]] = {
            deliveries: lambda: self._drop_deliveries(now - self._keep.deliveries),
        }
        if self._keep.history_months:
            history = month_of(now, -self._keep.history_months)
            work |= {table: self._history_of(table, history) for table in _HISTORY}
        if self._keep.audit_months:
            audit = month_of(now, -self._keep.audit_months)
            work[audit_events] = lambda: drop_audit(self._database, before=audit, now=now)
        return work

    async def _drop_deliveries(self, before: datetime) -> int:
        """The keys go last: a delivery whose key is there is never taken for a new one."""
        if self._database.engine.dialect.name == "postgresql":
            # What else is old goes with its partition, soon.
            before = month_of(before)
        rows = await self._partitions.drop_before(deliveries.name, before, needed=_NOT_ROUTED)
        not_routed = exists().where(
            deliveries.c.serial == delivery_keys.c.serial,
            deliveries.c.received_at == delivery_keys.c.received_at,
            deliveries.c.state == DeliveryState.NEW,
        )
        old = select(delivery_keys.c.serial).where(delivery_keys.c.received_at < before, ~not_routed)
        batch = old.order_by(delivery_keys.c.serial).limit(_BATCH)
        while True:
            async with self._database.writing() as connection:
                serials = list((await connection.execute(batch)).scalars())
                bodies = delete(deliveries).where(deliveries.c.serial.in_(serials), deliveries.c.received_at < before)
                rows += (await connection.execute(bodies)).rowcount
                await connection.execute(delete(delivery_keys).where(delivery_keys.c.serial.in_(serials)))
            if len(serials) < _BATCH:
                return rows

    def _history_of(self, table: Table, before: datetime) -> Callable[[], Awaitable[int]]:
        async def drop() -> int:
            rows = await self._partitions.drop_before(table.name, before, needed=_OF_YOUNG_JOBS)
            ended = exists().where(jobs.c.id == table.c.job_id, jobs.c.finished_at < before)
            return rows + await self._delete(table, (table.c.started_at < before) & ended)

        return drop

    async def _delete(self, table: Table, old: ColumnElement[bool]) -> int:
        """What is old and in no partition that went as a whole."""
        rows = 0
        batch = select(table.c.serial).where(old).order_by(table.c.serial).limit(_BATCH)
        while True:
            async with self._database.writing() as connection:
                count = (await connection.execute(delete(table).where(old, table.c.serial.in_(batch)))).rowcount
            rows += count
            if count < _BATCH:
                return rows
