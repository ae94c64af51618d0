"""One step, and the next, of one job, under its lease. Every step is a row, so a process may die between any two."""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, assert_never

from bot.errors import (
    FencingLostError,
    FlowForgeError,
    ForgeError,
    ForgeLimitedError,
    ForgeNotFoundError,
    ForgeUnavailableError,
    GitError,
    SandboxHeldBackError,
    StoreError,
    TreeRefusedError,
)
from bot.handlers.bring import BringCommits
from bot.handlers.collect import CollectRun
from bot.handlers.conclude import Conclude
from bot.handlers.launch import HELD_BACK, HELD_BACK_FOR
from bot.handlers.pausing import CheckPause, push_begun
from bot.handlers.prepare import FetchMerge, PrepareMerge
from bot.handlers.publish import Publish
from bot.handlers.reporting import RefreshReports
from bot.handlers.rollback import RollBack
from bot.handlers.validate import ValidateResult
from bot.handlers.work import BeginWork, FetchWork, TakeWork
from bot.model.jobs import TERMINAL, WORK, Job, JobKind, JobLease, JobState
from bot.model.pauses import Hold
from bot.model.runs import RunState
from bot.ports.runner import Obstacle
from bot.ports.store import Store
from bot.ports.system import Clock
from bot.report import endings, pauses

LEASE_SECONDS: Final = 300.0
"""Longer than any step: a step that outlives it is fenced off."""

_MAX_ATTEMPTS: Final = 5
_MAX_ATTEMPTS_AT_PUSH: Final = 12
_FIRST_RETRY: Final = timedelta(seconds=5)
_LONGEST_RETRY: Final = timedelta(minutes=5)
_PAUSABLE: Final = frozenset({JobState.QUEUED, JobState.PUBLISHING})
"""From these a job does not go on in a pause: it would begin, or push."""

_LOOK_AGAIN: Final = timedelta(minutes=2)
"""After so long the files that hold a job back are read again: each look asks the forge."""

_STILL: Final = TERMINAL | {JobState.AWAITING_APPROVAL}

_AFRESH: Final = frozenset({JobState.QUEUED, JobState.PREPARING, JobState.VALIDATING})
"""A worker goes through these states in one go: a job found in one of them is begun, or begun again."""

