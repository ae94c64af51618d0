"""Agent runs and what goes in and out of them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Row, delete, exists, func, insert, literal, or_, select, update

from app.store.engine import Database
from app.store.engine import insert as insert_or
from app.store.job_rows import START_GRACE, stop_for
from app.store.tables import jobs, model_usage, run_archives, runs
from bot.errors import FencingLostError
from bot.model.jobs import Job
from bot.model.runs import SANDBOX_KINDS, Run, RunKind, RunLimits, RunOutcome, RunState, Usage
from bot.ports.system import Clock

_WORKSPACE: Final = "workspace"
_RESULT: Final = "result"


class SqlRuns:
    """The runs' rows and archives."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self,
        *,
        run_id: str,
        job: Job,
        token_sha256: str,
        model: str,
        limits: RunLimits,
        kind: RunKind = RunKind.AGENT,
    ) -> Run:
        """Insert a run of a job; of one that was asked to end meanwhile, a run that is asked to stop.

        Raises:
            FencingLostError: the job ended, or its turn has not come: nobody can hold it.
        """
        query = (
            select(jobs.c.attempt, jobs.c.cancel_requested)
            .where(jobs.c.id == job.id, jobs.c.finished_at.is_(None), jobs.c.waits_for.is_(None))
            .with_for_update(key_share=True)
        )
        async with self._database.writing() as connection:
            held = (await connection.execute(query)).one_or_none()
            if held is None:
                raise FencingLostError(f"nobody can hold job {job.short_id} now; it gets no run")
            row = insert(runs).values(
                id=run_id,
                job_id=job.id,
                attempt=held.attempt,
                kind=kind,
                state=RunState.CREATED,
                model=model,
                limits=msgspec.to_builtins(limits),
                token_sha256=token_sha256,
                detail="",
                stop_requested=None if held.cancel_requested is None else stop_for(held.cancel_requested),
                created_at=self._clock.now(),
            )
            await connection.execute(row)
            return _run((await connection.execute(select(runs).where(runs.c.id == run_id))).one())

    async def get(self, run_id: str) -> Run | None:
        """A run by its id."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(runs).where(runs.c.id == run_id))).one_or_none()
        return None if row is None else _run(row)

    async def latest(self, job_id: str, *, kinds: Collection[RunKind] = SANDBOX_KINDS) -> Run | None:
        """The newest run of a job among those of some kinds, without a word: of those in sandboxes."""
        query = select(runs).where(runs.c.job_id == job_id, runs.c.kind.in_(kinds))
        async with self._database.reading() as connection:
            row = (await connection.execute(query.order_by(runs.c.serial.desc()).limit(1))).one_or_none()
        return None if row is None else _run(row)

    async def started(self, run_id: str, *, owner: str, deadline: datetime, lease_until: datetime) -> None:
        """The sandbox was started; ``owner`` supervises it until ``lease_until``. Only the first start counts."""
        change = (
            update(runs)
            .where(runs.c.id == run_id, runs.c.state == RunState.CREATED)
            .values(
                state=RunState.STARTED,
                supervisor=owner,
                lease_until=lease_until,
                started_at=self._clock.now(),
                deadline_at=deadline,
            )
        )
        async with self._database.writing() as connection:
            await connection.execute(change)

    async def heartbeat(self, run_id: str, *, owner: str, lease_until: datetime) -> RunOutcome | None:
        """Renew the supervisor's lease; the outcome that somebody asked the run to end with, if any.

        A supervisor whose lease ran out can be followed by another one, which begins with a heartbeat. Of a run that
        ended, the answer is its outcome: what is left of the sandbox has to go.

        Raises:
            FencingLostError: another supervisor has the run now.
        """
        mine = or_(runs.c.supervisor == owner, runs.c.lease_until <= self._clock.now())
        change = (
            update(runs)
            .where(runs.c.id == run_id, runs.c.state == RunState.STARTED, mine)
            .values(supervisor=owner, lease_until=lease_until)
        )
        async with self._database.writing() as connection:
            renewed = (await connection.execute(change)).rowcount == 1
            row = (await connection.execute(select(runs).where(runs.c.id == run_id))).one()
        if row.state == RunState.STARTED and not renewed:
            raise FencingLostError(f"run {run_id[:8]} has another supervisor")
        asked: RunOutcome | None = row.outcome if row.state == RunState.ENDED else row.stop_requested
        return asked

    async def request_stop(self, run_id: str, outcome: RunOutcome) -> None:
        """Ask a run to end; the first request counts. Takes effect on the model gateway at once."""
        change = (
            update(runs)
            .where(runs.c.id == run_id, runs.c.state != RunState.ENDED, runs.c.stop_requested.is_(None))
            .values(stop_requested=outcome)
        )
        async with self._database.writing() as connection:
            await connection.execute(change)

    async def ended(self, run_id: str, outcome: RunOutcome, *, detail: str) -> None:
        """Record the end; the first end counts. The workspace archive goes: nobody may fetch it any more."""
        change = (
            update(runs)
            .where(runs.c.id == run_id, runs.c.state != RunState.ENDED)
            .values(
                state=RunState.ENDED,
                outcome=outcome,
                detail=detail,
                lease_until=None,
                ended_at=self._clock.now(),
            )
        )
        async with self._database.writing() as connection:
            if (await connection.execute(change)).rowcount == 1:
                await connection.execute(
                    delete(run_archives).where(run_archives.c.run_id == run_id, run_archives.c.kind == _WORKSPACE),
                )

    async def withdrawn(self, run_id: str, *, detail: str) -> None:
        """End a run whose sandbox was not let in: as if it had never been started. The workspace archive goes."""
        change = (
            update(runs)
            .where(runs.c.id == run_id, runs.c.state != RunState.ENDED)
            .values(started_at=None, deadline_at=None)
        )
        async with self._database.writing() as connection:
            await connection.execute(change)
        await self.ended(run_id, RunOutcome.INFRA_RETRYABLE, detail=detail)

    async def abandoned(self, now: datetime) -> list[Run]:
        """Started runs whose supervisor's lease has run out."""
        query = select(runs).where(runs.c.state == RunState.STARTED, runs.c.lease_until <= now)
        async with self._database.reading() as connection:
            return [_run(row) for row in await connection.execute(query.order_by(runs.c.lease_until))]

    async def end_unstarted(self, now: datetime) -> int:
        """End the runs that were created a while ago and never started, and whose job nobody holds; how many.

        Whoever made them is gone. Such a run ends as it was asked to, else as one that was lost.
        """
        held = exists().where(jobs.c.id == runs.c.job_id, jobs.c.lease_until > now)
        change = (
            update(runs)
            .where(runs.c.state == RunState.CREATED, runs.c.created_at <= now - START_GRACE, ~held)
            .values(
                state=RunState.ENDED,
                outcome=func.coalesce(runs.c.stop_requested, literal(RunOutcome.INFRA_RETRYABLE, runs.c.outcome.type)),
                detail="it was never started",
                ended_at=now,
            )
            .returning(runs.c.id)
        )
        async with self._database.writing() as connection:
            ended = list((await connection.execute(change)).scalars())
            if ended:
                workspaces = (run_archives.c.run_id.in_(ended)) & (run_archives.c.kind == _WORKSPACE)
                await connection.execute(delete(run_archives).where(workspaces))
        return len(ended)

    async def drop_results(self, ended_before: datetime) -> int:
        """Remove what came out of the sandboxes of jobs that ended before a moment; how many results."""
        old = (
            select(runs.c.id)
            .join(jobs, jobs.c.id == runs.c.job_id)
            .where(runs.c.id == run_archives.c.run_id, jobs.c.finished_at < ended_before)
        )
        results = run_archives.c.kind == _RESULT
        async with self._database.writing() as connection:
            return (await connection.execute(delete(run_archives).where(results, old.exists()))).rowcount

    async def put_workspace(self, run_id: str, archive: bytes) -> None:
        """Keep the workspace archive for the sandbox to fetch; it can be replaced until it was fetched."""
        kept = {"content": archive, "created_at": self._clock.now()}
        async with self._database.writing() as connection:
            row = insert_or(connection, run_archives).values(run_id=run_id, kind=_WORKSPACE, **kept)
            await connection.execute(
                row.on_conflict_do_update(
                    index_elements=["run_id", "kind"],
                    set_=kept,
                    where=run_archives.c.taken_at.is_(None),
                ),
            )

    async def take_workspace(self, run_id: str, token_sha256: str) -> bytes | None:
        """Hand the archive out, once; None for a wrong token, an ended or stopping run, or a second time."""
        change = (
            update(run_archives)
            .where(
                run_archives.c.run_id == run_id,
                run_archives.c.kind == _WORKSPACE,
                run_archives.c.taken_at.is_(None),
                exists().where(_open(run_id, token_sha256)),
            )
            .values(taken_at=self._clock.now())
            .returning(run_archives.c.content)
        )
        async with self._database.writing() as connection:
            content: bytes | None = (await connection.execute(change)).scalar_one_or_none()
        return content

    async def awaits_result(self, run_id: str, token_sha256: str) -> bool:
        """True for a run's own token while the run goes on and no result of it came in."""
        came = exists().where(run_archives.c.run_id == run_id, run_archives.c.kind == _RESULT)
        query = select(runs.c.id).where(_open(run_id, token_sha256), ~came)
        async with self._database.reading() as connection:
            return (await connection.execute(query)).one_or_none() is not None

    async def accept_result(self, run_id: str, token_sha256: str, archive: bytes) -> bool:
        """Keep the result archive, once; False for a wrong token, an ended or stopping run, or a second time."""
        # The lock keeps the run from ending between the look and the insert: who records the end sees what came in.
        query = select(runs.c.id).where(_open(run_id, token_sha256)).with_for_update(key_share=True)
        async with self._database.writing() as connection:
            if (await connection.execute(query)).one_or_none() is None:
                return False
            row = (
                insert_or(connection, run_archives)
                .values(run_id=run_id, kind=_RESULT, content=archive, created_at=self._clock.now())
                .on_conflict_do_nothing(index_elements=["run_id", "kind"])
                .returning(run_archives.c.run_id)
            )
            return (await connection.execute(row)).one_or_none() is not None

    async def result(self, run_id: str) -> bytes | None:
        """The result archive, if one was accepted."""
        query = select(run_archives.c.content).where(run_archives.c.run_id == run_id, run_archives.c.kind == _RESULT)
        async with self._database.reading() as connection:
            content: bytes | None = (await connection.execute(query)).scalar_one_or_none()
        return content

    async def lost(self, job_id: str, kind: RunKind) -> int:
        """How many runs of a job and a kind came to nothing for reasons of the infrastructure's that may pass.

        One that was never started is no lost sandbox.
        """
        query = select(func.count()).where(
            runs.c.job_id == job_id,
            runs.c.kind == kind,
            runs.c.outcome == RunOutcome.INFRA_RETRYABLE,
            runs.c.started_at.is_not(None),
        )
        async with self._database.reading() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def usage(self, job_id: str) -> Usage:
        """What all runs of a job used of the model; the requests' sizes in the order of the calls."""
        query = (
            select(model_usage)
            .where(model_usage.c.job_id == job_id)
            .order_by(model_usage.c.started_at, model_usage.c.serial)
        )
        async with self._database.reading() as connection:
            calls = (await connection.execute(query)).all()
        return Usage(
            model_calls=len(calls),
            request_bytes=tuple(call.request_bytes for call in calls),
            input_tokens=sum(call.input_tokens for call in calls),
            output_tokens=sum(call.output_tokens for call in calls),
            cache_write_tokens=sum(call.cache_write_tokens for call in calls),
            cache_read_tokens=sum(call.cache_read_tokens for call in calls),
            cost_usd=sum(call.cost_usd for call in calls),
        )

    async def model_calls(self, run_id: str) -> int:
        """How many calls the gateway forwarded for a run; those that did not reach the model are not counted."""
        query = select(func.count()).where(model_usage.c.run_id == run_id, model_usage.c.status != 0)
        async with self._database.reading() as connection:
            return int((await connection.execute(query)).scalar_one())


def _open(run_id: str, token_sha256: str) -> ColumnElement[bool]:
    """The run exists, the token is its own, and it neither ended nor was asked to."""
    return (
        (runs.c.id == run_id)
        & (runs.c.token_sha256 == token_sha256)
        & (runs.c.state != RunState.ENDED)
        & runs.c.stop_requested.is_(None)
    )


def _run(row: Row[Any]) -> Run:
    return Run(
        id=row.id,
        job_id=row.job_id,
        attempt=row.attempt,
        state=row.state,
        model=row.model,
        limits=msgspec.convert(row.limits, RunLimits),
        outcome=row.outcome,
        detail=row.detail,
        stop_requested=row.stop_requested,
        started_at=row.started_at,
        deadline_at=row.deadline_at,
        ended_at=row.ended_at,
        kind=row.kind,
    )
