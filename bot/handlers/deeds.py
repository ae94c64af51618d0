"""What allowed intents do: create, approve, reject, retry, cancel and roll back jobs.

Every deed can be done again without harm: a worker may die between the deed and its record.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final

from bot.errors import BusyError, StoreError
from bot.handlers.approvals import CountApprovals
from bot.handlers.briefs import GatherBrief, names_something_to_mend, work_request
from bot.handlers.conclude import Conclude
from bot.handlers.pausing import push_begun
from bot.handlers.publish import CheckFresh
from bot.handlers.replies import Replies
from bot.handlers.reporting import RefreshReports
from bot.model.cases import Take
from bot.model.forge import Actor, PullRequest
from bot.model.forks import ForkOk
from bot.model.intents import (
    Allowed,
    Approve,
    Cancel,
    Fix,
    Go,
    Implement,
    Ok,
    Origin,
    Refused,
    Reject,
    Resolve,
    Retry,
    Rollback,
    Strategy,
    TakeSide,
    Work,
)
from bot.model.jobs import Job, JobKind, JobLease, JobRequest, JobState
from bot.model.proposals import Approval, ApprovalVia, Proposal, ProposalState
from bot.model.work import Brief
from bot.policy.conflicts import check_unmoved, taken_path, with_take
from bot.policy.facts import Facts
from bot.policy.limits import ServerLimits, chosen_budget, chosen_model
from bot.policy.second import Join, Supersede, decide_second, decide_work
from bot.ports.forge import Forge
from bot.ports.store import Store
from bot.ports.system import Ids, Queue
from bot.report import endings, work

_LEASE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deeds:
    """Each method does one intent and returns the id of the job it is about, None when there is none."""

    store: Store
    queue: Queue
    ids: Ids
    forge: Forge
    server: ServerLimits
    replies: Replies
    refresh: RefreshReports
    check_fresh: CheckFresh
    count: CountApprovals
    conclude: Conclude
    gather: GatherBrief

    async def resolve(self, intent: Resolve, facts: Facts, *, config_version: str) -> str | None:
        """Queue a job; while another one is active, join it, take its place, or ask for patience."""
        request = self._request(intent, facts, config_version)
        supersede = None
        if facts.active is not None and facts.active.request.origin_key != request.origin_key:
            second = decide_second(intent, facts.active, facts)
            if not isinstance(second, Supersede):
                await self.replies.say(intent.origin, second.message, reaction="eyes")
                return facts.active.id if isinstance(second, Join) else None
            await self.replies.say(intent.origin, second.message)
            supersede = facts.active
        return await self._queue(intent.origin, request, supersede)

    async def work(self, intent: Work, facts: Facts, *, config_version: str) -> str | None:
        """Queue what people asked for in words; while another job is active, join it, take its place, or wait."""
        brief = await self.gather(intent, facts)
        idle = await self._idle(intent, facts, brief)
        if idle is not None:
            await self.replies.refuse(intent.origin, idle)
            return None
        request = work_request(intent, facts, brief, self.server, config_version)
        supersede = None
        if facts.active is not None and facts.active.request.origin_key != request.origin_key:
            second = decide_work(request, facts.active)
            if not isinstance(second, Supersede):
                await self.replies.say(intent.origin, second.message, reaction="eyes")
                return facts.active.id if isinstance(second, Join) else None
            await self.replies.say(intent.origin, second.message)
            supersede = facts.active
        return await self._queue(intent.origin, request, supersede)

    async def _idle(self, intent: Work, facts: Facts, brief: Brief) -> Refused | None:
        """Why there is nothing to do: nothing is known to be broken, or a draft of ours has it already."""
        match intent:
            case Fix() if not intent.instructions and not names_something_to_mend(
                brief, unasked=intent.origin.configured
            ):
                return Refused(rule="nothing", message=work.NOTHING_TO_FIX)
            case Implement() | Go() if facts.published is not None and facts.active is None:
                number = await self._open_draft(facts.published, intent.origin)
                if number is not None:
                    message = work.still_open(intent.origin.repository.forge, number)
                    return Refused(rule="draft", message=message)
            case _:
                pass
        return None

    async def _open_draft(self, published: Job, origin: Origin) -> int | None:
        """The number of the pull request that a job opened and that is still open."""
        if published.request.origin_key == origin.key:
            return None
        publication = await self.store.proposals.publication(published.id)
        if publication is None:
            return None
        repository = origin.repository
        number = await self.forge.find_pull_request(repository, publication.ref.removeprefix("refs/heads/"))
        if number is None or not (await self.forge.pull_request(repository, number)).open:
            return None
        return number

    async def retry(self, intent: Retry, facts: Facts, *, config_version: str) -> str | None:
        """Queue the newest job's request anew, on the pull request as it is now."""
        latest, pull_request = facts.latest, facts.pull_request
        if latest is not None and latest.request.on_issue:
            return await self._queue(
                intent.origin, asked_anew(latest.request, intent.origin, config_version), facts.active
            )
        if latest is None or pull_request is None:
            return None
        request = again(latest.request, intent.origin, pull_request, config_version)
        if request.takes and isinstance(await self._unmoved(latest, pull_request), Refused):
            # Decided for other versions of the files.
            request = replace(request, takes=())
        return await self._queue(intent.origin, request, facts.active)

    async def take(self, intent: TakeSide, facts: Facts, *, config_version: str) -> str | None:
        """Queue the newest job's request anew with one more decision of a person; several of them add up."""
        latest, pull_request = facts.latest, facts.pull_request
        if latest is None or pull_request is None:
            return None
        if latest.request.origin_key == intent.origin.key:
            return await self._queue(intent.origin, latest.request, None)
        path = taken_path(intent, facts.conflicts)
        unmoved = await self._unmoved(latest, pull_request)
        if isinstance(unmoved, Refused):
            await self.replies.refuse(intent.origin, unmoved)
            return None
        if path is None:
            raise StoreError("policy allowed a take without a path")
        taken = Take(path=path, choice=intent.choice, taken_by=intent.origin.actor.login)
        request = again(latest.request, intent.origin, pull_request, config_version)
        request = replace(request, takes=with_take(request.takes, taken))
        return await self._queue(intent.origin, request, facts.active)

    async def rollback(self, intent: Rollback, facts: Facts) -> str | None:
        """Queue a job that undoes the last publication."""
        published, pull_request = facts.published, facts.pull_request
        if published is None or (pull_request is None and facts.issue is None):
            return None
        # What was opened for an issue starts from the branch that it would go into.
        was = published.request
        request = JobRequest(
            kind=JobKind.ROLLBACK,
            origin_key=intent.origin.key,
            repository=intent.origin.repository,
            number=intent.origin.subject,
            requested_by=intent.origin.actor,
            comment_id=intent.origin.comment_id,
            instructions="",
            strategy=Strategy.MERGE,
            budget_usd=published.request.budget_usd,
            model=published.request.model,
            dry_run=False,
            config_version=published.request.config_version,
            head_ref=was.head_ref if pull_request is None else pull_request.head_ref,
            head_sha=published.head_sha if pull_request is None else pull_request.head_sha,
            base_ref=was.base_ref if pull_request is None else pull_request.base_ref,
            target_job_id=published.id,
        )
        return await self._queue(intent.origin, request, facts.active)

    async def ok(self, intent: Ok, facts: Facts) -> None:
        """Write down that somebody answers for the head as it is, which is what policy compared theirs with."""
        origin, pull_request = intent.origin, facts.pull_request
        if pull_request is None:
            return
        await self.store.forks.ok(
            ForkOk(
                key=origin.key,
                repository=origin.repository,
                number=origin.number,
                head_sha=pull_request.head_sha,
                actor=origin.actor,
                permission=facts.permission.name.lower(),
            )
        )
        await self.replies.say(origin, endings.ok_given(pull_request.head_sha), reaction="+1")

    async def approve(self, intent: Approve, facts: Facts) -> str | None:
        """Bind the person's yes to the bytes, and let the push begin when it is the last that is needed.

        A stale proposal is refused and ended.
        """
        job, proposal, pull_request = facts.active, facts.proposal, facts.pull_request
        if job is None or proposal is None or pull_request is None:
            return None
        if job.state is JobState.PUBLISHING:
            return job.id
        fresh = await self.check_fresh(job, proposal, pull_request)
        if isinstance(fresh, Refused):
            # Before the end of the job, with which the intent is done.
            await self.replies.refuse(intent.origin, fresh)
            await self.stale(job, proposal, fresh, origin=intent.origin)
            return job.id
        via = ApprovalVia.COMMENT
        if intent.on_page:
            via = ApprovalVia.PAGE
        elif intent.proposal_id is not None:  # a click names its job, an emoji hangs where the proposal is shown
            via = ApprovalVia.EMOJI if intent.origin.job_id is None else ApprovalVia.BUTTON
        approval = Approval(
            proposal_id=proposal.id,
            actor=intent.origin.actor,
            via=via,
            permission=facts.permission.name.lower(),
            commit=proposal.commit,
            diff_sha256=proposal.diff_sha256,
            # Policy has compared what was named with it.
            old_head=None if intent.old_head is None else proposal.head_sha,
        )
        async with self.holding(job) as lease:
            tally = await self.count(job, proposal, also=approval, live=facts.settings)
            await self.store.proposals.approve(approval, whole=tally.complete)
            if tally.complete:
                await self.replies.react(intent.origin, "rocket")
                progress = "pushing what was approved"
                await self.store.jobs.move(lease, JobState.PUBLISHING, actor=intent.origin, progress=progress)
        if tally.complete:
            await self.queue.ring("job", job.id)
            return job.id
        partly = endings.partly_approved(len(tally.approved_by), tally.needed, tally.missing)
        await self.replies.say(intent.origin, partly, reaction="+1")
        await self.refresh(job.id)
        return job.id

    async def reject(self, intent: Reject, facts: Facts) -> str | None:
        """Throw a proposal away; its branch goes when the job is concluded.

        The job's end comes first: what was approved before is not pushed after a worker died in between.
        """
        job, proposal = facts.active, facts.proposal
        if job is None or proposal is None:
            return None
        async with self.holding(job) as lease:
            if await push_begun(job, store=self.store):
                raise BusyError(f"the push of job {job.short_id} began meanwhile")
            await self.replies.react(intent.origin, "eyes")
            await self.store.jobs.move(
                lease, JobState.REJECTED, actor=intent.origin, rule="rejected", message=endings.REJECTED
            )
            await self.store.proposals.settle(proposal.id, ProposalState.REJECTED)
        await self.conclude(job.id)
        return job.id

    async def cancel(self, intent: Cancel, facts: Facts) -> str | None:
        """Ask the active job to end; its run, if any, is stopped by whoever looks after it."""
        if facts.active is None:
            return None
        await self.replies.react(intent.origin, "eyes")
        await self.end(facts.active, JobState.CANCELLED, actor=intent.origin, message=endings.CANCELLED)
        return facts.active.id

    def _request(self, intent: Resolve, facts: Facts, config_version: str) -> JobRequest:
        pull_request, config = facts.pull_request, facts.settings
        if pull_request is None:
            raise StoreError("policy allowed a resolve without a pull request")
        origin = intent.origin
        return JobRequest(
            kind=JobKind.RESOLVE,
            origin_key=origin.key,
            repository=origin.repository,
            number=origin.subject,
            requested_by=origin.actor,
            comment_id=origin.comment_id,
            instructions=intent.instructions,
            strategy=intent.strategy,
            budget_usd=chosen_budget(config, intent.budget_usd, self.server),
            model=chosen_model(config, intent.model, self.server),
            dry_run=intent.dry_run,
            config_version=config_version,
            head_ref=pull_request.head_ref,
            head_sha=pull_request.head_sha,
            base_ref=pull_request.base_ref,
        )

    async def _unmoved(self, job: Job, pull_request: PullRequest) -> Allowed | Refused:
        """Whether head and base are live where the job saw them; what people decided then, they decided for that."""
        repository = job.request.repository
        git = self.check_fresh.git
        access = await self.forge.git_access(repository, write=False)
        live_base = await git.remote_ref(repository, access, f"refs/heads/{pull_request.base_ref}")
        return check_unmoved(job, pull_request=pull_request, live_base=live_base)

    async def _queue(self, origin: Origin, request: JobRequest, supersede: Job | None) -> str | None:
        if supersede is not None and supersede.request.origin_key == request.origin_key:
            supersede = None
        old = None if supersede is None else supersede.id
        job = await self.store.jobs.create(request, job_id=self.ids.new_id(), supersede=old)
        if job is None:
            raise BusyError("another job of the pull request became active meanwhile")
        await self.replies.react(origin, "eyes")
        if supersede is not None:
            await self.after_end(supersede)
        await self.refresh(job.id)
        await self.queue.ring("job", job.id)
        return job.id

    async def end(self, job: Job, state: JobState, *, actor: Actor | Origin, message: str) -> None:
        """Ask a job to end as cancelled or superseded, and see to what follows."""
        await self.store.jobs.request_end(job.id, state, actor=actor, message=message)
        await self.after_end(job)

    async def after_end(self, job: Job) -> None:
        """A worker clears away behind a job that ended at once; one that is held is obeyed by its holder."""
        await self.refresh(job.id)
        await self.queue.ring("job", job.id)

    async def stale(self, job: Job, proposal: Proposal, refusal: Refused, *, origin: Origin | None = None) -> None:
        """End a job whose proposal is out of date. Raises ``BusyError`` when somebody is at the job."""
        async with self.holding(job) as lease:
            await self.store.proposals.settle(proposal.id, ProposalState.STALE)
            await self.store.jobs.move(
                lease, JobState.SUPERSEDED, actor=origin, rule=refusal.rule, message=refusal.message
            )
        await self.conclude(job.id)

    @contextlib.asynccontextmanager
    async def holding(self, job: Job) -> AsyncIterator[JobLease]:
        """Hold the lease of a job that is still where the decision found it; given back whatever happens.

        Raises:
            BusyError: another worker holds it, or it went on.
        """
        lease = await self.store.jobs.claim(job.id, owner=f"intent:{self.ids.new_id()}", seconds=_LEASE_SECONDS)
        if lease is None:
            raise BusyError(f"job {job.short_id} is held by another worker just now")
        try:
            if lease.job.state is not job.state:
                raise BusyError(f"job {job.short_id} went on meanwhile")
            yield lease
        finally:
            await self.store.jobs.release(lease)


def asked_anew(old: JobRequest, origin: Origin, config_version: str) -> JobRequest:
    """The same request on behalf of whoever asks now. What it is about stays what it was.

    All who asked before are kept, each once, however often it is done again: the words are theirs.
    """
    before = {actor.id: actor for actor in (*old.asked_before, old.requested_by) if actor.id != origin.actor.id}
    return replace(
        old,
        origin_key=origin.key,
        repository=origin.repository,
        requested_by=origin.actor,
        asked_before=tuple(before.values()),
        comment_id=origin.comment_id,
        config_version=config_version,
    )


def again(old: JobRequest, origin: Origin, pull_request: PullRequest, config_version: str) -> JobRequest:
    """The same request, on behalf of whoever asks now and for the pull request as it is now."""
    return replace(
        asked_anew(old, origin, config_version),
        head_ref=pull_request.head_ref,
        head_sha=pull_request.head_sha,
        base_ref=pull_request.base_ref,
    )
