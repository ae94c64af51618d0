"""End a job that left conflicts open: say which and why, and prepare what is safe for a person to go on from."""

from collections.abc import Collection
from dataclasses import dataclass

from bot.config import protected_paths
from bot.config_keys import RepositoryConfig
from bot.errors import GitError
from bot.handlers.configuration import job_config
from bot.handlers.gating import passing
from bot.handlers.progress import MergeProgress, reopen, resolution_of
from bot.handlers.propose import Propose
from bot.handlers.records import records_of
from bot.handlers.settle import SettleMerge
from bot.handlers.standing import CheckStanding
from bot.handlers.triage import plan_merge
from bot.merge.provenance import provenance
from bot.model.conflicts import ConflictedMerge
from bot.model.jobs import Job, JobLease, JobState
from bot.model.resolutions import GateVerdict, ProvenanceSpan, Resolution
from bot.ports.forge import Forge
from bot.ports.git import Git
from bot.ports.store import Store
from bot.report import endings


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadMerge:
    """The merge of a job as far as its rows say it is."""

    store: Store
    git: Git
    settle: SettleMerge

    async def __call__(self, job: Job) -> tuple[MergeProgress, RepositoryConfig]:
        """Ask git for the verdict again, and the database for the answers.

        Raises:
            GitError: the merge is none that conflicts.
        """
        repository = job.request.repository
        verdict = await self.git.merge(repository, ours=job.head_sha, theirs=job.base_sha or "")
        if not isinstance(verdict, ConflictedMerge):
            raise GitError("the merge that was worked on is no conflict any more")
        config = await job_config(job, registry=self.store.registry)
        plan = await plan_merge(verdict, repository=repository, config=config, git=self.git)
        return await self.settle.restored(job, plan), config


@dataclass(frozen=True, slots=True, kw_only=True)
class EndUnresolved:
    """Never half a merge: what is safe goes on a branch of its own, for a person to finish."""

    store: Store
    forge: Forge
    load: LoadMerge
    propose: Propose
    standing: CheckStanding

    async def of_job(self, lease: JobLease, *, rule: str, message: str) -> JobLease:
        """End a job with what its rows say was settled before its model failed."""
        progress, config = await self.load(lease.job)
        return await self(lease, progress, config, rule=rule, message=message)

    async def __call__(
        self,
        lease: JobLease,
        progress: MergeProgress,
        config: RepositoryConfig,
        *,
        rule: str,
        message: str,
        distrusted: Collection[str] = (),
    ) -> JobLease:
        """Move the job to ``unresolved``. Files in ``distrusted`` are open again whatever the gate says."""
        job = lease.job
        for path in distrusted:
            if not progress.files[path].open:
                progress = progress.with_file(reopen(progress.files[path]))
        progress, safe = await self._safe(progress, config)
        passed = {item.path: provenance_of(progress, item) for item in safe}
        await self.store.proposals.save_conflicts(job.id, job.attempt, records_of(progress, passed=passed))
        carried = [*safe, *(resolution for _, resolution in progress.taken.values())]
        if carried:
            pull_request = await self.forge.pull_request(job.request.repository, job.request.number)
            refusal = await self.standing.of_request(job, pull_request)
            if refusal is not None:
                return await self.store.jobs.move(lease, JobState.REFUSED, rule=refusal.rule, message=refusal.message)
            left = [conflict.path for conflict in progress.plan.merge.conflicts]
            done = {item.path for item in carried}
            await self.propose.partial(job, carried, [path for path in left if path not in done])
        return await self.store.jobs.move(lease, JobState.UNRESOLVED, rule=rule, message=message)

    async def _safe(self, progress: MergeProgress, config: RepositoryConfig) -> tuple[MergeProgress, list[Resolution]]:
        """The files that pass the gate each by itself; the others are open again."""
        resolutions = [resolution_of(progress, path) for path in progress.settled_files]
        results = await passing(progress, resolutions, protected=protected_paths(config))
        for path, result in results.items():
            if result.verdict is not GateVerdict.PASS:
                file = reopen(progress.files[path])
                progress = progress.with_file(file, note=endings.did_not_pass(result))
        return progress, [item for item in resolutions if results[item.path].verdict is GateVerdict.PASS]


def provenance_of(progress: MergeProgress, resolution: Resolution) -> tuple[ProvenanceSpan, ...]:
    """Where each line of a resolved text conflict comes from; nothing is said of what was not merged."""
    file = progress.files.get(resolution.path)
    if file is None or resolution.content is None:
        return ()
    return provenance(file.case.sides, resolution.content, file.case.marked)
