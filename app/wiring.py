"""The only place that names adapters: settings in, bound use cases out."""

import contextlib
import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from arq.connections import ArqRedis
from litestar import Litestar

from app.gateway.prices import load_prices
from app.http.health import Probe
from app.http.service import create_watch
from app.isolation import Isolation, isolation_of
from app.jobs.queue import ArqQueue, open_pool
from app.jobs.worker import Ticks
from app.probes import database_probe, migrations_probe, redis_probe
from app.settings import ServiceSettings
from app.store.database import SqlStore
from app.system import SystemClock, SystemIds
from app.telemetry import JOBS_ENDED, JOBS_WAITING, RUNS_ENDED, SANDBOXES_SUNK, RunSpans, span
from app.wiring_sandboxes import open_runner
from app.wiring_web import create_web
from bot.direct.client import AnthropicDirect
from bot.errors import SandboxError
from bot.forges.github.client import GitHubClient
from bot.forges.github.forge import GitHubForge
from bot.forges.github.transport import open_http
from bot.git.adapter import GitMirrors
from bot.git.batch import GitBatch
from bot.handlers.act import ActOnIntent
from bot.handlers.advance import AdvanceJob
from bot.handlers.alarm import TellConflicts
from bot.handlers.bring import BringCommits
from bot.handlers.cases import GatherCases
from bot.handlers.collect import CollectRun
from bot.handlers.conclude import Conclude
from bot.handlers.deeds import Deeds
from bot.handlers.direct import AskDirect
from bot.handlers.installations import FollowInstallation
from bot.handlers.launch import LaunchRun
from bot.handlers.notice import NoticeChanges
from bot.handlers.prepare import FetchMerge, PrepareMerge
from bot.handlers.propose import DropBranch, Propose
from bot.handlers.publish import CheckFresh, Publish
from bot.handlers.rebase import RebaseCommits
from bot.handlers.remember import RememberFiles
from bot.handlers.replies import Replies
from bot.handlers.reporting import DeliverReport, RefreshReports
from bot.handlers.rollback import RollBack
from bot.handlers.route import RouteDelivery
from bot.handlers.settle import SettleMerge
from bot.handlers.standing import CheckStanding
from bot.handlers.sweep import Sweep
from bot.handlers.takes import TakeSides
from bot.handlers.testing import RunTests
from bot.handlers.unresolved import EndUnresolved, LoadMerge
from bot.handlers.validate import ValidateResult
from bot.handlers.watch import WatchBase
from bot.model.forge import ForgeKind
from bot.model.jobs import Job
from bot.model.levels import LevelKind
from bot.model.runs import AgentProgress, RunTask, failure_class
from bot.policy.limits import ServerLimits
from bot.ports.runner import AgentRunner, Obstacle, RunLauncher
from bot.ports.system import Clock
from runners.archives import TarArchives
from runners.supervise import Supervisor

_MANY: Final = 1000
"""Up to so many waiting jobs are counted."""

_BLIND_SECONDS: Final = 180.0
_BLIND_SECONDS_HERE: Final = 30.0
"""How long a sandbox may be out of sight. One that outlives us goes on meanwhile, as a cluster does without its API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowForge:
    """A wired instance: the web application, the gateway's, what a worker does, and the parts tests look at."""

    settings: ServiceSettings
    store: SqlStore
    forge: GitHubForge
    git: GitMirrors
    redis: ArqRedis
    runner: AgentRunner
    supervisor: Supervisor
    spans: RunSpans
    isolation: Isolation | None
    service: Litestar
    watch: Litestar
    ticks: Ticks


