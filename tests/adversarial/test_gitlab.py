"""What the adversarial cases of forges, webhooks and services try, tried on GitLab. Numbers are the corpus's."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from markdown_it.token import Token
from msgspec import Struct

from app.demo.simulator.gitlab.quick_actions import split
from app.system import SystemClock
from bot.errors import ForgeRefusedError
from bot.forges.gitlab.client import GitLabClient
from bot.forges.gitlab.quick import without_quick_actions
from bot.model.reports import JobView
from bot.report.comment import render_sticky
from bot.report.markdown import inline
from tests.bot.forges.gitlab.test_decoding import decode
from tests.bot.forges.gitlab.test_odd_bodies import WHOLE
from tests.bot.report.reading import PARSER
from tests.bot.report.test_hostile import hostile_views

TOKEN = "glpat-made-up-of-20-letters"
INSIDE = "http://169.254.169.254/latest/meta-data"
WORDS = (
    *(
        "@all",
        "@acme/all",
        "closes #1",
        "!2",
        "group/other!3",
        "~bug",
        '~"to do"',
        "%1.2",
        '%"next one"',
        "&4",
        "acme&5",
    ),
    *("$6", "^alert#7", "[vulnerability:8]", '[cadence:"a"]', "*iteration:9", "GL-10", "[issue:11]+s", ":tada:"),
    *("[[wiki page]]", "![x](http://evil.example/x.png)", "[Approve](http://evil.example)", "http://evil.example"),
)
"""What GitLab makes links, mentions, pictures and references of."""

COMMANDS = ("/merge", "/approve", "/assign @mallory", "/label ~ready", "/close", "/target_branch main")

# https://docs.gitlab.com/user/markdown/#gitlab-specific-references
_NAME = r"[\w\"\u0080-\U0010ffff]"
REFERENCE = re.compile(rf"(?:[@#!~%&$^*]|\[\w+:){_NAME}|(?<!\w)(?:GL|GH|[A-Z][A-Z]+)-\d|:\w+:|\[\[|https?://")


def _all(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _all(token.children or [])


def meant(markdown: str) -> list[str]:
    """What GitLab would obey, link or load in a comment of ours; in code it does nothing of that."""
    sent = without_quick_actions(markdown)
    tokens = list(_all(PARSER.parse(sent)))
    links = [token.type for token in tokens if token.type in {"image", "link_open"}]
    texts = [token.content for token in tokens if token.type == "text" and REFERENCE.search(token.content)]
    return [*split(sent).actions, *links, *texts]


@pytest.mark.parametrize("word", [*WORDS, *COMMANDS])
def test_words_of_others_mean_nothing_to_gitlab(word: str) -> None:
    """ADV-049, ADV-050: references and quick actions, in a sentence of the model's and at the start of its lines."""
    assert meant(inline(f"It is done:\n{word}\nas it was.", 200)) == []
    assert meant(inline(word, 200)) == []
    sees = split(word).actions if word in COMMANDS else meant(word)
    assert sees, "else this test could not fail"


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])
@given(view=hostile_views())
def test_no_comment_of_ours_means_anything_to_gitlab(view: JobView) -> None:
    """ADV-049, ADV-050: whatever the texts in it are, and GitLab's user may merge."""
    assert meant(render_sticky(view).body) == []


def _everywhere(value: Any) -> Any:
    """The payload with every address in it leading inside."""
    if isinstance(value, dict):
        return {key: _everywhere(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_everywhere(item) for item in value]
    return INSIDE if isinstance(value, str) and ("://" in value or value.startswith("git@")) else value


@pytest.mark.parametrize("event", WHOLE)
def test_no_address_of_a_delivery_gets_as_far_as_an_event(event: str) -> None:
    """ADV-065: nobody can be made to dial one, for nobody is told of it."""
    hostile = _everywhere(WHOLE[event])
    assert INSIDE in json.dumps(hostile)
    assert decode(event, hostile) == decode(event, WHOLE[event])
    assert INSIDE not in repr(decode(event, hostile))


@asynccontextmanager
async def _listening(*, to: str | None = None) -> AsyncIterator[tuple[str, list[str]]]:
    """The address of a server, and the heads of the requests that reach it. It sends whoever comes on ``to`` there."""
    heard: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readuntil(b"\r\n\r\n")).decode())
        status = "200 OK" if to is None else f"302 Found\r\nLocation: {to}/steal"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heard


class _Project(Struct):
    id: int


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "DELETE"])
async def test_a_redirect_to_another_host_gets_no_token(verb: str) -> None:
    """ADV-064, with real sockets: the other host does not even hear of the request."""
    async with _listening() as (elsewhere, stolen), _listening(to=elsewhere) as (gitlab, heard):
        client = GitLabClient(base_url=gitlab, token=TOKEN, clock=SystemClock())
        asking = (
            client.get("/projects/1", _Project)
            if verb == "GET"
            else client.send(verb.lower(), "/projects/1", _Project, data={}, idempotent=False)
        )
        with closing(client), pytest.raises(ForgeRefusedError) as raised:
            await asking
        assert raised.value.status == 302
        (head,) = heard
        assert head.startswith(f"{verb} /api/v4/projects/1 ")
        assert f"Authorization: Bearer {TOKEN}" in head
        assert stolen == []
