"""What GitHub's limits mean for whoever asks: one installation waits, people come first, nothing is asked in vain."""

import asyncio
from datetime import timedelta

import httpx
import pytest
import respx

from bot.errors import ForgeLimitedError, ForgeUnavailableError
from bot.forges.github import answers
from bot.forges.github.app_auth import Act
from bot.forges.github.client import GitHubClient
from bot.model.forge import RepositoryRef
from bot.ports.background import RECONCILE_LEAVES, background
from tests.bot.forges.github.conftest import EXPIRES, REPOSITORY, HandSetClock, Sleeps
from tests.bot.forges.github.test_client import PULL, ask


def limited(**headers: str) -> httpx.Response:
    return httpx.Response(403, headers=headers, json={"message": "You have exceeded a secondary rate limit."})


async def test_after_a_limit_nothing_is_asked_until_the_wait_is_over(
    client: GitHubClient,
    github: respx.MockRouter,
    clock: HandSetClock,
    sleeps: Sleeps,
) -> None:
    read = github.get(PULL).mock(side_effect=[limited(**{"retry-after": "90"}), httpx.Response(200, json={"id": 1})])
    with pytest.raises(ForgeUnavailableError) as raised:
        await ask(client)
    assert raised.value.retry_after == 90
    clock.move(seconds=30)
    with pytest.raises(ForgeUnavailableError) as again:
        await ask(client)
    assert again.value.retry_after == 60
    with pytest.raises(ForgeUnavailableError):
        await client.token(REPOSITORY, Act.PUSH)
    assert (read.call_count, github["mint"].call_count, sleeps.seconds) == (1, 1, [])
    clock.move(seconds=60)
    assert await ask(client) == 1


async def test_a_limit_that_does_not_say_how_long_is_waited_for_longer_each_time(
    client: GitHubClient, github: respx.MockRouter, clock: HandSetClock
) -> None:
    read = github.get(PULL).mock(side_effect=[limited()] * 8 + [httpx.Response(200, json={"id": 1}), limited()])
    waits = []
    for _ in range(8):
        with pytest.raises(ForgeLimitedError) as raised:
            await ask(client)
        waits.append(raised.value.retry_after)
        clock.move(seconds=raised.value.retry_after)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert await ask(client) == 1
    with pytest.raises(ForgeLimitedError) as again:
        await ask(client)
    assert again.value.retry_after == 60, "after an answer it begins anew"
    assert read.call_count == 10


async def test_requests_that_are_limited_together_are_limited_once(
    client: GitHubClient, github: respx.MockRouter, clock: HandSetClock
) -> None:
    everybody, asked = asyncio.Event(), 0

    async def slowly(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked == 5:
            everybody.set()
        await everybody.wait()
        return limited()

    read = github.get(PULL).mock(side_effect=slowly)
    results = await asyncio.wait_for(asyncio.gather(*(ask(client) for _ in range(5)), return_exceptions=True), 60)
    assert [error.retry_after for error in results if isinstance(error, ForgeLimitedError)] == [60] * 5
    clock.move(seconds=59)
    for _ in range(100):
        with pytest.raises(ForgeLimitedError):
            await ask(client)
    assert read.call_count == 5, "whoever is told to wait and does not still asks nothing"


async def test_a_limit_of_the_app_itself_stops_what_the_app_does_and_no_installation(
    client: GitHubClient, github: respx.MockRouter
) -> None:
    github.get(PULL).respond(json={"id": 1})
    await ask(client)
    github.get("/app").mock(return_value=limited(**{"retry-after": "30"}))
    for _ in range(2):
        with pytest.raises(ForgeLimitedError):
            await client.app("/app", answers.OwnApp)
    assert github.get("/app").call_count == 1
    assert await ask(client) == 1
    with pytest.raises(ForgeLimitedError):
        await client.token(REPOSITORY, Act.PUSH)


async def test_background_work_stops_where_the_rest_is_kept_for_people(
    client: GitHubClient, github: respx.MockRouter, clock: HandSetClock
) -> None:
    reset = int((clock.now() + timedelta(minutes=10)).timestamp())
    told = {"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "1000", "x-ratelimit-reset": str(reset)}
    read = github.get(PULL).respond(json={"id": 1}, headers=told)
    with background():
        await ask(client)
        with pytest.raises(ForgeLimitedError) as raised:
            await ask(client)
        with pytest.raises(ForgeLimitedError):
            await client.token(REPOSITORY, Act.PUSH)
        with pytest.raises(ForgeLimitedError):
            await asyncio.create_task(ask(client))
    assert raised.value.retry_after == 600
    assert read.call_count == 1
    assert await ask(client) == 1
    assert await client.token(REPOSITORY, Act.PUSH)
    clock.move(minutes=10)
    with background(leave=RECONCILE_LEAVES):
        assert await ask(client) == 1


async def test_inside_of_background_work_the_larger_share_is_left(
    client: GitHubClient, github: respx.MockRouter, clock: HandSetClock
) -> None:
    reset = int((clock.now() + timedelta(minutes=10)).timestamp())
    told = {"x-ratelimit-limit": "100", "x-ratelimit-remaining": "25", "x-ratelimit-reset": str(reset)}
    github.get(PULL).respond(json={"id": 1}, headers=told)
    await ask(client)
    with background(leave=RECONCILE_LEAVES), background(), pytest.raises(ForgeLimitedError):
        await ask(client)
    with background():
        await ask(client)


async def test_one_installations_limit_does_not_stop_another(client: GitHubClient, github: respx.MockRouter) -> None:
    github.get(PULL).mock(return_value=limited())
    github.post("/app/installations/5/access_tokens").respond(201, json={"token": "t", "expires_at": EXPIRES})
    github.get("/repos/other/b/issues/7").respond(json={"id": 1})
    with pytest.raises(ForgeUnavailableError):
        await ask(client)
    other = RepositoryRef(forge=REPOSITORY.forge, id=2, owner="other", name="b", installation_id=5)
    assert await ask(client, other) == 1


async def test_an_exhausted_hour_is_waited_for(
    client: GitHubClient,
    github: respx.MockRouter,
    clock: HandSetClock,
) -> None:
    reset = clock.now() + timedelta(minutes=20)
    github.get(PULL).respond(
        403,
        headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(reset.timestamp()))},
        json={"message": "API rate limit exceeded"},
    )
    with pytest.raises(ForgeUnavailableError) as raised:
        await ask(client)
    assert raised.value.retry_after == 1200
