"""Start an agent run for what is left of a merge."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from bot.config_keys import RepositoryConfig
from bot.errors import SandboxHeldBackError
from bot.handlers.progress import MergeProgress
from bot.merge.markers import render
from bot.merge.remainder import Remainder, remainder
from bot.model.cases import FileProgress
from bot.model.direct import MergeContext
from bot.model.jobs import Job
from bot.model.resolutions import HunkAnswer
from bot.model.runs import (
    AgentBrief,
    BriefCandidate,
    BriefFile,
    BriefHunk,
    CommandBrief,
    RunKind,
    RunLimits,
    RunTask,
)
from bot.policy.limits import NO_BUDGET_USD
from bot.ports.git import Git, WorkspaceFile
from bot.ports.runner import Obstacle, RunArchives, RunLauncher
from bot.ports.runs import Runs
from bot.ports.system import Ids

MAX_FILES: Final = 50_000
"""Files in a workspace."""

HELD_BACK: Final = "waiting: no sandbox may be started now; the log of this FlowForge says why"
"""What people see meanwhile. The reason names parts of the installation: it is for the operator's eyes."""

HELD_BACK_FOR: Final = timedelta(seconds=30)
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
    obstacle: Obstacle
    ids: Ids
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
            SandboxHeldBackError: no sandbox may be started now; there is no run.
            SandboxError: the sandbox cannot be started.
        """
        self.check()
        brief = await self._brief(job, progress, title=title, feedback=feedback)
        files = await self._workspace(job, progress, first=progress.open_files, limits=limits)
        archive = await asyncio.to_thread(self.archives.pack, brief, files)
        await self._start(job, archive, limits, RunKind.AGENT)

    async def regenerate(
        self, job: Job, progress: MergeProgress, config: RepositoryConfig, *, limits: RunLimits
    ) -> None:
        """Launch a run of the repository's own commands over the merge with all its resolutions put in.

        Raises:
            GitError: the workspace cannot be made.
            SandboxHeldBackError: no sandbox may be started now; there is no run.
            SandboxError: the sandbox cannot be started.
        """
        self.check()
        files = await self._workspace(job, progress, first=progress.awaited, limits=limits)
        archive = await asyncio.to_thread(self.archives.pack_commands, _command_brief(progress, config), files)
        # No call of a model belongs to this run, and its token is not the command's; a run without any budget is none.
        await self._start(job, archive, replace(limits, budget_usd=NO_BUDGET_USD), RunKind.REGENERATE)

    def check(self) -> None:
        """Asked before a run is made: one that may not start would count as lost. Raises ``SandboxHeldBackError``."""
        reason = self.obstacle()
        if reason is not None:
            raise SandboxHeldBackError(reason)

    async def _workspace(
        self, job: Job, progress: MergeProgress, *, first: Sequence[str], limits: RunLimits
    ) -> list[WorkspaceFile]:
        found = await self.git.workspace(
            job.request.repository,
            progress.plan.merge.tree,
            first=first,
            max_bytes=limits.max_workspace_bytes,
            max_files=MAX_FILES,
        )
        return [file for found_file in found if (file := _as_settled(progress, found_file)) is not None]

    async def _start(self, job: Job, archive: bytes, limits: RunLimits, kind: RunKind) -> None:
        await self.start(await self.create(job, archive, limits, kind), job)

    async def start(self, task: RunTask, job: Job) -> None:
        """Hand a run that was created to the launcher. Raises ``SandboxError`` when the sandbox cannot be started."""
        await self.launcher.launch(task, job_id=job.id)

    async def create(self, job: Job, archive: bytes, limits: RunLimits, kind: RunKind) -> RunTask:
        """Mint a run's token, and keep the run with its workspace; nothing is started yet."""
        token = self.ids.new_token()
        run_id = self.ids.new_id()
        await self.runs.create(
            run_id=run_id,
            job=job,
            token_sha256=hashlib.sha256(token.encode()).hexdigest(),
            model=job.request.model,
            limits=limits,
            kind=kind,
        )
        await self.runs.put_workspace(run_id, archive)
        return RunTask(
            run_id=run_id,
            token=token,
            gateway_url=self.gateway_url,
            model=job.request.model,
            limits=limits,
            kind=kind,
        )

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


def _command_brief(progress: MergeProgress, config: RepositoryConfig) -> CommandBrief:
    """Each command once, in the order of the configuration."""
    wanted = {progress.plan.generated[path].made_by for path in progress.awaited}
    commands = dict.fromkeys(entry.argv for entry in config.resolvers.regenerate if entry in wanted)
    return CommandBrief(commands=tuple(commands))


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
    """A file of git's merge as a sandbox gets it; None where a person deleted it.

    A generated file is the base branch's: its tool wants to find a valid one.
    """
    if found.path in progress.taken:
        content = progress.taken[found.path][1].content
        return None if content is None else replace(found, content=content)
    generated = progress.plan.generated.get(found.path)
    if generated is not None and generated.sides.theirs is not None:
        return replace(found, content=generated.sides.theirs)
    file = progress.files.get(found.path)
    if file is None or not file.settled:
        return found
    return replace(found, content=render(_rest(file).marked))


def _rest(file: FileProgress) -> Remainder:
    return remainder(file.case.marked, {index: answer.content for index, answer in file.settled.items()})
