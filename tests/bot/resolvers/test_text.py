"""Lines, tokens and file names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.resolvers.text import indentation_counts, is_lock, is_prose, joined, lines, solid, tokens, words


@given(st.binary(max_size=200))
def test_nothing_is_lost(text: bytes) -> None:
    assert b"".join(lines(text)) == text
    assert b"".join(tokens(text)) == text
    assert b"".join(words(text)) == b"".join(b"".join(token.split()) for token in words(text))


def test_only_a_newline_ends_a_line() -> None:
    assert lines(b"a\rb\x0cc\r\nd") == [b"a\rb\x0cc\r\n", b"d"]


def test_what_has_no_end_gets_one() -> None:
    assert joined(b"a", b"", b"b") == b"a\nb"
    assert joined(b"a\r\n", b"b", b"c\r\n") == b"a\r\nb\r\nc\r\n"


def test_white_space_that_has_a_meaning() -> None:
    assert solid("a.go", b" a\n\tb c\n") == [b"abc"]
    assert solid("a.py", b" a \n\n\tb c\n") == [b" a", b"\tb c"]
    assert solid("a.go", b" \n") == solid("a.py", b" \n") == []


@pytest.mark.parametrize(
    ("path", "indented", "prose", "lock"),
    [
        ("src/a.py", True, False, False),
        ("Makefile", True, False, False),
        (".github/workflows/ci.YML", True, False, False),
        ("docs/README.md", True, True, False),
        ("web/package-lock.json", False, False, True),
        ("go.sum", False, False, True),
        ("py", False, False, False),
        ("a.c", False, False, False),
    ],
)
def test_what_a_name_says(path: str, indented: bool, prose: bool, lock: bool) -> None:
    assert (indentation_counts(path), is_prose(path), is_lock(path)) == (indented, prose, lock)
