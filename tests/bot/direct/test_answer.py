"""Answers are taken for an attacker's work: what may be used of them, and what becomes of the rest."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.direct.answer import MAX_REASON, ReadAnswer, read_answer, read_count, read_message, read_usage
from bot.direct.asking import AskedFile, asked_files
from bot.errors import ModelError
from bot.merge.markers import splice
from bot.model.cases import FileProgress
from bot.model.direct import NotAsked
from bot.model.resolutions import Confidence, Tier
from bot.model.runs import RunOutcome
from tests.bot.direct.words import progress, question

GOOD: dict[str, Any] = {
    "file": 1,
    "hunk": 0,
    "decision": "resolved",
    "reason": "Both changes are kept.",
    "content": "    return both\n",
    "confidence": "high",
}


def files(*given_files: FileProgress) -> tuple[AskedFile, ...]:
    found = asked_files(question(*given_files))
    assert isinstance(found, tuple)
    return found


FILES = files()


def message(text: str, **more: object) -> dict[str, Any]:
    return {"type": "message", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", **more}


def read(*entries: object, asked: tuple[AskedFile, ...] = FILES) -> ReadAnswer:
    return read_answer(message(json.dumps({"answers": entries})), asked)


def why(*entries: object) -> str:
    found = read(*entries)
    assert found.answers == ()
    (only,) = found.undecided
    assert (only.path, only.index) == ("src/hello.py", 0)
    return only.reason


def test_a_resolved_hunk() -> None:
    ((path, answer),) = read(GOOD).answers
    assert path == "src/hello.py"
    assert (answer.index, answer.content, answer.resolver) == (0, b"    return both\n", "direct")
    assert (answer.tier, answer.confidence, answer.reason) == (Tier.DIRECT, Confidence.HIGH, "Both changes are kept.")


def test_an_undecided_hunk() -> None:
    found = read({"file": 1, "hunk": 1, "decision": "undecided", "reason": "They exclude each other."})
    assert found.answers == ()
    assert [(item.path, item.index, item.reason) for item in found.undecided] == [
        ("src/hello.py", 1, "They exclude each other.")
    ]


def test_a_hunk_that_is_not_mentioned_is_in_neither_list() -> None:
    assert read() == ReadAnswer(answers=(), undecided=())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"decision": "done"}, "neither resolved nor undecided"),
        ({"decision": None}, "neither resolved nor undecided"),
        ({"confidence": "certain"}, "does not say how sure"),
        ({"confidence": ["high"]}, "does not say how sure"),
        ({"reason": ""}, "gives no reason"),
        ({"reason": 7}, "gives no reason"),
        ({"content": None}, "has no content"),
        ({"content": ["a"]}, "has no content"),
        ({"content": "x" * 9_000}, "far longer"),
        ({"content": "a\0b\n"}, "control characters"),
        ({"content": "a\rb\n"}, "control characters"),
        ({"content": "\ud83d\n"}, "not valid Unicode"),
        ({"content": "<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n"}, "conflict markers"),
        ({"content": f"a\n{'>' * 43} theirs\n"}, "conflict markers"),
        ({"content": f"  {'|' * 43}\n"}, "conflict markers"),
        ({"content": f"{'=' * 7}\n"}, "conflict markers"),
    ],
)
def test_what_is_wrong_with_one_answer_leaves_that_hunk_undecided(change: dict[str, Any], words: str) -> None:
    assert words in why(GOOD | change)


def test_a_marker_that_is_on_a_side_may_stay() -> None:
    heading = "Title\n=======\n"
    asked = files(progress("a.rst", ours=f"{heading}a\n", ancestor="b\nb\nb\n", theirs="c\nc\nc\n"))
    ((_, answer),) = read(GOOD | {"content": f"{heading}c\n"}, asked=asked).answers
    assert answer.content == b"Title\n=======\nc\n"


@pytest.mark.parametrize(
    "name",
    [
        {"file": 2},
        {"file": 0},
        {"file": -1},
        {"hunk": 2},
        {"hunk": -1},
        {"hunk": "0"},
        {"hunk": True, "file": True},
        {"hunk": 0.0},
        {"file": "src/hello.py"},
        {"file": ".github/workflows/ci.yml"},
        {"file": None},
        {"file": 10**30},
    ],
)
def test_hunks_that_nobody_asked_about_are_dropped(name: dict[str, Any]) -> None:
    assert read(GOOD | name) == ReadAnswer(answers=(), undecided=())


def test_a_path_in_the_answer_means_nothing() -> None:
    ((path, _),) = read(GOOD | {"path": "../../etc/passwd"}).answers
    assert path == "src/hello.py"


def test_two_answers_to_one_hunk_are_none() -> None:
    found = read(GOOD, GOOD | {"hunk": 1}, GOOD | {"content": "other\n"})
    assert [answer.index for _, answer in found.answers] == [1]
    assert [item.reason for item in found.undecided] == [
        "The model's answer cannot be used: it was answered more than once."
    ]


def test_whole_lines_with_the_file_s_line_ends() -> None:
    asked = files(progress(ours=b"a\r\nz\r\n", ancestor=b"b\r\nz\r\n", theirs=b"c\r\nz\r\n"))
    ((_, answer),) = read(GOOD | {"content": "one\r\ntwo\nthree"}, asked=asked).answers
    assert answer.content == b"one\r\ntwo\r\nthree\r\n"


@pytest.mark.parametrize("content", ["one\ntwo", "one\ntwo\n"])
def test_a_file_without_a_last_newline_stays_so(content: str) -> None:
    asked = files(progress(ours=b"a", ancestor=b"b", theirs=b"c"))
    ((_, answer),) = read(GOOD | {"content": content}, asked=asked).answers
    assert answer.content == b"one\ntwo"


def test_all_lines_may_go() -> None:
    ((_, answer),) = read(GOOD | {"content": ""}).answers
    assert answer.content == b""


def test_a_reason_is_one_line_with_nothing_hidden() -> None:
    ((_, answer),) = read(GOOD | {"reason": f"a\n\n\tb \u202ec {'x' * 5_000}"}).answers
    assert answer.reason.startswith("a b <U+202E>c xxx")
    assert len(answer.reason) == MAX_REASON
    assert answer.reason.endswith("…")


@pytest.mark.parametrize(
    ("stop", "outcome"),
    [
        ("refusal", RunOutcome.AGENT_REFUSED),
        ("max_tokens", RunOutcome.MAX_OUTPUT),
        ("model_context_window_exceeded", RunOutcome.CONTEXT_TOO_LONG),
        ("pause_turn", RunOutcome.INVALID_OUTPUT),
        ("tool_use", RunOutcome.INVALID_OUTPUT),
        (7, RunOutcome.INVALID_OUTPUT),
        (["end_turn"], RunOutcome.INVALID_OUTPUT),
        (None, RunOutcome.INVALID_OUTPUT),
    ],
)
def test_an_answer_that_did_not_end_well(stop: object, outcome: RunOutcome) -> None:
    with pytest.raises(ModelError) as raised:
        read_answer(message(json.dumps({"answers": [GOOD]}), stop_reason=stop), FILES)
    assert raised.value.outcome == outcome


@pytest.mark.parametrize(
    "text", ["Done, merge now.", "", "[]", "null", '{"answers": {}}', '{"files": []}', "[" * 99_999]
)
def test_prose_is_an_invalid_answer(text: str) -> None:
    with pytest.raises(ModelError) as raised:
        read_answer(message(text), FILES)
    assert raised.value.outcome == RunOutcome.INVALID_OUTPUT


@pytest.mark.parametrize(
    "content", [b"", b"<!doctype html>", b"[]", b'{"type": "error"}', b'{"type": "message"}', b"\xff"]
)
def test_what_is_no_message_is_no_model(content: bytes) -> None:
    with pytest.raises(ModelError) as raised:
        read_message(content)
    assert raised.value.outcome == RunOutcome.MODEL_UNREACHABLE


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["resolved", "undecided", "high", "end_turn", "text", "message", "refusal"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*GOOD, "answers", "type", "text", "content", "usage", "input_tokens", "stop_reason", "x"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=300)
@given(value=JSON)
@example(value={"type": "message", "content": [{"type": "text", "text": None}], "stop_reason": "end_turn"})
@example(value={"type": "message", "content": [[]], "usage": {"input_tokens": -1}})
def test_no_json_does_any_harm(value: Any) -> None:
    content = json.dumps(value).encode()
    read_count(content)
    with contextlib.suppress(ModelError):
        found = read_message(content)
        assert read_usage(found, request_bytes=1).cost_usd == 0
        read_answer(found, FILES)


@settings(max_examples=300)
@given(entries=st.lists(st.dictionaries(st.sampled_from(list(GOOD)), JSON, max_size=6) | JSON, max_size=6))
def test_no_entry_does_any_harm(entries: list[Any]) -> None:
    found = read(*(GOOD | entry if isinstance(entry, dict) else entry for entry in entries))
    named = [(path, item.index) for path, item in found.answers] + [(item.path, item.index) for item in found.undecided]
    assert len(named) == len(set(named))
    assert set(named) <= {("src/hello.py", 0), ("src/hello.py", 1)}
    for _, answer in found.answers:
        assert not answer.content or answer.content.endswith(b"\n")
        assert b"\r" not in answer.content


@given(text=st.text())
def test_no_text_of_an_answer_does_any_harm(text: str) -> None:
    with contextlib.suppress(ModelError):
        read_answer(message(text), FILES)


SIDE = st.lists(
    st.sampled_from([b"a\n", b"b\n", b"\n", b"\r\n", b"a\r\n", b"x\ry\n", b"\xff\n", b"=======\n", b"\xe2\x80\xae\n"]),
    max_size=5,
).map(b"".join)


@settings(max_examples=300)
@given(ancestor=SIDE, ours=SIDE, theirs=SIDE, tail=st.sampled_from([b"", b"end"]))
def test_our_side_as_the_answer_is_our_side_byte_for_byte(
    ancestor: bytes, ours: bytes, theirs: bytes, tail: bytes
) -> None:
    file = progress(ancestor=ancestor + tail, ours=ours + tail, theirs=theirs + tail)
    found = asked_files(question(file))
    if isinstance(found, NotAsked):
        assert found.reason
        return
    entries = [GOOD | {"hunk": hunk.index, "content": hunk.ours} for hunk in found[0].hunks]
    read_ = read(*entries, asked=found)
    for item in read_.undecided:
        assert "control characters" in item.reason
    if not read_.undecided:
        texts = [answer.content for _, answer in read_.answers]
        assert splice(file.case.marked, texts) == ours + tail


@pytest.mark.parametrize("content", [b"{}", b"[]", b"x", b'{"input_tokens": 0}', b'{"input_tokens": true}'])
def test_a_count_that_is_none(content: bytes) -> None:
    assert read_count(content) is None
