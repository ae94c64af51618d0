"""The rules of asking GitHub: tokens, retries, limits, and that nothing but the API is ever dialled."""

import asyncio
import json
from typing import Any

import httpx
import jwt
import pytest
import respx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from bot.errors import ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError, SettingsError
from bot.forges.github import answers
from bot.forges.github.app_auth import OPTIONAL_PERMISSIONS, PERMISSIONS, Act
from bot.forges.github.client import GitHubClient
from bot.model.forge import RepositoryRef
from tests.bot.forges.github import samples
from tests.bot.forges.github.conftest import API, EXPIRES, MINT, REPOSITORY, TOKEN, HandSetClock, Sleeps

PULL = "/repos/octo-org/hello.world/issues/7"


async def ask(client: GitHubClient, repository: RepositoryRef = REPOSITORY) -> int:
    return (await client.get(repository, Act.READ, "/issues/{number}", answers.Created, number=7)).id


async def tell(client: GitHubClient, *, idempotent: bool = False) -> int:
    sent = client.send(REPOSITORY, Act.REPORT, "POST", "/x", answers.Created, data={"a": 1}, idempotent=idempotent)
    return (await sent).id


# --- the App's own credential and the tokens --------------------------------------------------------------------


async def test_a_token_is_asked_for_as_the_app_for_one_repository_and_one_act(
    client: GitHubClient, github: respx.MockRouter, clock: HandSetClock, private_key: RSAPrivateKey
) -> None:
    assert await client.token(REPOSITORY, Act.REPORT) == f"{TOKEN}1"
    request = github["mint"].calls.last.request
    assert json.loads(request.content) == {
        "repository_ids": [1296269],
        "permissions": {"checks": "write", "issues": "write", "pull_requests": "write"},
    }
    scheme, _, credential = request.headers["authorization"].partition(" ")
    assert scheme == "bearer"
    claims = jwt.decode(
        credential, private_key.public_key(), algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False}
    )
    now = int(clock.now().timestamp())
    assert claims["iss"] == str(samples.APP_ID)
    assert claims["iat"] == now - 60
    assert 0 < claims["exp"] - now <= 9 * 60
    assert claims["exp"] - claims["iat"] <= 9 * 60


@pytest.mark.parametrize("act", list(Act))
async def test_no_act_may_change_workflows_settings_or_secrets(
    client: GitHubClient, github: respx.MockRouter, act: Act
) -> None:
    await client.token(REPOSITORY, act)
    permissions = json.loads(github["mint"].calls.last.request.content)["permissions"]
    assert permissions == {**PERMISSIONS, **OPTIONAL_PERMISSIONS}[act]
    assert not {"workflows", "administration", "secrets", "actions"} & set(permissions)
    assert permissions.get("members") in {None, "read"}
    assert permissions.get("contents") != "write" or act is Act.PUSH


async def test_fifty_who_ask_at_once_get_one_token(client: GitHubClient, github: respx.MockRouter) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slowly(_: httpx.Request) -> httpx.Response:
        asked.set()
        await answer.wait()
        return httpx.Response(201, json={"token": TOKEN, "expires_at": EXPIRES})

    mint = github.post(MINT).mock(side_effect=slowly)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.token(REPOSITORY, Act.READ)) for _ in range(50)]
        await asked.wait()
        answer.set()
    assert {task.result() for task in tasks} == {TOKEN}
    assert mint.call_count == 1


async def test_fifty_who_ask_at_once_get_one_error(client: GitHubClient, github: respx.MockRouter) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slowly(_: httpx.Request) -> httpx.Response:
        asked.set()
        await answer.wait()
        return httpx.Response(422, json={"message": "not installed there"})

    mint = github.post(MINT).mock(side_effect=slowly)
    async with asyncio.timeout(60):
        tasks = [asyncio.create_task(client.token(REPOSITORY, Act.READ)) for _ in range(50)]
        await asked.wait()
        answer.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} == {ForgeRefusedError}
    assert mint.call_count == 1


