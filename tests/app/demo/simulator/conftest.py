import asyncio
import base64
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from app.demo.simulator.server import Simulator
from app.demo.simulator.state import Account, PullRequest, Repository, Role

SECRET = "hook-secret"


@dataclass(slots=True)
class World:
    """A repository with a pull request in conflict, and the people around it."""

    sim: Simulator
    repository: Repository
    pull: PullRequest
    ada: Account
    eve: Account


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with Simulator.serve(tmp_path / "sim", webhook_secret=SECRET) as sim:
        ada, eve = sim.people.user("ada"), sim.people.user("eve")
        repository = await sim.people.repository(
            "acme/payments",
            files={"fee.py": "rate = 1\n", "README.md": "# Payments\n"},
            roles={ada: Role.WRITE, eve: Role.READ},
        )
        await sim.people.commit(repository, "feature", {"fee.py": "rate = 2\n"}, author=ada)
        await sim.people.commit(repository, "main", {"fee.py": "rate = 3\n"}, author=ada)
        pull = await sim.people.open_pull_request(repository, author=ada, head="feature", title="Raise the rate")
        yield World(sim=sim, repository=repository, pull=pull, ada=ada, eve=eve)
        assert sim.errors == []


def app_jwt(sim: Simulator, **changes: Any) -> str:
    now = int(time.time())
    claims = {"iat": now - 60, "exp": now + 540, "iss": str(sim.app.id)} | changes
    return jwt.encode(claims, sim.app.private_key_pem, algorithm="RS256")


class Bot:
    """A plain client that speaks as an installation with a down-scoped token."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self.http = httpx.AsyncClient(base_url=sim.base_url, trust_env=False, headers={"user-agent": "test"})
        self.token = ""

    async def as_app(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {app_jwt(self.sim)}"}
        return await self.http.request(method, path, headers=headers, **arguments)

    async def sign_in(self, repository: Repository, permissions: Mapping[str, str] | None = None) -> str:
        found = await self.as_app("GET", f"/repos/{repository.full_name}/installation")
        body = {"repository_ids": [repository.id], "permissions": dict(permissions or self.sim.app.permissions)}
        answer = await self.as_app("POST", f"/app/installations/{found.json()['id']}/access_tokens", json=body)
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
