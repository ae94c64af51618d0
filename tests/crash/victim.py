"""The process that is killed: the real service, started in an instant because everything is imported already.

``python -m tests.crash.victim`` is a zygote. It reads one JSON object a line: each is an order for one service, which
runs in a child of its own. It writes ``{"ready": pid}`` first, ``{"started": pid}`` for each service, and
``{"ended": pid, "status": n}`` when one is gone.
"""

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.http.server import bind, serving
from app.isolation import proving
from app.processes import worker_name, working
from app.settings import GatewaySettings, ServiceSettings
from app.telemetry import configure_logging
from app.wiring import open_flowforge
from app.wiring_gateway import open_gateway
from app.wiring_parts import Parts
from bot.direct.client import AnthropicDirect
from tests.crash.clock import SharedClock
from tests.crash.flaws import FLAWS
from tests.crash.witness import Witness

LOADED = (AnthropicDirect,)
"""Loaded here, once: a service by itself does that when it asks the model for the first time."""


async def gateway(order: dict[str, Any]) -> None:
    """Be the gateway until SIGTERM; the order is as for ``serve``."""
    settings = GatewaySettings.model_validate(order["settings"])
    witness = Witness(Path(order["log"]), point=order["point"]) if order["log"] else None
    stop = _stop()
    async with contextlib.AsyncExitStack() as stack:
        front = bind(settings.gateway_host, settings.gateway_port)
        stack.callback(front.close)
        around = None if witness is None else witness.around_store
        opened = await stack.enter_async_context(open_gateway(settings, around=around))
        await stack.enter_async_context(serving(opened.front, front))
        await stop.wait()


async def serve(order: dict[str, Any]) -> None:
    """Be web service and worker, as ``flowforge serve`` is, until SIGTERM.

    The order names the settings, the clock's file, where points are written down (if at all) and at which to die.
    """
    settings = ServiceSettings.model_validate(order["settings"])
    clock = SharedClock(Path(order["clock"]))
    witness = Witness(Path(order["log"]), point=order["point"]) if order["log"] else None
    flaw = FLAWS[order["flaw"]] if order["flaw"] else None

    def around(parts: Parts) -> Parts:
        flawed = parts if flaw is None else flaw(parts)
        return flawed if witness is None else witness.around(flawed)

    stop = _stop()
    async with contextlib.AsyncExitStack() as stack:
        web = bind(settings.host, settings.port)
        stack.callback(web.close)
        instance = await stack.enter_async_context(
            open_flowforge(settings, worker=worker_name(), clock=clock, around=around)
        )
        await stack.enter_async_context(serving(instance.service, web))
        await stack.enter_async_context(proving(instance.isolation))
        await stack.enter_async_context(working(instance))
        await stop.wait()


def _stop() -> asyncio.Event:
    """Set by SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    return stop


def _child(order: dict[str, Any]) -> None:
    """Become the service; never returns."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(nothing, 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.closerange(3, 64)
        os.environ["TMPDIR"] = order["tmp"]
        configure_logging("INFO", sys.stderr)
        asyncio.run(gateway(order) if order["gateway"] else serve(order))
        status = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        sys.stderr.flush()
        os._exit(status)


def _tell(**words: int) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def _bury() -> Iterator[int]:
    with contextlib.suppress(ChildProcessError):
        while (dead := os.waitpid(-1, os.WNOHANG))[0]:
            _tell(ended=dead[0], status=os.waitstatus_to_exitcode(dead[1]))
            yield dead[0]


def main() -> None:
    """Take orders until the input ends; then end what still runs."""
    woken, wakes = socket.socketpair()
    woken.setblocking(False)
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    alive: set[int] = set()
    _tell(ready=os.getpid())
    rest = b""
    while True:
        ready, _, _ = select.select([0, woken.fileno()], [], [])
        if woken.fileno() in ready:
            woken.recv(4096)
            alive -= set(_bury())
        if 0 in ready:
            said = os.read(0, 1 << 16)
            if not said:
                break
            *lines, rest = (rest + said).split(b"\n")
            for line in lines:
                pid = os.fork()
                if pid == 0:
                    _child(json.loads(line))
                alive.add(pid)
                _tell(started=pid)
    for pid in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
