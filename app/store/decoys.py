"""Runs that nobody works on, for the question whether a sandbox gets at the workspace of another run."""

from datetime import timedelta
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, delete, exists, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.engine import Database
from app.store.tables import jobs, run_archives, runs
from bot.model.runs import RunKind, RunLimits, RunState
from bot.ports.system import Clock

_MARK: Final = "a decoy of the isolation probe"
_WORKSPACE: Final = "workspace"
_CONTENT: Final = b"the workspace of nobody"
_LEFT_AFTER: Final = timedelta(hours=1)
_LIMITS: Final = RunLimits(
    deadline_seconds=0.0,
    stall_seconds=0.0,
    budget_usd=0.0,
    max_turns=0,
    max_workspace_bytes=0,
    max_result_bytes=0,
    max_result_files=0,
    max_log_bytes=0,
)


class SqlDecoys:
    """Open runs with a workspace that nobody fetched yet.

    A decoy hangs on the newest job that ended, since a run needs a job, and one that goes on must not get a run that
    nobody ends. It has no lease, so no supervisor takes it for abandoned, and is of a kind without a sandbox.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def make(self, *, run_id: str, token_sha256: str) -> bool:
        """Insert a decoy; False where no job ever ended. Those that a crash left go. Raises ``StoreError``."""
        now = self._clock.now()
        newest = select(jobs.c.id, jobs.c.attempt).where(jobs.c.finished_at.is_not(None))
        async with self._database.writing() as connection:
            await _delete(connection, runs.c.created_at < now - _LEFT_AFTER)
            job = (await connection.execute(newest.order_by(jobs.c.serial.desc()).limit(1))).one_or_none()
            if job is None:
                return False
            row = insert(runs).values(
                id=run_id,
                job_id=job.id,
                attempt=job.attempt,
                kind=RunKind.DIRECT,
                state=RunState.STARTED,
                model="none",
                limits=msgspec.to_builtins(_LIMITS),
                token_sha256=token_sha256,
                detail=_MARK,
                created_at=now,
                started_at=now,
            )
            await connection.execute(row)
            kept = {"run_id": run_id, "kind": _WORKSPACE, "content": _CONTENT, "created_at": now}
            await connection.execute(insert(run_archives).values(**kept))
            return True

    async def was_fetched(self, run_id: str) -> bool:
        """Whether somebody was given the decoy's workspace. Raises ``StoreError``."""
        fetched = run_archives.c.taken_at.is_not(None)
        query = select(run_archives.c.run_id).where(run_archives.c.run_id == run_id, fetched)
        async with self._database.reading() as connection:
            return (await connection.execute(query)).one_or_none() is not None

    async def remove(self, run_id: str) -> None:
        """Remove a decoy; of any other run nothing happens. Raises ``StoreError``."""
        async with self._database.writing() as connection:
            await _delete(connection, runs.c.id == run_id)


async def _delete(connection: AsyncConnection, which: ColumnElement[bool]) -> None:
    decoys = (runs.c.state == RunState.STARTED) & (runs.c.detail == _MARK) & runs.c.lease_until.is_(None) & which
    await connection.execute(delete(run_archives).where(exists().where(runs.c.id == run_archives.c.run_id, decoys)))
    await connection.execute(delete(runs).where(decoys))
