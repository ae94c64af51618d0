import asyncio
import base64
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from app.demo.simulator.server import Simulator
from app.demo.simulator.state import Account, PullRequest, Repository, Role
from tests.contracts.github import validate_exchange, validate_sent, validate_webhook

SECRET = "hook-secret"
REPO = "/repos/acme/payments"


@dataclass(slots=True)
class HandSetClock:
    """A clock that stands still until a test moves it."""

    time: datetime = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def pass_by(self, **span: float) -> None:
        self.time += timedelta(**span)


@dataclass(frozen=True, slots=True)
class Received:
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """Listens for webhooks and answers with ``status``; with ``gate`` cleared it lets them wait."""

    url: str = ""
    status: int = 202
    received: list[Received] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b"":
            lines = head.decode().split("\r\n")[1:-2]
            headers = {name.casefold(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.received.append(Received(headers, body))
            writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
            await writer.drain()
            break
        writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    one = Receiver()
    server = await asyncio.start_server(one.answer, "127.0.0.1", 0)
    async with server:
        one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/webhooks/github"
        yield one


@dataclass(slots=True)
class World:
    """A repository with a pull request in conflict, and the people around it."""

    sim: Simulator
    repository: Repository
    pull: PullRequest
    ada: Account
    eve: Account
    clock: HandSetClock


@pytest.fixture
def clock() -> HandSetClock:
    return HandSetClock()


@pytest.fixture
async def world(tmp_path: Path, clock: HandSetClock) -> AsyncIterator[World]:
    async with Simulator.serve(tmp_path / "sim", webhook_secret=SECRET, clock=clock) as sim:
        ada, eve = sim.people.user("ada"), sim.people.user("eve")
        repository = await sim.people.repository(
            "acme/payments",
            files={"fee.py": "rate = 1\n", "README.md": "# Payments\n"},
            roles={ada: Role.WRITE, eve: Role.READ},
        )
        await sim.people.commit(repository, "feature", {"fee.py": "rate = 2\n"}, author=ada)
        await sim.people.commit(repository, "main", {"fee.py": "rate = 3\n"}, author=ada)
        pull = await sim.people.open_pull_request(repository, author=ada, head="feature", title="Raise the rate")
        yield World(sim=sim, repository=repository, pull=pull, ada=ada, eve=eve, clock=clock)
        assert_answers(sim)


def assert_answers(sim: Simulator) -> None:
    """All that the simulator said and sent is as GitHub describes it; what a test asked on purpose need not be."""
    assert sim.errors == []
    faults = [
        fault
        for exchange in sim.record.exchanges
        for fault in validate_exchange(exchange)
        if exchange.status < 300 or ": answer" in fault
    ]
    assert faults == []
    assert [fault for one in sim.webhooks.deliveries for fault in validate_webhook(one.event, one.payload)] == []
    assert [fault for one in sim.record.webhooks for fault in validate_sent(one)] == []


def app_jwt(sim: Simulator, **changes: Any) -> str:
    now = int(sim.world.clock.now().timestamp())
    claims = {"iat": now - 60, "exp": now + 540, "iss": str(sim.app.id)} | changes
    return jwt.encode(claims, sim.app.private_key_pem, algorithm="RS256")


class Bot:
    """A plain client that speaks as an installation with a down-scoped token."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.http = httpx.AsyncClient(
            base_url=sim.base_url, trust_env=False, verify=context, headers={"user-agent": "test"}
        )
        self.token = ""

    async def as_app(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {app_jwt(self.sim)}"}
        return await self.http.request(method, path, headers=headers, **arguments)

    async def token_for(self, body: Mapping[str, Any]) -> httpx.Response:
        (installation,) = self.sim.world.installations.values()
        return await self.as_app("POST", f"/app/installations/{installation.id}/access_tokens", json=body)

    async def sign_in(self, repository: Repository, permissions: Mapping[str, str] | None = None) -> str:
        rights = dict(self.sim.app.permissions if permissions is None else permissions)
        answer = await self.token_for({"repository_ids": [repository.id], "permissions": rights})
        assert answer.status_code == 201, answer.text
        self.token = answer.json()["token"]
        return self.token

    async def __call__(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"authorization": f"token {self.token}"} | arguments.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **arguments)


@pytest.fixture
async def bot(world: World) -> AsyncIterator[Bot]:
    one = Bot(world.sim)
    async with one.http:
        await one.sign_in(world.repository)
        yield one


@dataclass(frozen=True, slots=True)
class GitResult:
    status: int
    out: str
    err: str


async def git(directory: Path, *arguments: str, token: str = "", stdin: bytes = b"") -> GitResult:
    """Run git as a client would, the credential in the environment only."""
    secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "t",
        "GIT_AUTHOR_EMAIL": "t@example.org",
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@example.org",
    }
    if token:
        environment |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {secret}",
        }
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        cwd=directory,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin)
    return GitResult(process.returncode or 0, out.decode(), err.decode())
