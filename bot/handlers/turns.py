"""Turns: a job that must wait for others says so, and a job that leaves work hands its place on at once."""

import contextlib
from dataclasses import dataclass

from bot.errors import ForgeError, GitError, StoreError
from bot.handlers.advance import AdvanceJob
from bot.handlers.reporting import RefreshReports
from bot.model.jobs import Job, JobState
from bot.model.turns import AT_WORK
from bot.ports.store import Store
from bot.ports.system import Clock, Queue
from bot.report.turns import waits


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeTurns:
    """What a ring for a job leads to: advance it, if it is its turn, and ring for those whose turn comes by it.

    Whether a job has its turn is decided in the transaction that claims it; here nothing is decided.
    """

    store: Store
    queue: Queue
    clock: Clock
    advance: AdvanceJob
    refresh: RefreshReports

    async def __call__(self, job_id: str, *, worker: str) -> None:
        """Advance one job. What that raises is raised again when the next ones were rung for."""
        before = await self.store.jobs.get(job_id)
        try:
            await self.advance(job_id, worker=worker)
        except Exception:
            # The sweep rings too, when there is no database to ask now.
            with contextlib.suppress(StoreError):
                await self._hand_on(before, await self.store.jobs.get(job_id))
            raise
        after = await self.store.jobs.get(job_id)
        await self._wait(after)
        await self._hand_on(before, after)

    async def _wait(self, job: Job | None) -> None:
        """Say why a queued job does not begin, once, and ring for those that go before it."""
        if job is None or job.state is not JobState.QUEUED:
            return
        kept = await self.store.jobs.kept_waiting(job.id, self.clock.now())
        if kept is None:
            return
        words = waits(kept)
        if job.progress != words:
            await self.store.jobs.progress(job.id, words)
            with contextlib.suppress(ForgeError, GitError):
                await self.refresh(job.id)
        for job_id in kept.ahead:
            await self.queue.ring("job", job_id)

    async def _hand_on(self, before: Job | None, after: Job | None) -> None:
        """Ring for the next ones, if this job gave its place away, or ended before anybody could hand it on."""
        if before is None or after is None or after.state in AT_WORK:
            return
        if after.finished_at is None and after.fencing == before.fencing:
            return
        for job_id in await self.store.jobs.next_up(self.clock.now()):
            await self.queue.ring("job", job_id)
