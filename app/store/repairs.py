"""What the sweeps ask of the rows of others."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Row, Table, and_, func, or_, select, tuple_, update

from app.store.engine import Database
from app.store.job_rows import SELECT_JOB, job_of, of_pull_request
from app.store.proposals import proposal_of
from app.store.reports import decode
from app.store.tables import jobs, proposals, report_targets
from app.store.types import Values
from app.store.watch_tables import levels, watched_pulls, watched_repositories
from bot.model.forge import RepositoryRef, Thread
from bot.model.jobs import Job, JobState
from bot.model.levels import LevelKind, PullKey
from bot.model.proposals import Proposal, ProposalKind, ProposalState
from bot.model.reports import Surface, pull_owner
from bot.model.sweeps import WrittenReport

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

    async def open_pulls(self, repository: RepositoryRef) -> Mapping[int, str] | None:
        """The open pull requests and their base branches; None where they have to be listed first."""
        listed = select(watched_repositories.c.listed_at).where(_in(watched_repositories, repository))
        query = select(watched_pulls.c.number, watched_pulls.c.base_ref).where(
            _in(watched_pulls, repository), watched_pulls.c.is_open
        )
        async with self._database.reading() as connection:
            if (await connection.execute(listed)).scalar_one_or_none() is None:
                return None
            return {row.number: row.base_ref for row in await connection.execute(query)}

    async def unwatched_jobs(self, repository: RepositoryRef) -> list[Job]:
        """The jobs under way in a repository, but those whose pull request somebody is about to look at."""
        query = SELECT_JOB.where(
            jobs.c.forge == repository.forge,
            jobs.c.repository_id == repository.id,
            jobs.c.finished_at.is_(None),
            jobs.c.waits_for.is_(None),
            jobs.c.cancel_requested.is_(None),
            jobs.c.number > 0,
        )
        asked = select(levels.c.key).where(levels.c.kind == LevelKind.PR_SYNC, levels.c.generation > levels.c.done)
        async with self._database.reading() as connection:
            found = [job_of(row) for row in await connection.execute(query.order_by(jobs.c.serial))]
            keys = {_pull_key(job): job for job in found}
            about = set((await connection.execute(asked.where(levels.c.key.in_(list(keys))))).scalars())
        return [job for key, job in keys.items() if key not in about]

    async def written_reports(self, repository: RepositoryRef, since: datetime, *, limit: int) -> list[WrittenReport]:
        """What the forge should show: check runs of the watch and of jobs under way or ended after ``since``.

        Of jobs under way the comments, too. Only reports are meant that are written as they should be.
        """
        mine = and_(jobs.c.forge == repository.forge, jobs.c.repository_id == repository.id)
        recent = or_(jobs.c.finished_at.is_(None), jobs.c.finished_at > since)
        query = select(jobs.c.id, jobs.c.number, jobs.c.finished_at).where(mine, recent).order_by(jobs.c.serial.desc())
        told = select(watched_pulls.c.number, watched_pulls.c.told_head).where(
            _in(watched_pulls, repository), watched_pulls.c.is_open, watched_pulls.c.told_head.is_not(None)
        )
        async with self._database.reading() as connection:
            owners: list[tuple[str, Surface]] = []
            for row in await connection.execute(query.limit(limit)):
                owners.append((row.id, Surface.CHECK_RUN))
                if row.finished_at is None:
                    owners.append((pull_owner(repository, row.number), Surface.STICKY_COMMENT))
            owners += [
                (f"watch:{pull_owner(repository, row.number)}:{row.told_head}", Surface.CHECK_RUN)
                for row in await connection.execute(told.order_by(watched_pulls.c.number).limit(limit))
            ]
            reports = select(report_targets).where(
                tuple_(report_targets.c.owner, report_targets.c.surface).in_(owners[:limit]),
                report_targets.c.reported_hash == report_targets.c.desired_hash,
                report_targets.c.remote_id.is_not(None),
            )
            return [_written(row) for row in await connection.execute(reports.order_by(report_targets.c.serial))]

    async def write_again(self, report: WrittenReport, *, gone: bool) -> bool:
        """Have a report written again, as a new one where it is ``gone``; False when another one is wished for."""
        same = and_(
            report_targets.c.id == report.id,
            report_targets.c.desired_hash == report.content_hash,
            report_targets.c.reported_hash == report.content_hash,
        )
        values: Values = {"reported_hash": None, "retry_at": None, "gave_up_at": None, "attempts": 0}
        if gone:
            values["remote_id"] = None
        async with self._database.writing() as connection:
            return bool((await connection.execute(update(report_targets).where(same).values(**values))).rowcount)


def _in(table: Table, repository: RepositoryRef) -> ColumnElement[bool]:
    return and_(table.c.forge == repository.forge, table.c.repository_id == repository.id)


def _pull_key(job: Job) -> str:
    repository = job.request.repository
    return str(PullKey(forge=repository.forge, repository_id=repository.id, number=job.request.number))


def _written(row: Row[Any]) -> WrittenReport:
    return WrittenReport(
        id=row.id,
        thread=Thread(kind=row.thread, number=row.number),
        content=decode(row.desired),
        content_hash=row.desired_hash,
        remote_id=row.remote_id,
    )