async def test_who_waits_for_a_token_outlives_the_one_who_asked_first(
    client: GitHubClient, github: respx.MockRouter
) -> None:
    asked = asyncio.Event()
    never = asyncio.Event()

    async def first_hangs(_: httpx.Request) -> httpx.Response:
        if not asked.is_set():
            asked.set()
            await never.wait()
        return httpx.Response(201, json={"token": TOKEN, "expires_at": EXPIRES})

    github.post(MINT).mock(side_effect=first_hangs)
    async with asyncio.timeout(60):
        first = asyncio.create_task(client.token(REPOSITORY, Act.READ))
        await asked.wait()
        second = asyncio.create_task(client.token(REPOSITORY, Act.READ))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == TOKEN
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_tokens_are_kept_apart_by_installation_repository_and_act(
    client: GitHubClient, github: respx.MockRouter
) -> None:
    elsewhere = github.post("/app/installations/5/access_tokens").respond(
        201, json={"token": "ghs_elsewhere", "expires_at": EXPIRES}
    )
    other = RepositoryRef(forge=REPOSITORY.forge, id=2, owner="octo-org", name="b", installation_id=99)
    moved = RepositoryRef(forge=REPOSITORY.forge, id=REPOSITORY.id, owner="o", name="a", installation_id=5)
    tokens = [
        await client.token(REPOSITORY, Act.READ),
        await client.token(REPOSITORY, Act.PUSH),
        await client.token(other, Act.READ),
        await client.token(moved, Act.READ),
    ]
    assert len(set(tokens)) == 4
    assert (github["mint"].call_count, elsewhere.call_count) == (3, 1)
    assert [json.loads(call.request.content)["repository_ids"] for call in github["mint"].calls] == [
        [1296269],
        [1296269],
        [2],
    ]


async def test_a_token_is_replaced_five_minutes_before_its_end(
    client: GitHubClient, github: respx.MockRouter, clock: HandSetClock
) -> None:
    assert await client.token(REPOSITORY, Act.READ) == f"{TOKEN}1"
    clock.move(minutes=54, seconds=59)
    assert await client.token(REPOSITORY, Act.READ) == f"{TOKEN}1"
    clock.move(seconds=1)
    assert await client.token(REPOSITORY, Act.READ) == f"{TOKEN}2"
    assert github["mint"].call_count == 2


async def test_a_refused_token_is_replaced_once_even_for_a_write(
    client: GitHubClient, github: respx.MockRouter
) -> None:
    write = github.post("/repos/octo-org/hello.world/x").mock(
        side_effect=[httpx.Response(401, json={"message": "Bad credentials"}), httpx.Response(201, json={"id": 5})]
    )
    assert await tell(client) == 5
    assert [call.request.headers["authorization"] for call in write.calls] == [f"token {TOKEN}1", f"token {TOKEN}2"]
    assert github["mint"].call_count == 2


async def test_a_token_refused_twice_is_an_error(client: GitHubClient, github: respx.MockRouter) -> None:
    read = github.get(PULL).respond(401, json={"message": "Bad credentials"})
    with pytest.raises(ForgeRefusedError) as raised:
        await ask(client)
    assert raised.value.status == 401
    assert (read.call_count, github["mint"].call_count) == (2, 2)


async def test_a_lost_installation_is_a_refusal_and_no_missing_object(
    client: GitHubClient, github: respx.MockRouter
) -> None:
    github.post(MINT).respond(404, json={"message": "Not Found"})
    with pytest.raises(ForgeRefusedError) as raised:
        await ask(client)
    assert raised.value.status == 404


@pytest.mark.parametrize(
    "answer", [{}, {"token": 5, "expires_at": EXPIRES}, {"token": TOKEN, "expires_at": "soon"}, []]
)
async def test_an_odd_answer_to_a_request_for_a_token(
    client: GitHubClient, github: respx.MockRouter, answer: Any
) -> None:
    github.post(MINT).respond(201, json=answer)
    with pytest.raises(ForgeUnavailableError) as raised:
        await client.token(REPOSITORY, Act.READ)
    assert TOKEN not in str(raised.value)


