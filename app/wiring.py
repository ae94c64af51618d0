"""A worker, wired: settings in, adapters opened, use cases bound. Only the wiring modules name adapters."""

import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from arq.connections import ArqRedis
from litestar import Litestar

from app.forge_meter import count_given_up
from app.forge_settings import GitLabHost, OAuthGrant
from app.grants import gitlab_tokens
from app.http.health import Probe
from app.http.proposals import Pages
from app.http.service import create_watch
from app.isolation import Isolation, isolation_of
from app.jobs.queue import ArqQueue, open_pool
from app.jobs.worker import Ticks
from app.probes import database_probe, migrations_probe, redis_probe, token_probe
from app.settings import ServiceSettings
from app.store.database import SqlStore
from app.system import SystemClock, SystemIds, SystemTimer
from app.telemetry import RUNS_ENDED, RunSpans, span
from app.wiring_events import bind_failures, bind_route, bind_sync, bind_watch
from app.wiring_forges import open_forges
from app.wiring_jobs import bind_jobs
from app.wiring_pages import open_pages, page_address
from app.wiring_parts import Parts, job_caps, keep
from app.wiring_sandboxes import open_runner
from app.wiring_sweeps import bind_sweeps
from app.wiring_web import create_web
from bot.git.adapter import GitMirrors
from bot.handlers.approvals import CountApprovals
from bot.handlers.bring import BringCommits
from bot.handlers.reporting import DeliverReport, RefreshReports
from bot.handlers.turns import TakeTurns
from bot.model.levels import LevelKind
from bot.model.runs import AgentProgress, RunTask, failure_class
from bot.ports.background import background
from bot.ports.forge import Forge
from bot.ports.runner import AgentRunner, Obstacle, RunLauncher
from bot.ports.system import Clock, Timer
from runners.supervise import Supervisor

_BLIND_SECONDS: Final = 180.0
_BLIND_SECONDS_HERE: Final = 30.0
"""How long a sandbox may be out of sight. One that outlives us goes on meanwhile, as a cluster does without its API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowForge:
    """A wired instance: the web application, the gateway's, what a worker does, and the parts tests look at."""

    settings: ServiceSettings
    store: SqlStore
    forge: Forge
    git: GitMirrors
    redis: ArqRedis
    runner: AgentRunner
    supervisor: Supervisor
    spans: RunSpans
    isolation: Isolation | None
    service: Litestar
    watch: Litestar
    ticks: Ticks


@contextlib.asynccontextmanager
async def open_flowforge(
    settings: ServiceSettings,
    *,
    worker: str,
    clock: Clock | None = None,
    runner: AgentRunner | None = None,
    guard: Obstacle | None = None,
    around: Callable[[Parts], Parts] | None = None,
    timer: Timer | None = None,
) -> AsyncIterator[FlowForge]:
    """Open every connection, bind every use case, and close all of it in the end.

    Args:
        settings: of this process.
        worker: names this process in leases and executions.
        clock: the machine's, unless given.
        runner: the backend that the settings name, unless given.
        guard: says why no sandbox may be started; the backend's isolation does, unless given.
        around: puts something around adapters, as a test does that wants to see each effect.
        timer: the machine's, unless given; by it the forge is asked no faster than it allows.

    Raises:
        SettingsError: something cannot be made with these settings.
        StoreUnavailableError: the database does not answer.
    """
    clock, ids = clock or SystemClock(), SystemIds()
    async with contextlib.AsyncExitStack() as stack:
        store = SqlStore.open(
            settings.database_url.get_secret_value(),
            clock,
            ids,
            caps=job_caps(settings),
            keep=keep(settings),
            limits=settings.database_limits,
        )
        stack.push_async_callback(store.close)
        redis = open_pool(settings.redis_url.get_secret_value())
        stack.push_async_callback(redis.aclose)
        forge = await open_forges(settings, store, clock, timer or SystemTimer(), stack)
        parts = Parts(
            settings=settings,
            clock=clock,
            ids=ids,
            store=store,
            redis=redis,
            queue=ArqQueue(redis),
            forge=forge,
            git=GitMirrors(settings.data_dir / "mirrors"),
            runner=runner or await open_runner(settings, stack, instance=store.instance_id),
            guard=guard,
        )
        parts = parts if around is None else around(parts)
        pages = await open_pages(settings, store=store, forge=parts.forge, queue=parts.queue, clock=clock, stack=stack)
        instance = _bind(parts, worker, pages)
        stack.callback(instance.spans.close)
        stack.push_async_callback(instance.supervisor.close)
        yield instance


