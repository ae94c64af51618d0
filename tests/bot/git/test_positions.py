"""Where the hunks stand in the files of the sides."""

from hypothesis import given
from hypothesis import strategies as st

from bot.git.positions import places
from bot.merge.markers import splice
from bot.model.conflicts import Hunk, MarkedFile, Side

LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"\n"]), max_size=4).map(b"".join)


def marked(segments: list[bytes], sides: list[tuple[bytes, bytes]]) -> MarkedFile:
    hunks = [
        Hunk(index=index, first_line=0, last_line=0, ours=ours, ancestor=b"", theirs=theirs)
        for index, (ours, theirs) in enumerate(sides)
    ]
    return MarkedFile(path="a", segments=tuple(segments), hunks=tuple(hunks))


def test_changes_of_the_other_side_move_a_hunk() -> None:
    file = marked([b"1\nnew\n2\n3\n", b"4\n5\n"], [(b"ours\n", b"one\ntwo\n")])
    assert places(file, Side.OURS, b"1\n2\n3\nours\n4\n5\n") == ((4, 1),)
    assert places(file, Side.THEIRS, b"1\nnew\n2\n3\none\ntwo\n4\n6\n5\n") == ((5, 2),)


def test_a_side_without_lines_stands_before_the_next() -> None:
    file = marked([b"1\n2\n", b"3\n"], [(b"", b"new\n")])
    assert places(file, Side.OURS, b"1\n2\n3\n") == ((3, 0),)


def test_a_file_without_a_newline_at_its_end() -> None:
    file = marked([b"1\n", b""], [(b"ours\n", b"theirs\n")])
    assert places(file, Side.OURS, b"1\nours") == ((2, 1),)


@given(
    segments=st.lists(LINES, min_size=3, max_size=3), sides=st.lists(st.tuples(LINES, LINES), min_size=2, max_size=2)
)
def test_without_other_changes_the_lines_there_are_the_hunk(
    segments: list[bytes], sides: list[tuple[bytes, bytes]]
) -> None:
    file = marked(segments, sides)
    for side in (Side.OURS, Side.THEIRS):
        texts = [hunk.ours if side is Side.OURS else hunk.theirs for hunk in file.hunks]
        content = splice(file, texts)
        lines = content.splitlines(keepends=True)
        for (first, count), text in zip(places(file, side, content), texts, strict=True):
            assert b"".join(lines[first - 1 : first - 1 + count]) == text


@given(segments=st.lists(LINES, min_size=2, max_size=2), sides=st.tuples(LINES, LINES), content=LINES)
def test_whatever_the_file_the_place_is_inside(
    segments: list[bytes], sides: tuple[bytes, bytes], content: bytes
) -> None:
    for side in (Side.OURS, Side.THEIRS):
        ((first, count),) = places(marked(segments, [sides]), side, content)
        assert first >= 1
        assert count >= 0