@pytest.mark.parametrize(
    "pem",
    ["", "x", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"],
)
async def test_a_broken_key_stops_the_start_and_is_not_shown(
    http: httpx.AsyncClient, clock: HandSetClock, pem: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        GitHubClient(http, base_url=API, app_id=1, private_key_pem=pem, clock=clock)
    assert "MIIE" not in str(raised.value)


# --- where requests go ----------------------------------------------------------------------------------------------


async def test_every_request_says_who_asks_and_in_which_version(client: GitHubClient, github: respx.MockRouter) -> None:
    read = github.get(PULL).respond(json={"id": 1})
    await ask(client)
    for request in (github["mint"].calls.last.request, read.calls.last.request):
        assert request.headers["user-agent"] == "FlowForge"
        assert request.headers["x-github-api-version"] == "2022-11-28"
        assert request.headers["accept"] == "application/vnd.github.v3+json"
    assert read.calls.last.request.headers["authorization"] == f"token {TOKEN}1"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(client: GitHubClient, github: respx.MockRouter, status: int) -> None:
    away = github.get("https://attacker.test/steal").respond(json={"id": 1})
    github.get(PULL).respond(status, headers={"location": "https://attacker.test/steal"})
    with pytest.raises(ForgeRefusedError):
        await ask(client)
    assert not away.called


async def test_the_next_page_is_asked_for_by_number_not_by_link(client: GitHubClient, github: respx.MockRouter) -> None:
    away = github.get("https://attacker.test/steal").respond(json=[])
    link = {"link": '<https://attacker.test/steal>; rel="next"'}
    pages = github.get("/repos/octo-org/hello.world/issues").mock(
        side_effect=[
            httpx.Response(200, headers=link, json=[{"id": 1}]),
            httpx.Response(200, headers=link, json=[{"id": 2}]),
            httpx.Response(200, json=[{"id": 3}]),
        ]
    )
    got = [
        item.id
        async for page in client.pages(REPOSITORY, Act.READ, "/issues{?per_page,page}", list[answers.Created])
        for item in page
    ]
    assert got == [1, 2, 3]
    assert [dict(call.request.url.params) for call in pages.calls] == [
        {"per_page": "100", "page": str(number)} for number in (1, 2, 3)
    ]
    assert not away.called


async def test_an_owner_cannot_leave_the_path(client: GitHubClient, github: respx.MockRouter) -> None:
    seen = github.get(url__startswith=API).respond(json={"id": 1})
    odd = RepositoryRef(forge=REPOSITORY.forge, id=REPOSITORY.id, owner="a/../..", name="b?c#d@e", installation_id=99)
    await ask(client, odd)
    assert seen.calls.last.request.url.raw_path == b"/api/v3/repos/a%2F..%2F../b%3Fc%23d%40e/issues/7"


@pytest.mark.parametrize(
    "url",
    [
        "http://api.github.com",
        "ftp://x",
        "https://",
        "https://me:pw@host",
        "https://host?x=1",
        "https://h:port",
        "x",
        "",
    ],
)
async def test_a_base_url_that_would_leak_credentials_stops_the_start(
    http: httpx.AsyncClient, clock: HandSetClock, private_key_pem: str, url: str
) -> None:
    with pytest.raises(SettingsError):
        GitHubClient(http, base_url=url, app_id=1, private_key_pem=private_key_pem, clock=clock)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost/", "http://[::1]:80/x", "https://h/api/v3/"]
)
async def test_plain_http_will_do_on_this_machine_only(
    http: httpx.AsyncClient, clock: HandSetClock, private_key_pem: str, url: str
) -> None:
    GitHubClient(http, base_url=url, app_id=1, private_key_pem=private_key_pem, clock=clock)


# --- what is tried again --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [502, 503, 504, httpx.ConnectError("x"), httpx.ReadTimeout("x")])
async def test_a_read_is_tried_again_three_times(
    client: GitHubClient,
    github: respx.MockRouter,
    sleeps: Sleeps,
    failure: int | Exception,
) -> None:
    broken = httpx.Response(failure) if isinstance(failure, int) else failure
    read = github.get(PULL).mock(side_effect=[broken, broken, broken, httpx.Response(200, json={"id": 8})])
    assert await ask(client) == 8
    assert read.call_count == 4
    assert sleeps.seconds == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("failure", [502, httpx.ConnectError("x")])
async def test_after_four_tries_github_is_away(
    client: GitHubClient,
    github: respx.MockRouter,
    failure: int | Exception,
) -> None:
    read = github.get(PULL).mock(
        side_effect=(lambda _: httpx.Response(failure)) if isinstance(failure, int) else failure
    )
    with pytest.raises(ForgeUnavailableError) as raised:
        await ask(client)
    assert raised.value.retry_after == 30
    assert read.call_count == 4


@pytest.mark.parametrize("failure", [502, 503, 504, 500, httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x")])
async def test_a_create_is_never_tried_again(
    client: GitHubClient,
    github: respx.MockRouter,
    sleeps: Sleeps,
    failure: int | Exception,
) -> None:
    write = github.post("/repos/octo-org/hello.world/x").mock(
        side_effect=(lambda _: httpx.Response(failure)) if isinstance(failure, int) else failure
    )
    with pytest.raises(ForgeUnavailableError):
        await tell(client)
    assert write.call_count == 1
    assert sleeps.seconds == []


async def test_a_write_that_may_be_repeated_is(client: GitHubClient, github: respx.MockRouter) -> None:
    write = github.post("/repos/octo-org/hello.world/x").mock(
        side_effect=[httpx.Response(502), httpx.Response(201, json={"id": 9})]
    )
    assert await tell(client, idempotent=True) == 9
    assert write.call_count == 2


@pytest.mark.parametrize(
    ("status", "error"), [(404, ForgeNotFoundError), (410, ForgeNotFoundError), (422, ForgeRefusedError)]
)
async def test_a_no_is_not_tried_again(
    client: GitHubClient,
    github: respx.MockRouter,
    status: int,
    error: type[Exception],
) -> None:
    read = github.get(PULL).respond(status, json={"message": "No"})
    with pytest.raises(error):
        await ask(client)
    assert read.call_count == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>Bad day</html>", "text/html"),
        (b'{"id": ', "application/json"),
        (b'{"id": "x"}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"\xff", "application/json"),
        (b'{"id": 1}', "application/json; charset=ebcdic-nonsense"),
        (b"", "application/json"),
    ],
)
async def test_a_success_that_is_no_answer_is_an_outage(
    client: GitHubClient,
    github: respx.MockRouter,
    body: bytes,
    kind: str,
) -> None:
    github.get(PULL).respond(200, content=body, headers={"content-type": kind})
    with pytest.raises(ForgeUnavailableError):
        await ask(client)


async def test_malformed_limits_beside_a_success_do_no_harm(client: GitHubClient, github: respx.MockRouter) -> None:
    headers = {"x-ratelimit-limit": "many", "x-ratelimit-remaining": "x", "x-ratelimit-reset": "y"}
    github.get(PULL).respond(json={"id": 1}, headers=headers)
    assert await ask(client) == 1


# --- what errors tell ------------------------------------------------------------------------------------------------


async def test_no_error_shows_a_credential(client: GitHubClient, github: respx.MockRouter) -> None:

    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"message": f"what is {request.headers['authorization']}?"})

    github.get(PULL).mock(side_effect=echo)
    with pytest.raises(ForgeRefusedError) as raised:
        await ask(client)
    assert "ghs_" not in str(raised.value)
    assert "[redacted]" in str(raised.value)
