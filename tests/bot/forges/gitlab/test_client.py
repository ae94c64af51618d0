"""One exchange with GitLab: where it goes, what carries the token, and what comes of every kind of failure."""

from datetime import UTC, datetime

import pytest
import requests
from msgspec import Struct

from bot.errors import (
    ForgeLimitedError,
    ForgeNotFoundError,
    ForgeRefusedError,
    ForgeUnavailableError,
    SettingsError,
)
from bot.forges.gitlab.client import BACKOFF, GitLabClient
from bot.forges.gitlab.failures import failure
from bot.ports.background import background
from tests.bot.forges.gitlab.conftest import HandSetClock, Sleeps
from tests.bot.forges.gitlab.wire import API, BASE, TOKEN, Wire, reply

NOW = datetime(2026, 11, 29, 8, 15, tzinfo=UTC)


class Thing(Struct, frozen=True):
    id: int


async def test_the_token_goes_as_a_bearers_and_nowhere_else(client: GitLabClient, wire: Wire) -> None:
    wire.on("GET", "/projects/1", reply({"id": 1}))
    assert await client.get("/projects/1", Thing, all=True) == Thing(1)
    (asked,) = wire.asked
    assert asked.url == f"{API}/projects/1?all=true"
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert "PRIVATE-TOKEN" not in asked.headers
    assert TOKEN not in asked.url


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(client: GitLabClient, wire: Wire, status: int) -> None:
    wire.on("GET", "/projects/1", reply(status=status, location="https://elsewhere.test/steal"))
    with pytest.raises(ForgeRefusedError) as raised:
        await client.get("/projects/1", Thing)
    assert raised.value.status == status
    assert len(wire.asked) == 1


async def test_a_cookie_is_not_kept(client: GitLabClient, wire: Wire) -> None:
    wire.on("GET", "/projects/1", reply({"id": 1}, set_cookie="_gitlab_session=abc; path=/"))
    for _ in range(2):
        await client.get("/projects/1", Thing)
    assert "Cookie" not in wire.asked[1].headers


async def test_a_list_is_read_by_numbers_never_by_its_links(client: GitLabClient, wire: Wire) -> None:
    link = f'<{BASE}/api/v4/elsewhere?page=2>; rel="next"'
    wire.on(
        "GET",
        "/projects/1/things",
        reply([{"id": 1}], x_next_page="2", link=link),
        reply([{"id": 2}], x_next_page="", link=link),
    )
    found = [one.id async for page in client.pages("/projects/1/things", list[Thing]) for one in page]
    assert found == [1, 2]
    assert [one.query["page"] for one in wire.asked] == ["1", "2"]


async def test_a_list_whose_proxy_cuts_headers_ends_with_its_first_short_page(client: GitLabClient, wire: Wire) -> None:
    wire.on("GET", "/things", reply([{"id": 1}] * 100), reply([{"id": 2}]))
    assert len([page async for page in client.pages("/things", list[Thing])]) == 2


async def test_a_passing_failure_is_tried_again_where_that_does_no_harm(
    client: GitLabClient, wire: Wire, sleeps: Sleeps
) -> None:
    wire.on("GET", "/projects/1", reply(status=502), requests.ConnectionError("x"), reply({"id": 1}))
    assert await client.get("/projects/1", Thing) == Thing(1)
    assert sleeps.seconds == list(BACKOFF[:2])


@pytest.mark.parametrize("answer", [reply(status=502), requests.ConnectionError("x"), requests.Timeout("x")])
async def test_what_creates_is_never_repeated(
    client: GitLabClient, wire: Wire, answer: tuple[int, dict[str, str], bytes] | Exception
) -> None:
    wire.on("POST", "/things", answer)
    with pytest.raises(ForgeUnavailableError):
        await client.send("post", "/things", Thing, data={"a": 1}, idempotent=False)
    assert len(wire.asked) == 1


