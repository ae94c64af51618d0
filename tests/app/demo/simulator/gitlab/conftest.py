import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import gitlab
import httpx
import pytest

from app.demo.simulator.gitlab.server import GitLabSimulator
from app.demo.simulator.state import Account, PullRequest, Repository, Role
from tests.app.demo.simulator.conftest import HandSetClock
from tests.contracts.gitlab import validate_payload, validate_record

T = TypeVar("T")
SECRET = "a-secret-token-of-the-hook"
SIGNING = f"whsec_{base64.b64encode(b'k' * 32).decode()}"
PATH = "acme%2Fpay%2Fcore"


@dataclass(slots=True)
class Lab:
    """A project in nested groups with a merge request in conflict, the people around it, and a client as the bot."""

    sim: GitLabSimulator
    project: Repository
    pull: PullRequest
    ada: Account
    eve: Account
    clock: HandSetClock
    http: httpx.AsyncClient

    async def __call__(self, method: str, path: str, *, token: str | None = None, **arguments: Any) -> httpx.Response:
        """A request as the bot, or as whoever has ``token``; as nobody with an empty one."""
        given = self.sim.token if token is None else token
        headers = {"private-token": given} if given else {}
        return await self.http.request(method, f"/api/v4{path}", headers=headers, **arguments)

    async def ask(self, question: Callable[[gitlab.Gitlab], T], *, token: str | None = None) -> T:
        """What python-gitlab makes of it."""
        return await asyncio.to_thread(self._ask, question, token or self.sim.token)

    def _ask(self, question: Callable[[gitlab.Gitlab], T], token: str) -> T:
        with gitlab.Gitlab(self.sim.base_url, private_token=token, retry_transient_errors=False) as client:
            return question(client)


@pytest.fixture
def clock() -> HandSetClock:
    return HandSetClock()


@pytest.fixture
async def lab(tmp_path: Path, clock: HandSetClock) -> AsyncIterator[Lab]:
    serving = GitLabSimulator.serve(tmp_path / "sim", webhook_secret=SECRET, signing_token=SIGNING, clock=clock)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with (
        serving as sim,
        httpx.AsyncClient(timeout=60, base_url=sim.base_url, trust_env=False, verify=context) as http,
    ):
        ada, eve = sim.people.user("ada"), sim.people.user("eve")
        project = await sim.people.repository(
            "acme/pay/core",
            files={"fee.py": "rate = 1\n", "src/ä b.txt": "text"},
            roles={ada: Role.WRITE, eve: Role.READ},
        )
        await sim.people.commit(project, "feature", {"fee.py": "rate = 2\n"}, author=ada)
        await sim.people.commit(project, "main", {"fee.py": "rate = 3\n"}, author=ada)
        pull = await sim.people.open_pull_request(project, author=ada, head="feature", title="Raise the rate")
        yield Lab(sim=sim, project=project, pull=pull, ada=ada, eve=eve, clock=clock, http=http)
        assert sim.errors == []
        assert list(validate_record(sim.record)) == []
        assert [fault for one in sim.webhooks.deliveries for fault in validate_payload(one.event, one.payload)] == []
