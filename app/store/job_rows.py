"""What the queries about jobs have in common: a row as a job, who holds a job, and what its end brings about."""

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Row, Select, and_, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store import audit
from app.store.tables import job_executions, jobs, repositories, runs
from bot.model.cases import Take
from bot.model.forge import Actor, RepositoryRef
from bot.model.jobs import Job, JobRequest, JobState
from bot.model.runs import RunOutcome, RunState
from bot.model.work import Brief

START_GRACE: Final = timedelta(minutes=2)
"""How long a run that was created and not yet started holds its job: its maker may have died in between."""

CONCLUDE_GRACE: Final = timedelta(seconds=30)
"""How long whoever ended a job, or made it wait for a person, has to tell people, before the sweep sees to it."""

SELECT_JOB: Final = select(
    jobs,
    repositories.c.owner.label("repository_owner"),
    repositories.c.name.label("repository_name"),
    repositories.c.installation_id,
).join(repositories, and_(repositories.c.forge == jobs.c.forge, repositories.c.id == jobs.c.repository_id))
"""Jobs with the present name of their repository."""


def of_pull_request(query: Select[Any], repository: RepositoryRef, number: int) -> Select[Any]:
    """The query for the jobs of one pull request only."""
    return query.where(
        jobs.c.forge == repository.forge,
        jobs.c.repository_id == repository.id,
        jobs.c.number == number,
    )


def unheld(now: datetime) -> ColumnElement[bool]:
    """No worker has a lease on the job that lasts."""
    return or_(jobs.c.lease_until.is_(None), jobs.c.lease_until <= now)


def runless(now: datetime) -> ColumnElement[bool]:
    """No sandbox of the job lives or is about to."""
    return ~exists().where(
        runs.c.job_id == jobs.c.id,
        or_(
            runs.c.state == RunState.STARTED,
            and_(runs.c.state == RunState.CREATED, runs.c.created_at > now - START_GRACE),
        ),
    )


def stop_for(state: JobState) -> RunOutcome:
    """How the run of a job ends when the job ends like this under it."""
    return RunOutcome.SUPERSEDED if state is JobState.SUPERSEDED else RunOutcome.CANCELLED


async def stop_runs(connection: AsyncConnection, job_id: str, outcome: RunOutcome) -> None:
    """Ask the runs of a job that have not ended to do so; an earlier request stays."""
    await connection.execute(
        update(runs)
        .where(runs.c.job_id == job_id, runs.c.state != RunState.ENDED, runs.c.stop_requested.is_(None))
        .values(stop_requested=outcome),
    )


async def clean_up(connection: AsyncConnection, job_id: str, state: JobState, now: datetime) -> None:
    """What the end of a job brings about: its execution closes, no run goes on, and the next job's turn comes."""
    await close_execution(connection, job_id, now, status=state.value)
    await stop_runs(connection, job_id, stop_for(state))
    await connection.execute(update(jobs).where(jobs.c.waits_for == job_id).values(waits_for=None, updated_at=now))


async def close_execution(
    connection: AsyncConnection,
    job_id: str,
    now: datetime,
    *,
    status: str,
    error_class: str = "",
    error: str = "",
) -> None:
    """Close the open execution of a job, if there is one."""
    await connection.execute(
        update(job_executions)
        .where(job_executions.c.job_id == job_id, job_executions.c.completed_at.is_(None))
        .values(completed_at=now, status=status, error_class=error_class, error=error),
    )


async def end_by_request(
    connection: AsyncConnection,
    row: Row[Any],
    state: JobState,
    now: datetime,
    *,
    actor: Actor,
    message: str,
) -> bool:
    """Ask the job of a locked row to end, or end it where nobody holds it; True when it ended now.

    An unfinished push is never abandoned: only a look at the forge tells whether it happened, so a worker must take
    the job once more. The first request decides what the job ends as.
    """
    wished: JobState = row.cancel_requested or state
    at_once = (
        update(jobs)
        .where(
            jobs.c.id == row.id,
            jobs.c.finished_at.is_(None),
            jobs.c.state != JobState.PUBLISHING,
            unheld(now),
            runless(now),
        )
        .values(
            state=wished,
            cancel_requested=wished,
            message=row.message if row.cancel_requested else message,
            waits_for=None,
            conclude_at=now + CONCLUDE_GRACE,
            finished_at=now,
            updated_at=now,
        )
    )
    ended = (await connection.execute(at_once)).rowcount == 1
    if ended:
        await clean_up(connection, row.id, wished, now)
    elif row.cancel_requested is None:
        flag = update(jobs).where(jobs.c.id == row.id)
        await connection.execute(flag.values(cancel_requested=state, message=message, updated_at=now))
        await stop_runs(connection, row.id, stop_for(state))
    await audit.append(
        connection,
        now,
        actor=audit.by(actor),
        verb="job.moved" if ended else "job.end_requested",
        subject=f"job:{row.id}",
        data={"from": row.state.value, "to": wished.value, "message": message},
    )
    return ended


def job_of(row: Row[Any]) -> Job:
    """The job of a row of ``SELECT_JOB``."""
    return Job(
        id=row.id,
        request=_request_of(row),
        state=row.state,
        attempt=row.attempt,
        fencing=row.fencing,
        base_sha=row.base_sha,
        head_sha=row.head_sha,
        cancel_requested=row.cancel_requested,
        rule=row.rule,
        message=row.message,
        progress=row.progress,
        created_at=row.created_at,
        updated_at=row.updated_at,
        finished_at=row.finished_at,
        not_before=row.not_before,
        answer=row.answer,
    )


def _request_of(row: Row[Any]) -> JobRequest:
    return JobRequest(
        kind=row.kind,
        origin_key=row.origin_key,
        repository=RepositoryRef(
            forge=row.forge,
            id=row.repository_id,
            owner=row.repository_owner,
            name=row.repository_name,
            installation_id=row.installation_id,
        ),
        number=row.number,
        requested_by=Actor(id=row.requested_by_id, login=row.requested_by_login, kind=row.requested_by_kind),
        comment_id=row.comment_id,
        instructions=row.instructions,
        strategy=row.strategy,
        budget_usd=row.budget_usd,
        model=row.model,
        dry_run=row.dry_run,
        config_version=row.config_version,
        head_ref=row.head_ref,
        head_sha=row.requested_head_sha,
        base_ref=row.base_ref,
        target_job_id=row.target_job_id,
        takes=msgspec.convert(row.takes, tuple[Take, ...]),
        brief=None if row.brief is None else msgspec.convert(row.brief, Brief),
        asked_before=msgspec.convert(row.asked_before, tuple[Actor, ...]),
    )


def request_values(request: JobRequest) -> dict[str, Any]:
    """The columns that a request fills."""
    return {
        "kind": request.kind,
        "origin_key": request.origin_key,
        "forge": request.repository.forge,
        "repository_id": request.repository.id,
        "number": request.number,
        "requested_by_id": request.requested_by.id,
        "requested_by_login": request.requested_by.login,
        "requested_by_kind": request.requested_by.kind,
        "comment_id": request.comment_id,
        "instructions": request.instructions,
        "strategy": request.strategy,
        "budget_usd": request.budget_usd,
        "model": request.model,
        "dry_run": request.dry_run,
        "config_version": request.config_version,
        "head_ref": request.head_ref,
        "requested_head_sha": request.head_sha,
        "base_ref": request.base_ref,
        "target_job_id": request.target_job_id,
        "takes": msgspec.to_builtins(request.takes),
        "brief": None if request.brief is None else msgspec.to_builtins(request.brief),
        "asked_before": msgspec.to_builtins(request.asked_before),
    }
