"""What holds for every answer, on whatever bytes; and what hostile texts cost."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.resolutions import Tier
from bot.resolvers.chain import run_rules
from bot.resolvers.structural import parse_child, resolver
from bot.resolvers.structural.parsing import Document, Parsed, parse
from bot.resolvers.table import RESOLVERS
from bot.resolvers.text import words
from tests.bot.resolvers.cases import PATHS, Trio, a_case, trios

SECONDS = 2.5
"""What a file may cost; the parser beside has its own bound, for which it is waited as long."""

NAMES = st.sampled_from("abcde")
VALUES = st.integers(0, 3)


def entries(values: dict[str, int]) -> bytes:
    return b"".join(b'  "%s": %d,\n' % (name.encode(), value) for name, value in values.items())


@settings(max_examples=40, deadline=None)
@given(trios(), PATHS)
def test_answers_are_made_of_the_sides_words_and_whole_lines(trio: Trio, path: str) -> None:
    case = a_case(trio, path=path)
    for answer in resolver.answer(case):
        assert set(words(answer.content)) <= set(words(trio[0])) | set(words(trio[2]))
        assert not answer.content or answer.content.endswith(b"\n")
        assert answer.tier in {Tier.STRUCTURAL, Tier.B}
    assert not run_rules(case, tuple(row for row in RESOLVERS if row.name == resolver.NAME)).failures


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES))
def test_a_merge_by_name_has_the_same_entries_seen_from_either_side(
    ours: dict[str, int], ancestor: dict[str, int], theirs: dict[str, int]
) -> None:
    case = a_case((entries(ours), entries(ancestor), entries(theirs)), path="a.json", around=(b"{\n", b'  "z": 0\n}\n'))
    (hunk,) = case.marked.hunks
    turned = replace(case, marked=replace(case.marked, hunks=(replace(hunk, ours=hunk.theirs, theirs=hunk.ours),)))
    both = [
        [sorted(answer.content.splitlines()) for answer in resolver.answer(seen) if "by key" in answer.resolver]
        for seen in (case, turned)
    ]
    assert both[0] == both[1]
    for merged in both[0]:
        names = [line.split(b":")[0] for line in merged]
        assert len(set(names)) == len(names)


def test_the_same_case_has_the_same_answer_twice() -> None:
    case = a_case(
        (b'"a": 1,\n"b": 3\n', b'"a": 1,\n"b": 2\n', b'"a": 5,\n"b": 2\n'), path="a.json", around=(b"{", b"}")
    )
    assert list(resolver.answer(case)) == list(resolver.answer(case)) != []


@pytest.mark.timeout(60)  # what explodes takes minutes
@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("a.json", b"[" * 90_000 + b"\n", id="deep"),
        pytest.param("a.cs", b"a<" * 45_000 + b"\n", id="ambiguous"),
        pytest.param("a.py", b"x" * 90_000 + b"\n", id="one long word"),
        pytest.param("a.js", b"".join(b"%d " % number for number in range(15_000)) + b"\n", id="nothing alike"),
        pytest.param("a.go", b"a b\n" * 20_000, id="all alike"),
        pytest.param("a.yaml", b"- " * 40_000 + b"\n", id="deep lists"),
        pytest.param("a.toml", b"a = 1\n" * 5_000, id="a name many times"),
    ],
)
def test_hostile_texts_cost_little_and_never_raise(path: str, text: bytes) -> None:
    list(resolver.answer(a_case((text[: len(text) // 3] + b"\n", text[:-2] + b"!\n", text), path=path)))


@pytest.mark.timeout(60)  # what explodes takes minutes
def test_what_is_too_large_is_not_looked_at() -> None:
    line = b"x" * (2 << 20) + b"\n"
    assert list(resolver.answer(a_case((line, line + line, b"y\n" + line), path="a.json"))) == []
    hunk = (b"a = 1\nb\nc = 3\n", b"a = 1\nb\nc = 2\n", b"a = 2\nb\nc = 2\n")
    assert list(resolver.answer(a_case(*[hunk] * 1_000, path="a.toml"))) == []
    assert list(resolver.answer(a_case(hunk, path="a.py", around=(b"x = 1\n" * 200_000, b"")))) == []


DOCUMENT = Document(grammar="json", content=b"{}")
DEADLY = Document(grammar="csharp", content=b"a<" * 100_000)


def test_the_parser_is_ended_in_time() -> None:
    assert parse([DOCUMENT], time.monotonic()) == [None]


def test_a_text_that_ends_the_parser_costs_itself_and_what_comes_after() -> None:
    whole = Parsed(errors=0, container=None, children=())
    assert parse([DOCUMENT, DEADLY, DOCUMENT], time.monotonic() + SECONDS) == [whole, None, None]


def test_where_the_parser_gives_up_nothing_is_answered() -> None:
    hunk = (b"a = 1;\nb = 2;\nc = 4;\n", b"a = 1;\nb = 2;\nc = 3;\n", b"a = 9;\nb = 2;\nc = 3;\n")
    around = (b"f();\n", b"a<" * 100_000)
    assert list(resolver.answer(a_case(hunk, path="a.cs", around=around))) == []
    assert list(resolver.answer(a_case(hunk, path="a.cs"))) != []


@pytest.mark.parametrize("grammar", ["json", "javascript", "php", "yaml"])
@pytest.mark.parametrize("content", [b"", b"{}", b"  \n", b"x"])
def test_a_place_where_nothing_is_has_no_children(grammar: str, content: bytes) -> None:
    size = len(content)
    asked = Document(
        grammar=grammar, content=content, start=size, end=size, kinds=("object", "program", "block_mapping")
    )
    (found,) = parse([asked], time.monotonic() + SECONDS)
    assert found is not None
    assert found.children == ()


def test_the_child_needs_nothing_of_ours() -> None:
    child = subprocess.run(
        [sys.executable, "-I", str(Path(parse_child.__file__))],
        input=b'[["json", 8, 1, 7, ["object"]]]\n{"a": 1}',
        capture_output=True,
        env={},
        check=True,
    )
    assert child.stdout.decode().splitlines() == ["ready", '[0, "object", [["pair", 1, 7, 1, 4]]]']
