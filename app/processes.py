"""The processes: web, worker and gateway, each alone or all in one."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Collection
from enum import StrEnum
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from app.http.server import Bounds, bind, serving, url_of
from app.isolation import proving
from app.jobs.queue import QUEUE_NAME
from app.jobs.worker import create_worker
from app.settings import GatewaySettings, ServiceSettings, load_settings
from app.telemetry import configure_logging, configure_tracing
from app.wiring import FlowForge, open_flowforge
from app.wiring_gateway import Gateway, open_gateway
from app.wiring_web import open_web
from bot.errors import SettingsError

_SANDBOXES: Final = Bounds(connections=1024, of_one_address=256, request_seconds=30.0)
"""What sandboxes may hold of the gateway. All those behind the doors of one worker have its address, and each of them
32 connections at most."""

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
            await _after_the_end(instance, None if main.cancelled() else main.exception())
            await asyncio.wait({stopping}, timeout=_REDIS_WAIT_SECONDS)
    # A moment for the ticks to come to their end; what is cut off is for the sweep of the next process.
    if ticks:
        await asyncio.wait(ticks, timeout=_DRAIN_SECONDS)
    await _cancel(ticks)


async def _after_the_end(instance: FlowForge, error: BaseException | None) -> None:
    """Say why arq's worker ended. A queue that it cannot read would end the next one too: the sweep rings anew."""
    if isinstance(error, RedisError | OSError):
        log.warning("worker lost Redis", error=str(error) or type(error).__name__)
        return
    log.error("worker failed; its queue is thrown away", exc_info=error)
    with contextlib.suppress(RedisError, OSError):
        await instance.redis.delete(QUEUE_NAME)


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
async def running(settings: ServiceSettings, *, web: socket.socket | None = None) -> AsyncIterator[FlowForge]:
    """Be a worker, and the web service on a socket as well if there is one, while the context lasts."""
    async with contextlib.AsyncExitStack() as stack:
        instance = await stack.enter_async_context(open_flowforge(settings, worker=worker_name()))
        if web is not None:
            await stack.enter_async_context(serving(instance.service, web, fast=True))
        await stack.enter_async_context(proving(instance.isolation))
        await stack.enter_async_context(working(instance))
        yield instance


@contextlib.asynccontextmanager
async def running_gateway(settings: GatewaySettings, listener: socket.socket) -> AsyncIterator[Gateway]:
    """Be the gateway on a socket while the context lasts."""
    async with open_gateway(settings) as gateway, serving(gateway.front, listener, bounds=_SANDBOXES):
        yield gateway


async def run_until_signal(roles: frozenset[Role]) -> None:
    """Play ``roles`` until SIGINT or SIGTERM, with the settings that these roles read and no others.

    Raises:
        SettingsError: settings are missing or wrong, an address cannot be listened on, or something cannot be made.
        StoreUnavailableError: the database does not answer.
    """
    service = load_settings(ServiceSettings) if roles & {Role.WEB, Role.WORKER} else None
    gateway = load_settings(GatewaySettings) if Role.GATEWAY in roles else None
    common = service or gateway
    if common is None:
        raise SettingsError("a process has to be something")
    configure_logging(common.log_level)
    configure_tracing("flowforge", common.otlp_endpoint)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        listening: dict[str, str] = {}
        if gateway is not None:
            front = _bound(stack, gateway.gateway_host, gateway.gateway_port, "gateway", listening)
            opened = await stack.enter_async_context(running_gateway(gateway, front))
            if Role.WEB not in roles:
                host, port = gateway.gateway_admin_host, gateway.gateway_admin_port
                watch = _bound(stack, host, port, "gateway_admin", listening)
                await stack.enter_async_context(serving(opened.watch, watch))
        if service is not None:
            await _serve(stack, service, roles, listening)
        log.info("started", roles=sorted(role.value for role in roles), **listening)
        await stop.wait()
    log.info("stopped")


async def _serve(
    stack: contextlib.AsyncExitStack, settings: ServiceSettings, roles: frozenset[Role], listening: dict[str, str]
) -> None:
    """Be web service, worker or both until ``stack`` ends. The web service alone can start no sandbox."""
    web = _bound(stack, settings.host, settings.port, "web", listening) if Role.WEB in roles else None
    if web is not None and Role.WORKER not in roles:
        service = await stack.enter_async_context(open_web(settings))
        await stack.enter_async_context(serving(service, web, fast=True))
        return
    instance = await stack.enter_async_context(running(settings, web=web))
    if web is None:
        watch = _bound(stack, settings.worker_host, settings.worker_port, "worker", listening)
        await stack.enter_async_context(serving(instance.watch, watch))


def _bound(
    stack: contextlib.AsyncExitStack, host: str, port: int, name: str, listening: dict[str, str]
) -> socket.socket:
    """A socket to listen on, closed with ``stack``; its address is put down under ``name``."""
    try:
        listener = bind(host, port)
    except OSError as error:
        raise SettingsError(f"{host}:{port} cannot be listened on: {error.strerror}") from None
    stack.callback(listener.close)
    listening[name] = url_of(listener)
    return listener
