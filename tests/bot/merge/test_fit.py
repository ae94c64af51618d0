"""How a resolved file fits into git's merge, also when it was edited outside the hunks."""

from hypothesis import given
from hypothesis import strategies as st

from bot.merge.fit import Outside, fit
from bot.merge.markers import align, splice
from bot.merge.matching import lines_of
from bot.model.conflicts import Hunk, MarkedFile


def marked(*segments: bytes) -> MarkedFile:
    hunks = tuple(
        Hunk(index=index, first_line=1, last_line=2, ours=b"o\n", ancestor=b"", theirs=b"t\n")
        for index in range(len(segments) - 1)
    )
    return MarkedFile(path="f", segments=segments, hunks=hunks)


def test_places_are_the_lines_of_the_hunks() -> None:
    placed = fit(marked(b"1\n2\n", b"3\n", b"4\n"), b"1\n2\nA\nB\n3\n4\n")
    assert (placed.places, placed.outside) == (((2, 4), (5, 5)), ())


def test_what_was_changed_outside_is_named() -> None:
    file = marked(b"1\n2\n3\n", b"4\n5\n6\n")
    assert fit(file, b"1\nX\n3\nA\n4\n5\n6\n").outside == (Outside(first=2, last=2, lost=(b"2\n",)),)
    assert fit(file, b"1\n2\n3\nA\n4\n6\n").outside == (Outside(first=6, last=5, lost=(b"5\n",)),)
    assert fit(file, b"1\n2\nX\nY\n3\nA\n4\n5\n6\n").outside == (Outside(first=3, last=4, lost=()),)


def test_the_hunk_is_still_found_beside_an_edit() -> None:
    placed = fit(marked(b"1\n2\n3\n", b"4\n5\n6\n"), b"X\n2\n3\nA\nB\n4\n5\n6\n")
    assert placed.places == ((3, 5),)


def test_a_line_lost_next_to_a_hunk_is_an_edit_outside() -> None:
    placed = fit(marked(b"1\n2\n", b"3\n4\n"), b"1\n2\nA\n4\n")
    assert placed.outside[0].lost == (b"3\n",)
    assert placed.places == ((2, 3),)


def test_a_lost_final_newline_is_an_edit_outside() -> None:
    assert fit(marked(b"1\n", b"2\n"), b"1\nA\n2").outside != ()


_WHOLE = st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", b"c\n"]), max_size=4).map(b"".join)


@given(st.lists(_WHOLE, min_size=1, max_size=4), _WHOLE, st.sampled_from([b"", b"z"]))
def test_edits_are_found_exactly_when_there_is_no_split(segments: list[bytes], resolved: bytes, end: bytes) -> None:
    file = marked(*segments)
    placed = fit(file, resolved + end)
    assert (placed.outside == ()) == (align(file, resolved + end) is not None)
    assert len(placed.places) == len(file.hunks)
    last = 0
    for first, stop in placed.places:
        assert last <= first <= stop <= len(lines_of(resolved + end))
        last = stop


@given(st.lists(_WHOLE, min_size=2, max_size=4), st.data())
def test_what_was_spliced_fits(segments: list[bytes], data: st.DataObject) -> None:
    file = marked(*segments)
    resolved = splice(file, [data.draw(_WHOLE) for _ in file.hunks])
    placed = fit(file, resolved)
    lines = lines_of(resolved)
    texts = [b"".join(lines[first:stop]) for first, stop in placed.places]
    assert splice(file, texts) == resolved
