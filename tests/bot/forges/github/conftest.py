"""An App with a key of its own, a clock that is set by hand, and a client whose sleeps are only noted down."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import respx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.forges.github.client import GitHubClient
from bot.forges.github.transport import open_http
from bot.model.forge import ForgeKind, RepositoryRef
from tests.bot.forges.github import samples

API = "https://api.github.test/api/v3"
REPOSITORY = RepositoryRef(forge=ForgeKind.GITHUB, id=1296269, owner="octo-org", name="hello.world", installation_id=99)
TOKEN = "ghs_4711_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJl"
MINT = "/app/installations/99/access_tokens"
EXPIRES = "2026-11-23T15:00:00Z"


@dataclass
class HandSetClock:
    """A clock that stands still until it is moved."""

    time: datetime = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)

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


@pytest.fixture(scope="session")
def private_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def private_key_pem(private_key: RSAPrivateKey) -> str:
    return private_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


@pytest.fixture
def clock() -> HandSetClock:
    return HandSetClock()


@pytest.fixture
def sleeps() -> Sleeps:
    return Sleeps()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with open_http(API) as client:
        yield client


@pytest.fixture
def client(http: httpx.AsyncClient, private_key_pem: str, clock: HandSetClock, sleeps: Sleeps) -> GitHubClient:
    return GitHubClient(
        http, base_url=API, app_id=samples.APP_ID, private_key_pem=private_key_pem, clock=clock, sleep=sleeps
    )


@pytest.fixture
def github() -> Iterator[respx.MockRouter]:
    """GitHub's API, at which tokens are minted (route "mint"), each another one: ``TOKEN`` and a number.

    A request that is not expected fails the test.
    """
    numbers = iter(range(1, 1000))
    with respx.mock(base_url=API, assert_all_called=False) as router:
        router.post(MINT, name="mint").mock(
            side_effect=lambda _: httpx.Response(201, json={"token": f"{TOKEN}{next(numbers)}", "expires_at": EXPIRES})
        )
        yield router
