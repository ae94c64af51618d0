"""The beginning of the audit log goes when it is old; what is left still proves itself."""

from datetime import datetime
from itertools import takewhile

from sqlalchemy import delete, exists, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store import audit
from app.store.audit_chain import BEGINNING, DROPPED, Anchor, Chain, Row, Unreadable
from app.store.engine import Database
from app.store.history_tables import audit_anchor
from app.store.partitions import drop, old_partitions, take_turn
from app.store.tables import audit_events
from bot.errors import StoreError


class BrokenLogError(StoreError):
    """The part that is to go is not as it was written: dropping it would remove the evidence. ``place`` is where."""

    def __init__(self, place: int) -> None:
        super().__init__(f"the audit log is broken at event {place}")
        self.place = place


async def drop_audit(database: Database, *, before: datetime, now: datetime) -> int:
    """Drop the events before the first one that is as young as ``before``; how many went.

    The last of them is kept as the anchor of the rest, and an event says so, in the same transaction. Clocks differ:
    an older event that was written after a younger one stays as long as that.

    Raises:
        BrokenLogError: they do not follow from each other; nothing is dropped.
        StoreUnavailableError, StoreError: the database did not answer, or refused.
    """
    through = await _last_old(database, before)
    if through is None:
        return 0
    async with database.writing() as connection:
        lite = connection.dialect.name == "sqlite"
        if not lite:
            await take_turn(connection)
        await audit.lock(connection)
        if not lite:
            # Who reads the log has read its anchor, and waits for its rows.
            await connection.execute(text(f"LOCK TABLE {audit_events.name} IN ACCESS EXCLUSIVE MODE"))
        query = select(func.count(), func.max(audit_events.c.id)).where(audit_events.c.id <= through.serial)
        count, last = (await connection.execute(query)).one()
        if last != through.serial:
            return 0  # another worker was faster
        await _remove(connection, through.serial, before)
        row = insert(audit_anchor).values(serial=through.serial, hash=through.hash, dropped_at=now)
        await connection.execute(row)
        data = {"through": str(through), "events": str(count), "before": before.isoformat()}
        await audit.append(connection, now, actor="flowforge", verb=DROPPED, subject="audit", data=data)
        return int(count)


async def _last_old(database: Database, before: datetime) -> Anchor | None:
    """The last event that goes; all up to it are looked at first."""

    def is_old(row: Row) -> bool:
        return isinstance(row, Unreadable) or row.event.at < before

    async with audit.open_log(database) as log:
        chain = Chain(log.dropped or BEGINNING)
        async for batch in log.batches:
            old = [*takewhile(is_old, batch)]
            chain.take(old)
            if len(old) < len(batch):
                break
    verdict = chain.end()
    if verdict.broken is not None:
        raise BrokenLogError(verdict.broken.place)
    return verdict.newest


async def _remove(connection: AsyncConnection, through: int, before: datetime) -> None:
    """Remove the events up to a number, past the triggers that refuse it; they are back before anybody sees it."""
    table = audit_events.name
    rest = audit_events.c.id <= through
    if connection.dialect.name == "sqlite":
        trigger = f"{table}_no_delete"
        query = text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = :name").bindparams(name=trigger)
        refuse = str((await connection.execute(query)).scalar_one())
        await connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        await connection.execute(delete(audit_events).where(rest))
        await connection.exec_driver_sql(refuse)
        return
    for partition in await old_partitions(connection, table, before):
        newest = text(f"SELECT max(id) FROM {partition.name}")  # noqa: S608 - a name of ours
        if ((await connection.execute(newest)).scalar_one() or 0) <= through:
            await drop(connection, table, partition.name)
    if (await connection.execute(select(exists().where(rest)))).scalar_one():
        await connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        await connection.execute(delete(audit_events).where(rest))
        await connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")
