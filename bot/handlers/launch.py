"""Start an agent run for what is left of a merge."""

import asyncio
import hashlib
from dataclasses import dataclass, replace
from typing import Final

from bot.handlers.triage import MergePlan
from bot.model.jobs import Job
from bot.model.runs import AgentBrief, BriefFile, BriefHunk, RunLimits, RunTask
from bot.ports.git import Git
from bot.ports.runner import RunArchives, RunLauncher
from bot.ports.store import Runs
from bot.ports.system import Ids

_MAX_FILES: Final = 50_000
_SUBJECTS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRun:
    """Pack the workspace, mint the run's token, keep both, and hand the task to the launcher."""

    git: Git
    runs: Runs
    archives: RunArchives
    launcher: RunLauncher
    ids: Ids
    runner_url: str
    gateway_url: str

    async def __call__(
        self,
        job: Job,
        plan: MergePlan,
        *,
        title: str,
        limits: RunLimits,
        feedback: tuple[str, ...] = (),
    ) -> None:
        """Launch a run for ``job``.

        Raises:
            GitError: the workspace cannot be made.
            SandboxError: the sandbox cannot be started.
        """
        repository = job.request.repository
        brief = await self._brief(job, plan, title=title, feedback=feedback)
        files = await self.git.workspace(
            repository,
            plan.merge.tree,
            first=[conflict.path for conflict in plan.for_agent],
            max_bytes=limits.max_workspace_bytes,
            max_files=_MAX_FILES,
        )
        token = self.ids.new_token()
        run_id = self.ids.new_id()
        await self.runs.create(
            run_id=run_id,
            job=job,
            token_sha256=hashlib.sha256(token.encode()).hexdigest(),
            model=job.request.model,
            limits=limits,
        )
        archive = await asyncio.to_thread(self.archives.pack, brief, files)
        await self.runs.put_workspace(run_id, archive)
        task = RunTask(
            run_id=run_id,
            token=token,
            runner_url=self.runner_url,
            gateway_url=self.gateway_url,
            model=job.request.model,
            limits=limits,
        )
        await self.launcher.launch(task, job_id=job.id)

    async def remaining(self, job: Job, limits: RunLimits) -> RunLimits:
        """The limits with what earlier runs of the job left of its budget."""
        spent = (await self.runs.usage(job.id)).cost_usd
        return replace(limits, budget_usd=max(0.0, limits.budget_usd - spent))

    async def _brief(self, job: Job, plan: MergePlan, *, title: str, feedback: tuple[str, ...]) -> AgentBrief:
        repository = job.request.repository
        base = job.base_sha or ""
        files = tuple(
            BriefFile(
                path=conflict.path,
                kind=conflict.kind.value,
                hunks=tuple(
                    BriefHunk(index=hunk.index, first_line=hunk.first_line, last_line=hunk.last_line)
                    for hunk in plan.marked[conflict.path].hunks
                ),
            )
            for conflict in plan.for_agent
        )
        return AgentBrief(
            number=job.request.number,
            title=title,
            head=job.request.head_ref,
            base=job.request.base_ref,
            files=files,
            ours_subjects=await self.git.subjects(repository, since=base, until=job.head_sha, limit=_SUBJECTS),
            theirs_subjects=await self.git.subjects(repository, since=job.head_sha, until=base, limit=_SUBJECTS),
            instructions=job.request.instructions,
            feedback=feedback,
        )
