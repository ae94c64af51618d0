"""Work that people asked for in words: pin it to commits, have an agent do it, and take what it left."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from bot.config import protected_paths
from bot.errors import GitError, IngestError
from bot.handlers.authored import authored
from bot.handlers.configuration import job_config
from bot.handlers.launch import MAX_FILES, LaunchRun
from bot.handlers.propose import Propose
from bot.handlers.reporting import RefreshReports
from bot.handlers.standing import CheckStanding
from bot.handlers.validate import with_oddities
from bot.model.jobs import ANSWERS, Job, JobKind, JobLease, JobState
from bot.model.resolutions import GateVerdict
from bot.model.runs import RunKind, RunOutcome, RunState, WorkAnswer, WorkBrief
from bot.model.text import cut_text
from bot.model.work import Brief, Said, Source
from bot.policy.limits import ServerLimits, run_limits
from bot.ports.forge import Forge
from bot.ports.git import Git
from bot.ports.runner import RunArchives
from bot.ports.store import Store
from bot.report import endings, work
from bot.validation.authored import judge

TASKS: Final[Mapping[JobKind, str]] = MappingProxyType(
    {
        JobKind.IMPLEMENT: (
            "Do what this issue asks for, in the files of this repository. Where there are instructions, they say how, "
            "or how much of it."
        ),
        JobKind.PLAN: (
            "Say how this issue would be settled in this repository: which files change and how, which tests show that "
            "it works, and what is unclear. Somebody may have the plan carried out later."
        ),
        JobKind.EXPLAIN: (
            "Explain the pull request to somebody who is to review it: what it does and how, and what deserves a "
            "look. Where there are instructions they are a question about it: answer that instead."
        ),
        JobKind.FIX: (
            "Mend this pull request: what the checks that failed report, and what the comments about it rightly ask "
            "for. Where there are instructions, they say what to mend, or how."
        ),
    }
)
"""What the agent is asked to do, by the kind of work."""

_DIFF_ROOM: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchWork:
    """A queued job: bring what it starts from into the mirror and pin the job to that."""

    store: Store
    forge: Forge
    git: Git
    refresh: RefreshReports

    async def __call__(self, lease: JobLease) -> JobLease:
        """Move the job to ``preparing``, or end it when the issue or the pull request is closed."""
        job = lease.job
        closed = work.CLOSED if await self._issue_closed(job) else None
        base_ref, head_ref = f"refs/heads/{job.request.base_ref}", f"refs/heads/{job.request.base_ref}"
        if not job.request.on_issue:
            pull_request = await self.forge.pull_request(job.request.repository, job.request.number)
            closed = None if pull_request.open else endings.CLOSED
            base_ref, head_ref = (
                f"refs/heads/{pull_request.base_ref}",
                self.forge.pull_ref(job.request.repository, job.request.number),
            )
        if closed is not None:
            return await self.store.jobs.move(lease, JobState.REFUSED, rule="closed", message=closed)
        await self.store.jobs.progress(job.id, "fetching the files")
        access = await self.forge.git_access(job.request.repository, write=False)
        refs = await self.git.fetch(job.request.repository, access, list(dict.fromkeys((head_ref, base_ref))))
        if missing := [ref for ref in (head_ref, base_ref) if ref not in refs]:
            raise GitError(f"the forge has no {' and no '.join(dict.fromkeys(missing))}")
        if job.request.kind is JobKind.FIX and refs[head_ref] != job.request.head_sha:
            # What failed, and of a fork's head whether it may run, was looked up for another commit.
            return await self.store.jobs.move(lease, JobState.SUPERSEDED, rule="moved", message=work.HEAD_MOVED)
        await self.refresh.leave(job, refs[head_ref])
        return await self.store.jobs.move(
            lease,
            JobState.PREPARING,
            progress="packing the files",
            head_sha=refs[head_ref],
            base_sha=refs[base_ref],
        )

    async def _issue_closed(self, job: Job) -> bool:
        if not job.request.on_issue:
            return False
        return not (await self.forge.issue(job.request.repository, job.request.thread.number)).open


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginWork:
    """A prepared job: have an agent look at the files, or change them."""

    store: Store
    git: Git
    launch: LaunchRun
    server: ServerLimits

    async def __call__(self, lease: JobLease) -> JobLease:
        """Move the job to ``running``.

        Raises:
            GitError: the workspace cannot be made.
            SandboxHeldBackError: no sandbox may be started now; there is no run.
            SandboxError: the sandbox cannot be started.
        """
        job = lease.job
        run = await self.store.runs.latest(job.id)
        if run is not None and run.state is RunState.STARTED:
            # The worker that launched it died before it could say so; a second run would cost a second time.
            return await self.store.jobs.move(lease, JobState.RUNNING, progress="the sandbox is at work")
        self.launch.check()
        config = await job_config(job, registry=self.store.registry)
        limits = run_limits(config, budget_usd=job.request.budget_usd, server=self.server)
        limits = await self.launch.remaining(job, limits)
        repository = job.request.repository
        files = await self.git.workspace(
            repository,
            await self.git.tree_of(repository, job.head_sha),
            first=(),
            max_bytes=limits.max_workspace_bytes,
            max_files=MAX_FILES,
        )
        brief = await self._brief(job)
        archive = await asyncio.to_thread(self.launch.archives.pack_work, brief, files)
        kind = RunKind.LOOK if job.request.kind in ANSWERS else RunKind.CHANGE
        task = await self.launch.create(job, archive, limits, kind)
        await self.launch.start(task, job)
        return await self.store.jobs.move(lease, JobState.RUNNING, progress="the agent is starting")

    async def _brief(self, job: Job) -> WorkBrief:
        request, about = job.request, job.request.brief or Brief(title="", said=())
        return WorkBrief(
            task=TASKS[request.kind],
            may_change=request.kind not in ANSWERS,
            number=request.thread.number,
            title=about.title,
            head=request.head_ref,
            base=request.base_ref,
            said=(*about.said, *await self._changes(job)),
            instructions=request.instructions,
        )

    async def _changes(self, job: Job) -> list[Said]:
        """What the pull request changes, as a diff against where it left its base."""
        repository = job.request.repository
        if job.request.on_issue or job.base_sha is None:
            return []
        bases = await self.git.merge_bases(repository, ours=job.head_sha, theirs=job.base_sha)
        if not bases:
            return []
        diff = (await self.git.diff(repository, bases[0], job.head_sha)).decode("utf-8", "replace")
        return [Said(source=Source.DIFF, text=cut_text(diff, _DIFF_ROOM))] if diff else []


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeWork:
    """A job whose agent is done: take what it left, and go on from there."""

    store: Store
    archives: RunArchives
    standing: CheckStanding
    propose: Propose

    async def __call__(self, lease: JobLease) -> JobLease:
        """Move the job to ``reported``, on to its tests, or to ``unresolved`` where nothing can be taken."""
        job = lease.job
        run = await self.store.runs.latest(job.id)
        if run is not None and run.kind is RunKind.TEST:
            return await self.propose.tested(lease)
        answer = await self._answer(job)
        if isinstance(answer, str):
            return await self.store.jobs.move(lease, JobState.UNRESOLVED, rule="ingest", message=answer)
        await self.store.works.answered(lease, answer.text)
        refusal = await self.standing.of_work(job)
        if refusal is not None:
            return await self.store.jobs.move(lease, JobState.REFUSED, rule=refusal.rule, message=refusal.message)
        if job.request.kind not in ANSWERS:
            return await self._changed(lease, answer)
        # Whatever an agent that may only look has changed in its sandbox ends there.
        return await self.store.jobs.move(lease, JobState.REPORTED, rule="answered", message="")

    async def _changed(self, lease: JobLease, answer: WorkAnswer) -> JobLease:
        """Have the gate look at a change; what it lets through is proposed."""
        job = lease.job
        if not answer.changed and not answer.deleted:
            return await self.store.jobs.move(
                lease, JobState.NOTHING_TO_DO, rule="no_change", message=work.NOTHING_CHANGED
            )
        config = await job_config(job, registry=self.store.registry)
        pipeline = await self.propose.forge.pipeline_file(job.request.repository)
        change = await authored(self.propose.git, job, answer, pipeline=pipeline)
        result = await asyncio.to_thread(judge, change, protected=protected_paths(config))
        result = with_oddities(result, answer.oddities)
        await self.store.proposals.save_gate(job.id, job.attempt, result)
        if result.verdict is GateVerdict.REFUSED:
            return await self.store.jobs.move(
                lease, JobState.UNRESOLVED, rule="gate", message=work.never_pushed(result)
            )
        changes: dict[str, tuple[str, bytes] | None] = {
            path: (change.modes[path], content) for path, content in answer.changed.items()
        }
        changes |= dict.fromkeys(answer.deleted)
        return await self.propose.change(lease, changes)

    async def _answer(self, job: Job) -> WorkAnswer | str:
        """What the agent left, or the sentence that says why there is nothing."""
        run = await self.store.runs.latest(job.id)
        archive = None if run is None else await self.store.runs.result(run.id)
        if run is None or archive is None or run.outcome is not RunOutcome.SUCCEEDED:
            return work.NO_ANSWER
        try:
            return await asyncio.to_thread(self.archives.read_work, archive, limits=run.limits)
        except IngestError:
            return work.NO_ANSWER
