"""Direct questions as the scripted model sees and answers them."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.demo.model.attacker import Obedient
from app.demo.model.direct import OnDirect, SeenQuestion, nothing_decided, reply_of, see_question
from app.demo.model.direct_answers import answer_from
from app.demo.model.failures import Always, EndlessTools, overloaded
from app.demo.model.liars import ClaimsSuccess, LeavesMarkers
from app.demo.model.messages import ModelRequest, parse_request
from app.demo.model.replies import Message, Script, Text
from app.demo.model.resolver import HonestResolver
from app.demo.model.server import ScriptedModel
from bot.direct.answer import ReadAnswer, read_answer
from bot.direct.asking import AskedFile, asked_files
from bot.direct.narrow import scopes
from bot.direct.prompt import encoded, request_body
from bot.merge.markers import splice
from bot.model.cases import FileProgress
from tests.bot.direct.words import MERGED, progress, question


def request_for(*files: FileProgress, scope: int = 0) -> tuple[ModelRequest, tuple[AskedFile, ...]]:
    asked = question(*files)
    found = asked_files(asked)
    assert isinstance(found, tuple)
    chosen = list(scopes(found))[scope]
    return parse_request(encoded(request_body(asked, chosen)).encode(), index=0), chosen.files


def seen(*files: FileProgress) -> SeenQuestion:
    found = see_question(request_for(*files)[0])
    assert found is not None
    return found


def read(reply: object, files: tuple[AskedFile, ...]) -> ReadAnswer:
    assert isinstance(reply, Message)
    (block,) = reply.content
    assert isinstance(block, Text)
    return read_answer({"content": [{"type": "text", "text": block.text}], "stop_reason": "end_turn"}, files)


def test_a_question_is_seen_as_it_was_put() -> None:
    (file,) = seen(progress(settled={0: b"    return SETTLED\n"})).files
    (place,) = file.places
    assert (file.path, file.lines, file.ends_with_newline, file.complete) == ("src/hello.py", 20, True, True)
    assert (place.hunk.index, place.hunk.first_line, place.hunk.last_line) == (1, 14, 20)
    assert (place.hunk.ours, place.hunk.theirs) == (('LAST = "BYE"',), ('LAST = "bye bye"',))
    assert place.before[-3:] == ("    print(greet(sys.argv[1]))", "", "")


@pytest.mark.parametrize(
    "system",
    ["You are Claude Code", "", "x\nFlowForge direct question, format 1", "FlowForge direct question, format 2"],
)
def test_other_requests_are_no_questions(system: str) -> None:
    body = {"model": "m", "max_tokens": 5, "system": system, "messages": [{"role": "user", "content": "Fence: 0\n"}]}
    assert see_question(parse_request(json.dumps(body).encode(), index=0)) is None


@pytest.mark.parametrize(
    "script",
    [ClaimsSuccess(), LeavesMarkers(), Obedient(), EndlessTools(), Always(overloaded()), Always(Message(content=()))],
    ids=repr,
)
def test_scripts_written_for_sandboxes_leave_all_undecided(script: Script) -> None:
    request, files = request_for()
    found = read(reply_of(script, request), files)
    assert found.answers == ()
    assert [item.index for item in found.undecided] == [0, 1]


def test_on_direct_plays_its_script_otherwise() -> None:
    script = OnDirect(nothing_decided, then=Always(overloaded()))
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hello"}]}
    assert reply_of(script, parse_request(json.dumps(body).encode(), index=0)) == overloaded()


def test_known_answers_make_the_file_that_was_given() -> None:
    file = progress()
    request, files = request_for(file)
    found = read(reply_of(HonestResolver(answers={"src/hello.py": MERGED}), request), files)
    texts = [answer.content for _, answer in found.answers]
    assert splice(file.case.marked, texts) == MERGED.encode()


@pytest.mark.parametrize(
    ("ours", "ancestor", "theirs", "merged"),
    [
        (b"a", b"b", b"c", b"d"),
        (b"a\n", b"b\n", b"c\n", b""),
        (b"x\r\na\r\nz\r\n", b"x\r\nb\r\nz\r\n", b"x\r\nc\r\nz\r\n", b"x\r\nd\r\ne\r\nz\r\n"),
        (b"a\nlast", b"b\nlast", b"c\nlast", b"d\n\nlast"),
        (b"\xef\xbb\xbfa\n", b"\xef\xbb\xbfb\n", b"\xef\xbb\xbfc\n", b"\xef\xbb\xbfd\n"),
    ],
)
def test_known_answers_byte_for_byte(ours: bytes, ancestor: bytes, theirs: bytes, merged: bytes) -> None:
    file = progress(ours=ours, ancestor=ancestor, theirs=theirs)
    request, files = request_for(file)
    found = read(answer_from(see(request), {"src/hello.py": merged.decode()}), files)
    assert splice(file.case.marked, [answer.content for _, answer in found.answers]) == merged


def see(request: ModelRequest) -> SeenQuestion:
    found = see_question(request)
    assert found is not None
    return found


LINES = st.lists(st.sampled_from(["a", "b", "", "}", "  x"]), max_size=4)


@given(around=st.lists(LINES, min_size=2, max_size=4), merged=st.lists(LINES, min_size=4, max_size=4))
def test_any_answer_that_keeps_the_rest_is_found(around: list[list[str]], merged: list[list[str]]) -> None:
    """Whatever repeats: the answers put together are the given file, though not always cut at the same lines."""
    kept = ["".join(f"{line}\n" for line in lines) for lines in around]
    sides = [
        kept[0] + "".join(f"{side} {number}\n{text}" for number, text in enumerate(kept[1:]))
        for side in ("ours", "base", "theirs")
    ]
    file = progress(ours=sides[0], ancestor=sides[1], theirs=sides[2])
    texts = ["".join(f"{line}\n" for line in lines) for lines in merged[: len(file.case.marked.hunks)]]
    whole = splice(file.case.marked, [text.encode() for text in texts]).decode()
    request, files = request_for(file)
    found = read(answer_from(see(request), {"src/hello.py": whole}), files)
    assert splice(file.case.marked, [answer.content for _, answer in found.answers]).decode() == whole


@pytest.mark.parametrize(
    "answer", ["something else\n", MERGED.replace("import sys", "import os"), MERGED.replace("\n", "\r\n", 3), ""]
)
def test_an_answer_that_does_not_fit_leaves_the_file_undecided(answer: str) -> None:
    request, files = request_for()
    found = read(answer_from(see(request), {"src/hello.py": answer}), files)
    assert (found.answers, len(found.undecided)) == ((), 2)


def test_where_not_all_hunks_are_asked_the_answer_cannot_be_cut() -> None:
    request, files = request_for(scope=-1)
    found = read(answer_from(see(request), {"src/hello.py": MERGED}), files)
    assert (found.answers, len(found.undecided)) == ((), 1)


async def test_tokens_are_counted_as_four_bytes_each() -> None:
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x" * 400}]}
    async with (
        ScriptedModel.serve(HonestResolver(), api_key="k") as model,
        httpx.AsyncClient(base_url=model.base_url, trust_env=False) as http,
    ):
        counted = await http.post("/v1/messages/count_tokens", json=body, headers={"authorization": "Bearer k"})
        stranger = await http.post("/v1/messages/count_tokens", json=body, headers={"x-api-key": "other"})
        sizes = [request.size for request in model.requests]
        assert model.calls == []
    assert counted.json() == {"input_tokens": sizes[0] // 4}
    assert stranger.status_code == 401


async def test_counting_can_be_closed() -> None:
    async with (
        ScriptedModel.serve(HonestResolver(), counts=False) as model,
        httpx.AsyncClient(base_url=model.base_url, trust_env=False) as http,
    ):
        assert (await http.post("/v1/messages/count_tokens", json={})).status_code == 404
