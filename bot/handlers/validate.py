"""Prove what was resolved; then propose it, have it tried once more, or say what is open."""

import asyncio
from dataclasses import dataclass
from typing import Final

from bot.config import protected_paths
from bot.config_keys import RepositoryConfig
from bot.errors import IngestError
from bot.handlers.answers import Work, with_answer, without_agent
from bot.handlers.gating import gate
from bot.handlers.launch import LaunchRun
from bot.handlers.progress import MergeProgress, reopen
from bot.handlers.propose import Propose
from bot.handlers.records import records_of
from bot.handlers.regenerated import not_made, read_answer, with_made
from bot.handlers.standing import CheckStanding
from bot.handlers.unresolved import EndUnresolved, LoadMerge, provenance_of
from bot.model.jobs import JobLease, JobState
from bot.model.resolutions import Finding, GateResult, GateVerdict, Tier
from bot.model.runs import CommandAnswer, Run, RunKind, RunOutcome, RunState
from bot.policy.limits import ServerLimits, run_limits
from bot.ports.forge import Forge
from bot.ports.runner import RunArchives
from bot.ports.store import Store
from bot.report import endings
from bot.validation.gate import RETRYABLE

_MIN_BUDGET_USD: Final = 0.01

_OF_SANDBOX: Final = frozenset({"ingest", "workspace"})
"""What is wrong with a sandbox's answer as a whole may be better in another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateResult:
    """A job whose resolvers are done: ingest what a sandbox left, prove all of it together, and go on from there."""

    store: Store
    forge: Forge
    archives: RunArchives
    load: LoadMerge
    launch: LaunchRun
    propose: Propose
    unresolved: EndUnresolved
    standing: CheckStanding
    server: ServerLimits

    async def __call__(self, lease: JobLease) -> JobLease:
        """Move the job to ``awaiting_approval``, back to ``running``, or to ``unresolved``."""
        run = await self.store.runs.latest(lease.job.id)
        if run is not None and run.kind is RunKind.TEST:
            # Everything was proved, and is proposed already: only the tests on it were waited for.
            return await self.propose.tested(lease)
        return await self._resolved(lease, run)

    async def _resolved(self, lease: JobLease, run: Run | None) -> JobLease:
        """A job of which ``run`` is the newest that was to resolve something."""
        job = lease.job
        progress, config = await self.load(job)
        if progress.awaited and not progress.undone_count and run is not None and run.kind is RunKind.REGENERATE:
            return await self._regenerated(lease, progress, config, run)
        if not progress.open_files or not config.resolvers.agent:
            return await self._judge(lease, without_agent(progress), config)
        if run is None or run.outcome is not RunOutcome.SUCCEEDED:
            # A second run was launched, and the worker that did so died before it could say so.
            return await self.store.jobs.move(lease, JobState.RUNNING, progress="the agent tries once more")
        archive = await self.store.runs.result(run.id)
        if archive is None:
            message = endings.run_ended(RunOutcome.NO_REPORT)
            return await self.unresolved(lease, progress, config, rule=RunOutcome.NO_REPORT.value, message=message)
        try:
            answer = await asyncio.to_thread(self.archives.read, archive, limits=run.limits)
        except IngestError as error:
            work = Work(progress=progress, resolutions=(), changed={}, by_agent=frozenset(progress.open_files))
            return await self._turned_down(lease, work, config, _ingest_refusal(str(error)))
        return await self._judge(lease, with_answer(job, progress, answer), config)

    async def _regenerated(
        self, lease: JobLease, progress: MergeProgress, config: RepositoryConfig, run: Run
    ) -> JobLease:
        """A job whose newest run was to make the generated files anew."""
        if run.state is RunState.STARTED or run.outcome in {RunOutcome.CANCELLED, RunOutcome.SUPERSEDED}:
            # Whoever launched it died before it could say so.
            return await self.store.jobs.move(lease, JobState.RUNNING, progress=endings.COMMAND_AT_WORK)
        if run.outcome in {None, RunOutcome.INFRA_RETRYABLE}:
            # It never was, or was lost: this is its next try.
            return await self._judge(lease, without_agent(progress), config)
        archive = await self.store.runs.result(run.id)
        answer = await asyncio.to_thread(read_answer, self.archives, run, archive)
        if isinstance(answer, CommandAnswer):
            git, repository = self.launch.git, lease.job.request.repository
            return await self._judge(lease, await with_made(progress, answer, repository=repository, git=git), config)
        message = endings.commands_ended(answer.outcome)
        left = not_made(progress, answer.note)
        return await self.unresolved(lease, left, config, rule=answer.outcome.value, message=message)

    async def _regenerate(self, lease: JobLease, work: Work, config: RepositoryConfig) -> JobLease:
        """Everything else is settled and passed: have the generated files made on top of it."""
        job, progress = lease.job, work.progress
        # First: the run is about what is settled by these rows.
        passed = {item.path: provenance_of(progress, item) for item in work.resolutions}
        await self.store.proposals.save_conflicts(job.id, job.attempt, records_of(progress, passed=passed))
        limits = run_limits(config, budget_usd=job.request.budget_usd, server=self.server)
        await self.launch.regenerate(job, progress, config, limits=limits)
        return await self.store.jobs.move(lease, JobState.RUNNING, progress=endings.COMMAND_AT_WORK)

    async def _judge(self, lease: JobLease, work: Work, config: RepositoryConfig) -> JobLease:
        job, progress = lease.job, work.progress
        result = await gate(
            progress,
            work.resolutions,
            protected=protected_paths(config),
            changed=work.changed,
            by_agent=work.by_agent,
        )
        result = with_oddities(result, work.oddities)
        if result.verdict is not GateVerdict.PASS and not work.undecided:
            return await self._turned_down(lease, work, config, result)
        if work.undecided or progress.undone_count:
            await self.store.proposals.save_gate(job.id, job.attempt, result)
            return await self._open(lease, work, config, result)
        if progress.awaited:
            return await self._regenerate(lease, work, config)
        pull_request = await self.forge.pull_request(job.request.repository, job.request.number)
        refusal = await self.standing.of_request(job, pull_request)
        if refusal is not None:
            return await self.store.jobs.move(lease, JobState.REFUSED, rule=refusal.rule, message=refusal.message)
        await self.store.proposals.save_gate(job.id, job.attempt, result)
        passed = {item.path: provenance_of(progress, item) for item in work.resolutions}
        await self.store.proposals.save_conflicts(job.id, job.attempt, records_of(progress, passed=passed))
        resolutions = [*work.resolutions, *(resolution for _, resolution in progress.taken.values())]
        return await self.propose.merge(lease, progress.plan.merge, resolutions)

    async def _open(self, lease: JobLease, work: Work, config: RepositoryConfig, result: GateResult) -> JobLease:
        """Nothing is wrong with what was resolved, but not everything was."""
        progress = work.progress
        if work.undecided:
            rule, message = "undecided", endings.undecided(len(work.undecided))
        else:
            rule, message = "needs_person", endings.left_to_people(progress.undone_count)
        return await self.unresolved(
            lease, progress, config, rule=rule, message=message, distrusted=_distrusted(work, result)
        )

    async def _turned_down(self, lease: JobLease, work: Work, config: RepositoryConfig, result: GateResult) -> JobLease:
        job = lease.job
        if work.progress.made:
            await self.store.proposals.save_gate(job.id, job.attempt, result)
            left = not_made(work.progress, endings.made_did_not_pass(result))
            message = endings.gate_failed(0, _first_failed(result))
            return await self.unresolved(lease, left, config, rule="gate", message=message)
        first_try = await self.store.proposals.gate(job.id) is None
        limits = run_limits(config, budget_usd=job.request.budget_usd, server=self.server)
        limits = await self.launch.remaining(job, limits)
        again = _reopened(work, result)
        may_try = config.resolvers.agent and first_try and limits.budget_usd >= _MIN_BUDGET_USD
        if not may_try or not _is_retryable(result) or not again.open_files:
            await self.store.proposals.save_gate(job.id, job.attempt, result)
            tries = 0 if not work.by_agent else 1 if first_try else 2
            message = endings.gate_failed(tries, _first_failed(result))
            distrusted = _distrusted(work, result)
            return await self.unresolved(
                lease, work.progress, config, rule="gate", message=message, distrusted=distrusted
            )
        # First: the run is about what is open by these rows.
        await self.store.proposals.save_conflicts(job.id, job.attempt, records_of(again))
        pull_request = await self.forge.pull_request(job.request.repository, job.request.number)
        feedback = tuple(_feedback(finding) for finding in _failing(result))
        await self.launch(job, again, title=pull_request.title, limits=limits, feedback=feedback)
        if work.by_agent:
            # Last: on record, the result means that the agent's second try was launched.
            await self.store.proposals.save_gate(job.id, job.attempt, result)
        return await self.store.jobs.move(
            lease,
            JobState.RUNNING,
            progress="the checks turned the first answer down; the agent tries once more",
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


def _failing(result: GateResult) -> list[Finding]:
    return [finding for finding in result.findings if finding.verdict is not GateVerdict.PASS]


def _is_retryable(result: GateResult) -> bool:
    """Whether another answer may pass. Anything else is a person's at once."""
    return all(finding.check in RETRYABLE | _OF_SANDBOX for finding in _failing(result))