def _bind(parts: Parts, worker: str, pages: Pages | None) -> FlowForge:
    settings, store, queue = parts.settings, parts.store, parts.queue
    refresh = RefreshReports(
        store=store,
        forge=parts.forge,
        git=parts.git,
        bring=BringCommits(forge=parts.forge, git=parts.git),
        count=CountApprovals(store=store, forge=parts.forge, paths=parts.git),
        queue=queue,
        clock=parts.clock,
        page_of=functools.partial(page_address, settings),
    )
    spans = RunSpans()
    isolation = isolation_of(settings, parts.runner, store=store, clock=parts.clock, ids=parts.ids)
    guard = parts.guard or (_free if isolation is None else isolation.reason)
    supervisor = _supervisor(parts, worker, queue, refresh, spans=spans, guard=guard)
    advance = bind_jobs(parts, _TracedLauncher(supervisor, spans), guard, queue, refresh)
    turns = TakeTurns(store=store, queue=queue, clock=parts.clock, advance=advance, refresh=refresh)
    route = bind_route(parts, advance, queue, refresh)
    deliver = DeliverReport(store=store, forge=parts.forge, clock=parts.clock, on_given_up=count_given_up)
    watch = bind_watch(parts, route.act, queue, route.notice)
    probes = _probes(parts, isolation)

    async def on_delivery(key: str) -> None:
        forge, _, delivery_id = key.partition(":")
        delivery = await store.deliveries.get(forge, delivery_id)
        # A ring brings the trace along; after a lost one, the row still has it.
        with span("route", parent=None if delivery is None else delivery.headers):
            await route(forge, delivery_id)

    async def on_base(key: str) -> None:
        with background():
            await watch(key)

    ticks = Ticks(
        on={
            "delivery": on_delivery,
            "job": functools.partial(turns, worker=worker),
            "report": deliver,
            LevelKind.BASE_SYNC.value: on_base,
            LevelKind.PR_SYNC.value: bind_sync(parts, route.act),
            LevelKind.CHECK_SYNC.value: bind_failures(parts, route.act),
        },
        sweeps=bind_sweeps(parts, supervisor, advance.conclude, route.notice, worker=worker),
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
        service=create_web(settings, store=store, queue=queue, clock=parts.clock, probes=probes, pages=pages),
        watch=create_watch({**probes, **_token_probes(parts)}),
        ticks=ticks,
    )


def _supervisor(
    parts: Parts, worker: str, queue: ArqQueue, refresh: RefreshReports, *, spans: RunSpans, guard: Obstacle
) -> Supervisor:
    settings, store = parts.settings, parts.store
    return Supervisor(
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


class _TracedLauncher:
    """``RunLauncher`` that gives each run a span, and its id to every log line about it."""

    def __init__(self, launcher: RunLauncher, spans: RunSpans) -> None:
        self._launcher = launcher
        self._spans = spans

    async def launch(self, task: RunTask, *, job_id: str) -> None:
        with self._spans.starting(run_id=task.run_id, job_id=job_id):
            await self._launcher.launch(task, job_id=job_id)


def _free() -> None:
    """The process backend is for development: nothing holds it back."""


def _token_probes(parts: Parts) -> dict[str, Probe]:
    """A probe for each forge whose token has to be renewed."""
    return {
        f"token of {host.name}": token_probe(gitlab_tokens(host, parts.store, parts.clock, SystemTimer()), host.name)
        for host in parts.settings.configured_forges
        if isinstance(host, GitLabHost) and isinstance(host.token, OAuthGrant)
    }


def _probes(parts: Parts, isolation: Isolation | None) -> dict[str, Probe]:
    probes = {
        "database": database_probe(parts.store),
        "redis": redis_probe(parts.redis),
        "migrations": migrations_probe(parts.store),
    }
    return probes if isolation is None else {**probes, "isolation": isolation.ready}
