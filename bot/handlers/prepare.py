"""From a queued job to its resolvers: fetch, verdict, and each conflict to the cheapest that can settle it."""

import time
from dataclasses import dataclass
from typing import assert_never

from bot.config_keys import RepositoryConfig
from bot.errors import GitError
from bot.handlers.configuration import job_config, job_effective
from bot.handlers.direct import AskDirect, is_small
from bot.handlers.forks import CheckHead
from bot.handlers.launch import LaunchRun, merge_context
from bot.handlers.progress import MergeProgress, nothing_done
from bot.handlers.rebase import RebaseCommits
from bot.handlers.records import records_of
from bot.handlers.reporting import RefreshReports
from bot.handlers.settle import SettleMerge
from bot.handlers.triage import all_left, plan_merge
from bot.handlers.unresolved import EndUnresolved
from bot.model.conflicts import CleanMerge, ConflictedMerge, ImpossibleMerge
from bot.model.forge import PullRequest
from bot.model.intents import Refused, Strategy
from bot.model.jobs import Job, JobLease, JobState
from bot.model.runs import RunState
from bot.policy.limits import ServerLimits, check_conflicts, direct_hunks, run_limits
from bot.ports.forge import Forge
from bot.ports.git import Git
from bot.ports.store import Store
from bot.report import endings


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchMerge:
    """A queued resolve job: bring head and base into the mirror and pin the job to them."""

    store: Store
    forge: Forge
    git: Git
    refresh: RefreshReports
    check_head: CheckHead

    async def __call__(self, lease: JobLease) -> JobLease:
        """Move the job to ``preparing``, or end it when the pull request is closed."""
        job = lease.job
        request = job.request
        pull_request = await self.forge.pull_request(request.repository, request.number)
        if not pull_request.open:
            return await self.store.jobs.move(lease, JobState.REFUSED, rule="closed", message=endings.CLOSED)
        await self.store.jobs.progress(job.id, "fetching head and base")
        head, base = await self._fetch(job, pull_request)
        # Asked about what was fetched: somebody may have pushed since the job was allowed, and since this step began.
        config = await job_config(job, registry=self.store.registry)
        if not await self.check_head(pull_request, head, config):
            message = endings.nobody_answers_for(head)
            return await self.store.jobs.move(lease, JobState.REFUSED, rule="fork", message=message)
        await self.refresh.leave(job, head)
        return await self.store.jobs.move(
            lease,
            JobState.PREPARING,
            progress="merging head and base",
            head_sha=head,
            base_sha=base,
        )

    async def _fetch(self, job: Job, pull_request: PullRequest) -> tuple[str, str]:
        repository = job.request.repository
        head_ref = self.forge.pull_ref(repository, job.request.number)
        base_ref = f"refs/heads/{pull_request.base_ref}"
        access = await self.forge.git_access(repository, write=False)
        refs = await self.git.fetch(repository, access, [head_ref, base_ref])
        missing = [ref for ref in (head_ref, base_ref) if ref not in refs]
        if missing:
            raise GitError(f"the forge has no {' and no '.join(missing)}")
        return refs[head_ref], refs[base_ref]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareMerge:
    """A prepared resolve job: ask git for the verdict, then the resolvers; only what is open moves on to the next."""

    store: Store
    forge: Forge
    git: Git
    settle: SettleMerge
    direct: AskDirect
    launch: LaunchRun
    unresolved: EndUnresolved
    rebase: RebaseCommits
    server: ServerLimits

    async def __call__(self, lease: JobLease) -> JobLease:
        """Move the job to ``running``, to ``validating``, or to the end that its conflicts lead to."""
        job = lease.job
        repository = job.request.repository
        base = job.base_sha
        if base is None:
            raise GitError(f"job {job.short_id} was prepared without a base")
        run = await self.store.runs.latest(job.id)
        if run is not None and run.state is RunState.STARTED:
            # The worker that launched it died before it could say so; a second run would cost a second time.
            return await self.store.jobs.move(lease, JobState.RUNNING, progress="the sandbox is at work")
        if job.request.strategy is Strategy.REBASE:
            return await self.rebase(lease)
        verdict = await self.git.merge(repository, ours=job.head_sha, theirs=base)
        match verdict:
            case CleanMerge(tree=tree):
                same = tree == await self.git.tree_of(repository, job.head_sha)
                message = endings.UP_TO_DATE if same else endings.CLEAN
                return await self._end(lease, JobState.NOTHING_TO_DO, "no_conflict", message)
            case ImpossibleMerge(reason=reason):
                message = f"{endings.IMPOSSIBLE} git says: {reason}"
                return await self._end(lease, JobState.UNRESOLVED, "impossible_merge", message)
            case ConflictedMerge():
                return await self._conflicted(lease, verdict)
            case _:
                assert_never(verdict)

    async def _conflicted(self, lease: JobLease, merge: ConflictedMerge) -> JobLease:
        job = lease.job
        repository = job.request.repository
        begun = time.monotonic()
        effective = await job_effective(job, registry=self.store.registry)
        config = effective.config
        size = check_conflicts(config, len(merge.conflicts), said_in=effective.said_in("max_conflicted_files"))
        if isinstance(size, Refused):
            progress = nothing_done(all_left(merge, size.message))
            return await self.unresolved(lease, progress, config, rule=size.rule, message=size.message)
        plan = await plan_merge(merge, repository=repository, config=config, git=self.git)
        progress = await self.settle(job, plan, config)
        most_hunks = direct_hunks(config, self.server)
        await self._save(job, progress, _next_resolver(progress, config, most_hunks))
        if job.request.dry_run:
            return await self._end(lease, JobState.REPORTED, "dry_run", endings.DRY_RUN)
        pull_request = await self.forge.pull_request(repository, job.request.number)
        limits = run_limits(config, budget_usd=job.request.budget_usd, server=self.server)
        if is_small(progress, most=most_hunks):
            context = await merge_context(self.git, job, title=pull_request.title, body=pull_request.body)
            left = await self.launch.remaining(job, limits)
            progress = await self.direct(
                job, progress, context=context, limits=left, most_hunks=most_hunks, begun=begun
            )
            # At once: what was paid for is not asked again by another worker.
            await self._save(job, progress, _next_resolver(progress, config, 0))
        if progress.open_files and config.resolvers.agent:
            left = await self.launch.remaining(job, limits)
            await self.launch(job, progress, title=pull_request.title, limits=left)
            return await self.store.jobs.move(lease, JobState.RUNNING, progress="the agent is starting")
        if progress.settled_files or progress.taken or not progress.undone_count:
            return await self.store.jobs.move(lease, JobState.VALIDATING, progress="checking the result")
        message = endings.left_to_people(progress.undone_count)
        return await self.unresolved(lease, progress, config, rule="needs_person", message=message)

    async def _save(self, job: Job, progress: MergeProgress, next_resolver: str) -> None:
        records = records_of(progress, next_resolver=next_resolver)
        await self.store.proposals.save_conflicts(job.id, job.attempt, records)

    async def _end(self, lease: JobLease, state: JobState, rule: str, message: str) -> JobLease:
        return await self.store.jobs.move(lease, state, rule=rule, message=message)


def _next_resolver(progress: MergeProgress, config: RepositoryConfig, most_hunks: int) -> str:
    """Whom open text conflicts go to: what a dry run shows."""
    if is_small(progress, most=most_hunks):
        return "direct"
    return "agent" if config.resolvers.agent else "person"
