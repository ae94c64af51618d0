"""Our end of the zygote (``tests.crash.victim``): services are started in it, and their deaths are told by it."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True, kw_only=True)
class Service:
    """One service that was started."""

    pid: int
    ended: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def wait(self) -> int:
        """Its exit status, once it ended; a signal's number is negative."""
        return await asyncio.shield(self.ended)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it is gone, be it that nobody heard of that yet."""
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class Zygote:
    """Starts services."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._services: dict[int, Service] = {}
        self._started: asyncio.Queue[int] = asyncio.Queue()
        self._ordering = asyncio.Lock()
        self._ready = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> "AsyncIterator[Zygote]":
        """A zygote, gone in the end with all that it started."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.crash.victim"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
        )
        zygote = cls(process)
        try:
            await zygote._ready.wait()
            yield zygote
        finally:
            if process.stdin is not None:
                process.stdin.close()
            await process.wait()
            await zygote._listening

    async def start(self, order: Mapping[str, Any]) -> Service:
        """Start a service by an order of ``tests.crash.victim``."""
        pipe = self._process.stdin
        assert pipe is not None
        async with self._ordering:
            pipe.write(json.dumps(order).encode() + b"\n")
            await pipe.drain()
            return self._services[await self._started.get()]

    async def _listen(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        while line := await pipe.readline():
            told = json.loads(line)
            if "ready" in told:
                self._ready.set()
            elif "started" in told:
                self._services[told["started"]] = Service(pid=told["started"])
                self._started.put_nowait(told["started"])
            else:
                self._services.pop(told["ended"]).ended.set_result(told["status"])
