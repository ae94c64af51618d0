"""From a queued job to a launched run: fetch, verdict, plan, launch."""

from dataclasses import dataclass
from typing import assert_never

from bot.errors import GitError
from bot.handlers.configuration import job_config
from bot.handlers.launch import LaunchRun
from bot.handlers.triage import MergePlan, plan_merge
from bot.model.conflicts import CleanMerge, ConflictedMerge, ImpossibleMerge
from bot.model.forge import PullRequest
from bot.model.intents import Refused
from bot.model.jobs import Job, JobLease, JobState
from bot.model.runs import RunLimits, RunState
from bot.policy.limits import ServerLimits, check_conflicts, run_limits
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

    async def __call__(self, lease: JobLease) -> JobLease:
        """Move the job to ``preparing``, or end it when the pull request is closed."""
        job = lease.job
        request = job.request
        pull_request = await self.forge.pull_request(request.repository, request.number)
        if not pull_request.open:
            return await self.store.jobs.move(lease, JobState.REFUSED, rule="closed", message=endings.CLOSED)
        await self.store.jobs.progress(job.id, "fetching head and base")
        head, base = await self._fetch(job, pull_request)
        return await self.store.jobs.move(
            lease,
            JobState.PREPARING,
            progress="merging head and base",
            head_sha=head,
            base_sha=base,
        )

    async def _fetch(self, job: Job, pull_request: PullRequest) -> tuple[str, str]:
        repository = job.request.repository
        head_ref = f"refs/pull/{job.request.number}/head"
        base_ref = f"refs/heads/{pull_request.base_ref}"
        access = await self.forge.git_access(repository, write=False)
        refs = await self.git.fetch(repository, access, [head_ref, base_ref])
        missing = [ref for ref in (head_ref, base_ref) if ref not in refs]
        if missing:
            raise GitError(f"the forge has no {' and no '.join(missing)}")
        return refs[head_ref], refs[base_ref]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareMerge:
    """A prepared resolve job: ask git for the verdict, sort the conflicts, launch what an agent may do."""

    store: Store
    forge: Forge
    git: Git
    launch: LaunchRun
    server: ServerLimits

    async def __call__(self, lease: JobLease) -> JobLease:
        """Move the job to ``running``, or to the end that its conflicts lead to."""
        job = lease.job
        repository = job.request.repository
        base = job.base_sha
        if base is None:
            raise GitError(f"job {job.short_id} was prepared without a base")
        run = await self.store.runs.latest(job.id)
        if run is not None and run.state is RunState.STARTED:
            # The worker that launched it died before it could say so; a second run would cost a second time.
            return await self.store.jobs.move(lease, JobState.RUNNING, progress="the agent is at work")
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
        config = await job_config(job, registry=self.store.registry)
        plan = await plan_merge(merge, repository=repository, config=config, git=self.git)
        await self.store.proposals.save_conflicts(job.id, job.attempt, plan.records())
        if job.request.dry_run:
            return await self._end(lease, JobState.REPORTED, "dry_run", endings.DRY_RUN)
        size = check_conflicts(config, len(merge.conflicts))
        if isinstance(size, Refused):
            return await self._end(lease, JobState.UNRESOLVED, size.rule, size.message)
        if plan.open:
            message = endings.left_to_people(len(plan.open))
            return await self._end(lease, JobState.UNRESOLVED, "needs_person", message)
        limits = run_limits(config, budget_usd=job.request.budget_usd, server=self.server)
        await self._start(job, plan, limits=await self.launch.remaining(job, limits))
        return await self.store.jobs.move(lease, JobState.RUNNING, progress="the agent is starting")

    async def _start(self, job: Job, plan: MergePlan, *, limits: RunLimits) -> None:
        pull_request = await self.forge.pull_request(job.request.repository, job.request.number)
        await self.launch(job, plan, title=pull_request.title, limits=limits)

    async def _end(self, lease: JobLease, state: JobState, rule: str, message: str) -> JobLease:
        return await self.store.jobs.move(lease, state, rule=rule, message=message)
