"""Start an agent run for what is left of a merge."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from bot.handlers.progress import MergeProgress
from bot.merge.markers import render
from bot.merge.remainder import Remainder, remainder
from bot.model.cases import FileProgress
from bot.model.direct import MergeContext
from bot.model.jobs import Job
from bot.model.resolutions import HunkAnswer
from bot.model.runs import AgentBrief, BriefCandidate, BriefFile, BriefHunk, RunLimits, RunTask
from bot.ports.git import Git, WorkspaceFile
from bot.ports.runner import RunArchives, RunLauncher
from bot.ports.store import Runs
from bot.ports.system import Ids

_MAX_FILES: Final = 50_000
_SUBJECTS: Final = 20

_CANDIDATES: Final = 2
_CANDIDATE_SIZE: Final = 4_000
_CANDIDATES_ROOM: Final = 16_000
"""Characters: what an agent reads first, and whole, must stay small."""


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
        progress: MergeProgress,
        *,
        title: str,
        limits: RunLimits,
        feedback: tuple[str, ...] = (),
    ) -> None:
        """Launch a run over the open hunks of a merge; what is settled stands in the workspace's files already.

        Raises:
            GitError: the workspace cannot be made.
            SandboxError: the sandbox cannot be started.
        """
        repository = job.request.repository
        brief = await self._brief(job, progress, title=title, feedback=feedback)
        found = await self.git.workspace(
            repository,
            progress.plan.merge.tree,
            first=progress.open_files,
            max_bytes=limits.max_workspace_bytes,
            max_files=_MAX_FILES,
        )
        files = [file for found_file in found if (file := _as_settled(progress, found_file)) is not None]
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

    async def _brief(self, job: Job, progress: MergeProgress, *, title: str, feedback: tuple[str, ...]) -> AgentBrief:
        context = await merge_context(self.git, job, title=title, body="")
        return AgentBrief(
            number=job.request.number,
            title=context.title,
            head=context.head,
            base=context.base,
            files=_brief_files(progress),
            ours_subjects=context.ours_subjects,
            theirs_subjects=context.theirs_subjects,
            instructions=context.instructions,
            feedback=feedback,
        )


async def merge_context(git: Git, job: Job, *, title: str, body: str) -> MergeContext:
    """What models are told about the two sides."""
    repository, base = job.request.repository, job.base_sha or ""
    return MergeContext(
        title=title,
        body=body,
        head=job.request.head_ref,
        base=job.request.base_ref,
        ours_subjects=await git.subjects(repository, since=base, until=job.head_sha, limit=_SUBJECTS),
        theirs_subjects=await git.subjects(repository, since=job.head_sha, until=base, limit=_SUBJECTS),
        instructions=job.request.instructions,
    )


def _brief_files(progress: MergeProgress) -> tuple[BriefFile, ...]:
    """The open hunks, by their numbers in the file as git left it, at their places in the file as the agent gets it."""
    room = _CANDIDATES_ROOM
    files = []
    for path in progress.open_files:
        file = progress.files[path]
        rest = _rest(file)
        hunks = []
        for index, hunk in zip(rest.indexes, rest.marked.hunks, strict=True):
            candidates = _brief_candidates(file.candidates.get(index, ()), room)
            room -= sum(len(one.content) for one in candidates)
            place = BriefHunk(index=index, first_line=hunk.first_line, last_line=hunk.last_line, candidates=candidates)
            hunks.append(place)
        files.append(BriefFile(path=path, kind=file.case.kind.value, hunks=tuple(hunks)))
    return tuple(files)


def _brief_candidates(found: Sequence[HunkAnswer], room: int) -> tuple[BriefCandidate, ...]:
    """The best of what rules propose for a hunk, as far as they are short and there is room."""
    kept: list[BriefCandidate] = []
    for answer in found[:_CANDIDATES]:
        content = answer.content.decode("utf-8", "replace")
        room -= len(content)
        if len(content) > _CANDIDATE_SIZE or room < 0:
            break
        kept.append(BriefCandidate(content=content, reason=answer.reason))
    return tuple(kept)


def _as_settled(progress: MergeProgress, found: WorkspaceFile) -> WorkspaceFile | None:
    """A file of git's merge as the agent gets it; None where a person deleted it."""
    if found.path in progress.taken:
        content = progress.taken[found.path][1].content
        return None if content is None else replace(found, content=content)
    file = progress.files.get(found.path)
    if file is None or not file.settled:
        return found
    return replace(found, content=render(_rest(file).marked))


def _rest(file: FileProgress) -> Remainder:
    return remainder(file.case.marked, {index: answer.content for index, answer in file.settled.items()})
