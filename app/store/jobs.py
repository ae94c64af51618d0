"""The jobs' rows: the truth about what happens."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Row, Update, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store import audit, job_claims
from app.store.engine import Database
from app.store.engine import insert as insert_or
from app.store.intents import acting, intent_done
from app.store.job_rows import (
    CONCLUDE_GRACE,
    SELECT_JOB,
    clean_up,
    close_execution,
    end_by_request,
    job_of,
    of_pull_request,
    request_values,
)
from app.store.registry import know_repository
from app.store.tables import job_config_versions, job_executions, jobs, repositories
from app.store.types import Values
from bot.errors import FencingLostError, IllegalTransitionError, StoreError, StoreUnavailableError
from bot.model.forge import Actor, ForgeName, RepositoryRef
from bot.model.intents import Origin
from bot.model.jobs import TERMINAL, TRANSITIONS, Job, JobKind, JobLease, JobRequest, JobState
from bot.model.turns import JobCaps, KeptWaiting
from bot.ports.system import Clock

log = structlog.get_logger(__name__)

_TRIES: Final = 5
"""How often the creation of a job starts anew when another transaction was faster."""

_ENDS_BY_REQUEST: Final = frozenset({JobState.CANCELLED, JobState.SUPERSEDED})

_PUT_OFF: Final = "retry"
"""The status of an execution that ``set_retry`` closed: one that failed was closed before, and keeps its own."""

_HELD_BACK: Final = "held back"
_OPEN: Final = "open"

_TO_CONCLUDE: Final = TERMINAL | {JobState.AWAITING_APPROVAL}


class _RacedError(Exception):
    """Another transaction made a job first; what was done in this one is to be undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Whose place a new job takes, why and by whose word, and when it may begin."""

    supersede: str | None
    because: str
    by: Actor | None
    not_before: datetime | None
    progress: str


class SqlJobs:
    """Jobs and executions."""

    def __init__(self, database: Database, clock: Clock, caps: JobCaps) -> None:
        self._database = database
        self._clock = clock
        self._caps = caps

    async def create(
        self,
        request: JobRequest,
        *,
        job_id: str,
        supersede: str | None = None,
        because: str = "",
        by: Actor | None = None,
        not_before: datetime | None = None,
        progress: str = "",
    ) -> Job | None:
        """Insert a queued job; with ``supersede``, ask that active job to end as superseded in the same transaction.

        A superseded job that no worker holds ends at once. While the older job still runs, the new one is queued but
        not due. Returns the job of the same ``origin_key`` when there is one, and None when another job of the pull
        request is active and was not to be superseded.

        ``because`` says why the older job ends, ``by`` who ends it where that is not who asks for the new one; the new
        one begins at ``not_before`` at the earliest, and ``progress`` says what it waits for.

        Raises:
            StoreError: the configuration version that the request names was never kept.
        """
        place = _Place(supersede=supersede, because=because, by=by, not_before=not_before, progress=progress)
        for _ in range(_TRIES):
            try:
                async with self._database.writing() as connection:
                    return await self._create(connection, request, job_id, place)
            except _RacedError:
                continue
        raise StoreUnavailableError("other requests for this pull request were faster again and again")

    async def _create(
        self,
        connection: AsyncConnection,
        request: JobRequest,
        job_id: str,
        place: _Place,
    ) -> Job | None:
        active = (
            await connection.execute(
                of_pull_request(select(jobs), request.repository, request.number)
                .where(jobs.c.finished_at.is_(None))
                .order_by(jobs.c.serial)
                .with_for_update(key_share=True),
            )
        ).all()
        # Looked for after the active jobs are locked: whichever of them has this origin is seen here.
        same = (await connection.execute(SELECT_JOB.where(jobs.c.origin_key == request.origin_key))).one_or_none()
        if same is not None:
            return job_of(same)
        older = next((row for row in active if row.id == place.supersede), None)
        # The superseded job may itself be waiting for one that winds down; then the new one waits for that one too.
        awaited: str | None = None if older is None else older.waits_for
        if any(row.id not in {place.supersede, awaited} for row in active):
            return None
        if older is not None and not await self._supersede(connection, older, request.requested_by, job_id, place):
            awaited = older.id
        await know_repository(connection, request.repository, self._clock)
        await _must_know_config(connection, request.config_version)
        await self._insert(connection, request, job_id, place, waits_for=awaited)
        return await _get(connection, job_id)

    async def _supersede(
        self, connection: AsyncConnection, older: Row[Any], asked_by: Actor, job_id: str, place: _Place
    ) -> bool:
        message = place.because or f"superseded by job {job_id[:8]}"
        now, actor = self._clock.now(), place.by or asked_by
        return await end_by_request(connection, older, JobState.SUPERSEDED, now, actor=actor, message=message)

    async def _insert(
        self,
        connection: AsyncConnection,
        request: JobRequest,
        job_id: str,
        place: _Place,
        *,
        waits_for: str | None,
    ) -> None:
        now = self._clock.now()
        row = insert_or(connection, jobs).values(
            **request_values(request),
            id=job_id,
            state=JobState.QUEUED,
            attempt=0,
            fencing=0,
            head_sha=request.head_sha,
            progress=place.progress,
            not_before=place.not_before,
            waits_for=waits_for,
            created_at=now,
            updated_at=now,
        )
        # Whatever stands in the way (origin, the one working job, the one waiting job), a second look tells.
        inserted = await connection.execute(row.on_conflict_do_nothing().returning(jobs.c.serial))
        if inserted.one_or_none() is None:
            raise _RacedError
        await audit.append(
            connection,
            now,
            actor=audit.by(request.requested_by),
            verb="job.created",
            subject=f"job:{job_id}",
            data={
                "kind": request.kind.value,
                "repository": f"{request.repository.forge}:{request.repository.id}",
                "number": str(request.number),
                "origin": request.origin_key,
                "config": request.config_version,
            },
        )

    async def get(self, job_id: str) -> Job | None:
        """A job by its id."""
        async with self._database.reading() as connection:
            return await _get(connection, job_id)

    async def active(self, repository: RepositoryRef, number: int) -> Job | None:
        """The newest job of a pull request that has not ended, if any."""
        return await self._newest(repository, number, jobs.c.finished_at.is_(None))

    async def latest(self, repository: RepositoryRef, number: int) -> Job | None:
        """The newest job of a pull request, whatever its state."""
        return await self._newest(repository, number)

    async def last_published(self, repository: RepositoryRef, number: int) -> Job | None:
        """The newest published resolve job of a pull request that was not rolled back since."""
        rollback = jobs.alias()
        rolled_back = exists().where(
            rollback.c.target_job_id == jobs.c.id,
            rollback.c.kind == JobKind.ROLLBACK,
            rollback.c.state == JobState.PUBLISHED,
        )
        return await self._newest(
            repository,
            number,
            jobs.c.kind.in_((JobKind.RESOLVE, JobKind.IMPLEMENT, JobKind.FIX)),
            jobs.c.state == JobState.PUBLISHED,
            ~rolled_back,
        )

    async def _newest(self, repository: RepositoryRef, number: int, *conditions: Any) -> Job | None:
        query = of_pull_request(SELECT_JOB, repository, number).where(*conditions).order_by(jobs.c.serial.desc())
        async with self._database.reading() as connection:
            row = (await connection.execute(query.limit(1))).one_or_none()
        return None if row is None else job_of(row)

    async def claim(self, job_id: str, *, owner: str, seconds: float) -> JobLease | None:
        """Take the lease of a job; None while somebody else holds it, or when it ended.

        None also while the job waits for the one that it supersedes, or for its turn: only so many jobs may be at work,
        and the oldest of the least busy repository begins first. A lease that lasts stands in the way of its own owner
        too: two tasks of one worker are two holders.
        """
        now = self._clock.now()
        until = now + timedelta(seconds=seconds)
        async with self._database.writing() as connection:
            if not await job_claims.take(connection, job_id, owner=owner, until=until, now=now, caps=self._caps):
                return None
            job = job_of((await connection.execute(SELECT_JOB.where(jobs.c.id == job_id))).one())
        return JobLease(job=job, owner=owner, fencing=job.fencing, until=until)

    async def release(self, lease: JobLease) -> None:
        """Give the lease back; harmless when it was lost."""
        async with self._database.writing() as connection:
            await connection.execute(_under(lease).values(lease_owner=None, lease_until=None))

    async def move(
        self,
        lease: JobLease,
        to: JobState,
        *,
        actor: Actor | Origin | None = None,
        rule: str | None = None,
        message: str | None = None,
        progress: str | None = None,
        base_sha: str | None = None,
        head_sha: str | None = None,
    ) -> JobLease:
        """Change the state by compare-and-set under the lease, with an audit event in the same transaction.

        A delay set by ``set_retry`` ends with the move. Where an ``Origin`` is the actor, its intent is done with it.

        Raises:
            IllegalTransitionError: the table has no such arrow.
            FencingLostError: somebody else holds the job, or its state changed.
        """
        come_from = lease.job.state
        if to not in TRANSITIONS[come_from]:
            raise IllegalTransitionError(f"a job cannot go from {come_from.value} to {to.value}")
        now = self._clock.now()
        given = {"rule": rule, "message": message, "progress": progress, "base_sha": base_sha, "head_sha": head_sha}
        values: Values = {name: value for name, value in given.items() if value is not None}
        values |= {"state": to, "not_before": None, "updated_at": now}
        # What people were to be told of an earlier state is void.
        values["conclude_at"] = now + CONCLUDE_GRACE if to in _TO_CONCLUDE else None
        if to in TERMINAL:
            # Nobody holds what ended: of a worker that dies now, no lease is left.
            values |= {"finished_at": now, "lease_owner": None, "lease_until": None}
        async with self._database.writing() as connection:
            await _change(connection, lease, _under(lease).where(jobs.c.state == come_from).values(**values))
            if to in TERMINAL:
                await clean_up(connection, lease.job.id, to, now)
            job = job_of((await connection.execute(SELECT_JOB.where(jobs.c.id == lease.job.id))).one())
            await audit.append(
                connection,
                now,
                actor=f"worker:{lease.owner}" if actor is None else audit.by(acting(actor)),
                verb="job.moved",
                subject=f"job:{job.id}",
                data={"from": come_from.value, "to": to.value, "rule": rule or "", "message": message or ""},
            )
            await intent_done(connection, actor, job.id, now)
        log.info("job moved", job_id=job.id, come_from=come_from.value, to=to.value, rule=rule)
        return replace(lease, job=job)

    async def held(self, job_id: str) -> bool:
        """Whether a worker has the lease of a job, or died with it and nobody took the job over yet."""
        query = select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.lease_owner.is_not(None))
        async with self._database.reading() as connection:
            return (await connection.execute(query)).one_or_none() is not None

    async def progress(self, job_id: str, line: str) -> None:
        """Set the line that says what the job is doing; no lease needed, ignored once the job ended."""
        change = update(jobs).where(jobs.c.id == job_id, jobs.c.finished_at.is_(None))
        async with self._database.writing() as connection:
            await connection.execute(change.values(progress=line, updated_at=self._clock.now()))

    async def request_end(self, job_id: str, state: JobState, *, actor: Actor | Origin, message: str) -> Job | None:
        """Ask a job to end as cancelled or superseded, and end an ``Origin``'s intent; None when the job ended already.

        A job that no run and no worker holds ends at once, in this call; otherwise the flag is set, and whoever holds
        the job obeys. The flag is never taken back, and the first one counts. A job that is publishing never ends at
        once: only a look at the forge tells whether the push happened.

        Raises:
            IllegalTransitionError: jobs do not end as ``state`` by request.
        """
        if state not in _ENDS_BY_REQUEST:
            raise IllegalTransitionError(f"nobody can ask a job to end as {state.value}")
        query = select(jobs).where(jobs.c.id == job_id, jobs.c.finished_at.is_(None)).with_for_update(key_share=True)
        async with self._database.writing() as connection:
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None
            now = self._clock.now()
            await end_by_request(connection, row, state, now, actor=acting(actor), message=message)
            await intent_done(connection, actor, job_id, now)
            return await _get(connection, job_id)

    async def set_retry(self, lease: JobLease, *, not_before: datetime, error: str) -> None:
        """Close the execution with an error and make the job due again at ``not_before``.

        The lease stays until it is released. Raises ``FencingLostError`` when it was lost.
        """
        now = self._clock.now()
        change = _under(lease).where(jobs.c.finished_at.is_(None)).values(not_before=not_before, updated_at=now)
        async with self._database.writing() as connection:
            await _change(connection, lease, change)
            await close_execution(connection, lease.job.id, now, status=_PUT_OFF, error=error)

    async def begin_execution(self, lease: JobLease, *, worker: str) -> int:
        """Open an execution and return its attempt number, counted from 1.

        One that was left open by a worker that died is closed as ``abandoned``; one that was held back is taken up
        again. Raises ``FencingLostError``.
        """
        now = self._clock.now()
        newest = select(jobs.c.attempt).where(jobs.c.id == lease.job.id).scalar_subquery()
        held_back = (
            update(job_executions)
            .where(
                job_executions.c.job_id == lease.job.id,
                job_executions.c.attempt == newest,
                job_executions.c.status == _HELD_BACK,
            )
            .values(status=_OPEN, worker=worker, completed_at=None)
            .returning(job_executions.c.attempt)
        )
        change = _under(lease).where(jobs.c.finished_at.is_(None)).values(attempt=jobs.c.attempt + 1, updated_at=now)
        async with self._database.writing() as connection:
            taken_up: int | None = (await connection.execute(held_back)).scalar_one_or_none()
            if taken_up is not None:
                await _change(connection, lease, _under(lease).values(updated_at=now))
                return taken_up
            await _change(connection, lease, change)
            await close_execution(connection, lease.job.id, now, status="abandoned")
            query = select(jobs.c.attempt).where(jobs.c.id == lease.job.id)
            attempt = int((await connection.execute(query)).scalar_one())
            row = insert(job_executions).values(
                job_id=lease.job.id,
                attempt=attempt,
                worker=worker,
                started_at=now,
                status=_OPEN,
                error_class="",
                error="",
            )
            await connection.execute(row)
        return attempt

    async def resume_execution(self, lease: JobLease, *, worker: str) -> int:
        """The attempt number of the open execution; where a failure closed the last one, of a new one.

        Raises ``FencingLostError``.
        """
        query = select(job_executions.c.attempt).where(
            job_executions.c.job_id == lease.job.id,
            job_executions.c.completed_at.is_(None),
        )
        async with self._database.reading() as connection:
            attempt: int | None = (await connection.execute(query)).scalar_one_or_none()
        return await self.begin_execution(lease, worker=worker) if attempt is None else attempt

    async def end_execution(self, lease: JobLease, *, status: str, error_class: str = "", error: str = "") -> None:
        """Close the open execution, if there is one. Raises ``FencingLostError`` when the lease was lost."""
        now = self._clock.now()
        async with self._database.writing() as connection:
            await _change(connection, lease, _under(lease).values(updated_at=now))
            await close_execution(connection, lease.job.id, now, status=status, error_class=error_class, error=error)

    async def hold_back(self, lease: JobLease, *, not_before: datetime, progress: str, reason: str) -> None:
        """Make the job due again at ``not_before``; the execution then goes on, under its number.

        ``reason`` is for the log. The lease stays until it is released. Raises ``FencingLostError`` when it was lost.
        """
        now = self._clock.now()
        values: Values = {"not_before": not_before, "progress": progress, "updated_at": now}
        async with self._database.writing() as connection:
            await _change(connection, lease, _under(lease).where(jobs.c.finished_at.is_(None)).values(**values))
            await close_execution(connection, lease.job.id, now, status=_HELD_BACK)
        log.warning("job held back", job_id=lease.job.id, reason=reason)

    async def put_off(self, job_id: str) -> int:
        """How many executions of a job ended for no fault of theirs, with ``set_retry`` and nothing else."""
        query = select(func.count()).where(job_executions.c.job_id == job_id, job_executions.c.status == _PUT_OFF)
        async with self._database.reading() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def due(self, now: datetime, *, limit: int) -> list[str]:
        """Jobs that a worker can take on: not ended, not waiting for a person, no live lease, ``not_before`` passed.

        A running job is due when no run of it lives; a job that waits for another one, or for its turn, is not. A job
        that was asked to end is due as soon as nobody holds it.
        """
        async with self._database.reading() as connection:
            return await job_claims.due(connection, now, self._caps, limit=limit)

    async def waiting(self, now: datetime) -> int:
        """How many jobs would be due if all had their turn."""
        async with self._database.reading() as connection:
            return await job_claims.waiting(connection, now)

    async def next_up(self, now: datetime) -> tuple[str, ...]:
        """The queued jobs whose turn it is, in order: those that the caps leave room for."""
        async with self._database.reading() as connection:
            return await job_claims.next_up(connection, now, self._caps)

    async def kept_waiting(self, job_id: str, now: datetime) -> KeptWaiting | None:
        """Why a queued job does not have its turn; None when it has, or waits for something else."""
        async with self._database.reading() as connection:
            return await job_claims.kept_waiting(connection, job_id, now, self._caps)

    async def unconcluded(self, now: datetime, *, limit: int) -> list[str]:
        """Jobs that ended, or wait for a person, a while ago, and of which nobody said that people were told."""
        query = select(jobs.c.id).where(jobs.c.conclude_at <= now).order_by(jobs.c.conclude_at).limit(limit)
        async with self._database.reading() as connection:
            return list((await connection.execute(query)).scalars())

    async def concluded(self, job: Job, *, again_at: datetime | None = None) -> bool:
        """People were told how the job stands; ``again_at``: they were not, and it is to be tried again then.

        False, and nothing changes, when that was said before, or when the job went on in the meantime.
        """
        change = update(jobs).where(jobs.c.id == job.id, jobs.c.state == job.state, jobs.c.conclude_at.is_not(None))
        async with self._database.writing() as connection:
            return (await connection.execute(change.values(conclude_at=again_at))).rowcount == 1

    async def of_installation(self, forge: ForgeName, installation_id: int) -> list[Job]:
        """The jobs under way in the repositories of an installation."""
        query = SELECT_JOB.where(
            jobs.c.finished_at.is_(None),
            repositories.c.forge == forge,
            repositories.c.installation_id == installation_id,
        )
        async with self._database.reading() as connection:
            return [job_of(row) for row in await connection.execute(query.order_by(jobs.c.serial))]


def _under(lease: JobLease) -> Update:
    """An update of the lease's job that finds no row when the lease was lost."""
    return update(jobs).where(
        jobs.c.id == lease.job.id,
        jobs.c.lease_owner == lease.owner,
        jobs.c.fencing == lease.fencing,
    )


async def _change(connection: AsyncConnection, lease: JobLease, change: Update) -> None:
    if (await connection.execute(change)).rowcount == 0:
        raise FencingLostError(f"job {lease.job.short_id} is held by somebody else, or went on")


async def _get(connection: AsyncConnection, job_id: str) -> Job | None:
    row = (await connection.execute(SELECT_JOB.where(jobs.c.id == job_id))).one_or_none()
    return None if row is None else job_of(row)


async def _must_know_config(connection: AsyncConnection, version: str) -> None:
    query = select(job_config_versions.c.version).where(job_config_versions.c.version == version)
    if (await connection.execute(query)).one_or_none() is None:
        raise StoreError(f"configuration version {version!r} is to be kept before a job can name it")
