"""Reports: say what people should see, then make the forge show it."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from bot.errors import ForgeLimitedError, ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError, GitError
from bot.handlers.approvals import CountApprovals
from bot.handlers.bring import BringCommits
from bot.handlers.configuration import job_effective
from bot.model.forge import ForgeName, RepositoryRef
from bot.model.jobs import ANSWERS, TERMINAL, Job, JobState
from bot.model.proposals import Proposal, ProposalKind, ProposalState, SuiteEvidence, Tally
from bot.model.reports import (
    CheckRunContent,
    CommentContent,
    HandOver,
    JobView,
    ReactionContent,
    ReportContent,
    ReportTarget,
    ShownDiffs,
    Surface,
    pull_owner,
)
from bot.model.runs import RESOLVING_KINDS
from bot.policy.ladder import OpenPullRequest, PushToHead, ladder
from bot.policy.publication import hand_over
from bot.ports.background import background
from bot.ports.forge import Forge
from bot.ports.git import Git
from bot.ports.store import Store
from bot.ports.system import Clock, Queue
from bot.report.check_run import render_check_run, render_left
from bot.report.comment import render_sticky
from bot.report.forks import where_it_goes
from bot.report.merging import how_it_merges
from bot.report.work import render_answer

PROGRESS_EVERY: Final = timedelta(seconds=15)
"""Progress is shown at most this often: every update of a check run costs API budget and attention."""

_LONGEST_WRITE: Final = timedelta(minutes=3)
"""Longer than any write: a worker that takes longer is taken for dead.

