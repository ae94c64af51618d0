"""One step, and the next, of one job, under its lease. Every step is a row, so a process may die between any two."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, assert_never

from bot.errors import FencingLostError, FlowForgeError, ForgeNotFoundError, ForgeUnavailableError, StoreError
from bot.handlers.collect import CollectRun, ValidateResult
from bot.handlers.prepare import FetchMerge, PrepareMerge
from bot.handlers.propose import DropBranch
from bot.handlers.publish import Publish
from bot.handlers.reporting import RefreshReports
from bot.handlers.rollback import RollBack
from bot.model.jobs import TERMINAL, Job, JobKind, JobLease, JobState
from bot.model.proposals import ProposalState
from bot.ports.store import Store
from bot.ports.system import Clock
from bot.report import endings

LEASE_SECONDS: Final = 300.0
"""Longer than any step: a step that outlives it is fenced off."""

_MAX_ATTEMPTS: Final = 5
_FIRST_RETRY: Final = timedelta(seconds=5)
_STILL: Final = TERMINAL | {JobState.AWAITING_APPROVAL}

Step = Callable[[JobLease], Awaitable[JobLease]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceJob:
    """Take a job as far as it goes without waiting for a run or a person."""

    store: Store
    clock: Clock
    fetch: FetchMerge
    prepare: PrepareMerge
    collect: CollectRun
    validate: ValidateResult
    publish: Publish
    roll_back: RollBack
    drop_branch: DropBranch
    refresh: RefreshReports

    async def __call__(self, job_id: str, *, worker: str) -> None:
        """Claim the job and move it; somebody else's job, or one that waits, is left alone.

        An error of ours closes the execution and makes the job due again later, five times at most; then the job
        fails and says so.
        """
        lease = await self.store.jobs.claim(job_id, owner=worker, seconds=LEASE_SECONDS)
        if lease is None:
            return
        try:
            lease = await self._walk(lease, worker=worker)
        except FencingLostError:
            return
        except FlowForgeError as error:
            await self._failed_step(job_id, lease, error)
        await self.store.jobs.release(lease)
        await self.refresh(job_id)

    async def _walk(self, lease: JobLease, *, worker: str) -> JobLease:
        while True:
            job = lease.job
            if job.cancel_requested is not None and job.state not in TERMINAL:
                stopped = await self._obey(lease, job.cancel_requested)
                if stopped is None:
                    return lease
                return stopped
            if job.state in _STILL:
                return lease
            if job.state is JobState.QUEUED:
                await self.store.jobs.begin_execution(lease, worker=worker)
            moved = await self._step(job)(lease)
            if moved.job.state is job.state:
                return moved
            lease = moved
            await self.refresh(job.id)

    def _step(self, job: Job) -> Step:
        match job.state:
            case JobState.QUEUED:
                return self.fetch if job.request.kind is JobKind.RESOLVE else self.roll_back
            case JobState.PREPARING:
                return self.prepare if job.request.kind is JobKind.RESOLVE else self.roll_back
            case JobState.RUNNING:
                return self.collect
            case JobState.VALIDATING:
                return self.validate
            case JobState.PUBLISHING:
                return self._publish
            case (
                JobState.AWAITING_APPROVAL
                | JobState.PUBLISHED
                | JobState.NOTHING_TO_DO
                | JobState.REPORTED
                | JobState.UNRESOLVED
                | JobState.REFUSED
                | JobState.FAILED
                | JobState.CANCELLED
                | JobState.REJECTED
                | JobState.SUPERSEDED
            ):
                return _stay
            case _:
                assert_never(job.state)

    async def _publish(self, lease: JobLease) -> JobLease:
        """A rollback that puts the old head back has no proposal; everything else publishes one."""
        job = lease.job
        if job.request.kind is JobKind.ROLLBACK and await self.store.proposals.of_job(job.id) is None:
            undone = await self.store.proposals.publication(job.request.target_job_id or "")
            if undone is not None:
                return await self.roll_back.restore(lease, undone)
        return await self.publish(lease)

    async def _obey(self, lease: JobLease, wanted: JobState) -> JobLease | None:
        """End a job that was asked to end; None while its run still has to be stopped, or its push is under way."""
        job = lease.job
        if job.state is JobState.PUBLISHING:
            return await self._publish(lease)
        if job.state is JobState.RUNNING:
            run = await self.store.runs.latest(job.id)
            if run is not None and run.outcome is None:
                return None
        message = endings.CANCELLED if wanted is JobState.CANCELLED else endings.SUPERSEDED
        moved = await self.store.jobs.move(lease, wanted, rule=wanted.value, message=job.message or message)
        proposal = await self.store.proposals.of_job(job.id)
        if proposal is not None and proposal.state is ProposalState.OPEN:
            await self.store.proposals.settle(proposal.id, ProposalState.STALE)
            await self.drop_branch(job, proposal)
        return moved

    async def _failed_step(self, job_id: str, lease: JobLease, error: FlowForgeError) -> None:
        """Count the failure on the job as it is now: a step may have moved it before it failed."""
        job = await self.store.jobs.get(job_id)
        if job is None or job.state in TERMINAL:
            return
        current = JobLease(job=job, owner=lease.owner, fencing=lease.fencing, until=lease.until)
        try:
            await self.store.jobs.end_execution(
                current,
                status="error",
                error_class=type(error).__name__,
                error=str(error),
            )
            if isinstance(error, ForgeNotFoundError):
                await self.store.jobs.move(current, JobState.FAILED, rule="gone", message=endings.GONE)
            elif job.attempt >= _MAX_ATTEMPTS:
                message = endings.tried_too_often(str(error))
                await self.store.jobs.move(current, JobState.FAILED, rule="internal", message=message)
            else:
                wait = _FIRST_RETRY * 2 ** max(0, job.attempt - 1)
                if isinstance(error, ForgeUnavailableError):
                    wait = max(wait, timedelta(seconds=error.retry_after))
                await self.store.jobs.set_retry(current, not_before=self.clock.now() + wait, error=str(error))
        except StoreError:
            # The database is away or somebody else holds the job: the sweep finds it when the lease has run out.
            return


async def _stay(lease: JobLease) -> JobLease:
    return lease
