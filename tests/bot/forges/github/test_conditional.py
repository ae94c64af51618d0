"""What GitHub says has not changed is not sent again, and is never somebody else's."""

import json
from collections.abc import Mapping

import httpx
import pytest
import respx

from bot.errors import ForgeNotFoundError, ForgeUnavailableError
from bot.forges.github.app_auth import Act
from bot.forges.github.client import GitHubClient
from bot.forges.github.conditional import LARGEST, AnswerKey, KeptAnswers
from bot.model.forge import RepositoryRef
from tests.bot.forges.github.conftest import EXPIRES, REPOSITORY

THING = "/repos/octo-org/hello.world/thing"
ETAG = 'W/"abc"'


def github_says(content: object, etag: str = ETAG, **headers: str) -> httpx.Response:
    return httpx.Response(200, headers={"etag": etag, **headers}, json=content)


NOT_MODIFIED = httpx.Response(304, headers={"etag": ETAG})


async def ask(client: GitHubClient, act: Act = Act.READ, repository: RepositoryRef = REPOSITORY) -> dict[str, int]:
    return await client.get(repository, act, "/thing", dict[str, int])


def sent(route: respx.Route) -> list[str | None]:
    return [call.request.headers.get("if-none-match") for call in route.calls]


async def test_what_did_not_change_is_as_it_was(client: GitHubClient, github: respx.MockRouter) -> None:
    read = github.get(THING).mock(side_effect=[github_says({"id": 1}), NOT_MODIFIED, NOT_MODIFIED])
    first = await ask(client)
    first["id"] = 666
    second = await ask(client)
    second["more"] = 667
    assert await ask(client) == {"id": 1}, "nobody's changes to an answer are another's answer"
    assert sent(read) == [None, ETAG, ETAG]


async def test_what_changed_takes_the_place_of_what_was(client: GitHubClient, github: respx.MockRouter) -> None:
    changed = github_says({"id": 2}, etag='"new"')
    read = github.get(THING).mock(side_effect=[github_says({"id": 1}), changed, NOT_MODIFIED])
    assert [await ask(client), await ask(client), await ask(client)] == [{"id": 1}, {"id": 2}, {"id": 2}]
    assert sent(read) == [None, ETAG, '"new"']


async def test_what_is_gone_is_forgotten(client: GitHubClient, github: respx.MockRouter) -> None:
    read = github.get(THING).mock(side_effect=[github_says({"id": 1}), httpx.Response(404), github_says({"id": 3})])
    await ask(client)
    with pytest.raises(ForgeNotFoundError):
        await ask(client)
    assert await ask(client) == {"id": 3}
    assert sent(read) == [None, ETAG, None]


async def test_nothing_is_kept_for_another_installation_or_other_permissions(
    client: GitHubClient, github: respx.MockRouter
) -> None:
    github.post("/app/installations/5/access_tokens").respond(201, json={"token": "ghs_b", "expires_at": EXPIRES})
    read = github.get(THING).mock(return_value=github_says({"id": 1}))
    moved = RepositoryRef(
        forge=REPOSITORY.forge, id=REPOSITORY.id, owner="octo-org", name="hello.world", installation_id=5
    )
    await ask(client)
    await ask(client, Act.REPORT)
    await ask(client, repository=moved)
    assert sent(read) == [None, None, None]
    await ask(client, repository=moved)
    assert sent(read)[-1] == ETAG


async def test_a_kept_page_still_says_that_there_are_more(client: GitHubClient, github: respx.MockRouter) -> None:
    link = {"link": '<https://api.github.test/x?page=2>; rel="next"'}
    pages = github.get("/repos/octo-org/hello.world/list").mock(
        side_effect=[
            github_says([1], '"1"', **link),
            github_says([2], '"2"'),
            httpx.Response(304),
            httpx.Response(304),
        ]
    )
    for _ in range(2):
        found = [
            one async for page in client.pages(REPOSITORY, Act.READ, "/list{?per_page,page}", list[int]) for one in page
        ]
        assert found == [1, 2]
    assert sent(pages) == [None, None, '"1"', '"2"']


async def test_writes_are_not_kept(client: GitHubClient, github: respx.MockRouter) -> None:
    write = github.patch(THING).mock(return_value=github_says({"id": 1}))
    for _ in range(2):
        await client.send(REPOSITORY, Act.REPORT, "PATCH", "/thing", object, data={}, idempotent=True)
    assert sent(write) == [None, None]


@pytest.mark.parametrize("etag", ["abc", '"a b"', '"' + "x" * 300 + '"', '"a"\x7f', ""])
async def test_what_is_no_etag_is_not_sent_back(client: GitHubClient, github: respx.MockRouter, etag: str) -> None:
    read = github.get(THING).mock(return_value=github_says({"id": 1}, etag))
    await ask(client)
    await ask(client)
    assert sent(read) == [None, None]


async def test_unchanged_though_nothing_was_known_is_no_answer(client: GitHubClient, github: respx.MockRouter) -> None:
    github.get(THING).mock(return_value=NOT_MODIFIED)
    with pytest.raises(ForgeUnavailableError):
        await ask(client)


# --- how much is kept


def key(url: str = "u", installation_id: int = 1) -> AnswerKey:
    return AnswerKey(installation_id=installation_id, act="read", method="GET", url=url, accept="json")


def keep(kept: KeptAnswers, url: str, size: int = 1000, headers: Mapping[str, str] | None = None) -> None:
    kept.keep(key(url), etag='"e"', headers=headers or {}, body=json.dumps("x" * (size - 2)).encode())


def test_what_was_not_asked_for_longest_goes_first() -> None:
    kept = KeptAnswers(most_bytes=5000)
    for url in "abc":
        keep(kept, url)
    assert kept.find(key("a")) is not None
    keep(kept, "d")
    assert [url for url in "abcd" if kept.find(key(url))] == ["a", "c", "d"]
    assert kept.size <= 5000


def test_the_size_is_that_of_what_is_kept() -> None:
    kept = KeptAnswers()
    for _ in range(3):
        keep(kept, "a", headers={"link": "x" * 50})
    once = kept.size
    assert 1000 < once < 3000
    keep(kept, "b", LARGEST + 1)
    assert kept.find(key("b")) is None
    kept.drop(key("a"))
    kept.drop(key("a"))
    assert kept.size == 0


def test_a_large_answer_takes_the_place_of_none_but_its_own() -> None:
    kept = KeptAnswers()
    keep(kept, "a")
    keep(kept, "a", LARGEST + 1)
    assert kept.find(key("a")) is None, "what was kept is not what is there now"
    assert kept.size == 0
