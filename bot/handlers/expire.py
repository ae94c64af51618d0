"""Proposals end that nobody decides on: what they were made for is long past, and their branches are in the way."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bot.errors import ForgeError, GitError
from bot.handlers.conclude import Conclude
from bot.model.jobs import JobState
from bot.model.proposals import Proposal, ProposalState
from bot.model.sweeps import Swept
from bot.ports.log import Log
from bot.ports.store import Store
from bot.ports.system import Clock
from bot.report.expiry import expired

EXPIRED: Final = "expired"
"""The rule that such a job ends by."""

_OWNER: Final = "sweep:expire"
_LEASE_SECONDS: Final = 60.0
_BATCH: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireProposals:
    """End proposals, and take back the branches of unfinished merges, that are ``days`` old."""

    store: Store
    log: Log
    clock: Clock
    conclude: Conclude
    days: int

    async def __call__(self, bookmark: str) -> Swept:
        """Do one pass. What cannot be told or taken back now is left to whoever concludes jobs."""
        del bookmark
        before = self.clock.now() - timedelta(days=self.days)
        waiting = await self.store.repairs.undecided(before, limit=_BATCH)
        for job_id in waiting:
            await self._expire(job_id, before)
        parts = await self.store.repairs.old_partials(before, limit=_BATCH)
        for part in parts:
            await self._take_back(part)
        return Swept(again=len(waiting) == _BATCH or len(parts) == _BATCH)

    async def _expire(self, job_id: str, before: datetime) -> None:
        """End a job whose proposal is too old, unless somebody decides just now."""
        lease = await self.store.jobs.claim(job_id, owner=_OWNER, seconds=_LEASE_SECONDS)
        if lease is None:
            return
        try:
            proposal = await self.store.proposals.of_job(job_id)
            if lease.job.state is not JobState.AWAITING_APPROVAL or proposal is None or proposal.created_at >= before:
                return
            await self.store.proposals.settle(proposal.id, ProposalState.EXPIRED)
            await self.store.jobs.move(lease, JobState.REJECTED, rule=EXPIRED, message=expired(self.days))
        finally:
            await self.store.jobs.release(lease)
        self.log.info("proposal expired", job_id=job_id, proposal_id=proposal.id)
        try:
            await self.conclude(job_id)
        except (ForgeError, GitError) as error:
            self.log.warning("the end of a proposal is to be told later", job_id=job_id, error=str(error))

    async def _take_back(self, part: Proposal) -> None:
        """Delete the branch of an unfinished merge; its job ended long ago, and its report no longer names it."""
        job = await self.store.jobs.get(part.job_id)
        if job is None:
            return
        try:
            await self.conclude.drop(job.request.repository, part)
            await self.store.proposals.settle(part.id, ProposalState.EXPIRED)
            await self.conclude.refresh(job.id)
        except (ForgeError, GitError) as error:
            self.log.warning("a branch cannot be taken back now", job_id=job.id, error=str(error))
