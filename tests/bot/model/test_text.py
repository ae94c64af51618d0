import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.model.text import code_span


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("main", "`main`"),
        ("a`b``c", "`a'b''c`"),
        ("@team #1 <b>", "`@team #1 <b>`"),
        ("a\nb\x1b[0m", "`a\ufffdb\ufffd[0m`"),
        ("a\u202eb\u200bc", "`a\ufffdb\ufffdc`"),
        ("", "(nothing)"),
        ("  ", "(nothing)"),
        ("x" * 61, "`" + "x" * 59 + "…`"),
        ("x" * 60, "`" + "x" * 60 + "`"),
    ],
)
def test_a_foreign_word_is_shown_inert(text: str, shown: str) -> None:
    assert code_span(text) == shown


@given(st.text(max_size=100), st.integers(min_value=1, max_value=80))
def test_a_span_is_one_span_in_any_sentence(text: str, limit: int) -> None:
    span = code_span(text, limit=limit)
    assert len(span) <= max(limit + 2, len("(nothing)"))
    paragraph = MarkdownIt("commonmark").parse(f"The word {span} stands here.")[1]
    children = [(child.type, child.content) for child in paragraph.children or []]
    if span != "(nothing)":
        assert children[0] == ("text", "The word ")
        assert [kind for kind, _ in children] == ["text", "code_inline", "text"]
