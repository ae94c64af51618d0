"""The repository's own tests, on what is about to be proposed: whatever they say, it is shown with the proposal."""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from bot.config_keys import RepositoryConfig, split_command
from bot.errors import IngestError, SandboxError, TreeRefusedError
from bot.handlers.approvals import ApproveUnasked
from bot.handlers.configuration import job_config
from bot.handlers.launch import MAX_FILES, LaunchRun
from bot.model.jobs import JobKind, JobLease, JobState
from bot.model.proposals import Proposal, SuiteEvidence, SuiteOutcome
from bot.model.runs import CommandBrief, Run, RunKind, RunOutcome, RunState, SuiteAnswer
from bot.policy.limits import MAX_LOST, ServerLimits, limits_of_tests
from bot.ports.store import Store
from bot.ports.system import Clock
from bot.report import endings

_BY_PEOPLE: Final = frozenset({RunOutcome.CANCELLED, RunOutcome.SUPERSEDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTests:
    """Have a proposal's tree tested in a sandbox of its own, once, before anybody is asked to approve it.

    The branch of the proposal is there already, so whichever worker goes on finds the tree. Which run tests which tree
    is on record before the run starts; each call goes on from the record.
    """

    store: Store
    launch: LaunchRun
    approve: ApproveUnasked
    clock: Clock
    server: ServerLimits

    async def __call__(self, lease: JobLease, proposal: Proposal) -> JobLease:
        """Move the job to ``awaiting_approval`` when all is said about the tests, to ``running`` while they run.

        A proposal that needs no approval goes on to ``publishing`` instead.

        Raises:
            SandboxHeldBackError: no sandbox may be started now; there is no run.
            SandboxError: this process is ending.
        """
        known = await self.store.proposals.tests(lease.job.id, proposal.tree)
        if known is not None and known.outcome is not SuiteOutcome.UNDER_WAY:
            return await self._offer(lease, proposal)
        run = None if known is None else await self.store.runs.get(known.run_id or "")
        if known is None or run is None or run.state is RunState.CREATED:
            return await self._begin(lease, proposal)
        if run.state is RunState.STARTED or run.outcome in _BY_PEOPLE:
            # Whoever launched it died before it could say so; or the job is about to end.
            return await self._await(lease)
        lost = run.outcome is RunOutcome.INFRA_RETRYABLE
        if lost and await self.store.runs.lost(lease.job.id, RunKind.TEST) < MAX_LOST:
            return await self._begin(lease, proposal)
        return await self._end(lease, proposal, await self._said(run, known))

    async def _begin(self, lease: JobLease, proposal: Proposal) -> JobLease:
        job = lease.job
        config = await job_config(job, registry=self.store.registry)
        nothing = SuiteEvidence(tree=proposal.tree, outcome=SuiteOutcome.NOT_CONFIGURED, at=self.clock.now())
        if config.test_command is None:
            return await self._end(lease, proposal, nothing)
        self.launch.check()
        evidence = replace(nothing, outcome=SuiteOutcome.UNDER_WAY, command=config.test_command)
        limits = limits_of_tests(config, server=self.server)
        try:
            whole = await self.launch.git.whole_tree(
                job.request.repository, proposal.tree, max_bytes=limits.max_workspace_bytes, max_files=MAX_FILES
            )
            archive = await asyncio.to_thread(self.launch.archives.pack_commands, _brief(config), whole.files)
        except (TreeRefusedError, SandboxError) as error:
            evidence = replace(evidence, outcome=SuiteOutcome.COULD_NOT_RUN, detail=str(error))
            return await self._end(lease, proposal, evidence)
        task = await self.launch.create(job, archive, limits, RunKind.TEST)
        await self.store.proposals.save_tests(job.id, replace(evidence, run_id=task.run_id, left_out=whole.left_out))
        await self.launch.start(task, job)
        return await self._await(lease)

    async def _said(self, run: Run, known: SuiteEvidence) -> SuiteEvidence:
        archive = await self.store.runs.result(run.id)
        answer = None
        if archive is not None:
            try:
                answer = await asyncio.to_thread(self.launch.archives.read_tests, archive, limits=run.limits)
            except IngestError as error:
                detail = endings.tests_ended(RunOutcome.INVALID_OUTPUT, str(error))
                return replace(known, outcome=SuiteOutcome.COULD_NOT_RUN, detail=detail, at=self.clock.now())
        return replace(evidence_of(known, run, answer), at=self.clock.now())

    async def _await(self, lease: JobLease) -> JobLease:
        return await self.store.jobs.move(lease, JobState.RUNNING, progress=endings.TESTS_AT_WORK)

    async def _end(self, lease: JobLease, proposal: Proposal, evidence: SuiteEvidence) -> JobLease:
        await self.store.proposals.save_tests(lease.job.id, evidence)
        return await self._offer(lease, proposal)

    async def _offer(self, lease: JobLease, proposal: Proposal) -> JobLease:
        if lease.job.request.kind is JobKind.IMPLEMENT:
            # Nothing of anybody's is touched by a draft: what becomes of it, people decide there.
            return await self.store.jobs.move(lease, JobState.PUBLISHING, progress="opening the pull request")
        unasked = await self.approve(lease.job, proposal)
        if unasked is None:
            return await self.store.jobs.move(lease, JobState.AWAITING_APPROVAL, progress="waiting for approval")
        await self.store.proposals.approve(unasked)
        return await self.store.jobs.move(lease, JobState.PUBLISHING, progress="pushing what needs no approval")


def _brief(config: RepositoryConfig) -> CommandBrief:
    return CommandBrief(commands=(split_command(config.test_command or ""),))


def evidence_of(known: SuiteEvidence, run: Run, answer: SuiteAnswer | None) -> SuiteEvidence:
    """What a run of tests that ended comes to; ``answer`` is None where none was sent.

    Only a run that ended well and whose own answer says the same is a pass.
    """
    outcome = run.outcome or RunOutcome.NO_REPORT
    # Without an answer, the detail of tests that were stopped is the end of their log.
    stopped = outcome in {RunOutcome.TIMED_OUT, RunOutcome.STALLED, RunOutcome.MAX_OUTPUT}
    evidence = replace(
        known,
        outcome=SuiteOutcome.COULD_NOT_RUN,
        exit_status=None if answer is None else answer.exit_code,
        signal=None if answer is None else answer.signal,
        duration_ms=_milliseconds(run) if answer is None else answer.duration_ms,
        log_tail=answer.log_tail if answer is not None else run.detail if stopped else "",
        detail=endings.tests_ended(outcome, "" if stopped else run.detail),
    )
    if answer is not None and outcome is RunOutcome.SUCCEEDED and answer.exit_code == 0:
        return replace(evidence, outcome=SuiteOutcome.PASSED, detail="")
    if answer is not None and outcome is RunOutcome.COMMAND_FAILED:
        return replace(evidence, outcome=SuiteOutcome.FAILED, detail="")
    if outcome in {RunOutcome.TIMED_OUT, RunOutcome.STALLED}:
        return replace(evidence, outcome=SuiteOutcome.TIMED_OUT, exit_status=None, signal=None, detail="")
    return evidence


def _milliseconds(run: Run) -> int | None:
    if run.started_at is None or run.ended_at is None:
        return None
    return round((run.ended_at - run.started_at).total_seconds() * 1000)