def server_limits(settings: ServiceSettings) -> ServerLimits:
    """What no repository and no command may exceed."""
    return ServerLimits(
        default_model=settings.model,
        allowed_models=settings.allowed_models,
        max_budget_usd=settings.max_budget_usd,
        max_run_seconds=settings.run_timeout_seconds,
        stall_seconds=settings.stall_timeout_seconds,
        max_turns=settings.max_turns,
        max_workspace_bytes=settings.max_workspace_bytes,
        max_result_bytes=settings.max_result_bytes,
        max_result_files=settings.max_result_files,
        max_log_bytes=settings.max_log_bytes,
        direct_calls=settings.direct_calls,
    )


@contextlib.asynccontextmanager
async def open_flowforge(
    settings: ServiceSettings,
    *,
    worker: str,
    clock: Clock | None = None,
    runner: AgentRunner | None = None,
    guard: Obstacle | None = None,
) -> AsyncIterator[FlowForge]:
    """Open every connection, bind every use case, and close all of it in the end.

    Args:
        settings: of this process.
        worker: names this process in leases and executions.
        clock: the machine's, unless given.
        runner: the backend that the settings name, unless given.
        guard: says why no sandbox may be started; the backend's isolation does, unless given.

    Raises:
        SettingsError: something cannot be made with these settings.
        StoreUnavailableError: the database does not answer.
    """
    clock, ids = clock or SystemClock(), SystemIds()
    async with contextlib.AsyncExitStack() as stack:
        store = SqlStore.open(settings.database_url.get_secret_value(), clock, ids)
        stack.push_async_callback(store.close)
        redis = open_pool(settings.redis_url.get_secret_value())
        stack.push_async_callback(redis.aclose)
        forge = await _github(settings, clock, stack)
        instance = _bind(
            _Parts(
                settings=settings,
                clock=clock,
                ids=ids,
                store=store,
                redis=redis,
                forge=forge,
                git=GitMirrors(settings.data_dir / "mirrors"),
                runner=runner or await open_runner(settings, stack, instance=store.instance_id),
                guard=guard,
            ),
            worker,
        )
        stack.callback(instance.spans.close)
        stack.push_async_callback(instance.supervisor.close)
        yield instance


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The adapters, opened."""

    settings: ServiceSettings
    clock: Clock
    ids: SystemIds
    store: SqlStore
    redis: ArqRedis
    forge: GitHubForge
    git: GitMirrors
    runner: AgentRunner
    guard: Obstacle | None


async def _github(settings: ServiceSettings, clock: Clock, stack: contextlib.AsyncExitStack) -> GitHubForge:
    http = await stack.enter_async_context(open_http(settings.github_api_url))
    client = GitHubClient(
        http,
        base_url=settings.github_api_url,
        app_id=settings.github_app_id,
        private_key_pem=settings.github_private_key.get_secret_value(),
        clock=clock,
    )
    return GitHubForge(
        client,
        app_id=settings.github_app_id,
        app_slug=settings.github_app_slug,
        git_base_url=settings.github_git_url,
    )


def _bind(parts: _Parts, worker: str) -> FlowForge:
    settings, store = parts.settings, parts.store
    queue = ArqQueue(parts.redis)
    refresh = RefreshReports(
        store=store,
        forge=parts.forge,
        git=parts.git,
        bring=BringCommits(forge=parts.forge, git=parts.git),
        queue=queue,
        clock=parts.clock,
    )
    spans = RunSpans()
    isolation = isolation_of(settings, parts.runner, store=store, clock=parts.clock, ids=parts.ids)
    guard = parts.guard or (_free if isolation is None else isolation.reason)
    supervisor = Supervisor(
        runner=parts.runner,
        runs=store.runs,
        clock=parts.clock,
        owner=worker,
        on_progress=functools.partial(_progress, store, refresh),
        on_end=functools.partial(_run_ended, store, queue, spans),
        guard=guard,
        blind_seconds=_BLIND_SECONDS if parts.runner.outlives_us else _BLIND_SECONDS_HERE,
        pending_seconds=settings.run_pending_seconds,
        queue_seconds=settings.run_queue_seconds,
    )
    advance = _advance(parts, _TracedLauncher(supervisor, spans), guard, queue, refresh)
    route = _route(parts, advance, queue, refresh)
    deliver = DeliverReport(store=store, forge=parts.forge, clock=parts.clock)
    watch = _watch(parts, route.act, queue, route.notice)
    sweep = Sweep(store=store, queue=queue, clock=parts.clock, keep_results=timedelta(days=settings.result_days))
    probes = _probes(parts, isolation)

    async def on_delivery(key: str) -> None:
        forge, _, delivery_id = key.partition(":")
        kind = ForgeKind(forge)
        delivery = await store.deliveries.get(kind, delivery_id)
        # A ring brings the trace along; after a lost one, the row still has it.
        with span("route", parent=None if delivery is None else delivery.headers):
            await route(kind, delivery_id)

    async def on_sweep() -> None:
        await supervisor.reap(parts.clock.now())
        await sweep()
        await _sink(supervisor)
        JOBS_WAITING.set(len(await store.jobs.due(parts.clock.now(), limit=_MANY)))

    ticks = Ticks(
        on={
            "delivery": on_delivery,
            "job": functools.partial(advance, worker=worker),
            "report": deliver,
            LevelKind.BASE_SYNC.value: watch,
        },
        sweep=on_sweep,
    )
    return FlowForge(
        settings=settings,
        store=store,
        forge=parts.forge,
        git=parts.git,
        redis=parts.redis,
        runner=parts.runner,
        supervisor=supervisor,
        spans=spans,
        isolation=isolation,
        service=create_web(settings, store=store, queue=queue, clock=parts.clock, probes=probes),
        watch=create_watch(probes),
        ticks=ticks,
    )


async def _sink(supervisor: Supervisor) -> None:
    """What is left of ended runs goes with the next sweep where it cannot go now."""
    with contextlib.suppress(SandboxError):
        SANDBOXES_SUNK.inc(await supervisor.sink())


async def _progress(store: SqlStore, refresh: RefreshReports, run_id: str, progress: AgentProgress) -> None:
    run = await store.runs.get(run_id)
    if run is not None:
        await store.jobs.progress(run.job_id, progress.line)
        await refresh.progress(run.job_id)


async def _run_ended(store: SqlStore, queue: ArqQueue, spans: RunSpans, job_id: str, run_id: str) -> None:
    run = await store.runs.get(run_id)
    if run is not None and run.outcome is not None:
        RUNS_ENDED.labels(outcome=run.outcome.value, failure=failure_class(run.outcome).value).inc()
        spans.ended(run_id, run.outcome.value)
    await queue.ring("job", job_id)


def _job_ended(job: Job) -> None:
    JOBS_ENDED.labels(kind=job.request.kind.value, state=job.state.value).inc()


class _TracedLauncher:
    """``RunLauncher`` that gives each run a span, and its id to every log line about it."""

    def __init__(self, launcher: RunLauncher, spans: RunSpans) -> None:
        self._launcher = launcher
        self._spans = spans

    async def launch(self, task: RunTask, *, job_id: str) -> None:
        with self._spans.starting(run_id=task.run_id, job_id=job_id):
            await self._launcher.launch(task, job_id=job_id)


def _advance(
    parts: _Parts, launcher: RunLauncher, guard: Obstacle, queue: ArqQueue, refresh: RefreshReports
) -> AdvanceJob:
    store, forge, git, clock = parts.store, parts.forge, parts.git, parts.clock
    limits = server_limits(parts.settings)
    archives = TarArchives()
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
        tests=RunTests(store=store, launch=launch, clock=clock, server=limits),
        bot_name=f"{parts.settings.github_app_slug}[bot]",
    )
    standing = CheckStanding(store=store, forge=forge)
    bring = BringCommits(forge=forge, git=git)
    settle = SettleMerge(
        proposals=store.proposals,
        cases=GatherCases(git=git, recorded=store.recorded),
        takes=TakeSides(git=git),
    )
    direct = AskDirect(
        model=AnthropicDirect(price=load_prices().price_of),
        runs=store.runs,
        clock=clock,
        ids=parts.ids,
        gateway_url=parts.settings.gateway_url,
    )
    remember = RememberFiles(store=store, git=git)
    load = LoadMerge(store=store, git=git, settle=settle)
    unresolved = EndUnresolved(store=store, forge=forge, load=load, propose=propose, standing=standing)
    return AdvanceJob(
        store=store,
        clock=clock,
        bring=bring,
        fetch=FetchMerge(store=store, forge=forge, git=git),
        prepare=PrepareMerge(
            store=store,
            forge=forge,
            git=git,
            settle=settle,
            direct=direct,
            launch=launch,
            unresolved=unresolved,
            rebase=RebaseCommits(
                store=store,
                forge=forge,
                git=git,
                settle=settle,
                direct=direct,
                launch=launch,
                propose=propose,
                standing=standing,
                server=limits,
            ),
            server=limits,
        ),
        collect=CollectRun(store=store, clock=clock, unresolved=unresolved),
        validate=ValidateResult(
            store=store,
            forge=forge,
            archives=archives,
            load=load,
            launch=launch,
            propose=propose,
            unresolved=unresolved,
            standing=standing,
            server=limits,
        ),
        publish=Publish(
            store=store,
            forge=forge,
            git=git,
            check_fresh=CheckFresh(forge=forge, git=git, bring=bring),
            standing=standing,
            remember=remember,
        ),
        roll_back=RollBack(store=store, forge=forge, git=git, propose=propose, remember=remember),
        refresh=refresh,
        conclude=Conclude(
            store=store,
            queue=queue,
            clock=clock,
            refresh=refresh,
            drop_branch=DropBranch(store=store, forge=forge, git=git),
            on_ended=_job_ended,
        ),
        obstacle=guard,
    )


def _route(parts: _Parts, advance: AdvanceJob, queue: ArqQueue, refresh: RefreshReports) -> RouteDelivery:
    store, forge = parts.store, parts.forge
    limits = server_limits(parts.settings)
    replies = Replies(store=store, queue=queue, mention=parts.settings.github_app_slug)
    deeds = Deeds(
        store=store,
        queue=queue,
        ids=parts.ids,
        forge=forge,
        server=limits,
        replies=replies,
        refresh=refresh,
        check_fresh=advance.publish.check_fresh,
        conclude=advance.conclude,
    )
    act = ActOnIntent(store=store, forge=forge, deeds=deeds, replies=replies, server=limits)
    return RouteDelivery(
        store=store,
        forge=forge,
        act=act,
        follow=FollowInstallation(store=store, forge=forge, queue=queue),
        notice=NoticeChanges(store=store, queue=queue),
        clock=parts.clock,
        mention=parts.settings.github_app_slug,
    )


def _watch(parts: _Parts, act: ActOnIntent, queue: ArqQueue, notice: NoticeChanges) -> WatchBase:
    store, forge, mention = parts.store, parts.forge, parts.settings.github_app_slug
    batch = GitBatch(parts.settings.data_dir / "mirrors")
    return WatchBase(
        store=store,
        forge=forge,
        git=parts.git,
        batch=batch,
        queue=queue,
        clock=parts.clock,
        notice=notice,
        tell=TellConflicts(store=store, forge=forge, batch=batch, queue=queue, act=act, mention=mention),
    )


def _free() -> None:
    """The process backend is for development: nothing holds it back."""


def _probes(parts: _Parts, isolation: Isolation | None) -> dict[str, Probe]:
    probes = {
        "database": database_probe(parts.store),
        "redis": redis_probe(parts.redis),
        "migrations": migrations_probe(parts.store),
    }
    return probes if isolation is None else {**probes, "isolation": isolation.ready}
