"""Who may take which job: its lease, and its turn where only so many jobs may be at work at once.

A job takes a place when a worker claims it while it is queued, and leaves it when its state says so or the worker gives
it back; no clock is asked. A worker that died keeps the place until its lease has run out: then the job is claimed
again, and has its place already.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.job_rows import runless, unheld
from app.store.tables import jobs, repositories
from bot.model.jobs import JobKind, JobState
from bot.model.turns import AT_WORK, WAITS, JobCaps, KeptWaiting, Load, Owner, QueuedJob
from bot.policy import turns

_TURNS: Final = text("SELECT pg_advisory_xact_lock(hashtext('flowforge turns'))")
"""Held until the transaction ends: two workers that count at the same time would both take the last place."""

_AT_WORK: Final = or_(
    jobs.c.state.in_(AT_WORK),
    and_(jobs.c.state == JobState.QUEUED, jobs.c.lease_owner.is_not(None)),
)

_NEEDS_PLACE: Final = and_(
    jobs.c.state == JobState.QUEUED,
    jobs.c.lease_owner.is_(None),
    # Somebody waits for the end of these, or for what they undo.
    jobs.c.cancel_requested.is_(None),
    jobs.c.kind != JobKind.ROLLBACK,
)

_ACTIVE: Final = and_(jobs.c.finished_at.is_(None), jobs.c.waits_for.is_(None))
"""As in the partial index ``ix_jobs_due``."""

_OF_REPOSITORY: Final = and_(repositories.c.forge == jobs.c.forge, repositories.c.id == jobs.c.repository_id)


async def take(
    connection: AsyncConnection, job_id: str, *, owner: str, until: datetime, now: datetime, caps: JobCaps
) -> bool:
    """Give the lease of a job to ``owner``, if nobody has it and it is the job's turn; in a transaction that writes."""
    mine = and_(jobs.c.id == job_id, _ACTIVE, unheld(now))
    needs_place = (await connection.execute(select(_NEEDS_PLACE).where(mine))).scalar_one_or_none()
    if needs_place is None:
        return False
    if needs_place:
        if connection.dialect.name == "postgresql":  # on SQLite, one transaction at a time writes
            await connection.execute(_TURNS)
        if job_id not in await next_up(connection, now, caps, besides=job_id):
            return False
    change = (
        update(jobs)
        .where(mine, _NEEDS_PLACE if needs_place else ~_NEEDS_PLACE)
        .values(lease_owner=owner, lease_until=until, fencing=jobs.c.fencing + 1)
    )
    return (await connection.execute(change)).rowcount == 1


async def next_up(
    connection: AsyncConnection, now: datetime, caps: JobCaps, *, besides: str | None = None
) -> tuple[str, ...]:
    """The queued jobs whose turn it is; ``besides`` may be one of them although it is not due yet."""
    load = await _load(connection)
    if load.overall >= caps.overall:
        return ()
    return turns.turns(await _queued(connection, now, caps, besides), load, caps)


async def kept_waiting(connection: AsyncConnection, job_id: str, now: datetime, caps: JobCaps) -> KeptWaiting | None:
    """Why a job does not begin; None when it may, or when it is not for a place that it waits."""
    found = await connection.execute(_queue().where(jobs.c.id == job_id, _may_begin(now)))
    row = found.one_or_none()
    if row is None:
        return None
    load = await _load(connection)
    return turns.kept_waiting(_place(row), await _queued(connection, now, caps), load, caps)


async def due(connection: AsyncConnection, now: datetime, caps: JobCaps, *, limit: int) -> list[str]:
    """Jobs that a worker can do something about, those with a place first.

    A queued one that does not say yet why it waits is among them.
    """
    begun = and_(_ready(now), ~_NEEDS_PLACE)
    # A job that a worker died over may need to be asked once more to end.
    asked_to_end = and_(jobs.c.cancel_requested.is_not(None), runless(now))
    unseen = and_(_may_begin(now), ~jobs.c.progress.startswith(WAITS))
    first = select(jobs.c.id).where(_ACTIVE, unheld(now), or_(begun, asked_to_end)).order_by(jobs.c.serial)
    last = select(jobs.c.id).where(_ACTIVE, unseen).order_by(jobs.c.serial)
    found = list((await connection.execute(first.limit(limit))).scalars())
    found += await next_up(connection, now, caps)
    found += (await connection.execute(last.limit(limit))).scalars()
    return list(dict.fromkeys(found))[:limit]


async def waiting(connection: AsyncConnection, now: datetime) -> int:
    """How many jobs wait for a worker or for a place."""
    asked_to_end = and_(jobs.c.cancel_requested.is_not(None), runless(now))
    query = select(func.count()).where(_ACTIVE, unheld(now), or_(_ready(now), asked_to_end))
    return int((await connection.execute(query.select_from(jobs))).scalar_one())


def _ready(now: datetime) -> ColumnElement[bool]:
    """It waits for no person, no moment and no run."""
    return and_(
        jobs.c.state != JobState.AWAITING_APPROVAL,
        or_(jobs.c.not_before.is_(None), jobs.c.not_before <= now),
        or_(jobs.c.state != JobState.RUNNING, runless(now)),
    )


def _may_begin(now: datetime) -> ColumnElement[bool]:
    """It waits for nothing but a place."""
    return and_(_ACTIVE, _NEEDS_PLACE, or_(jobs.c.not_before.is_(None), jobs.c.not_before <= now))


def _queue(*more: ColumnElement[Any]) -> Select[Any]:
    columns = (jobs.c.id, jobs.c.serial, jobs.c.forge, jobs.c.repository_id, repositories.c.installation_id)
    return select(*columns, *more).join(repositories, _OF_REPOSITORY)


async def _queued(
    connection: AsyncConnection, now: datetime, caps: JobCaps, besides: str | None = None
) -> list[QueuedJob]:
    """The oldest jobs of each repository, as many as could have their turn."""
    place = func.row_number().over(partition_by=(jobs.c.forge, jobs.c.repository_id), order_by=jobs.c.serial)
    waits = _may_begin(now) if besides is None else or_(_may_begin(now), jobs.c.id == besides)
    ranked = _queue(place.label("place")).where(waits).subquery()
    found = await connection.execute(select(ranked).where(ranked.c.place <= caps.per_repository))
    return [_place(row) for row in found]


def _place(row: Any) -> QueuedJob:
    return QueuedJob(
        job_id=row.id,
        serial=row.serial,
        repository=(row.forge, row.repository_id),
        installation=(row.forge, row.installation_id),
    )


async def _load(connection: AsyncConnection) -> Load:
    """How many jobs are at work, by repository and installation."""
    owners = (jobs.c.forge, jobs.c.repository_id, repositories.c.installation_id)
    query = select(*owners, func.count().label("at_work")).join(repositories, _OF_REPOSITORY)
    found = (await connection.execute(query.where(_ACTIVE, _AT_WORK).group_by(*owners))).all()
    by_repository: dict[Owner, int] = {}
    by_installation: dict[Owner, int] = {}
    for row in found:
        by_repository[row.forge, row.repository_id] = row.at_work
        installation = (row.forge, row.installation_id)
        by_installation[installation] = by_installation.get(installation, 0) + row.at_work
    return Load(repositories=by_repository, installations=by_installation, overall=sum(by_repository.values()))
