"""What the sweeps ask of the rows of others."""

from datetime import datetime

import structlog
from sqlalchemy import select, update

from app.store.engine import Database
from app.store.tables import jobs
from app.store.watch_tables import levels

log = structlog.get_logger(__name__)


class SqlRepairs:
    """Questions over jobs, proposals, pull requests and reports, for the sweeps alone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_back_jobs(self, now: datetime, *, limit: int) -> int:
        """End the leases of jobs whose time has run out; how many. The log says who held them.

        The owner's name stays: the job has its place among those at work until somebody claims it.
        """
        query = (
            select(jobs.c.id, jobs.c.lease_owner, jobs.c.lease_until, jobs.c.fencing)
            .where(jobs.c.finished_at.is_(None), jobs.c.waits_for.is_(None), jobs.c.lease_until <= now)
            .order_by(jobs.c.serial)
            .limit(limit)
        )
        taken = 0
        async with self._database.writing() as connection:
            for row in (await connection.execute(query)).all():
                same = update(jobs).where(jobs.c.id == row.id, jobs.c.fencing == row.fencing)
                still = same.where(jobs.c.lease_until == row.lease_until)
                if (await connection.execute(still.values(lease_until=None))).rowcount:
                    taken += 1
                    log.warning("job taken back", job_id=row.id, held_by=row.lease_owner)
        return taken

    async def take_back_levels(self, now: datetime, *, limit: int) -> int:
        """End the leases of levels whose time has run out; how many."""
        over = (levels.c.generation > levels.c.done) & (levels.c.taken_until <= now)
        query = select(levels.c.kind, levels.c.key, levels.c.fencing).where(over).limit(limit)
        taken = 0
        async with self._database.writing() as connection:
            for row in (await connection.execute(query)).all():
                same = (levels.c.kind == row.kind) & (levels.c.key == row.key) & (levels.c.fencing == row.fencing)
                if (await connection.execute(update(levels).where(same, over).values(taken_until=None))).rowcount:
                    taken += 1
                    log.warning("level taken back", kind=row.kind.value, key=row.key)
        return taken
