"""What follows when a job ended or waits for a person: they are told, what is left over goes, the next job begins."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bot.errors import ForgeNotFoundError, ForgeRefusedError, LeaseRejectedError, PushRefusedError
from bot.handlers.propose import DropBranch
from bot.handlers.reporting import RefreshReports
from bot.model.forge import RepositoryRef
from bot.model.jobs import Job, JobKind, JobState
from bot.model.proposals import Proposal, ProposalState
from bot.ports.store import Store
from bot.ports.system import Clock, Queue

_AGAIN: Final = timedelta(minutes=2)
_PATIENCE: Final = timedelta(days=1)

_VOID: Final = frozenset({JobState.CANCELLED, JobState.SUPERSEDED})
"""These ends make a proposal stale that nobody decided on."""

_BRANCH_GOES: Final = _VOID | {JobState.PUBLISHED, JobState.REJECTED}
"""After the other ends a person may still want to take the resolution from its branch."""

_UNDECIDED: Final = frozenset({ProposalState.OPEN, ProposalState.APPROVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclude:
    """Bring to its end what a change of a job's state began; doing it again changes nothing.

    The job's row remembers that this is due until it was done, so it outlives the worker that should have done it.
    ``on_ended`` is told of each ended job once.
    """

    store: Store
    queue: Queue
    clock: Clock
    refresh: RefreshReports
    drop_branch: DropBranch
    on_ended: Callable[[Job], None]

    async def __call__(self, job_id: str) -> None:
        """Conclude a job that ended; of one that goes on or waits, only people are told.

        What raises is raised: the rest is due again in a moment, for a day at most.
        """
        job = await self.store.jobs.get(job_id)
        if job is None:
            return
        try:
            proposal = await self._settled(job)
            await self.refresh(job.id)
            if job.finished_at is not None:
                await self.store.shown_diffs.drop(job.id)
            open_draft = job.request.kind is JobKind.IMPLEMENT and job.state is JobState.PUBLISHED
            if proposal is not None and job.state in _BRANCH_GOES and not open_draft:
                await self.drop(job.request.repository, proposal)
            await self.clear(job.request.repository, job.request.number, newest=job)
        except Exception:
            now = self.clock.now()
            again = now + _AGAIN if now - job.updated_at < _PATIENCE else None
            await self.store.jobs.concluded(job, again_at=again)
            raise
        else:
            if await self.store.jobs.concluded(job) and job.finished_at is not None:
                self.on_ended(job)
        finally:
            if job.finished_at is not None:
                await self._next(job)

    async def _settled(self, job: Job) -> Proposal | None:
        proposal = await self.store.proposals.of_job(job.id)
        if proposal is None or proposal.state not in _UNDECIDED:
            return proposal
        if job.state in _VOID:
            await self.store.proposals.settle(proposal.id, ProposalState.STALE)
        elif job.state is JobState.REJECTED:
            # Whoever rejected it died before it could say so.
            await self.store.proposals.settle(proposal.id, ProposalState.REJECTED)
        return proposal

    async def clear(self, repository: RepositoryRef, number: int, *, newest: Job | None = None) -> None:
        """Delete the branches of unfinished merges that a newer job came after; without one, all of them."""
        for partial in await self.store.proposals.partials(repository, number):
            owner = await self.store.jobs.get(partial.job_id)
            if newest is None or (owner is not None and owner.created_at < newest.created_at):
                await self.drop(repository, partial)
                await self.store.proposals.settle(partial.id, ProposalState.STALE)

    async def drop(self, repository: RepositoryRef, proposal: Proposal) -> None:
        """Delete a proposal's branch, unless it is somebody else's now, or out of our reach."""
        try:
            await self.drop_branch(repository, proposal)
        except (LeaseRejectedError, PushRefusedError, ForgeNotFoundError, ForgeRefusedError):
            return  # it would be the same the next time

    async def _next(self, job: Job) -> None:
        """Ring for the job that waited for the end of this one."""
        active = await self.store.jobs.active(job.request.repository, job.request.number)
        if active is not None and active.id != job.id:
            await self.queue.ring("job", active.id)
