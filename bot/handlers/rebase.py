"""Bring a pull request's commits onto its base one by one, each with its author and its message.

What the model answered is written down when the series ends: a worker that dies before that has asked in vain, and the
next one asks again. One path may conflict in several commits, and rows are found again by path alone.
"""

import time
from dataclasses import dataclass, field
from typing import Final, assert_never

from bot.config import protected_paths
from bot.config_layers import Effective
from bot.handlers.answers import without_agent
from bot.handlers.configuration import job_effective
from bot.handlers.direct import AskDirect, is_small
from bot.handlers.gating import gate
from bot.handlers.launch import LaunchRun, merge_context
from bot.handlers.progress import MergeProgress, nothing_done
from bot.handlers.propose import Propose
from bot.handlers.records import records_of
from bot.handlers.settle import SettleMerge
from bot.handlers.standing import CheckStanding
from bot.handlers.triage import all_left, plan_merge
from bot.handlers.unresolved import provenance_of
from bot.model.conflicts import CleanMerge, ConflictedMerge, ImpossibleMerge
from bot.model.intents import Refused
from bot.model.jobs import Job, JobLease, JobState
from bot.model.reports import ConflictRecord
from bot.model.resolutions import GateResult, GateVerdict, Resolution
from bot.policy.limits import ServerLimits, check_conflicts, direct_hunks, run_limits
from bot.ports.forge import Forge
from bot.ports.git import Git, PickedCommit, WrittenCommit
from bot.ports.store import Store
from bot.report import endings

MAX_COMMITS: Final = 100
"""Longer series are left to people: all of one is done in one step of a job."""

_ASK_WITHIN_SECONDS: Final = 12.0
"""After so long no further direct call is begun: one may take long, and the step has to end in a minute."""

_Changes = dict[str, tuple[str, bytes] | None]


