"""The steps of a job, bound."""

from dataclasses import dataclass

from app.gateway.prices import load_prices
from app.jobs.queue import ArqQueue
from app.telemetry import JOBS_ENDED
from app.wiring_parts import Parts, server_limits
from bot.direct.late import LateDirect
from bot.handlers.advance import AdvanceJob
from bot.handlers.approvals import ApproveUnasked, CountApprovals
from bot.handlers.bring import BringCommits
from bot.handlers.cases import GatherCases
from bot.handlers.collect import CollectRun
from bot.handlers.conclude import Conclude
from bot.handlers.direct import AskDirect
from bot.handlers.drafts import Drafts
from bot.handlers.forks import CheckHead
from bot.handlers.launch import LaunchRun
from bot.handlers.pausing import CheckPause
from bot.handlers.prepare import FetchMerge, PrepareMerge
from bot.handlers.propose import DropBranch, Propose
from bot.handlers.publish import CheckFresh, Publish
from bot.handlers.rebase import RebaseCommits
from bot.handlers.remember import RememberFiles
from bot.handlers.reporting import RefreshReports
from bot.handlers.rollback import RollBack
from bot.handlers.settle import SettleMerge
from bot.handlers.standing import CheckStanding
from bot.handlers.takes import TakeSides
from bot.handlers.testing import RunTests
from bot.handlers.unresolved import EndUnresolved, LoadMerge
from bot.handlers.validate import ValidateResult
from bot.handlers.work import BeginWork, FetchWork, TakeWork
from bot.model.jobs import Job
from bot.policy.limits import ServerLimits
from bot.ports.runner import Obstacle, RunLauncher
from runners.archives import TarArchives


def bind_jobs(
    parts: Parts, launcher: RunLauncher, guard: Obstacle, queue: ArqQueue, refresh: RefreshReports
) -> AdvanceJob:
    """The steps of a job, from the merge to the push and back."""
    store, forge, git, clock = parts.store, parts.forge, parts.git, parts.clock
    work = _work(parts, launcher, guard)
    return AdvanceJob(
        store=store,
        clock=clock,
        bring=work.bring,
        fetch=FetchMerge(
            store=store,
            forge=forge,
            git=git,
            refresh=refresh,
            check_head=CheckHead(forks=store.forks, forge=forge),
        ),
        prepare=_prepare(parts, work),
        fetch_work=FetchWork(store=store, forge=forge, git=git, refresh=refresh),
        begin_work=BeginWork(store=store, git=git, launch=work.launch, server=work.limits),
        take_work=TakeWork(store=store, archives=work.archives, standing=work.standing, propose=work.propose),
        collect=CollectRun(store=store, clock=clock, unresolved=work.unresolved),
        validate=ValidateResult(
            store=store,
            forge=forge,
            archives=work.archives,
            load=work.load,
            launch=work.launch,
            propose=work.propose,
            unresolved=work.unresolved,
            standing=work.standing,
            server=work.limits,
        ),
        publish=Publish(
            store=store,
            forge=forge,
            git=git,
            check_fresh=CheckFresh(forge=forge, git=git, bring=work.bring),
            standing=work.standing,
            count=CountApprovals(store=store, forge=forge, paths=git),
            unasked=ApproveUnasked(store=store, forge=forge, clock=clock),
            remember=work.remember,
        ),
        roll_back=RollBack(
            store=store,
            forge=forge,
            git=git,
            propose=work.propose,
            remember=work.remember,
            drafts=Drafts(
                store=store,
                forge=forge,
                git=git,
                standing=work.standing,
                refresh=refresh,
                drop=DropBranch(store=store, forge=forge, git=git),
            ),
        ),
        refresh=refresh,
        conclude=Conclude(
            store=store,
            queue=queue,
            clock=clock,
            refresh=refresh,
            drop_branch=DropBranch(store=store, forge=forge, git=git),
            on_ended=_job_ended,
        ),
        pause=CheckPause(store=store, forge=forge),
        obstacle=guard,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What several steps share."""

    limits: ServerLimits
    archives: TarArchives
    bring: BringCommits
    launch: LaunchRun
    settle: SettleMerge
    load: LoadMerge
    propose: Propose
    standing: CheckStanding
    unresolved: EndUnresolved
    remember: RememberFiles


def _work(parts: Parts, launcher: RunLauncher, guard: Obstacle) -> _Work:
    store, forge, git, clock = parts.store, parts.forge, parts.git, parts.clock
    limits, archives = server_limits(parts.settings), TarArchives()
    launch = LaunchRun(
        git=git,
        runs=store.runs,
        archives=archives,
        launcher=launcher,
        obstacle=guard,
        ids=parts.ids,
        gateway_url=parts.settings.gateway_url,
    )
    propose = Propose(
        store=store,
        forge=forge,
        git=git,
        clock=clock,
        tests=RunTests(
            store=store,
            launch=launch,
            approve=ApproveUnasked(store=store, forge=forge, clock=clock),
            clock=clock,
            server=limits,
        ),
    )
    settle = SettleMerge(
        proposals=store.proposals,
        cases=GatherCases(git=git, recorded=store.recorded),
        takes=TakeSides(git=git),
    )
    load = LoadMerge(store=store, git=git, settle=settle)
    standing = CheckStanding(store=store, forge=forge)
    return _Work(
        limits=limits,
        archives=archives,
        bring=BringCommits(forge=forge, git=git),
        launch=launch,
        settle=settle,
        load=load,
        propose=propose,
        standing=standing,
        unresolved=EndUnresolved(store=store, forge=forge, load=load, propose=propose, standing=standing),
        remember=RememberFiles(store=store, git=git),
    )


def _prepare(parts: Parts, work: _Work) -> PrepareMerge:
    store, forge, git = parts.store, parts.forge, parts.git
    direct = AskDirect(
        model=LateDirect(price=load_prices().price_of),
        runs=store.runs,
        clock=parts.clock,
        ids=parts.ids,
        gateway_url=parts.settings.gateway_url,
    )
    return PrepareMerge(
        store=store,
        forge=forge,
        git=git,
        settle=work.settle,
        direct=direct,
        launch=work.launch,
        unresolved=work.unresolved,
        rebase=RebaseCommits(
            store=store,
            forge=forge,
            git=git,
            settle=work.settle,
            direct=direct,
            launch=work.launch,
            propose=work.propose,
            standing=work.standing,
            server=work.limits,
        ),
        server=work.limits,
    )


def _job_ended(job: Job) -> None:
    JOBS_ENDED.labels(kind=job.request.kind.value, state=job.state.value).inc()
