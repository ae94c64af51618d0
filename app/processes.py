"""The processes: web, worker and gateway, each alone or all in one."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Collection, Mapping
from enum import StrEnum
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from app.http.server import bind, serving, url_of
from app.jobs.worker import create_worker
from app.settings import Settings
from app.telemetry import configure_logging, configure_tracing
from app.wiring import FlowForge, open_flowforge
from bot.errors import SettingsError

_REDIS_WAIT_SECONDS: Final = 1.0
_DRAIN_SECONDS: Final = 3.0
_CANCEL_SECONDS: Final = 0.5

log = structlog.get_logger(__name__)


class Role(StrEnum):
    """What one process can be; ``serve`` is all three."""

    WEB = "web"
    WORKER = "worker"
    GATEWAY = "gateway"


def worker_name() -> str:
    """This process's name in leases and executions."""
    return f"{socket.gethostname()}:{os.getpid()}"


@contextlib.asynccontextmanager
async def working(instance: FlowForge) -> AsyncIterator[None]:
    """Run the arq worker while the context lasts."""
    stop = asyncio.Event()
    task = asyncio.create_task(_work(instance, stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def _work(instance: FlowForge, stop: asyncio.Event) -> None:
    """Begin a new worker whenever arq's ends: when Redis goes away, or when it meets what it cannot read.

    Its ticks do not need Redis to come to their end, so they are left to it.
    """
    stopping = asyncio.create_task(stop.wait())
    ticks: set[asyncio.Task[Any]] = set()
    while not stop.is_set():
        worker = create_worker(instance.redis, instance.ticks)
        main = asyncio.create_task(worker.main())
        await asyncio.wait({main, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await _cancel({main})
        ticks = {tick for tick in (*ticks, *worker.tasks.values()) if not _ended(tick)}
        if not stop.is_set():
            error = None if main.cancelled() else main.exception()
            lost = isinstance(error, RedisError | OSError)
            log.warning("worker lost Redis" if lost else "worker failed", exc_info=None if lost else error)
            await asyncio.wait({stopping}, timeout=_REDIS_WAIT_SECONDS)
    # A moment for the ticks to come to their end; what is cut off is for the sweep of the next process.
    if ticks:
        await asyncio.wait(ticks, timeout=_DRAIN_SECONDS)
    await _cancel(ticks)


def _ended(tick: asyncio.Task[Any]) -> bool:
    """True for a task that is done; whether it could tell Redis so does not matter."""
    if not tick.done():
        return False
    if not tick.cancelled():
        tick.exception()  # looked at: asyncio complains about errors that nobody looked at
    return True


async def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel until it took: Python 3.11's ``asyncio.wait_for`` loses a cancellation that meets its result.

    https://github.com/python/cpython/issues/86296
    """
    while alive := [task for task in tasks if not _ended(task)]:
        for task in alive:
            task.cancel()
        await asyncio.wait(alive, timeout=_CANCEL_SECONDS)


@contextlib.asynccontextmanager
async def running(
    settings: Settings,
    roles: Mapping[Role, socket.socket | None],
) -> AsyncIterator[FlowForge]:
    """Play ``roles``, on the sockets given, while the context lasts."""
    async with contextlib.AsyncExitStack() as stack:
        instance = await stack.enter_async_context(open_flowforge(settings, worker=worker_name()))
        web, gateway = roles.get(Role.WEB), roles.get(Role.GATEWAY)
        if gateway is not None:
            await stack.enter_async_context(serving(instance.gateway, gateway))
        if web is not None:
            await stack.enter_async_context(serving(instance.service, web))
        if Role.WORKER in roles:
            await stack.enter_async_context(working(instance))
        yield instance


async def run_until_signal(settings: Settings, roles: frozenset[Role]) -> None:
    """Play ``roles`` until SIGINT or SIGTERM.

    Raises:
        SettingsError: an address cannot be listened on, or something cannot be made with these settings.
        StoreUnavailableError: the database does not answer.
    """
    configure_logging(settings.log_level)
    configure_tracing("flowforge", settings.otlp_endpoint)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with contextlib.ExitStack() as stack:
        sockets: dict[Role, socket.socket | None] = {}
        if Role.GATEWAY in roles:
            sockets[Role.GATEWAY] = stack.enter_context(_listener(settings.gateway_host, settings.gateway_port))
        if Role.WEB in roles:
            sockets[Role.WEB] = stack.enter_context(_listener(settings.host, settings.port))
        if Role.WORKER in roles:
            sockets[Role.WORKER] = None
        await _serve(settings, sockets, stop)
    log.info("stopped")


def _listener(host: str, port: int) -> socket.socket:
    try:
        return bind(host, port)
    except OSError as error:
        raise SettingsError(f"{host}:{port} cannot be listened on: {error.strerror}") from None


async def _serve(settings: Settings, sockets: Mapping[Role, socket.socket | None], stop: asyncio.Event) -> None:
    async with running(settings, sockets):
        listening = {role.value: url_of(listener) for role, listener in sockets.items() if listener is not None}
        log.info("started", roles=sorted(role.value for role in sockets), **listening)
        await stop.wait()