@dataclass(slots=True, kw_only=True)
class _Series:
    """The commits taken over so far: the last one and its parent, and what became of the conflicts on the way.

    ``begun`` is a moment of the monotonic clock.
    """

    job: Job
    effective: Effective
    begun: float
    tip: str
    last: WrittenCommit | None = None
    parent: str = ""
    records: list[ConflictRecord] = field(default_factory=list)
    resolutions: list[Resolution] = field(default_factory=list)
    results: list[GateResult] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class RebaseCommits:
    """A prepared job with the rebase strategy. Conflicts go through the resolvers up to the direct call; no agent."""

    store: Store
    forge: Forge
    git: Git
    settle: SettleMerge
    direct: AskDirect
    launch: LaunchRun
    propose: Propose
    standing: CheckStanding
    server: ServerLimits

    async def __call__(self, lease: JobLease) -> JobLease:
        """Move the job to ``awaiting_approval`` with a chain of commits, or to the end that stands in the way."""
        job = lease.job
        repository, base = job.request.repository, job.base_sha or ""
        commits = await self.git.commits(repository, since=base, until=job.head_sha, limit=MAX_COMMITS + 1)
        refused = _refused(commits)
        if refused:
            return await self._end(lease, "rebase", refused)
        effective = await job_effective(job, registry=self.store.registry)
        series = _Series(job=job, effective=effective, begun=time.monotonic(), tip=base)
        for commit in commits:
            problem = await self._take_over(series, commit)
            if problem:
                await self.store.proposals.save_conflicts(job.id, job.attempt, series.records)
                return await self._end(lease, "rebase", problem)
        await self.store.proposals.save_conflicts(job.id, job.attempt, series.records)
        if job.request.dry_run:
            return await self.store.jobs.move(
                lease, JobState.REPORTED, rule="dry_run", message=endings.rebase_dry_run(len(commits))
            )
        if series.last is None:
            return await self.store.jobs.move(
                lease, JobState.NOTHING_TO_DO, rule="no_conflict", message=endings.UP_TO_DATE
            )
        pull_request = await self.forge.pull_request(repository, job.request.number)
        refusal = await self.standing.of_request(job, pull_request)
        if refusal is not None:
            return await self.store.jobs.move(lease, JobState.REFUSED, rule=refusal.rule, message=refusal.message)
        if series.results:
            await self.store.proposals.save_gate(job.id, job.attempt, _together(series.results))
        return await self.propose.rebase(lease, series.last, series.parent, series.resolutions)

    async def _take_over(self, series: _Series, commit: PickedCommit) -> str:
        """One commit on top of the series; else the sentence that says what stands in the way."""
        verdict = await self.git.pick(series.job.request.repository, commit=commit.commit, onto=series.tip)
        match verdict:
            case CleanMerge(tree=tree):
                await self._write(series, commit, tree, {})
            case ImpossibleMerge(reason=reason):
                return endings.rebase_impossible(commit.commit, reason)
            case ConflictedMerge():
                return await self._resolve(series, commit, verdict)
            case _:
                assert_never(verdict)
        return ""

    async def _resolve(self, series: _Series, commit: PickedCommit, merge: ConflictedMerge) -> str:
        job, config = series.job, series.effective.config
        said_in = series.effective.said_in("max_conflicted_files")
        allowed = check_conflicts(config, len(merge.conflicts), said_in=said_in)
        if isinstance(allowed, Refused):
            series.records += records_of(nothing_done(all_left(merge, allowed.message)))
            return endings.rebase_too_wide(commit.commit, allowed.message)
        plan = await plan_merge(merge, repository=job.request.repository, config=config, git=self.git)
        progress = await self.settle(job, plan, config)
        if progress.open_files and time.monotonic() < series.begun + _ASK_WITHIN_SECONDS and not job.request.dry_run:
            progress = await self._ask(series, progress)
        progress = progress.with_notes(progress.awaited, endings.REBASE_MAKES_NOTHING)
        work = without_agent(progress)
        result = await gate(progress, work.resolutions, protected=protected_paths(config))
        passed = result.verdict is GateVerdict.PASS
        spans = {item.path: provenance_of(progress, item) for item in work.resolutions} if passed else {}
        series.records += records_of(progress, passed=spans, next_resolver="person")
        if progress.open_count:
            return endings.rebase_stopped(commit.commit, progress.open_count)
        if not passed:
            return f"{endings.rebase_stopped(commit.commit, len(work.resolutions))} {endings.did_not_pass(result)}"
        series.results.append(result)
        resolutions = [*work.resolutions, *(resolution for _, resolution in progress.taken.values())]
        series.resolutions += resolutions
        changes: _Changes = {
            item.path: None if item.content is None else (item.mode, item.content) for item in resolutions
        }
        await self._write(series, commit, merge.tree, changes)
        return ""

    async def _ask(self, series: _Series, progress: MergeProgress) -> MergeProgress:
        job, config = series.job, series.effective.config
        most = direct_hunks(config, self.server)
        if not is_small(progress, most=most):
            return progress
        pull_request = await self.forge.pull_request(job.request.repository, job.request.number)
        context = await merge_context(self.git, job, title=pull_request.title, body=pull_request.body)
        limits = run_limits(config, budget_usd=job.request.budget_usd, server=self.server)
        left = await self.launch.remaining(job, limits)
        return await self.direct(job, progress, context=context, limits=left, most_hunks=most, begun=series.begun)

    async def _write(self, series: _Series, commit: PickedCommit, tree: str, changes: _Changes) -> None:
        """The commit as it is, on top; one whose change is there already is left out, as git does."""
        written = await self.propose.picked(series.job, commit, parent=series.tip, tree=tree, changes=changes)
        if written.tree != await self.git.tree_of(series.job.request.repository, series.tip):
            series.parent, series.tip, series.last = series.tip, written.commit, written

    async def _end(self, lease: JobLease, rule: str, message: str) -> JobLease:
        state = JobState.REPORTED if lease.job.request.dry_run else JobState.UNRESOLVED
        return await self.store.jobs.move(lease, state, rule=rule, message=message)


def _refused(commits: list[PickedCommit]) -> str:
    """Why a series is no matter of ours; empty when it is."""
    if len(commits) > MAX_COMMITS:
        return endings.rebase_too_long(MAX_COMMITS)
    merge = next((commit for commit in commits if len(commit.parents) != 1), None)
    return "" if merge is None else endings.rebase_of_merge(merge.commit)


def _together(results: list[GateResult]) -> GateResult:
    """The gate's results for all commits: all of them passed, their notes are shown together."""
    findings = tuple(finding for result in results for finding in result.findings)
    return GateResult(verdict=GateVerdict.PASS, findings=findings, checks=results[0].checks)