A call of a worker is cut off after two minutes, and what it had sent by then is done or lost half a minute later.
"""

_FIRST_RETRY: Final = timedelta(seconds=15)
_LONGEST_RETRY: Final = timedelta(minutes=30)
_MAX_FAILURES: Final = 24
"""Half a day: after that nobody waits for an answer any more."""

_MOST_KEPT: Final = 2_000_000
"""Characters of a diff that the page can show: what is larger is looked at with git."""

_STATES: Final = frozenset({Surface.CHECK_RUN, Surface.STICKY_COMMENT})
"""What they show holds on: a forge that comes back after days is still told how a job ended."""

_MAY_CHANGE: Final = frozenset({301, 302, 307, 308, 401, 408, 409, 425})
"""Refusals that say nothing of the report: a repository has a new name, a clock is wrong, two writes met."""

_AT_WORK: Final = frozenset({JobState.QUEUED, JobState.PREPARING, JobState.RUNNING, JobState.VALIDATING})
_NEEDS_DIFF: Final = frozenset({JobState.AWAITING_APPROVAL, JobState.PUBLISHING, JobState.PUBLISHED})


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshReports:
    """Render the check run and the sticky comment of a job from its rows, and wish for them.

    ``page_of`` is the address of the page on which people decide about a proposal, empty where there is none.
    """

    store: Store
    forge: Forge
    git: Git
    bring: BringCommits
    count: CountApprovals
    queue: Queue
    clock: Clock
    page_of: Callable[[ForgeName, str], str] = lambda _forge, _proposal_id: ""
    _shown_at: dict[str, datetime] = field(default_factory=dict)

    async def __call__(self, job_id: str) -> None:
        """Wish for what the job's rows say now. The sticky comment belongs to the newest job of a pull request."""
        job = await self.store.jobs.get(job_id)
        if job is None:
            return
        view = await self.view(job)
        request = job.request
        if not request.on_issue:
            await self._want(job, _check_owner(job), Surface.CHECK_RUN, render_check_run(view))
        elif view.proposal is not None and job.state is JobState.PUBLISHED:
            # On what is in the pull request: there was no commit to show anything on before.
            content = replace(render_check_run(view), head_sha=view.proposal.commit)
            await self._want(job, job.id, Surface.CHECK_RUN, content)
        if request.kind in ANSWERS and job.state is JobState.REPORTED:
            await self._want(job, f"answer:{job.id}", Surface.REPLY, render_answer(view))
        newest = await self.store.jobs.latest(request.repository, request.number)
        if newest is None or newest.id == job.id:
            owner = pull_owner(request.repository, request.number)
            await self._want(job, owner, Surface.STICKY_COMMENT, render_sticky(view))
        self._shown_at[job.id] = self.clock.now()
        if job.state in TERMINAL:
            self._shown_at.pop(job.id, None)

    async def progress(self, job_id: str) -> None:
        """Show a running job's progress; when something was shown a moment ago, the newest of it after a while."""
        job = await self.store.jobs.get(job_id)
        if job is None or job.state is not JobState.RUNNING or job.request.on_issue:
            return
        now = self.clock.now()
        due = self._shown_at.get(job_id, now - PROGRESS_EVERY) + PROGRESS_EVERY
        content = render_check_run(await self.view(job))
        if due > now:
            await self._want(job, _check_owner(job), Surface.CHECK_RUN, content, not_before=due)
        else:
            self._shown_at[job_id] = now
            await self._want(job, _check_owner(job), Surface.CHECK_RUN, content)

    async def leave(self, job: Job, head_sha: str) -> None:
        """Close the check run of a job that goes on with another head; to be called before the job does.

        A check run belongs to its commit for good, so a job has one for each head that it was about.
        """
        if job.head_sha != head_sha and not job.request.on_issue:
            await self._want(job, _check_owner(job), Surface.CHECK_RUN, render_left(await self.view(job), head_sha))

    async def view(self, job: Job) -> JobView:
        """Gather what a report about ``job`` is made of."""
        store = self.store
        proposal = await store.proposals.of_job(job.id)
        if proposal is not None and (job.state, proposal.state) == (JobState.REFUSED, ProposalState.STALE):
            proposal = None  # the forge took not even its branch: nobody was, or can be, shown it
        tests = None if proposal is None else await store.proposals.tests(job.id, proposal.tree)
        run = await store.runs.latest(job.id, kinds=RESOLVING_KINDS)
        against_head, against_base = await self._diffs(job, proposal)
        page = self._page(job, proposal)
        if page and proposal is not None:
            # Before anybody is told of the page.
            await store.shown_diffs.keep(proposal.id, _shown(against_head, against_base))
        latest = await store.jobs.latest(job.request.repository, job.request.number)
        superseded = job.state is JobState.SUPERSEDED and latest is not None and latest.id != job.id
        end = job.finished_at or _proposed_at(job, proposal, tests)
        return JobView(
            job=job,
            conflicts=await store.proposals.conflicts(job.id),
            gate=await store.proposals.gate(job.id),
            proposal=proposal,
            diff_against_head=against_head,
            diff_against_base=against_base,
            usage=await store.runs.usage(job.id),
            run_outcome=None if run is None else run.outcome,
            run_detail="" if run is None else run.detail,
            duration_seconds=None if end is None else (end - job.created_at).total_seconds(),
            hand_over=await self._hand_over(job, proposal),
            where_it_goes=await self._where_it_goes(job, proposal),
            approvals=() if proposal is None else await store.proposals.approvals(proposal.id),
            tally=None if proposal is None else await self._tally(job, proposal),
            publication=await store.proposals.publication(job.id),
            superseded_by=latest.short_id if superseded and latest is not None else None,
            tests=tests,
            page=page,
            tests_demanded_in="" if proposal is None else await self._tests_demanded_in(job),
        )

    def _page(self, job: Job, proposal: Proposal | None) -> str:
        """Where people decide about what waits for them."""
        waits = job.state is JobState.AWAITING_APPROVAL and not job.request.on_issue
        return self.page_of(job.request.repository.forge, proposal.id) if waits and proposal is not None else ""

    async def _tally(self, job: Job, proposal: Proposal) -> Tally | None:
        """How far its approval has come, while it waits for that and we could push it."""
        if job.state is not JobState.AWAITING_APPROVAL:
            return None
        return await self.count(job, proposal)

    async def _tests_demanded_in(self, job: Job) -> str:
        effective = await job_effective(job, registry=self.store.registry)
        return effective.said_in("tests_must_pass") if effective.config.tests_must_pass else ""

    async def _diffs(self, job: Job, proposal: Proposal | None) -> tuple[str, str]:
        if proposal is None or job.state not in _NEEDS_DIFF:
            return "", ""
        repository = job.request.repository
        try:
            await self.bring(repository, [proposal.commit, proposal.head_sha, proposal.base_sha])
        except GitError:
            if job.state is not JobState.PUBLISHED:
                raise
            return "", ""  # it was undone since, and is nowhere any more
        head = await self.git.diff(repository, proposal.head_sha, proposal.commit)
        if proposal.kind in {ProposalKind.REVERT, ProposalKind.CHANGE}:
            return head.decode("utf-8", "replace"), ""
        base = await self.git.diff(repository, proposal.base_sha, proposal.commit)
        return head.decode("utf-8", "replace"), base.decode("utf-8", "replace")

    async def _hand_over(self, job: Job, proposal: Proposal | None) -> HandOver | None:
        if proposal is None or job.request.on_issue or job.state is not JobState.REFUSED:
            return None
        try:
            pull_request = await self.forge.pull_request(job.request.repository, job.request.number)
            access = await self.forge.git_access(job.request.repository, write=False)
        except (ForgeNotFoundError, ForgeRefusedError):
            return None  # out of our reach, and so is the report
        return hand_over(proposal, pull_request=pull_request, clone_url=access.url, reason=job.message or "")

    async def _where_it_goes(self, job: Job, proposal: Proposal | None) -> str:
        if proposal is None or job.state is not JobState.AWAITING_APPROVAL:
            return ""
        try:
            pull_request = await self.forge.pull_request(job.request.repository, job.request.number)
        except (ForgeNotFoundError, ForgeRefusedError):
            return ""  # out of our reach, and so is the report
        merging = how_it_merges(pull_request.merging, pull_request.base_ref)
        then = merging if proposal.kind is ProposalKind.MERGE else ""
        if not pull_request.from_fork:
            return then
        ways = ladder(proposal, pull_request)
        fork = next((rung.fork for rung in ways.rungs if isinstance(rung, PushToHead)), None)
        beside = any(isinstance(rung, OpenPullRequest) for rung in ways.rungs)
        return f"{where_it_goes(fork=fork, skipped=ways.skipped, beside=beside)} {then}".rstrip()

    async def _want(
        self,
        job: Job,
        owner: str,
        surface: Surface,
        content: ReportContent,
        *,
        not_before: datetime | None = None,
    ) -> None:
        request = job.request
        target = await self.store.reports.want(
            request.repository,
            request.thread.number,
            owner,
            surface,
            content,
            not_before=not_before,
            thread=request.thread.kind,
        )
        if not_before is not None:
            return
        await self.queue.ring("report", target)


