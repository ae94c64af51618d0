"""What people are shown of the stream: short, safe, and as it happens."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.runs import AgentProgress
from runners.progress import START, advance
from tests.runners.streams import api_error, assistant, init, result, stream, tool_use


def told(*events: dict[str, Any]) -> list[AgentProgress]:
    return told_lines(stream(*events))


def told_lines(lines: list[bytes]) -> list[AgentProgress]:
    state, said = START, []
    for line in lines:
        state, progress = advance(state, line)
        if progress is not None:
            said.append(progress)
    return said


def last_line(*events: dict[str, Any]) -> str:
    return told(init(), *events)[-1].line


def test_a_whole_run() -> None:
    said = told(
        init(),
        {"type": "system", "subtype": "thinking_tokens", "estimated_tokens": 3},
        {"type": "system", "subtype": "thinking_tokens", "estimated_tokens": 9},
        assistant({"type": "thinking", "thinking": "hm"}, message_id="m1"),
        assistant(tool_use("Read", file_path="/run/workspace/src/a.py"), message_id="m1"),
        {"type": "user", "message": {"content": [{"type": "tool_result", "content": "secret"}]}},
        assistant(tool_use("Edit", file_path="src/a.py", old_string="secret", new_string="x"), message_id="m2"),
        assistant(tool_use("StructuredOutput", summary="s"), message_id="m3"),
        result(),
    )
    assert [(one.line, one.turns, one.tool_uses) for one in said] == [
        ("started", 0, 0),
        ("thinking", 0, 0),
        ("thinking", 1, 0),
        ("reading src/a.py", 1, 1),
        ("editing src/a.py", 2, 2),
        ("reporting", 3, 3),
        ("finished", 3, 3),
    ]


@pytest.mark.parametrize(
    ("retry", "line"),
    [
        ({"attempt": 1, "max_retries": 3, "error": "overloaded"}, "waiting for the model (attempt 1 of 3, overloaded)"),
        (
            {"attempt": 2, "max_retries": 3, "error": "rate_limit"},
            "waiting for the model (attempt 2 of 3, rate limited)",
        ),
        ({"attempt": 2, "max_retries": 3, "error": "unknown"}, "waiting for the model (attempt 2 of 3, not answering)"),
        ({"attempt": "\x1b[2J", "error": "overloaded"}, "waiting for the model (overloaded)"),
        ({"error": {"a": 1}}, "waiting for the model (not answering)"),
    ],
)
def test_retries(retry: dict[str, Any], line: str) -> None:
    assert last_line({"type": "system", "subtype": "api_retry"} | retry) == line


@pytest.mark.parametrize(
    ("name", "given_path", "line"),
    [
        ("Read", "/etc/passwd", "reading /etc/passwd"),
        ("Read", "../context.json", "reading ../context.json"),
        ("Edit", "a\n\x1b[31m\u202eb", "editing a \ufffd[31m\ufffdb"),
        ("Edit", "d/" * 100 + "end.py", "editing …" + ("d/" * 100 + "end.py")[-79:]),
        ("Edit", ["a"], "editing a file"),
        ("Edit", None, "editing a file"),
        ("Bash", "x", "asking for a tool it does not have"),
        ("\x1b]8;;http://evil\x07", "x", "asking for a tool it does not have"),
    ],
)
def test_tools(name: str, given_path: Any, line: str) -> None:
    assert last_line(assistant(tool_use(name, file_path=given_path))) == line


def test_what_the_cli_says_in_the_models_name_is_no_turn() -> None:
    assert told(init(), api_error("rate_limit"))[-1].turns == 0


def test_nothing_new_is_not_told_again() -> None:
    events = [init(), {"type": "system", "subtype": "status"}, {"type": "unknown"}]
    assert len(told(*events)) == 1
    assert told_lines([b"words", b"", b"{", b"[]"]) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
blocks = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["tool_use", "text"]) | json_values,
        "name": st.sampled_from(["Read", "Edit"]) | json_values,
        "input": st.fixed_dictionaries({"file_path": json_values}) | json_values,
    },
)
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["system", "assistant", "result"]) | json_values,
        "subtype": st.sampled_from(["init", "api_retry"]) | json_values,
        "cwd": json_values,
        "attempt": json_values,
        "max_retries": json_values,
        "message": st.fixed_dictionaries({"content": st.lists(blocks, max_size=3) | json_values}) | json_values,
    },
)


@given(lines=st.lists(events.map(lambda event: json.dumps(event).encode()) | st.binary(max_size=50), max_size=6))
def test_every_line_is_short_and_safe_whatever_comes(lines: list[bytes]) -> None:
    for progress in told_lines(lines):
        assert 0 < len(progress.line) <= 120
        assert progress.line.isprintable()
