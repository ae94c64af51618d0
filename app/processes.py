"""The processes: web, worker and gateway, each alone or all in one."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from enum import StrEnum

import structlog
from arq.worker import Worker

from app.http.server import bind, serving, url_of
from app.jobs.worker import create_worker
from app.settings import Settings
from app.telemetry import configure_logging, configure_tracing
from app.wiring import FlowForge, open_flowforge

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
    """Run the arq worker while the context lasts; its failure ends the context."""
    worker: Worker = create_worker(instance.redis, instance.ticks)
    task = asyncio.create_task(worker.main())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


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
    """Play ``roles`` until SIGINT or SIGTERM."""
    configure_logging(settings.log_level)
    configure_tracing("flowforge", settings.otlp_endpoint)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    sockets: dict[Role, socket.socket | None] = {}
    if Role.GATEWAY in roles:
        sockets[Role.GATEWAY] = bind(settings.gateway_host, settings.gateway_port)
    if Role.WEB in roles:
        sockets[Role.WEB] = bind(settings.host, settings.port)
    if Role.WORKER in roles:
        sockets[Role.WORKER] = None
    async with running(settings, sockets):
        listening = {role.value: url_of(listener) for role, listener in sockets.items() if listener is not None}
        log.info("started", roles=sorted(role.value for role in roles), **listening)
        await stop.wait()
    log.info("stopped")
