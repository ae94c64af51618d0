"""What is settled is put in; what is left is a file like any other."""

from hypothesis import given
from hypothesis import strategies as st

from bot.merge.markers import parse_marked, render, splice
from bot.merge.remainder import remainder
from tests.bot.merge.test_align import marked

_WHOLE = st.lists(st.sampled_from([b"a\n", b"b\n", b"\n"]), max_size=3).map(b"".join)


def test_settled_hunks_become_text_and_the_others_keep_their_numbers() -> None:
    left = remainder(marked(b"1\n", b"2\n", b"3\n"), {0: b"A\n"})
    assert left.marked.segments == (b"1\nA\n2\n", b"3\n")
    assert left.indexes == (1,)


@given(st.lists(_WHOLE, min_size=1, max_size=4), st.data())
def test_settling_step_by_step_gives_the_same_file(segments: list[bytes], data: st.DataObject) -> None:
    file = marked(*segments)
    texts = {hunk.index: data.draw(_WHOLE) for hunk in file.hunks}
    first = {index: text for index, text in texts.items() if data.draw(st.booleans())}
    left = remainder(file, first)
    assert splice(left.marked, [texts[index] for index in left.indexes]) == splice(file, list(texts.values()))
    assert remainder(file, texts).marked.segments == (splice(file, list(texts.values())),)


def test_line_numbers_are_those_of_the_file_that_is_left() -> None:
    file = parse_marked("f", render(marked(b"1\n", b"2\n", b"3\n")))
    left = remainder(file, {0: b"A\nB\n"})
    assert parse_marked("f", render(left.marked)) == left.marked
