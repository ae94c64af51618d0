"""``flowforge serve`` as a process of its own, whose log a test reads while it is written."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil

WAIT = 150.0


class Service:
    """The running process; ``said`` are the lines of its log so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.said: list[str] = []
        self.web = ""
        self._process = process
        self._more = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def children(self) -> list[psutil.Process]:
        return psutil.Process(self._process.pid).children(recursive=True)

    async def until(self, event: str) -> dict[str, Any]:
        """The first line of the log that has this event; it may have been written already."""
        async with asyncio.timeout(WAIT), self._more:
            await self._more.wait_for(lambda: self._find(event) is not None or self._reading.done())
        found = self._find(event)
        assert found is not None, f"it never said {event!r}: {self.said[-20:]}"
        return found

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT):
            await self._reading
            return await self._process.wait()

    async def close(self) -> None:
        """SIGKILL, where it has not ended."""
        if self.alive:
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stderr is not None
        while line := await self._process.stderr.readline():
            async with self._more:
                self.said.append(line.decode())
                self._more.notify_all()
        async with self._more:
            self._more.notify_all()

    def _find(self, event: str) -> dict[str, Any] | None:
        for line in self.said:
            with contextlib.suppress(ValueError):
                found = json.loads(line)
                if found["event"] == event:
                    return found  # type: ignore[no-any-return]  # one of our own log lines
        return None


def free_port() -> int:
    """A port that was free a moment ago: the gateway's address has to be known before the gateway is there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextlib.asynccontextmanager
async def serving(directory: Path, environment: dict[str, str]) -> AsyncIterator[Service]:
    """Start it, wait until it listens; it must still live in the end, and end well when it is told to."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "serve"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.defpath, "HOME": str(directory), "FLOWFORGE_DATA_DIR": str(directory / "data"), **environment},
    )
    service = Service(process)
    try:
        service.web = (await service.until("started"))["web"]
        yield service
        assert service.alive, "the process did not live on"
        assert await service.stop() == 0
    finally:
        await service.close()
        sys.stderr.writelines(service.said)  # for whoever reads why a test failed