async def test_a_refusal_says_why_and_hides_secrets(client: GitLabClient, wire: Wire) -> None:
    wire.on("GET", "/projects/1", reply({"message": {"base": [f"no, {TOKEN} may not"]}}, 403))
    with pytest.raises(ForgeRefusedError) as raised:
        await client.get("/projects/1", Thing)
    assert raised.value.status == 403
    assert "may not" in str(raised.value)
    assert TOKEN not in str(raised.value)
    assert raised.value.__context__ is None or TOKEN not in repr(raised.value.__context__)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, ForgeRefusedError),
        (401, ForgeRefusedError),
        (403, ForgeRefusedError),
        (404, ForgeNotFoundError),
        (409, ForgeRefusedError),
        (410, ForgeNotFoundError),
        (422, ForgeRefusedError),
        (429, ForgeLimitedError),
        (500, ForgeUnavailableError),
        (503, ForgeUnavailableError),
    ],
)
def test_every_failure_has_its_meaning(status: int, expected: type[Exception]) -> None:
    error = failure("GET /x", status, {}, b"<html>", now=NOW)
    assert type(error) is expected or (status == 503 and isinstance(error, expected))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "17"}, 17),
        ({"retry-after": "17", "ratelimit-reset": "1"}, 17),
        ({"ratelimit-reset": str(int(NOW.timestamp()) + 40)}, 40),
        ({"ratelimit-reset": "1"}, 1),
        ({"retry-after": "99999999"}, 3600),
        ({"retry-after": "soon"}, 60),
        ({}, 60),
    ],
)
def test_a_limit_holds_as_long_as_gitlab_says(headers: dict[str, str], seconds: float) -> None:
    error = failure("GET /x", 429, headers, b"Retry later\n", now=NOW)
    assert isinstance(error, ForgeLimitedError)
    assert error.retry_after == seconds


async def test_after_a_limit_nothing_is_asked_until_it_is_over(
    client: GitLabClient, wire: Wire, clock: HandSetClock
) -> None:
    wire.on("GET", "/projects/1", reply(status=429, retry_after="30"), reply({"id": 1}))
    for _ in range(3):
        with pytest.raises(ForgeLimitedError):
            await client.get("/projects/1", Thing)
    assert len(wire.asked) == 1
    clock.move(seconds=31)
    assert await client.get("/projects/1", Thing) == Thing(1)


async def test_what_goes_on_by_itself_leaves_a_part_of_the_minute_to_people(client: GitLabClient, wire: Wire) -> None:
    reset = str(int(NOW.timestamp()) + 45)
    wire.on(
        "GET", "/projects/1", reply({"id": 1}, ratelimit_limit="100", ratelimit_remaining="20", ratelimit_reset=reset)
    )
    await client.get("/projects/1", Thing)
    with background(), pytest.raises(ForgeLimitedError) as raised:
        await client.get("/projects/1", Thing)
    assert raised.value.retry_after == 45
    assert await client.get("/projects/1", Thing) == Thing(1)


@pytest.mark.parametrize("body", [b"", b"<html>sign in</html>", b'{"id": "x"}', b"[" * 100_000, b'{"id": 1', b"\xff"])
async def test_a_success_that_is_none_is_an_outage(client: GitLabClient, wire: Wire, body: bytes) -> None:
    wire.on("GET", "/projects/1", (200, {"content-type": "application/json"}, body))
    with pytest.raises(ForgeUnavailableError):
        await client.get("/projects/1", Thing)


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("http://gitlab.test", TOKEN),
        ("https://user:pass@gitlab.test", TOKEN),
        ("https://gitlab.test?x=1", TOKEN),
        ("https://", TOKEN),
        ("ftp://gitlab.test", TOKEN),
        ("https://gitlab.test:port", TOKEN),
        (BASE, ""),
        (BASE, "two words"),
        (BASE, "line\nfeed"),
        (BASE, "é" * 20),
    ],
)
def test_no_process_starts_with_an_address_or_token_that_will_not_do(url: str, token: str, clock: HandSetClock) -> None:
    with pytest.raises(SettingsError) as raised:
        GitLabClient(base_url=url, token=token, clock=clock)
    assert not token or token not in str(raised.value)
