"""The real processes: they start, say that they are well, take their signals, and leave nothing behind."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from app.demo.redis_server import embedded_redis
from app.store.migrate import upgrade
from tests.app.jobs.parts import KEY, WEBHOOK_SECRET

WAIT = 60.0
SERVICE = {
    "FLOWFORGE_ENVIRONMENT": "development",
    "FLOWFORGE_GITHUB_APP_ID": "1",
    "FLOWFORGE_GITHUB_APP_SLUG": "flowforge",
    "FLOWFORGE_GITHUB_PRIVATE_KEY": KEY,
    "FLOWFORGE_GITHUB_WEBHOOK_SECRETS": WEBHOOK_SECRET,
    "FLOWFORGE_PORT": "0",
}
GATEWAY = {"FLOWFORGE_ANTHROPIC_API_KEY": "sk-ant-never-shown-0123456789", "FLOWFORGE_GATEWAY_PORT": "0"}


@dataclass(slots=True, kw_only=True)
class Program:
    """``flowforge`` as a process of its own; ``said`` are its log lines so far."""

    process: asyncio.subprocess.Process
    said: list[str]

    async def line(self) -> str:
        assert self.process.stderr is not None
        line = (await asyncio.wait_for(self.process.stderr.readline(), WAIT)).decode()
        self.said.append(line)
        return line

    async def until(self, event: str) -> dict[str, Any]:
        while line := await self.line():
            with contextlib.suppress(ValueError):
                if (found := json.loads(line))["event"] == event:
                    return found  # type: ignore[no-any-return]  # one of our own log lines
        raise AssertionError(f"it never said {event!r}: {self.said}")

    async def ended(self) -> int:
        while await self.line():
            pass
        return await asyncio.wait_for(self.process.wait(), WAIT)


@contextlib.asynccontextmanager
async def flowforge(directory: Path, role: str, **environment: str) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "app.cli", role),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={
            "PATH": os.defpath,
            "HOME": str(directory),
            "FLOWFORGE_DATA_DIR": str(directory / "data"),
            "FLOWFORGE_DATABASE_URL": f"sqlite:///{directory / 'flowforge.db'}",
            "FLOWFORGE_REDIS_URL": f"unix://{directory / 'redis' / 'redis.sock'}",
            **environment,
        },
    )
    try:
        yield Program(process=process, said=[])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        # asyncio closes the pipe's transport only once it has seen its end.
        assert process.stderr is not None
        await process.stderr.read()


async def test_serve_is_everything_in_one_process_and_ends_on_a_signal(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    await upgrade(f"sqlite:///{tmp_path / 'flowforge.db'}")
    async with embedded_redis(tmp_path / "redis"), flowforge(tmp_path, "serve", **SERVICE, **GATEWAY) as program:
        started = await program.until("started")
        assert started["roles"] == ["gateway", "web", "worker"]
        async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
            ready = await http.get(f"{started['web']}/health/ready")
            assert (ready.status_code, set(ready.json().values())) == (200, {"ok"})
            assert (await http.get(f"{started['gateway']}/v1/models")).status_code in {401, 403}
        children = psutil.Process(program.process.pid).children(recursive=True)
        program.process.send_signal(signal.SIGTERM)
        assert await program.ended() == 0
        assert json.loads(program.said[-2])["event"] == "stopped"
        assert not any(child.is_running() for child in children)
    said = "".join(program.said)
    assert all(json.loads(line) for line in program.said[:-1]), "nothing but JSON lines"
    for secret in ("sk-ant-never", WEBHOOK_SECRET, "PRIVATE KEY"):
        assert secret not in said


async def test_web_takes_deliveries_while_redis_is_away(tmp_path: Path) -> None:
    await upgrade(f"sqlite:///{tmp_path / 'flowforge.db'}")
    async with flowforge(tmp_path, "web", **SERVICE) as program:
        started = await program.until("started")
        assert "gateway" not in started
        async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
            assert (await http.get(f"{started['web']}/health/live")).status_code == 200
            assert (await http.get(f"{started['web']}/health/ready")).json()["redis"] == "Redis does not answer"
        program.process.send_signal(signal.SIGINT)
        assert await program.ended() == 0


async def test_an_address_in_use_is_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        async with flowforge(tmp_path, "gateway", **GATEWAY | {"FLOWFORGE_GATEWAY_PORT": port}) as program:
            assert await program.ended() == 1
    said = "".join(program.said)
    assert f"127.0.0.1:{port} cannot be listened on" in said
    assert "Traceback" not in said
