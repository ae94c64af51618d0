"""Untrusted words in Markdown (ADV-049, ADV-050, ADV-051)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.report.markdown import cell, code, cut, defused, fence, inline, plain, size, title
from tests.bot.report.reading import HOSTILE, code_spans, columns, fences, harm

LIMITS = st.integers(80, 400)


@given(text=HOSTILE, limit=LIMITS)
def test_inline_is_safe_one_line_and_within_its_limit(text: str, limit: int) -> None:
    out = inline(text, limit)
    assert "\n" not in out
    assert size(out) <= limit
    assert harm(out) == []
    assert harm(f"- {out}") == []


@given(text=HOSTILE, limit=LIMITS)
def test_a_cell_stays_one_cell(text: str, limit: int) -> None:
    table = f"| a | b |\n| --- | --- |\n| {cell(text, limit)} | {code(text, limit).replace('|', chr(92) + '|')} |"
    assert size(cell(text, limit)) <= limit
    assert harm(table) == []
    assert columns(table) == [2, 2]


@pytest.mark.parametrize(
    ("words", "harmless"),
    [
        ("Ask @anna, @all", "Ask @ anna, @ all"),
        ("Fixes #1, closes acme/shop#2", "Fixes # 1, closes acme/shop# 2"),
        ("closes gh-3", "closes gh- 3"),
        ("resolves https://github.com/acme/shop/issues/4", "resolves https:// github.com/acme/shop/issues/4"),
        ("C# and a mail at 5 @ noon", "C# and a mail at 5 @ noon"),
    ],
)
def test_a_title_calls_nobody_and_closes_nothing(words: str, harmless: str) -> None:
    assert title(words, 200) == harmless


@given(text=HOSTILE, limit=LIMITS)
def test_a_title_is_one_line_within_its_limit_in_which_nothing_refers_to_anything(text: str, limit: int) -> None:
    out = title(text, limit)
    assert "\n" not in out
    assert size(out) <= limit
    assert re.search(r"@\w|#\d|\bGH-\d|://\S", out, re.IGNORECASE) is None


@given(text=HOSTILE, limit=LIMITS)
def test_code_is_one_span(text: str, limit: int) -> None:
    out = code(text, limit)
    assert harm(f"x {out} y") == []
    assert len(code_spans(out)) == (0 if out == "(empty)" else 1)


@given(text=HOSTILE)
def test_nothing_closes_a_fence(text: str) -> None:
    out = f"{fence(text, 'diff')}\n\nafter"
    assert harm(out) == []
    assert len(fences(out)) == 1
    assert out.endswith("\n\nafter")


@given(text=HOSTILE, limit=st.integers(1000, 4000))
def test_defused_markdown_is_safe_and_within_its_limit(text: str, limit: int) -> None:
    out = defused(text, limit)
    assert harm(out) == []
    assert size(out) <= limit


@given(text=HOSTILE, limit=st.integers(1, 100))
def test_plain_is_one_line_within_its_limit(text: str, limit: int) -> None:
    out = plain(text, limit)
    assert size(out) <= limit
    out.encode()
    assert not any(character in out for character in "\r\n\x1b\u202e")


@given(text=st.text(), limit=st.integers(-5, 50))
def test_cutting_keeps_a_beginning(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert text.startswith(short)
    assert size(short) <= max(limit, 0)
    assert short == text or size(text) > max(limit, 0)


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_size_is_what_utf16_takes(text: str) -> None:
    assert size(text) == len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize(
    "text",
    [
        "Kept both: theirs fixes the parser, ours adds the test (see above).",
        "It's 54% faster, e.g. at 10:30 - well-known since 1.2.",
        "“Größe” heißt size; 大きさ too…",
        "The base renames `load()`, so the call uses `read()`.",
        "First, `a.py`; then (`b.py`).",
    ],
)
def test_prose_stays_prose(text: str) -> None:
    assert inline(text, 400) == text


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("see @acme/all", "see `@acme/all`"),
        ("fixes #1.", "fixes `#1`."),
        ("GH-3, no-close: #2", "`GH-3`, no-close: `#2`"),
        ("calls foo_bar(), then x.py!", "calls `foo_bar()`, then `x.py`!"),
        ("/approve\n/ok-to-test", "`/approve` `/ok-to-test`"),
        ("<b>bold</b>", "`<b>bold</b>`"),
        ("(as in a_b)", "(as in `a_b`)"),
        ("1. first", "`1`. first"),
        ("- first - second", "`-` first - second"),
        ("a\x1b[2Jb", "`a<U+001B>[2Jb`"),
        ("x`y", "``x`y``"),
        ("", ""),
    ],
)
def test_what_could_mean_something_becomes_code(text: str, out: str) -> None:
    assert inline(text, 400) == out


def test_what_does_not_fit_is_counted() -> None:
    assert inline("word " * 100, 100) == "word " * 12 + "… (439 more characters)"
    assert inline("y" * 500, 200).endswith("…` … (461 more characters)")
    assert "more characters" in inline("a b", 80) or inline("a b", 80) == "a b"


def test_a_very_long_text_is_cut_without_reading_it_all() -> None:
    assert inline("@x " * 10_000_000, 200).endswith("more characters)")


def test_a_name_that_is_all_backticks_or_nothing() -> None:
    assert code("```") == "```` ``` ````"
    assert code("  \n ") == "(empty)"


@pytest.mark.parametrize(
    "text",
    [
        "@anna",
        "fixes #1",
        "GH-3",
        "<img src=x>",
        "![x](http://evil)",
        "[a](http://evil)",
        "<http://evil>",
        "/approve",
        "x\n\n/approve",
        "deadbeefdeadbeef",
        "a\u202eb",
        "<details>\n<summary>@anna</summary>\n",
        "<!-- flowforge:other -->",
    ],
)
def test_the_reader_of_these_tests_sees_harm(text: str) -> None:
    assert harm(text) != []


def test_our_own_markdown_keeps_its_form() -> None:
    text = "There is no command `aprove`.\n\n- one\n- **two**\n\n| a | b |\n|---|---|\n| `c` | d |\n\n```sh\ngit x\n```"
    assert defused(text, 60_000) == text


def test_an_open_fence_is_closed() -> None:
    assert defused("a\n\n```sh\ngit push", 60_000) == "a\n\n```sh\ngit push\n```"