def _outside(work: Work, result: GateResult) -> bool:
    """Whether something is wrong that is no conflicted file's: then nothing that came out of the sandbox is trusted."""
    return any(finding.path not in work.progress.files for finding in _failing(result))


def _reopened(work: Work, result: GateResult) -> MergeProgress:
    """The merge for a second try: files with findings have no answers any more, whoever gave them."""
    progress = work.progress
    bad = {finding.path for finding in _failing(result)}
    outside = _outside(work, result)
    for path, file in progress.files.items():
        if path in bad:
            progress = progress.with_file(reopen(file))
        elif outside and path in work.by_agent:
            progress = progress.with_file(reopen(file, tiers=frozenset({Tier.AGENT})))
    return progress


def _distrusted(work: Work, result: GateResult) -> frozenset[str]:
    return work.by_agent if _outside(work, result) else frozenset()


def _first_failed(result: GateResult) -> str:
    return _failing(result)[0].check


def _feedback(finding: Finding) -> str:
    where = f"{finding.path}:{finding.lines[0]}" if finding.lines else finding.path
    return f"{finding.check} ({where}): {finding.message}"


def _ingest_refusal(reason: str) -> GateResult:
    finding = Finding(check="ingest", verdict=GateVerdict.REFUSED, path="", message=reason)
    return GateResult(verdict=GateVerdict.REFUSED, findings=(finding,), checks=("ingest",))
