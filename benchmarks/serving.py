"""Real server processes for the benchmarks of the intake: FlowForge's, and those that it is compared with."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

import psutil

from app.demo.simulator.settings import AppSpec
from benchmarks.load import Order, Outcome
from bot.forges.github.deliveries import DECODED_EVENTS

SECRET: Final = "a webhook secret of the benchmarks"  # noqa: S105 - made up
NPM_PACKAGES: Final = ("probot@14", "@octokit/webhooks-examples@7.6.1")
_START_SECONDS: Final = 60.0
_ROOT: Final = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server process and where it takes deliveries. ``helpers`` work for it, such as a database's server."""

    url: str
    process: psutil.Process
    helpers: Mapping[str, psutil.Process]

    def cpu_seconds(self) -> dict[str, float]:
        """Processor time used so far by the server and by each helper with its children."""
        named = {"server": self.process, **self.helpers}
        return {name: sum(_cpu(one) for one in _family(process)) for name, process in named.items()}

    def megabytes(self) -> float:
        """Resident memory of the server alone."""
        return self.process.memory_info().rss / 1e6


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _cpu(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return times.user + times.system
    return 0.0


def settings(directory: Path, *, database_url: str, redis_url: str) -> dict[str, str]:
    """The environment of ``flowforge web`` on a free port."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "PYTHONPATH": str(_ROOT),
        "FLOWFORGE_ENVIRONMENT": "development",
        "FLOWFORGE_DATA_DIR": str(directory),
        "FLOWFORGE_DATABASE_URL": database_url,
        "FLOWFORGE_REDIS_URL": redis_url,
        "FLOWFORGE_PORT": "0",
        "FLOWFORGE_GITHUB_APP_ID": "1",
        "FLOWFORGE_GITHUB_APP_SLUG": "flowforge",
        "FLOWFORGE_GITHUB_PRIVATE_KEY": AppSpec().private_key_pem,
        "FLOWFORGE_GITHUB_WEBHOOK_SECRETS": SECRET,
    }


@contextlib.asynccontextmanager
async def python_server(
    *command: str, environment: Mapping[str, str], path: str, helpers: Mapping[str, psutil.Process] | None = None
) -> AsyncIterator[Server]:
    """A server of ours, ``python -m command``, until the context ends; it says its address as ``flowforge web`` does.

    Raises:
        RuntimeError: it did not start; with what it said.
    """
    log = Path(environment["FLOWFORGE_DATA_DIR"]) / f"{command[0]}-{time.time_ns()}.log"
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *command, env=dict(environment), stdin=subprocess.DEVNULL, stderr=stream
        )
    try:
        started = json.loads(await _said(process, log, '"started"'))
        yield Server(url=started["web"] + path, process=psutil.Process(process.pid), helpers=helpers or {})
    finally:
        await _stop(process)


async def _said(process: asyncio.subprocess.Process, log: Path, what: str) -> str:
    """The first line of ``log`` with ``what`` in it. Raises ``RuntimeError`` when the process ends before."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.returncode is None:
        for line in _text(log).splitlines():
            if what in line:
                return line
        await asyncio.sleep(0.05)
    raise RuntimeError(f"the server did not start: {_text(log)[-2000:]}")


def _text(log: Path) -> str:
    return log.read_text("utf-8")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


@contextlib.asynccontextmanager
async def probot(modules: Path) -> AsyncIterator[Server]:
    """The Probot application, in a directory where it is installed. Raises ``RuntimeError`` when it does not start."""
    shutil.copy(Path(__file__).parent / "probot.mjs", modules)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "NODE_ENV": "production",
        "APP_ID": "1",
        "PRIVATE_KEY": AppSpec().private_key_pem,
        "WEBHOOK_SECRET": SECRET,
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }
    log = modules / "probot.log"
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(
            "node", "probot.mjs", cwd=modules, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
        )
    try:
        await _said(process, log, "Listening")
        url = f"http://127.0.0.1:{port}/api/github/webhooks"
        yield Server(url=url, process=psutil.Process(process.pid), helpers={})
    finally:
        await _stop(process)


def install_npm(directory: Path) -> str | None:
    """Install Probot and GitHub's example payloads into ``directory``; else a sentence that says why not."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return "Node and npm are not installed"
    command = ["npm", "install", "--no-audit", "--no-fund", "--silent", *NPM_PACKAGES]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"npm could not install: {done.stderr.strip()[-300:]}"


def example_payloads(modules: Path) -> list[tuple[str, str]]:
    """GitHub's examples of the events that FlowForge uses: events, and bodies without spaces, as GitHub sends them."""
    index = modules / "node_modules/@octokit/webhooks-examples/api.github.com/index.json"
    return [
        (event["name"], json.dumps(example, separators=(",", ":")))
        for event in json.loads(index.read_text("utf-8"))
        for example in event["examples"]
        if event["name"] in DECODED_EVENTS
    ]


def write_payloads(path: Path, payloads: list[tuple[str, str]]) -> None:
    """The file that ``benchmarks.load`` reads."""
    path.write_text("".join(json.dumps(one) + "\n" for one in payloads), "utf-8")


@contextlib.asynccontextmanager
async def loading(order: Order) -> AsyncIterator[asyncio.Task[Outcome]]:
    """A load in a process of its own, whose outcome the task has in the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.load"),
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    task = asyncio.create_task(_outcome(process, order))
    try:
        yield task
        await task
    finally:
        await _stop(process)


async def _outcome(process: asyncio.subprocess.Process, order: Order) -> Outcome:
    said, _ = await process.communicate(json.dumps(asdict(order)).encode())
    if process.returncode != 0:
        raise RuntimeError("the load broke off; see above")
    found = json.loads(said)
    return Outcome(**{one.name: found[one.name] for one in fields(Outcome)})


async def load(order: Order) -> Outcome:
    """The outcome of a load in a process of its own."""
    async with loading(order) as task:
        return await task
