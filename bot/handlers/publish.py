"""Push exactly what was approved, once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from bot.commands import CommandName
from bot.errors import GitError, LeaseRejectedError, PushRefusedError
from bot.handlers.approvals import CountApprovals
from bot.handlers.bring import BringCommits
from bot.handlers.remember import RememberFiles
from bot.handlers.standing import CheckStanding
from bot.model.forge import Actor, GitAccess, PullRequest
from bot.model.intents import Allowed, Refused
from bot.model.jobs import Job, JobLease, JobState
from bot.model.proposals import Approval, ApprovalVia, Proposal, ProposalKind, ProposalState, Publication, PushPurpose
from bot.policy.publication import check_fresh
from bot.ports.forge import Forge
from bot.ports.git import Git
from bot.ports.store import Store
from bot.report import endings


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFresh:
    """Compare a proposal with what is live now: head, base, tree, parents and diff."""

    forge: Forge
    git: Git
    bring: BringCommits

    async def __call__(self, job: Job, proposal: Proposal, pull_request: PullRequest) -> Allowed | Refused:
        """Allowed when all of it is still what was shown, else a refusal that says what changed."""
        repository = job.request.repository
        await self.bring(repository, [proposal.commit, *proposal.parents])
        access = await self.forge.git_access(repository, write=False)
        live_head = await self.git.remote_ref(repository, access, self.forge.pull_ref(repository, job.request.number))
        live_base = await self.git.remote_ref(repository, access, f"refs/heads/{pull_request.base_ref}")
        return check_fresh(
            proposal,
            pull_request=pull_request,
            live_head=live_head,
            live_base=live_base,
            tree=await self.git.tree_of(repository, proposal.commit),
            parents=await self.git.parents_of(repository, proposal.commit),
            diff_sha256=await self.git.proposal_diff_sha256(repository, proposal.commit),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """A job in ``publishing``: the push, or the record of a push that a crash cut off from its record."""

    store: Store
    forge: Forge
    git: Git
    check_fresh: CheckFresh
    standing: CheckStanding
    count: CountApprovals
    remember: RememberFiles

    async def __call__(self, lease: JobLease) -> JobLease:
        """Move the job to ``published``, or end it with what stood in the way."""
        job = lease.job
        proposal = await self.store.proposals.of_job(job.id)
        approvals = () if proposal is None else await self.store.proposals.approvals(proposal.id)
        if proposal is None or not approvals:
            raise GitError(f"job {job.short_id} is to be published without an approved proposal")
        if any((each.commit, each.diff_sha256) != (proposal.commit, proposal.diff_sha256) for each in approvals):
            return await self._stale(lease, proposal, endings.NOT_WHAT_WAS_APPROVED)
        repository = job.request.repository
        pull_request = await self.forge.pull_request(repository, job.request.number)
        publication = Publication(
            purpose=PushPurpose.PUBLISH,
            job_id=job.id,
            proposal_id=proposal.id,
            ref=f"refs/heads/{pull_request.head_ref}",
            old=proposal.head_sha,
            new=proposal.commit,
        )
        access = await self.forge.git_access(repository, write=True)
        if await self.git.remote_ref(repository, access, publication.ref) != proposal.commit:
            fresh = await self.check_fresh(job, proposal, pull_request)
            if isinstance(fresh, Refused):
                return await self._stale(lease, proposal, fresh.message)
            void = await self._withdrawn(job, pull_request, approvals)
            if not (await self.count(job, proposal)).complete:
                return await self._void(lease, proposal, void)
            ended = await self._push(lease, proposal, publication, access)
            if ended is not None:
                return ended
        await self._remember(lease, proposal, approvals[-1].actor)
        return await self._done(lease, proposal, publication)

    async def _push(
        self, lease: JobLease, proposal: Proposal, publication: Publication, access: GitAccess
    ) -> JobLease | None:
        """Push what was approved; None when that is done, else the job with the end that it came to."""
        proposals = self.store.proposals
        if not await proposals.begin_push(publication):
            # It was pushed once, and somebody took it away before we could say so: an approval is for one push.
            return await self._stale(lease, proposal, endings.MOVED_ON)
        repository = lease.job.request.repository
        try:
            await self.git.push(repository, access, ref=publication.ref, new=publication.new, expected=publication.old)
        except LeaseRejectedError:
            await proposals.end_push(publication, status="stale")
            return await self._stale(lease, proposal, endings.MOVED_ON)
        except PushRefusedError as error:
            await proposals.end_push(publication, status="refused", detail=str(error))
            return await self._refused(lease, str(error))
        return None

    async def _remember(self, lease: JobLease, proposal: Proposal, approved_by: Actor) -> None:
        """What a person approved settles the same conflict the next time; what is taken back does not any more."""
        match proposal.kind:
            case ProposalKind.MERGE | ProposalKind.REBASE:
                await self.remember(lease.job, approved_by)
            case ProposalKind.REVERT:
                await self.remember.forget(lease.job)
            case ProposalKind.PARTIAL | ProposalKind.CHANGE:
                raise GitError(f"job {lease.job.short_id} is to push what is never pushed to a pull request")
            case _:
                assert_never(proposal.kind)

    async def _done(self, lease: JobLease, proposal: Proposal, publication: Publication) -> JobLease:
        await self.store.proposals.end_push(publication, status="done")
        await self.store.proposals.settle(proposal.id, ProposalState.PUBLISHED)
        return await self.store.jobs.move(lease, JobState.PUBLISHED, progress="pushed")

    async def _withdrawn(self, job: Job, pull_request: PullRequest, approvals: Sequence[Approval]) -> list[Approval]:
        """Withdraw the approvals of those who may no longer approve; the configuration's, of those who may not ask."""
        void = []
        for each in approvals:
            if each.via is ApprovalVia.CONFIGURATION:
                stands = await self.standing.of_request(job, pull_request) is None
            else:
                stands = await self.standing.allowed(job, each.actor, CommandName.APPROVE)
            if not stands:
                await self.store.proposals.withdraw(each)
                void.append(each)
        return void

    async def _void(self, lease: JobLease, proposal: Proposal, void: Sequence[Approval]) -> JobLease:
        """Some of those who approved may no longer do so: somebody else has to."""
        await self.store.proposals.settle(proposal.id, ProposalState.OPEN)
        whose = ", ".join(each.actor.login for each in void)
        progress = (
            f"the approval by {whose} does not count any more; waiting for approval" if void else "waiting for approval"
        )
        return await self.store.jobs.move(lease, JobState.AWAITING_APPROVAL, progress=progress)

    async def _stale(self, lease: JobLease, proposal: Proposal, message: str) -> JobLease:
        await self.store.proposals.settle(proposal.id, ProposalState.STALE)
        return await self.store.jobs.move(lease, JobState.SUPERSEDED, rule="stale", message=message)

    async def _refused(self, lease: JobLease, reason: str) -> JobLease:
        """The forge will not let us push; the branch stays, so that a person can take it from there."""
        return await self.store.jobs.move(
            lease,
            JobState.REFUSED,
            rule="push_refused",
            message=endings.push_refused(reason),
        )
