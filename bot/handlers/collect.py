"""From an ended run to a validated result, a second try, or a clear end."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bot.config import protected_paths
from bot.errors import GitError, IngestError
from bot.handlers.configuration import job_config
from bot.handlers.launch import LaunchRun
from bot.handlers.propose import Propose
from bot.handlers.standing import CheckStanding
from bot.handlers.triage import AGENT, MergePlan, plan_merge, side_texts
from bot.merge.markers import render
from bot.model.conflicts import ConflictedMerge
from bot.model.ids import blob_id
from bot.model.jobs import Job, JobLease, JobState
from bot.model.reports import ConflictRecord, ResolutionStatus
from bot.model.resolutions import (
    Candidate,
    Confidence,
    Finding,
    GateResult,
    GateVerdict,
    HunkRationale,
    Resolution,
)
from bot.model.runs import AgentAnswer, AnsweredFile, Run, RunOutcome, RunState
from bot.policy.limits import ServerLimits, run_limits
from bot.ports.forge import Forge
from bot.ports.git import Git
from bot.ports.runner import RunArchives
from bot.ports.store import Store
from bot.ports.system import Clock
from bot.report import endings
from bot.validation.gate import run_gate

_MIN_BUDGET_USD: Final = 0.01
_INFRA_RETRY: Final = timedelta(seconds=5)
_MAX_INFRA_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectRun:
    """A running job whose run ended: decide by the run's outcome."""

    store: Store
    clock: Clock

    async def __call__(self, lease: JobLease) -> JobLease:
        """Move the job on; a job whose run still goes on stays as it is."""
        job = lease.job
        run = await self.store.runs.latest(job.id)
        if run is None or run.state is RunState.CREATED:
            # Whoever was to start it is gone: a run is created and started under the lease that is ours now.
            return await self.store.jobs.move(lease, JobState.QUEUED, progress="starting over")
        if run.state is not RunState.ENDED or run.outcome is None:
            return lease
        return await self._ended(lease, run, run.outcome)

    async def _ended(self, lease: JobLease, run: Run, outcome: RunOutcome) -> JobLease:
        jobs = self.store.jobs
        if outcome is RunOutcome.SUCCEEDED:
            return await jobs.move(lease, JobState.VALIDATING, progress="checking the result")
        message = endings.run_ended(outcome)
        if outcome is RunOutcome.CANCELLED:
            return await jobs.move(lease, JobState.CANCELLED, rule="cancelled", message=endings.CANCELLED)
        if outcome is RunOutcome.SUPERSEDED:
            return await jobs.move(lease, JobState.SUPERSEDED, rule="superseded", message=endings.SUPERSEDED)
        if outcome is RunOutcome.INFRA_RETRYABLE and lease.job.attempt < _MAX_INFRA_ATTEMPTS:
            moved = await jobs.move(lease, JobState.QUEUED, progress="the sandbox was lost; starting over")
            await jobs.set_retry(moved, not_before=self.clock.now() + _INFRA_RETRY, error=run.detail)
            return moved
        return await jobs.move(lease, JobState.UNRESOLVED, rule=outcome.value, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateResult:
    """A job whose agent finished: ingest, prove, then propose, or try once more, or say what is open."""

    store: Store
    forge: Forge
    git: Git
    archives: RunArchives
    launch: LaunchRun
    propose: Propose
    standing: CheckStanding
    server: ServerLimits

    async def __call__(self, lease: JobLease) -> JobLease:
        """Move the job to ``awaiting_approval``, back to ``running``, or to ``unresolved``."""
        job = lease.job
        run = await self.store.runs.latest(job.id)
        if run is None or run.outcome is not RunOutcome.SUCCEEDED:
            # A second run was launched, and the worker that did so died before it could say so.
            return await self.store.jobs.move(lease, JobState.RUNNING, progress="the agent tries once more")
        archive = await self.store.runs.result(run.id)
        if archive is None:
            message = endings.run_ended(RunOutcome.NO_REPORT)
            return await self._unresolved(lease, RunOutcome.NO_REPORT.value, message)
        plan = await self._plan(job)
        first_try = await self.store.proposals.gate(job.id) is None
        try:
            answer = await asyncio.to_thread(self.archives.read, archive, limits=run.limits)
        except IngestError as error:
            return await self._turned_down(lease, plan, _ingest_refusal(str(error)), first_try=first_try)
        return await self._judge(lease, plan, answer, first_try=first_try)

    async def _judge(self, lease: JobLease, plan: MergePlan, answer: AgentAnswer, *, first_try: bool) -> JobLease:
        job = lease.job
        resolutions = resolutions_of(plan, answer)
        undecided = [item for item in resolutions if any(not hunk.resolved for hunk in item.hunks)]
        if undecided:
            await self.store.proposals.save_conflicts(
                job.id, job.attempt, _records(job, plan, resolutions, settled=False)
            )
            return await self._unresolved(lease, "undecided", endings.undecided(len(undecided)))
        candidate = await self._candidate(job, plan, answer, resolutions)
        # Parsing hostile text takes its time; the other jobs of this worker must not wait for it.
        result = with_oddities(await asyncio.to_thread(run_gate, candidate), answer.oddities)
        if result.verdict is not GateVerdict.PASS:
            await self.store.proposals.save_conflicts(
                job.id, job.attempt, _records(job, plan, resolutions, settled=False)
            )
            return await self._turned_down(lease, plan, result, first_try=first_try)
        pull_request = await self.forge.pull_request(job.request.repository, job.request.number)
        refusal = await self.standing.of_request(job, pull_request)
        if refusal is not None:
            return await self.store.jobs.move(lease, JobState.REFUSED, rule=refusal.rule, message=refusal.message)
        await self.store.proposals.save_gate(job.id, job.attempt, result)
        await self._keep(job, plan, resolutions, settled=True)
        return await self.propose.merge(lease, plan.merge, resolutions)

    async def _keep(self, job: Job, plan: MergePlan, resolutions: tuple[Resolution, ...], *, settled: bool) -> None:
        records = _records(job, plan, resolutions, settled=settled)
        await self.store.proposals.save_conflicts(job.id, job.attempt, records)

    async def _plan(self, job: Job) -> MergePlan:
        repository = job.request.repository
        verdict = await self.git.merge(repository, ours=job.head_sha, theirs=job.base_sha or "")
        if not isinstance(verdict, ConflictedMerge):
            raise GitError("the merge that the agent resolved is no conflict any more")
        config = await job_config(job, registry=self.store.registry)
        return await plan_merge(verdict, repository=repository, config=config, git=self.git)

    async def _candidate(
        self,
        job: Job,
        plan: MergePlan,
        answer: AgentAnswer,
        resolutions: tuple[Resolution, ...],
    ) -> Candidate:
        repository = job.request.repository
        config = await job_config(job, registry=self.store.registry)
        changed: dict[str, bytes | None] = dict(answer.changed)
        changed.update(dict.fromkeys(answer.deleted))
        return Candidate(
            conflicts=plan.for_agent,
            sides={c.path: await side_texts(c, repository=repository, git=self.git) for c in plan.for_agent},
            marked=plan.marked,
            resolutions=resolutions,
            changed=changed,
            modes={resolution.path: resolution.mode for resolution in resolutions},
            protected_paths=protected_paths(config),
        )

    async def _turned_down(self, lease: JobLease, plan: MergePlan, result: GateResult, *, first_try: bool) -> JobLease:
        job = lease.job
        config = await job_config(job, registry=self.store.registry)
        limits = run_limits(config, budget_usd=job.request.budget_usd, server=self.server)
        limits = await self.launch.remaining(job, limits)
        for_person = result.verdict is GateVerdict.NEEDS_PERSON
        if for_person or not first_try or limits.budget_usd < _MIN_BUDGET_USD:
            await self.store.proposals.save_gate(job.id, job.attempt, result)
            return await self._unresolved(
                lease, "gate", endings.gate_failed(1 if first_try else 2, _first_failed(result))
            )
        pull_request = await self.forge.pull_request(job.request.repository, job.request.number)
        feedback = tuple(_feedback(finding) for finding in result.findings if finding.verdict is not GateVerdict.PASS)
        await self.launch(job, plan, title=pull_request.title, limits=limits, feedback=feedback)
        # Last: on record, the result means that the second try was launched.
        await self.store.proposals.save_gate(job.id, job.attempt, result)
        return await self.store.jobs.move(
            lease,
            JobState.RUNNING,
            progress="the checks turned the first answer down; the agent tries once more",
        )

    async def _unresolved(self, lease: JobLease, rule: str, message: str) -> JobLease:
        return await self.store.jobs.move(lease, JobState.UNRESOLVED, rule=rule, message=message)


def resolutions_of(plan: MergePlan, answer: AgentAnswer) -> tuple[Resolution, ...]:
    """What the agent made of each conflict. A file it left alone still has its markers, which the gate will say."""
    words: Mapping[str, AnsweredFile] = {file.path: file for file in answer.files}
    return tuple(
        Resolution(
            path=conflict.path,
            kind=conflict.kind,
            resolver=AGENT,
            mode=conflict.merged_mode or "100644",
            content=_content(plan, answer, conflict.path),
            hunks=_rationale(words.get(conflict.path)),
        )
        for conflict in plan.for_agent
    )


def _content(plan: MergePlan, answer: AgentAnswer, path: str) -> bytes | None:
    if path in answer.deleted:
        return None
    return answer.changed[path] if path in answer.changed else render(plan.marked[path])


def _rationale(file: AnsweredFile | None) -> tuple[HunkRationale, ...]:
    hunks = () if file is None else file.hunks
    return tuple(
        HunkRationale(
            index=hunk.index,
            resolved=hunk.resolved,
            reason=hunk.reason,
            confidence=Confidence(hunk.confidence),
        )
        for hunk in hunks
    )


def with_oddities(result: GateResult, oddities: tuple[str, ...]) -> GateResult:
    """The gate's result, refused when the workspace held what no honest run leaves: links, devices, changed modes."""
    if not oddities:
        return result
    found = tuple(Finding(check="workspace", verdict=GateVerdict.REFUSED, path="", message=odd) for odd in oddities)
    return GateResult(
        verdict=GateVerdict.REFUSED,
        findings=(*found, *result.findings),
        checks=(*result.checks, "workspace"),
    )


def _asked(job: Job, plan: MergePlan, path: str) -> str:
    """What the agent was told about one file, as JSON."""
    hunks = [[hunk.index, hunk.first_line, hunk.last_line] for hunk in plan.marked[path].hunks]
    return json.dumps({"path": path, "hunks": hunks, "instructions": job.request.instructions})


def _answered(resolution: Resolution) -> str:
    """What the agent said about one file, as JSON."""
    return json.dumps(
        [
            {"index": hunk.index, "resolved": hunk.resolved, "reason": hunk.reason, "confidence": hunk.confidence}
            for hunk in resolution.hunks
        ],
    )


def _records(
    job: Job,
    plan: MergePlan,
    resolutions: tuple[Resolution, ...],
    *,
    settled: bool,
) -> list[ConflictRecord]:
    return [
        ConflictRecord(
            path=resolution.path,
            kind=resolution.kind.value,
            hunks=len(plan.marked[resolution.path].hunks),
            resolver=resolution.resolver,
            status=ResolutionStatus.RESOLVED if settled else ResolutionStatus.OPEN,
            reasons=tuple(hunk.reason for hunk in resolution.hunks),
            oid=None if resolution.content is None else blob_id(resolution.content),
            prompt=_asked(job, plan, resolution.path),
            response=_answered(resolution),
        )
        for resolution in resolutions
    ]


def _first_failed(result: GateResult) -> str:
    return next(finding.check for finding in result.findings if finding.verdict is not GateVerdict.PASS)


def _feedback(finding: Finding) -> str:
    where = f"{finding.path}:{finding.lines[0]}" if finding.lines else finding.path
    return f"{finding.check} ({where}): {finding.message}"


def _ingest_refusal(reason: str) -> GateResult:
    finding = Finding(check="ingest", verdict=GateVerdict.REFUSED, path="", message=reason)
    return GateResult(verdict=GateVerdict.REFUSED, findings=(finding,), checks=("ingest",))
