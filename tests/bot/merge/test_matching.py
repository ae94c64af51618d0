"""Lines of two texts are paired in order, and quickly whatever the texts are."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.merge.matching import lines_of, matching

_LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"}\n", b"\n", b"u1\n", b"u2\n"]), max_size=12)


@given(_LINES, _LINES)
def test_pairs_are_equal_lines_in_order(left: list[bytes], right: list[bytes]) -> None:
    pairs = sorted(matching(left, right).items())
    assert all(left[at] == right[place] for at, place in pairs)
    assert all(before < after for (_, before), (_, after) in pairwise(pairs))


@given(_LINES)
def test_a_text_is_paired_with_itself_line_by_line(lines: list[bytes]) -> None:
    assert matching(lines, lines) == {at: at for at in range(len(lines))}


@given(_LINES, _LINES, _LINES)
def test_what_both_begin_and_end_with_is_paired(start: list[bytes], middle: list[bytes], end: list[bytes]) -> None:
    pairs = matching([*start, b"x\n", *end], [*start, *middle, b"y\n", *end])
    assert set(range(len(start))) | set(range(len(start) + 1, len(start) + 1 + len(end))) <= pairs.keys()


def test_lines_that_occur_once_hold_the_others_in_place() -> None:
    left = [b"{\n", b"one\n", b"}\n", b"{\n", b"two\n", b"}\n"]
    right = [b"{\n", b"two\n", b"}\n", b"\n"]
    assert matching(left, right) == {0: 0, 4: 1, 5: 2}


@given(st.binary(max_size=60))
def test_lines_end_with_a_newline_and_nothing_is_lost(text: bytes) -> None:
    lines = lines_of(text)
    assert b"".join(lines) == text
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines[:-1])
    assert b"" not in lines


@pytest.mark.timeout(60)  # what explodes takes minutes
def test_texts_made_to_be_slow_are_not() -> None:
    nested: list[bytes] = []
    for level in range(20_000):
        nested = [b"%d\n" % level, *nested[:200], b"%d\n" % level, *nested[200:400]]
    many = [b"%d\n" % (number // 2) for number in range(100_000)]
    matching([b"x\n", *[b"\n"] * 300_000, b"y\n"], [b"\n"] * 300_000)
    matching(many, many[::-1])
    matching(nested * 50, [b"z\n", *nested * 50])
