"""A redis-server that a test kills and starts again."""

import asyncio
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.demo.redis_server import find_redis_server

WAIT = 60.0


class RedisProcess:
    """One server on a unix socket; it keeps nothing on disk, so what it forgets in a kill is lost."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._socket = directory / "redis.sock"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = await asyncio.create_subprocess_exec(
            str(find_redis_server()),
            *("--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"),
            *("--dir", str(self._directory), "--save", "", "--appendonly", "no"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(WAIT):
            while not await self._answers():  # noqa: ASYNC110 - a server that starts tells nobody
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """SIGKILL; nothing is written down."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def flush(self) -> None:
        """Forget everything while all connections stay."""
        async with Redis.from_url(self.url) as redis:
            await redis.flushall()

    async def _answers(self) -> bool:
        try:
            async with Redis.from_url(self.url) as redis:
                return bool(await redis.ping())
        except (RedisError, OSError):
            return False