def _shown(against_head: str, against_base: str) -> ShownDiffs:
    """What the page keeps of a proposal's diffs."""
    return ShownDiffs(
        against_head=against_head if len(against_head) <= _MOST_KEPT else None,
        against_base=against_base if len(against_base) <= _MOST_KEPT else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverReport:
    """Make one surface look as it should. Running it again changes nothing.

    ``on_given_up`` is told of each report that will not be written unless there is something new to say, and why.
    """

    store: Store
    forge: Forge
    clock: Clock
    on_given_up: Callable[[ReportTarget, str], None] = lambda _target, _why: None

    async def __call__(self, target_id: str) -> None:
        """Write the report while it differs from what was written; a temporary failure is tried again by the sweep.

        Only one worker writes a report at a time: two of them would find no comment there, and both would post one.
        """
        while (target := await self._begin(target_id)) is not None:
            repository = await self.store.registry.find_repository(target.forge, target.repository_id)
            if repository is None:
                await self._give_up(target, "the repository is unknown")
                return
            with contextlib.nullcontext() if target.asked_for else background():
                written = await self._write(repository, target)
            if not written:
                return

    async def _begin(self, target_id: str) -> ReportTarget | None:
        return await self.store.reports.begin(target_id, until=self.clock.now() + _LONGEST_WRITE)

    async def _write(self, repository: RepositoryRef, target: ReportTarget) -> bool:
        """Write it once; whether to look again now for what else there is to say."""
        try:
            remote_id = await self._show(repository, target)
        except ForgeLimitedError as error:
            # Nothing failed: it was not even asked, or not looked at.
            again = self.clock.now() + timedelta(seconds=error.retry_after)
            await self.store.reports.postponed(target.id, error=str(error), not_before=again)
            return False
        except ForgeUnavailableError as error:
            return await self._later(target, str(error), at_least=timedelta(seconds=error.retry_after))
        except (ForgeRefusedError, ForgeNotFoundError) as error:
            if isinstance(error, ForgeRefusedError) and error.status in _MAY_CHANGE:
                return await self._later(target, str(error))
            return await self._give_up(target, str(error))
        await self.store.reports.wrote(target.id, content_hash=target.desired_hash, remote_id=remote_id)
        return True

    async def _later(self, target: ReportTarget, why: str, *, at_least: timedelta = timedelta(0)) -> bool:
        """Try again, each time after a longer pause; an answer that nobody waits for any more is given up."""
        if target.attempts >= _MAX_FAILURES and target.surface not in _STATES:
            return await self._give_up(target, why)
        wait = max(min(_FIRST_RETRY * 2 ** min(target.attempts, _MAX_FAILURES), _LONGEST_RETRY), at_least)
        await self.store.reports.failed(target.id, error=why, not_before=self.clock.now() + wait)
        return False

    async def _give_up(self, target: ReportTarget, why: str) -> bool:
        given_up = await self.store.reports.give_up(target.id, content_hash=target.desired_hash, error=why)
        if given_up:
            self.on_given_up(target, why)
        return not given_up

    async def _show(self, repository: RepositoryRef, target: ReportTarget) -> int:
        content = target.desired
        match content:
            case CheckRunContent():
                return await self._show_check_run(repository, target.remote_id, content)
            case CommentContent():
                return await self._show_comment(repository, target, content)
            case ReactionContent():
                await self.forge.react(repository, target.thread, content.comment_id, content.reaction)
                return content.comment_id
            case _:
                assert_never(content)

    async def _show_check_run(self, repository: RepositoryRef, known: int | None, content: CheckRunContent) -> int:
        if known is not None:
            with contextlib.suppress(ForgeNotFoundError):
                await self.forge.update_check_run(repository, known, content)
                return known
        # Ours may be there: made by somebody whose answer was lost, or who died over it.
        remote = await self.forge.find_check_run(repository, content.head_sha, content.external_id)
        if remote is None or remote == known:
            return await self.forge.create_check_run(repository, content)
        await self.forge.update_check_run(repository, remote, content)
        return remote

    async def _show_comment(self, repository: RepositoryRef, target: ReportTarget, content: CommentContent) -> int:
        if target.remote_id is not None:
            # Somebody may have deleted our comment; what it says is still wanted.
            with contextlib.suppress(ForgeNotFoundError):
                await self.forge.update_comment(repository, target.thread, target.remote_id, content)
                return target.remote_id
        remote = await self.forge.find_comment(repository, target.thread, content.marker)
        if remote is None or remote == target.remote_id:
            return await self.forge.create_comment(repository, target.thread, content)
        await self.forge.update_comment(repository, target.thread, remote, content)
        return remote


def _check_owner(job: Job) -> str:
    """The check run of a job on the head that it is about now."""
    return job.id if job.head_sha == job.request.head_sha else f"{job.id}@{job.head_sha}"


def _proposed_at(job: Job, proposal: Proposal | None, tests: SuiteEvidence | None) -> datetime | None:
    """When all was there that people were to look at, None as long as it is not."""
    if proposal is None or job.state in _AT_WORK:
        return None
    return proposal.created_at if tests is None else max(proposal.created_at, tests.at)
