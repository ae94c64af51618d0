"""Push exactly what was approved, once."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from bot.commands import CommandName
from bot.errors import ForgeNotFoundError, ForgeRefusedError, GitError, LeaseRejectedError, PushRefusedError
from bot.handlers.approvals import ApproveUnasked, CountApprovals
from bot.handlers.bring import BringCommits
from bot.handlers.pausing import live_config
from bot.handlers.remember import RememberFiles
from bot.handlers.standing import CheckStanding
from bot.model.forge import Actor, PullRequest
from bot.model.intents import Allowed, Refused
from bot.model.jobs import Job, JobLease, JobState
from bot.model.proposals import Approval, ApprovalVia, Proposal, ProposalKind, ProposalState, Publication
from bot.policy.ladder import Ladder, OpenPullRequest, PushToHead, Rung, ladder, publication_of
from bot.policy.publication import check_fresh
from bot.ports.forge import Forge
from bot.ports.git import Git
from bot.ports.store import Store
from bot.report import endings, forks


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
    unasked: ApproveUnasked
    remember: RememberFiles

    async def __call__(self, lease: JobLease) -> JobLease:
        """Move the job to ``published``, or end it with what stood in the way."""
        job = lease.job
        proposal = await self.store.proposals.of_job(job.id)
        approvals = () if proposal is None else await self.store.proposals.approvals(proposal.id)
        if proposal is None:
            raise GitError(f"job {job.short_id} is to be published without an approved proposal")
        if any((each.commit, each.diff_sha256) != (proposal.commit, proposal.diff_sha256) for each in approvals):
            return await self._stale(lease, proposal, endings.NOT_WHAT_WAS_APPROVED)
        pull_request = await self.forge.pull_request(job.request.repository, job.request.number)
        ways = ladder(proposal, pull_request)
        climb = _Climb(
            lease=lease, proposal=proposal, pull_request=pull_request, ladder=ways, reasons=list(ways.skipped)
        )
        reached: Rung | JobLease | None = await self._reached(climb)
        if reached is None:
            fresh = await self.check_fresh(job, proposal, pull_request)
            if isinstance(fresh, Refused):
                return await self._stale(lease, proposal, fresh.message)
            void = await self._withdrawn(job, proposal, pull_request, approvals)
            live = await live_config(job, store=self.store, forge=self.forge)
            if not (await self.count(job, proposal, live=live.config)).complete:
                return await self._void(lease, proposal, void)
            reached = await self._first_that_holds(climb)
        if isinstance(reached, JobLease):
            return reached
        if isinstance(reached, OpenPullRequest):
            opened = await self._open(climb, reached)
            if isinstance(opened, JobLease):
                return opened
            publication = replace(publication_of(reached, proposal), pull_number=opened)
            message: str | None = " ".join(climb.reasons)
        else:
            publication, message = publication_of(reached, proposal), None
        if approvals:
            await self._remember(lease, proposal, approvals[-1].actor)
        return await self._done(lease, proposal, publication, message)

    async def _reached(self, climb: "_Climb") -> Rung | None:
        """The rung that a worker reached which died before its record, None where nothing was pushed yet.

        Of a fork the head is looked at where the pull request's own repository keeps it.
        """
        repository = climb.lease.job.request.repository
        access = await self.forge.git_access(repository, write=False)
        passed: list[str] = []
        for rung in climb.ladder.rungs:
            publication = publication_of(rung, climb.proposal)
            ref = publication.ref
            if isinstance(rung, PushToHead) and rung.fork:
                ref = self.forge.pull_ref(repository, climb.lease.job.request.number)
            if await self.git.remote_ref(repository, access, ref) == climb.proposal.commit:
                climb.reasons.extend(passed)
                return rung
            if isinstance(rung, PushToHead) and rung.fork:
                why = await self.store.proposals.refusal(publication)
                passed.append(forks.not_taken(rung.fork) if why is None else forks.refused_by_forge(rung.fork, why))
        return None

    async def _first_that_holds(self, climb: "_Climb") -> Rung | JobLease:
        """Push what was approved by the first way that the forge allows; else the job with the end it came to."""
        why = ""
        for rung in climb.ladder.rungs:
            pushed = await self._push(climb, rung)
            if pushed is None:
                return rung
            if isinstance(pushed, JobLease):
                return pushed
            why = pushed
            if isinstance(rung, PushToHead) and rung.fork:
                climb.reasons.append(forks.refused_by_forge(rung.fork, why))
            elif climb.pull_request.from_fork:
                climb.reasons.append(forks.no_branch(why))
        return await self._refused(climb, why)

    async def _push(self, climb: "_Climb", rung: Rung) -> JobLease | str | None:
        """Push by one way; None when that is done, why the forge refuses it, or the job with the end it came to."""
        lease, proposals, repository = climb.lease, self.store.proposals, climb.lease.job.request.repository
        publication = publication_of(rung, climb.proposal)
        if (why := await proposals.refusal(publication)) is not None:
            return why  # a worker was told so, and died before the next way
        access = await self.forge.git_access(repository, write=True)
        if publication.fork:
            access = access.at(publication.fork, instead_of=repository.full_name)
        if not await proposals.begin_push(publication, lease):
            # It was pushed once, and somebody took it away before we could say so: an approval is for one push.
            return await self._stale(lease, climb.proposal, endings.MOVED_ON)
        try:
            await self.git.push(
                repository, access, ref=publication.ref, new=publication.new, expected=publication.old or None
            )
        except LeaseRejectedError:
            await proposals.end_push(publication, status="stale")
            return await self._stale(lease, climb.proposal, endings.MOVED_ON)
        except PushRefusedError as error:
            await proposals.end_push(publication, status="refused", detail=str(error))
            return str(error)
        return None

    async def _open(self, climb: "_Climb", rung: OpenPullRequest) -> int | JobLease:
        """The pull request from a branch that was pushed: the one that is there, else a new one.

        Where the forge takes none, the branch goes and the commands stay.
        """
        job, repository = climb.lease.job, climb.lease.job.request.repository
        number = await self.forge.find_pull_request(repository, rung.branch)
        if number is not None:
            return number
        author = climb.pull_request.author.login
        try:
            return await self.forge.create_pull_request(
                repository,
                head_ref=rung.branch,
                base_ref=climb.pull_request.base_ref,
                title=forks.beside_title(job, climb.pull_request.title),
                body=forks.beside_body(job, climb.proposal, author=author, reasons=climb.reasons),
                draft=True,
            )
        except (ForgeRefusedError, ForgeNotFoundError) as error:
            publication = publication_of(rung, climb.proposal)
            access = await self.forge.git_access(repository, write=True)
            with contextlib.suppress(LeaseRejectedError, PushRefusedError):
                await self.git.push(repository, access, ref=publication.ref, new=None, expected=publication.new)
            await self.store.proposals.end_push(publication, status="refused", detail=str(error))
            climb.reasons.append(forks.no_branch(str(error)))
            return await self._refused(climb, str(error))

    async def _remember(self, lease: JobLease, proposal: Proposal, approved_by: Actor) -> None:
        """What a person approved settles the same conflict the next time; what is taken back does not any more."""
        match proposal.kind:
            case ProposalKind.MERGE | ProposalKind.REBASE:
                await self.remember(lease.job, approved_by)
            case ProposalKind.REVERT:
                await self.remember.forget(lease.job)
            case ProposalKind.CHANGE:
                pass  # no conflict was settled
            case ProposalKind.PARTIAL:
                raise GitError(f"job {lease.job.short_id} is to push what is never pushed to a pull request")
            case _:
                assert_never(proposal.kind)

    async def _done(
        self, lease: JobLease, proposal: Proposal, publication: Publication, message: str | None
    ) -> JobLease:
        await self.store.proposals.end_push(publication, status="done")
        await self.store.proposals.settle(proposal.id, ProposalState.PUBLISHED)
        return await self.store.jobs.move(lease, JobState.PUBLISHED, progress="pushed", message=message)

    async def _withdrawn(
        self, job: Job, proposal: Proposal, pull_request: PullRequest, approvals: Sequence[Approval]
    ) -> list[Approval]:
        """Withdraw the approvals of those who may no longer approve.

        The configuration's stands while it would give it again, and whoever asked may still ask.
        """
        void = []
        for each in approvals:
            if each.via is ApprovalVia.CONFIGURATION:
                asked = await self.standing.of_request(job, pull_request) is None
                stands = asked and await self.unasked(job, proposal) is not None
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

    async def _refused(self, climb: "_Climb", reason: str) -> JobLease:
        """The forge will not let us push; the proposal's branch stays, so that a person can take it from there."""
        reasons = climb.reasons
        message = forks.handed_over(reasons) if climb.pull_request.from_fork else endings.push_refused(reason)
        return await self.store.jobs.move(climb.lease, JobState.REFUSED, rule="push_refused", message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Climb:
    """A proposal on its way, and why it goes no higher: the reasons grow with each rung that does not hold."""

    lease: JobLease
    proposal: Proposal
    pull_request: PullRequest
    ladder: Ladder
    reasons: list[str]