Step = Callable[[JobLease], Awaitable[JobLease]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceJob:
    """Take a job as far as it goes without waiting for a run or a person."""

    store: Store
    clock: Clock
    bring: BringCommits
    fetch: FetchMerge
    prepare: PrepareMerge
    fetch_work: FetchWork
    begin_work: BeginWork
    take_work: TakeWork
    collect: CollectRun
    validate: ValidateResult
    publish: Publish
    roll_back: RollBack
    refresh: RefreshReports
    conclude: Conclude
    pause: CheckPause
    obstacle: Obstacle

    async def __call__(self, job_id: str, *, worker: str) -> None:
        """Claim the job and move it; somebody else's job, or one that waits, is left alone.

        What a step raises is raised again once it is on record: it closes the execution and makes the job due again
        later, a few times; then the job fails and says so. A worker that is cut off leaves the job to the next one.
        """
        lease = await self.store.jobs.claim(job_id, owner=worker, seconds=LEASE_SECONDS)
        if lease is None:
            await self._look_after(job_id)
            return
        try:
            await self._walk(lease, worker=worker)
        except FencingLostError:
            return
        except Exception as error:
            await self._failed_step(lease, error)
            await self._leave(lease)
            raise
        except BaseException:
            # Cut off: kept, the lease would keep the job from everybody for minutes.
            await self.store.jobs.release(lease)
            raise
        await self._leave(lease)

    async def _leave(self, lease: JobLease) -> None:
        await self.store.jobs.release(lease)
        await self.conclude(lease.job.id)

    async def _look_after(self, job_id: str) -> None:
        """What ended while nobody held it, or under a worker that died, may not have been concluded."""
        job = await self.store.jobs.get(job_id)
        if job is not None and job.finished_at is not None:
            await self.conclude(job_id)

    async def _walk(self, lease: JobLease, *, worker: str) -> None:
        """Step by step, until the job waits, ends, or starts over, which is for another time."""
        begun = False
        while True:
            job = lease.job
            if job.cancel_requested is not None and job.state not in TERMINAL:
                await self._obey(lease, job.cancel_requested)
                return
            if job.state in _STILL or self._is_put_off(job):
                return
            ready = await self._ready(lease, worker=worker, begun=begun)
            if ready is None:
                return
            lease, begun = ready, True
            if job.state is not JobState.QUEUED:
                await self._bring(job)
            try:
                moved = await self._step(job)(lease)
            except SandboxHeldBackError as error:
                await self._hold_back(lease, str(error))
                return
            if moved.job.state in {job.state, JobState.QUEUED}:
                return
            lease = moved
            with contextlib.suppress(ForgeError, GitError):
                # Only in between: what people see at last is seen to in the end, again and again if need be.
                await self.refresh(job.id)

    async def _ready(self, lease: JobLease, *, worker: str, begun: bool) -> JobLease | None:
        """The lease to go on with, its attempt counted; None when the job has to wait, or came to its end."""
        pausable = await self._is_pausable(lease.job, found=not begun)
        if await self._has_to_wait(lease, pausable=pausable):
            return None
        if not begun:
            lease = await self._begin(lease, worker=worker)
            if await self._used(lease.job) > _most_attempts(lease.job.state):
                await self._fail(lease, "its workers were cut off again and again")
                return None
        if pausable and (hold := await self.pause.by_files(lease.job)) is not None:
            # Asked after the attempt is counted: a forge that is away may not be asked for ever.
            await self._hold(lease, hold, again=_LOOK_AGAIN)
            return None
        return lease

    def _is_put_off(self, job: Job) -> bool:
        """It was made for later, and somebody rang already. A pause after a failure may be cut short, this one not."""
        unbegun = job.state is JobState.QUEUED and job.attempt == 0
        return unbegun and job.not_before is not None and job.not_before > self.clock.now()

    async def _bring(self, job: Job) -> None:
        """What was fetched before may be on another worker's disk."""
        proposal = await self.store.proposals.of_job(job.id)
        commits = [job.head_sha, job.base_sha, None if proposal is None else proposal.commit]
        await self.bring(job.request.repository, commits)

    async def _begin(self, lease: JobLease, *, worker: str) -> JobLease:
        """Count the attempt. A job in these states was left by a step that failed or a worker that died."""
        jobs = self.store.jobs
        begin = jobs.begin_execution if lease.job.state in _AFRESH else jobs.resume_execution
        attempt = await begin(lease, worker=worker)
        return replace(lease, job=replace(lease.job, attempt=attempt))

    def _step(self, job: Job) -> Step:
        match job.state:
            case JobState.QUEUED:
                return self._by_kind(job, resolve=self.fetch, work=self.fetch_work)
            case JobState.PREPARING:
                return self._by_kind(job, resolve=self.prepare, work=self.begin_work)
            case JobState.RUNNING:
                return self.collect
            case JobState.VALIDATING:
                return self.take_work if job.request.kind in WORK else self.validate
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

    def _by_kind(self, job: Job, *, resolve: Step, work: Step) -> Step:
        """Up to the sandbox each kind goes its own way; a rollback needs none."""
        if job.request.kind is JobKind.ROLLBACK:
            return self.roll_back
        return work if job.request.kind in WORK else resolve

    async def _publish(self, lease: JobLease) -> JobLease:
        """A rollback that puts the old head back has no proposal; everything else publishes one."""
        job = lease.job
        if job.request.kind is JobKind.IMPLEMENT:
            return await self.roll_back.drafts.open(lease)
        if job.request.kind is JobKind.ROLLBACK and await self.store.proposals.of_job(job.id) is None:
            undone = await self.store.proposals.publication(job.request.target_job_id or "")
            if undone is not None:
                return await self.roll_back.restore(lease, undone)
        return await self.publish(lease)

    async def _obey(self, lease: JobLease, wanted: JobState) -> None:
        """End a job that was asked to end; not while its run still has to be stopped, or once its push has begun."""
        job = lease.job
        if await push_begun(job, store=self.store):
            await self._publish(lease)
            return
        run = await self.store.runs.latest(job.id)
        if job.state is JobState.RUNNING and run is not None and run.state is RunState.STARTED:
            return
        message = endings.CANCELLED if wanted is JobState.CANCELLED else endings.SUPERSEDED
        await self.store.jobs.move(lease, wanted, rule=wanted.value, message=job.message or message)

    async def _is_pausable(self, job: Job, *, found: bool) -> bool:
        """Whether a pause holds the job where it is.

        One that is ``found`` in preparation was left there by a worker that died, and would begin once more; unless
        its sandbox is at work already, which nobody has said yet.
        """
        if job.state is not JobState.PREPARING or not found:
            return job.state in _PAUSABLE
        run = await self.store.runs.latest(job.id)
        return run is None or run.state is not RunState.STARTED

    async def _has_to_wait(self, lease: JobLease, *, pausable: bool) -> bool:
        """Whether nothing may be done for the job just now; it is due again in a while."""
        hold = await self.pause.by_command(lease.job) if pausable else None
        if hold is not None:
            await self._hold(lease, hold, again=HELD_BACK_FOR)
        elif _waits_for_sandbox(lease.job) and (reason := self.obstacle()) is not None:
            await self._hold_back(lease, reason)
        else:
            return False
        return True

    async def _hold(self, lease: JobLease, hold: Hold, *, again: timedelta) -> None:
        """Nothing begins and nothing is pushed now: look again in a while. That is no attempt."""
        job, due, progress = lease.job, self.clock.now() + again, pauses.held(hold)
        if job.state is JobState.PREPARING:
            # It gives its place to others; head and base may be others when it goes on.
            lease = await self.store.jobs.move(lease, JobState.QUEUED)
        await self.store.jobs.hold_back(lease, not_before=due, progress=progress, reason=hold.reason)
        if job.progress != progress:
            with contextlib.suppress(ForgeError, GitError):
                await self.refresh(job.id)

    async def _hold_back(self, lease: JobLease, reason: str) -> None:
        """No sandbox may be started: wait, for as long as it takes. That is no attempt, and no sandbox was lost."""
        job = await self.store.jobs.get(lease.job.id)
        if job is None or job.state in TERMINAL:
            return
        current = replace(lease, job=job)
        if job.state is JobState.PREPARING:
            # Head and base may be others when it goes on.
            current = await self.store.jobs.move(current, JobState.QUEUED)
        due = self.clock.now() + HELD_BACK_FOR
        await self.store.jobs.hold_back(current, not_before=due, progress=HELD_BACK, reason=reason)
        if job.progress != HELD_BACK:
            with contextlib.suppress(ForgeError, GitError):
                await self.refresh(job.id)

    async def _failed_step(self, lease: JobLease, error: Exception) -> None:
        """Count the failure on the job as it is now: a step may have moved it before it failed."""
        job = await self.store.jobs.get(lease.job.id)
        if job is None or job.state in TERMINAL:
            return
        current = replace(lease, job=job)
        words = str(error) if isinstance(error, FlowForgeError) else f"an unexpected error ({type(error).__name__})"
        try:
            if isinstance(error, ForgeLimitedError):
                # Nothing failed, and it is no attempt: the forge may not be asked before that.
                due = self.clock.now() + timedelta(seconds=error.retry_after)
                await self.store.jobs.set_retry(current, not_before=due, error=words)
                return
            name = type(error).__name__
            await self.store.jobs.end_execution(current, status="error", error_class=name, error=words)
            if isinstance(error, ForgeNotFoundError):
                await self.store.jobs.move(current, JobState.FAILED, rule="gone", message=endings.GONE)
            elif isinstance(error, TreeRefusedError):
                await self.store.jobs.move(current, JobState.REFUSED, rule="tree", message=endings.tree_refused(words))
            elif (used := await self._used(job)) >= _most_attempts(job.state):
                await self._fail(current, words)
            else:
                wait = min(_FIRST_RETRY * 2 ** max(0, used - 1), _LONGEST_RETRY)
                if isinstance(error, ForgeUnavailableError):
                    wait = max(wait, timedelta(seconds=error.retry_after))
                await self.store.jobs.set_retry(current, not_before=self.clock.now() + wait, error=words)
        except StoreError:
            # The database is away or somebody else holds the job: the sweep finds it when the lease has run out.
            return

    async def _used(self, job: Job) -> int:
        """The attempts that count: one that was put off because a sandbox was lost is none."""
        return job.attempt - await self.store.jobs.put_off(job.id)

    async def _fail(self, lease: JobLease, why: str) -> None:
        publishing = lease.job.state is JobState.PUBLISHING
        message = endings.push_unclear(why) if publishing else endings.tried_too_often(why)
        await self.store.jobs.move(lease, JobState.FAILED, rule="internal", message=message)


def _most_attempts(state: JobState) -> int:
    """A push that may have happened is looked after for longer: only a look at the forge tells."""
    return _MAX_ATTEMPTS_AT_PUSH if state is JobState.PUBLISHING else _MAX_ATTEMPTS


def _waits_for_sandbox(job: Job) -> bool:
    """It was held back, and nothing that it needs besides a sandbox is worth another look."""
    return job.state is JobState.QUEUED and job.progress == HELD_BACK


async def _stay(lease: JobLease) -> JobLease:
    return lease
