"""The approval page: what somebody may see of a proposal, and what becomes of the button they press.

Nothing is decided here. A button becomes a delivery of our own, and the handler of all approvals acts on it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from bot import page_decisions
from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.handlers.approvals import CountApprovals
from bot.handlers.configuration import job_effective
from bot.handlers.weigh import WeighIntent
from bot.model.deliveries import DeliveryState
from bot.model.events import PageDecision
from bot.model.forge import Actor, ForgeName, PermissionLevel, RepositoryRef
from bot.model.ids import page_key
from bot.model.intents import Allowed, Approve, Decision, IntentOutcome, Origin, Refused, Reject
from bot.model.jobs import Job, JobState
from bot.model.page import PageView, Waiting
from bot.model.proposals import Proposal, ProposalKind
from bot.model.reports import JobView, ShownDiffs
from bot.policy.facts import Facts
from bot.policy.rules import decide
from bot.ports.forge import Forge
from bot.ports.store import Store
from bot.ports.system import Clock
from bot.report.diffs import split
from bot.report.page_words import NOT_FOR_YOU


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAtProposal:
    """Gather what the page shows to one person; ``days`` is how long a proposal waits for an answer."""

    store: Store
    forge: Forge
    weigh: WeighIntent
    days: int

    async def __call__(
        self, forge: ForgeName, proposal_id: str, actor: Actor, *, action: str | None = None
    ) -> PageView | None:
        """The page of a proposal; None where there is none, or this person may not read its repository.

        ``action`` is that of a button which this person pressed before; of others' nothing is told.
        """
        found = await self.find(forge, proposal_id)
        if found is None:
            return None
        job, proposal = found
        origin = _origin(job, actor)
        approve = Approve(
            origin=origin,
            sha=proposal.commit,
            proposal_id=proposal.id,
            old_head=proposal.head_sha if proposal.kind is ProposalKind.REBASE else None,
            on_page=True,
        )
        try:
            decision, facts, _ = await self.weigh(approve)
        except (ForgeNotFoundError, ForgeRefusedError):
            return None
        if facts.permission < PermissionLevel.READ:
            return None
        waits = job.state is JobState.AWAITING_APPROVAL
        diffs = await self.store.shown_diffs.get(proposal.id)
        return PageView(
            view=await self._view(job, proposal, diffs),
            actor=actor,
            pull_request=facts.pull_request,
            diffs=diffs,
            expires_at=proposal.created_at + timedelta(days=self.days) if waits else None,
            no_approval=_why_not(decision),
            no_discard=_why_not(_discard(origin, proposal, facts)),
            asked=None if action is None else await self._asked(forge, action, actor),
        )

    async def find(self, forge: ForgeName, proposal_id: str) -> tuple[Job, Proposal] | None:
        """A proposal of that forge that people approve on a pull request, and its job."""
        proposal = await self.store.proposals.get(proposal_id)
        job = None if proposal is None else await self.store.jobs.get(proposal.job_id)
        if proposal is None or job is None or proposal.kind is ProposalKind.PARTIAL:
            return None
        ours = job.request.repository.forge == forge and not job.request.on_issue
        return (job, proposal) if ours else None

    async def _view(self, job: Job, proposal: Proposal, diffs: ShownDiffs | None) -> JobView:
        store = self.store
        effective = await job_effective(job, registry=store.registry)
        tally = None
        if job.state is JobState.AWAITING_APPROVAL and diffs is not None:
            tally = await CountApprovals(store=store, forge=self.forge, paths=_Kept(diffs))(job, proposal)
        return JobView(
            job=job,
            conflicts=await store.proposals.conflicts(job.id),
            gate=await store.proposals.gate(job.id),
            proposal=proposal,
            approvals=await store.proposals.approvals(proposal.id),
            tally=tally,
            publication=await store.proposals.publication(job.id),
            tests=await store.proposals.tests(job.id, proposal.tree),
            tests_demanded_in=effective.said_in("tests_must_pass") if effective.config.tests_must_pass else "",
        )

    async def _asked(self, forge: ForgeName, action: str, actor: Actor) -> IntentOutcome | Waiting | None:
        outcome = await self.store.intents.outcome(page_key(forge, action))
        if outcome is not None:
            return outcome if outcome.actor_id == actor.id else None
        delivery = await self.store.deliveries.get(forge, page_decisions.delivery_of(action))
        if delivery is None or page_decisions.from_delivery(delivery).actor.id != actor.id:
            return None
        match delivery.state:
            case DeliveryState.NEW:
                return Waiting.UNDER_WAY
            case DeliveryState.DEAD:
                return Waiting.LOST
            case _:
                return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideOnPage:
    """Take the press of a button: keep it, and ring for a worker."""

    store: Store
    look: LookAtProposal
    clock: Clock
    ring: Callable[[str, str], Awaitable[None]]

    async def __call__(
        self, forge: ForgeName, proposal_id: str, actor: Actor, *, decision: PageDecision, commit: str, form: str
    ) -> str | None:
        """The id of the action, the same for the same ``form``; None where the proposal is not that commit.

        Whether the person may do it is for the worker to say, with what holds then.
        """
        found = await self.look.find(forge, proposal_id)
        if found is None or found[1].commit != commit:
            return None
        job, proposal = found
        action = page_decisions.action_id(proposal, actor, decision, form)
        delivery = page_decisions.to_delivery(
            job, proposal, actor=actor, decision=decision, action=action, at=self.clock.now()
        )
        if await self.store.deliveries.add(delivery):
            await self.ring("delivery", f"{forge}:{delivery.delivery_id}")
        return action


@dataclass(frozen=True, slots=True)
class _Kept:
    """``ChangedPaths`` of one proposal, from what is kept of it: the web service has no repositories."""

    kept: ShownDiffs

    async def changed_paths(self, repository: RepositoryRef, old: str, new: str) -> list[str]:
        del repository, old, new
        return [file.path for file in split(self.kept.against_head or "")]


def _origin(job: Job, actor: Actor) -> Origin:
    thread = job.request.thread
    return Origin(
        key="",
        delivery_id="",
        repository=job.request.repository,
        number=thread.number,
        actor=actor,
        thread=thread.kind,
        job_id=job.id,
    )


def _discard(origin: Origin, proposal: Proposal, facts: Facts) -> Decision:
    return decide(Reject(origin=origin, proposal_id=proposal.id), facts)


def _why_not(decision: Decision) -> str | None:
    match decision:
        case Allowed():
            return None
        case Refused():
            return decision.message
        case _:
            return NOT_FOR_YOU
