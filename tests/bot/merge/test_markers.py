"""Conflict markers, taken apart and put together again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import BadInputError, MarkersError
from bot.merge.markers import parse_marked, render, splice
from bot.model.conflicts import MARKER_SIZE, Hunk, MarkedFile

OPEN = b"<" * MARKER_SIZE
BAR = b"|" * MARKER_SIZE
DIVIDER = b"=" * MARKER_SIZE
CLOSE = b">" * MARKER_SIZE


def lines(*parts: bytes, end: bytes = b"\n") -> bytes:
    return b"".join(part + end for part in parts)


def conflict(ours: bytes = b"", ancestor: bytes = b"", theirs: bytes = b"", *, end: bytes = b"\n") -> bytes:
    return b"".join(
        [OPEN + b" 1f" + end, ours, BAR + b" 2e" + end, ancestor, DIVIDER + end, theirs, CLOSE + b" 3d" + end]
    )


def test_a_conflict_is_taken_apart() -> None:
    content = lines(b"before") + conflict(b"o1\no2\n", b"a\n", b"t\n") + lines(b"after")
    assert parse_marked("a.py", content) == MarkedFile(
        path="a.py",
        segments=(b"before\n", b"after\n"),
        hunks=(Hunk(index=0, first_line=2, last_line=9, ours=b"o1\no2\n", ancestor=b"a\n", theirs=b"t\n"),),
    )


def test_a_file_without_markers_is_one_segment() -> None:
    assert parse_marked("a", b"x\ny") == MarkedFile(path="a", segments=(b"x\ny",), hunks=())
    assert parse_marked("a", b"") == MarkedFile(path="a", segments=(b"",), hunks=())


def test_two_conflicts_that_touch_have_an_empty_segment_between_them() -> None:
    marked = parse_marked("a", conflict(b"1\n") + conflict(theirs=b"2\n"))
    assert marked.segments == (b"", b"", b"")
    assert [(hunk.index, hunk.first_line, hunk.last_line) for hunk in marked.hunks] == [(0, 1, 5), (1, 6, 10)]


def test_crlf_files_keep_their_line_ends() -> None:
    content = lines(b"a", end=b"\r\n") + conflict(b"o\r\n", b"", b"t\r\n", end=b"\r\n") + b"z"
    marked = parse_marked("a", content)
    assert marked.segments == (b"a\r\n", b"z")
    assert (marked.hunks[0].ours, marked.hunks[0].theirs) == (b"o\r\n", b"t\r\n")
    assert render(marked).count(b"\r\n") == content.count(b"\r\n")


def test_the_last_line_may_have_no_newline() -> None:
    assert parse_marked("a", conflict(b"o\n") + b"end").segments == (b"", b"end")
    assert parse_marked("a", conflict(b"o\n")[:-1]).hunks[0].last_line == 5


def test_bytes_that_are_no_utf_8_pass_through() -> None:
    content = b"\xef\xbb\xbfcaf\xe9\n" + conflict(b"\xff\n", b"\x00\n", b"\xe9\x0b\x0c\x1c\xc2\x85\n")
    marked = parse_marked("a", content)
    assert marked.segments[0] == b"\xef\xbb\xbfcaf\xe9\n"
    assert marked.hunks[0].theirs == b"\xe9\x0b\x0c\x1c\xc2\x85\n"
    assert marked.hunks[0].last_line == 8


def test_markers_of_another_length_are_text() -> None:
    legit = lines(b"<<<<<<< HEAD", b"=======", b">>>>>>> x")
    nested = lines(OPEN + b"<< inner", BAR + b"|| inner", DIVIDER + b"==", CLOSE + b">> inner")
    marked = parse_marked("a", legit + conflict(legit, nested, legit) + nested)
    assert marked.segments == (legit, nested)
    assert (marked.hunks[0].ours, marked.hunks[0].ancestor, marked.hunks[0].theirs) == (legit, nested, legit)


def test_the_size_can_be_chosen() -> None:
    content = b"<<<<<<< a\n1\n||||||| b\n=======\n2\n>>>>>>> c\n"
    assert len(parse_marked("a", content, size=7).hunks) == 1
    assert parse_marked("a", content).hunks == ()


def test_something_behind_the_signs_that_is_no_label_makes_text() -> None:
    text = lines(OPEN + b"x", DIVIDER + b" label", b" " + OPEN)
    assert parse_marked("a", text).segments == (text,)


def test_an_underline_as_long_as_a_divider_is_text_where_no_divider_can_be() -> None:
    heading = lines(b"Heading", DIVIDER)
    marked = parse_marked("a.rst", heading + conflict(heading, b"x\n", b"y\n"))
    assert marked.segments[0] == heading
    assert marked.hunks[0].ours == heading


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (OPEN + b"\n1\n", 1),
        (OPEN + b"\n" + OPEN + b"\n", 2),
        (OPEN + b"\n" + DIVIDER + b"\n" + CLOSE + b"\n", 3),
        (OPEN + b"\n" + BAR + b"\n" + BAR + b"\n", 3),
        (OPEN + b"\n" + BAR + b"\n" + CLOSE + b"\n", 3),
        (conflict(b"", b"Heading\n" + DIVIDER + b"\n", b"x\n"), 5),
        (conflict(b"", b"x\n", b"Heading\n" + DIVIDER + b"\n"), 6),
        (conflict(b"", b"x\n", OPEN + b" y\n"), 5),
        (CLOSE + b" x\n", 1),
        (BAR + b"\n", 1),
    ],
)
def test_markers_out_of_order_are_refused_with_place_and_reason(content: bytes, line: int) -> None:
    with pytest.raises(MarkersError, match=r"^dir/a\.rst") as caught:
        parse_marked("dir/a.rst", content)
    assert isinstance(caught.value, BadInputError)
    assert f"line {line} " in str(caught.value) or f":{line}: " in str(caught.value)


_LINE = st.one_of(
    st.binary(max_size=6).map(lambda line: line.replace(b"\n", b"")),
    st.sampled_from([b"<" * 7, b"=" * 7, b">" * 7, OPEN + b"<", b"=" * 44 + b" x", b"", b"}", b"\r"]),
).map(lambda line: line + b"\n")
_TEXT = st.lists(_LINE, max_size=4).map(b"".join)


@st.composite
def marked_files(draw: st.DrawFn) -> MarkedFile:
    segments = [draw(_TEXT)]
    hunks: list[Hunk] = []
    line = 1
    for index in range(draw(st.integers(0, 3))):
        ours, ancestor, theirs = draw(_TEXT), draw(_TEXT), draw(_TEXT)
        first = line + segments[-1].count(b"\n")
        last = first + 3 + sum(text.count(b"\n") for text in (ours, ancestor, theirs))
        hunks.append(Hunk(index=index, first_line=first, last_line=last, ours=ours, ancestor=ancestor, theirs=theirs))
        line = last + 1
        segments.append(draw(_TEXT))
    segments[-1] += draw(st.sampled_from([b"", b"no newline"]))
    return MarkedFile(path="f", segments=tuple(segments), hunks=tuple(hunks))


@given(marked_files())
def test_rendering_and_parsing_is_a_round_trip(marked: MarkedFile) -> None:
    assert parse_marked("f", render(marked)) == marked


@given(marked_files())
def test_every_byte_of_the_file_is_in_one_part_or_is_a_marker_line(marked: MarkedFile) -> None:
    texts = [text for hunk in marked.hunks for text in (hunk.ours, hunk.ancestor, hunk.theirs)]
    markers = len(marked.hunks) * 4
    rendered = render(marked)
    assert rendered.count(b"\n") == sum(text.count(b"\n") for text in [*marked.segments, *texts]) + markers
    for hunk in marked.hunks:
        all_lines = rendered.split(b"\n")
        assert all_lines[hunk.first_line - 1].startswith(OPEN)
        assert all_lines[hunk.last_line - 1].startswith(CLOSE)


@given(
    st.binary(max_size=400) | st.lists(st.sampled_from([OPEN, BAR, DIVIDER, CLOSE, b"x"]), max_size=12).map(b"\n".join)
)
def test_any_bytes_are_parsed_or_refused(content: bytes) -> None:
    try:
        marked = parse_marked("f", content)
    except MarkersError:
        return
    assert parse_marked("f", render(marked)).segments == marked.segments


def test_splice_puts_a_text_in_the_place_of_each_hunk() -> None:
    marked = parse_marked("a", b"1\n" + conflict(b"o\n") + b"2\n" + conflict(b"o\n") + b"3")
    assert splice(marked, [b"A\n", b""]) == b"1\nA\n2\n3"
    with pytest.raises(ValueError, match="zip"):
        splice(marked, [b"A\n"])
