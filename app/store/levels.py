"""What has to be looked at again, once per key however often it was asked for."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Update, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.engine import Database, insert
from app.store.tables import jobs
from app.store.watch_tables import levels
from bot.model.forge import RepositoryRef
from bot.model.levels import LevelKind, LevelLease, PullKey
from bot.ports.system import Clock


class SqlLevels:
    """The levels' rows."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def raise_(self, kind: LevelKind, key: str) -> None:
        """Ask for a look at ``key``; the pause after a failure is over with that."""
        async with self._database.writing() as connection:
            await self._raise(connection, kind, key)

    async def raise_for_jobs(self, repository: RepositoryRef, *, base_ref: str | None = None) -> list[str]:
        """Ask for a look at each pull request (of one base branch) with a job under way; the keys of ``pr_sync``."""
        under_way = select(jobs.c.number).where(
            jobs.c.forge == repository.forge,
            jobs.c.repository_id == repository.id,
            jobs.c.finished_at.is_(None),
            jobs.c.number > 0,
        )
        if base_ref is not None:
            under_way = under_way.where(jobs.c.base_ref == base_ref)
        async with self._database.writing() as connection:
            numbers = (await connection.execute(under_way.distinct().order_by(jobs.c.number))).scalars()
            keys = [
                str(PullKey(forge=repository.forge, repository_id=repository.id, number=number)) for number in numbers
            ]
            for key in keys:
                await self._raise(connection, LevelKind.PR_SYNC, key)
        return keys

    async def _raise(self, connection: AsyncConnection, kind: LevelKind, key: str) -> None:
        row = insert(connection, levels).values(
            kind=kind,
            key=key,
            generation=1,
            done=0,
            fencing=0,
            attempts=0,
            raised_at=self._clock.now(),
            error="",
        )
        again = {"generation": levels.c.generation + 1, "raised_at": self._clock.now(), "not_before": None}
        await connection.execute(row.on_conflict_do_update(index_elements=["kind", "key"], set_=again))

    async def take(self, kind: LevelKind, key: str, *, until: datetime) -> LevelLease | None:
        """Take a level that is due, until ``until``; None when there is nothing to do or somebody is at it."""
        now = self._clock.now()
        taken = (
            update(levels)
            .where(levels.c.kind == kind, levels.c.key == key, _due(now))
            .values(fencing=levels.c.fencing + 1, taken_until=until)
            .returning(levels.c.generation, levels.c.fencing, levels.c.attempts)
        )
        async with self._database.writing() as connection:
            row = (await connection.execute(taken)).one_or_none()
        if row is None:
            return None
        return LevelLease(kind=kind, key=key, generation=row.generation, fencing=row.fencing, attempts=row.attempts)

    async def complete(self, lease: LevelLease) -> bool:
        """Say that the taken generation is done and give the level back; False when the lease was lost."""
        done = _held(lease).values(done=lease.generation, taken_until=None, not_before=None, attempts=0, error="")
        return await self._change(done)

    async def later(self, lease: LevelLease, *, not_before: datetime, error: str = "") -> None:
        """Give the level back unfinished, due at ``not_before``; with an ``error``, the attempt counts as failed."""
        attempts = lease.attempts + 1 if error else 0
        await self._change(_held(lease).values(taken_until=None, not_before=not_before, attempts=attempts, error=error))

    async def due(self, now: datetime, *, limit: int) -> list[tuple[LevelKind, str]]:
        """Levels that wait for a worker, those first that wait longest."""
        query = select(levels.c.kind, levels.c.key).where(_due(now)).order_by(levels.c.raised_at, levels.c.key)
        async with self._database.reading() as connection:
            return [(row.kind, row.key) for row in await connection.execute(query.limit(limit))]

    async def _change(self, change: Update) -> bool:
        async with self._database.writing() as connection:
            return bool((await connection.execute(change)).rowcount)


def _due(now: datetime) -> ColumnElement[Any]:
    return and_(
        levels.c.generation > levels.c.done,
        or_(levels.c.not_before.is_(None), levels.c.not_before <= now),
        or_(levels.c.taken_until.is_(None), levels.c.taken_until <= now),
    )


def _held(lease: LevelLease) -> Update:
    return update(levels).where(
        levels.c.kind == lease.kind, levels.c.key == lease.key, levels.c.fencing == lease.fencing
    )
