"""A run that ended: what it means for its job."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bot.handlers.launch import HELD_BACK, HELD_BACK_FOR
from bot.handlers.unresolved import EndUnresolved
from bot.model.jobs import JobLease, JobState
from bot.model.runs import Run, RunKind, RunOutcome, RunState
from bot.policy.limits import MAX_LOST
from bot.ports.store import Store
from bot.ports.system import Clock
from bot.report import endings, work

_FIRST_RETRY: Final = timedelta(seconds=5)
_LONGEST_RETRY: Final = timedelta(minutes=5)
_BY_PEOPLE: Final = frozenset({RunOutcome.CANCELLED, RunOutcome.SUPERSEDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectRun:
    """A running job whose run ended: decide by the run's outcome."""

    store: Store
    clock: Clock
    unresolved: EndUnresolved

    async def __call__(self, lease: JobLease) -> JobLease:
        """Move the job on; a job whose run still goes on stays as it is."""
        job = lease.job
        run = await self.store.runs.latest(job.id)
        if run is not None and run.kind is RunKind.TEST:
            return await self._tested(lease, run)
        if run is not None and _never_was(run):
            moved = await self.store.jobs.move(lease, JobState.QUEUED)
            await self.store.jobs.hold_back(moved, not_before=_let_in(run), progress=HELD_BACK, reason=run.detail)
            return moved
        if run is None or run.state is RunState.CREATED:
            # Whoever was to start it is gone: a run is created and started under the lease that is ours now.
            return await self.store.jobs.move(lease, JobState.QUEUED, progress="starting over")
        if run.state is not RunState.ENDED or run.outcome is None:
            return lease
        return await self._ended(lease, run, run.outcome)

    async def _lost(self, run: Run) -> int:
        """How many sandboxes of this kind the job has lost, if the last one was; 0 if not."""
        if run.outcome is not RunOutcome.INFRA_RETRYABLE:
            return 0
        return await self.store.runs.lost(run.job_id, run.kind)

    async def _tested(self, lease: JobLease, run: Run) -> JobLease:
        """A job that waits for its tests. Whatever became of them, its proposal is there and is not made again."""
        jobs = self.store.jobs
        if run.state is RunState.STARTED:
            return lease
        if run.outcome in _BY_PEOPLE:
            return await self._ended(lease, run, run.outcome)
        if _never_was(run) and _let_in(run) > self.clock.now():
            await jobs.hold_back(lease, not_before=_let_in(run), progress=HELD_BACK, reason=run.detail)
            return lease
        lost = await self._lost(run)
        if 0 < lost < MAX_LOST:
            due = (run.ended_at or self.clock.now()) + _pause(lost)
            if due > self.clock.now():
                await jobs.progress(lease.job.id, "the sandbox was lost; the tests start again in a moment")
                await jobs.set_retry(lease, not_before=due, error=run.detail)
                return lease
        return await jobs.move(lease, JobState.VALIDATING, progress="reading what the tests said")

    async def _ended(self, lease: JobLease, run: Run, outcome: RunOutcome) -> JobLease:  # noqa: PLR0911 - one return for every kind of end
        jobs = self.store.jobs
        if outcome is RunOutcome.SUCCEEDED:
            return await jobs.move(lease, JobState.VALIDATING, progress="checking the result")
        if outcome is RunOutcome.CANCELLED:
            return await jobs.move(lease, JobState.CANCELLED, rule="cancelled", message=endings.CANCELLED)
        if outcome is RunOutcome.SUPERSEDED:
            return await jobs.move(lease, JobState.SUPERSEDED, rule="superseded", message=endings.SUPERSEDED)
        lost = await self._lost(run)
        if 0 < lost < MAX_LOST:
            # No fault of the agent's, and so none of its attempts.
            moved = await jobs.move(lease, JobState.QUEUED, progress="the sandbox was lost; starting over")
            await jobs.set_retry(moved, not_before=self.clock.now() + _pause(lost), error=run.detail)
            return moved
        if run.kind is RunKind.REGENERATE and outcome is not RunOutcome.INFRA_RETRYABLE:
            # What its commands said belongs to the report, and stands in its result.
            return await jobs.move(lease, JobState.VALIDATING, progress="reading what the command said")
        if run.kind in {RunKind.CHANGE, RunKind.LOOK}:
            return await jobs.move(lease, JobState.UNRESOLVED, rule=outcome.value, message=work.run_ended(outcome))
        ended = endings.commands_ended if run.kind is RunKind.REGENERATE else endings.run_ended
        return await self.unresolved.of_job(lease, rule=outcome.value, message=ended(outcome))


def _never_was(run: Run) -> bool:
    """Its sandbox was not let in, or nobody came to start it and the sweep ended it: nothing was lost."""
    return run.outcome is RunOutcome.INFRA_RETRYABLE and run.started_at is None and run.ended_at is not None


def _let_in(run: Run) -> datetime:
    """When another sandbox is tried after one that was not let in."""
    return (run.ended_at or datetime.min.replace(tzinfo=UTC)) + HELD_BACK_FOR


def _pause(lost: int) -> timedelta:
    """How long to wait after so many sandboxes were lost."""
    return min(_FIRST_RETRY * (1 << (lost - 1)), _LONGEST_RETRY)
