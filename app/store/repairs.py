"""What the sweeps ask of the rows of others."""

from datetime import datetime

import structlog
from sqlalchemy import and_, func, select, update

from app.store.engine import Database
from app.store.job_rows import SELECT_JOB, job_of, of_pull_request
from app.store.proposals import proposal_of
from app.store.tables import jobs, proposals
from app.store.watch_tables import levels
from bot.model.forge import RepositoryRef
from bot.model.jobs import Job, JobState
from bot.model.proposals import Proposal, ProposalKind, ProposalState

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

    async def undecided(self, before: datetime, *, limit: int) -> list[str]:
        """Jobs that wait for an answer, and whose newest proposal was made before a moment."""
        newest = select(func.max(proposals.c.created_at)).where(proposals.c.job_id == jobs.c.id).scalar_subquery()
        query = (
            select(jobs.c.id)
            .where(jobs.c.finished_at.is_(None), jobs.c.waits_for.is_(None))
            .where(jobs.c.state == JobState.AWAITING_APPROVAL, newest < before)
            .order_by(jobs.c.serial)
        )
        async with self._database.reading() as connection:
            return list((await connection.execute(query.limit(limit))).scalars())

    async def old_partials(self, before: datetime, *, limit: int) -> list[Proposal]:
        """Open proposals made before a moment that are only a part of a merge."""
        query = (
            select(proposals)
            .where(proposals.c.state == ProposalState.OPEN, proposals.c.created_at < before)
            .where(proposals.c.kind == ProposalKind.PARTIAL)
            .order_by(proposals.c.created_at, proposals.c.serial)
        )
        async with self._database.reading() as connection:
            return [proposal_of(row) for row in await connection.execute(query.limit(limit))]

    async def branch_owner(
        self, repository: RepositoryRef, *, number: int, short_id: str, branch: str, commit: str
    ) -> tuple[Job, Proposal] | None:
        """The job of a pull request that proposed exactly ``commit`` on ``branch``, and that proposal."""
        theirs = of_pull_request(SELECT_JOB, repository, number).where(jobs.c.id.startswith(short_id, autoescape=True))
        async with self._database.reading() as connection:
            for row in (await connection.execute(theirs.order_by(jobs.c.serial))).all():
                same = and_(proposals.c.branch == branch, proposals.c.commit == commit)
                query = select(proposals).where(proposals.c.job_id == row.id, same).order_by(proposals.c.serial.desc())
                found = (await connection.execute(query.limit(1))).one_or_none()
                if found is not None:
                    return job_of(row), proposal_of(found)
        return None
