"""A client at a GitLab that is played at the edge, a clock that is set by hand, and sleeps that are only noted down."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.models import PreparedRequest

from bot.forges.gitlab.client import GitLabClient
from bot.forges.gitlab.forge import GitLabForge
from bot.model.forge import ForgeKind, RepositoryRef
from tests.bot.forges.gitlab import samples
from tests.bot.forges.gitlab.wire import BASE, OWN, TOKEN, Wire, reply

WEBHOOK = "https://bot.example.com/webhooks/gitlab"
REPOSITORY = RepositoryRef(
    forge=ForgeKind.GITLAB,
    id=samples.PROJECT_ID,
    owner="harbour/tools",
    name="crane.control",
    installation_id=0,
)


@dataclass
class HandSetClock:
    """A clock that stands still until it is moved."""

    time: datetime = datetime(2026, 11, 29, 8, 15, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def move(self, **by: float) -> None:
        self.time += timedelta(**by)


@dataclass
class Sleeps:
    """An asynchronous sleep that takes no time and remembers what was asked for."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def clock() -> HandSetClock:
    return HandSetClock()


@pytest.fixture
def sleeps() -> Sleeps:
    return Sleeps()


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """GitLab, where its user is known. Nothing reaches the network."""
    played = Wire()
    played.on("GET", "/user", reply(OWN))

    def send(_: HTTPAdapter, request: PreparedRequest, **__: Any) -> requests.Response:
        return played.send(request)

    monkeypatch.setattr(HTTPAdapter, "send", send)
    return played


@pytest.fixture
def client(wire: Wire, clock: HandSetClock, sleeps: Sleeps) -> Iterator[GitLabClient]:
    assert wire is not None
    opened = GitLabClient(base_url=BASE, token=TOKEN, clock=clock, sleep=sleeps)
    yield opened
    opened.close()


@pytest.fixture
def forge(client: GitLabClient, clock: HandSetClock, sleeps: Sleeps) -> GitLabForge:
    return GitLabForge(client, clock=clock, webhook_url=WEBHOOK, sleep=sleeps)
