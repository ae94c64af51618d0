"""Which text of a resolved file stands in the place of which hunk."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.merge.markers import align, splice
from bot.model.conflicts import Hunk, MarkedFile


def marked(*segments: bytes, hunks: tuple[tuple[bytes, bytes, bytes], ...] | None = None) -> MarkedFile:
    texts = hunks or ((b"o\n", b"a\n", b"t\n"),) * (len(segments) - 1)
    return MarkedFile(
        path="f",
        segments=segments,
        hunks=tuple(
            Hunk(index=index, first_line=1, last_line=2, ours=ours, ancestor=ancestor, theirs=theirs)
            for index, (ours, ancestor, theirs) in enumerate(texts)
        ),
    )


def test_the_texts_between_the_segments_are_found() -> None:
    assert align(marked(b"1\n", b"2\n", b"3\n"), b"1\nA\nB\n2\nC\n3\n") == (b"A\nB\n", b"C\n")


def test_a_hunk_may_be_resolved_to_nothing() -> None:
    assert align(marked(b"1\n", b"2\n"), b"1\n2\n") == (b"",)


def test_the_last_text_may_lack_a_newline() -> None:
    assert align(marked(b"1\n", b""), b"1\nend") == (b"end",)


def test_a_file_without_hunks_must_be_the_same() -> None:
    assert align(marked(b"1\n"), b"1\n") == ()
    assert align(marked(b"1\n"), b"1") is None


def test_a_change_outside_the_hunks_is_seen() -> None:
    file = marked(b"1\n", b"2\n", b"3\n")
    for resolved in (
        b"0\nA\n2\nB\n3\n",  # first segment
        b"1\nA\nx\nB\n3\n",  # middle
        b"1\nA\n2\nB\n3",  # the final newline
        b"x\n1\nA\n2\nB\n3\n",  # something before
        b"1\nA\n2\nB\n3\nx\n",  # something behind
        b"1\r\nA\n2\nB\n3\n",  # a line end
        b"1\n3\n2\n",  # order
        b"1\nA2\nB\n3\n",  # joined with the line before
        b"1\nA\n2\nB3\n",
        b"",
    ):
        assert align(file, resolved) is None, resolved


def test_first_and_last_segment_may_not_overlap() -> None:
    assert align(marked(b"a\nb\n", b"b\nc\n"), b"a\nb\nc\n") is None


def test_a_later_copy_of_a_segment_is_used_when_the_first_one_leads_nowhere() -> None:
    assert align(marked(b"", b"x\n", b"x\ny\n", b""), b"x\nx\ny\nx\n") == (b"", b"", b"x\n")
    assert align(marked(b"", b"x\ny\n", b"x\n"), b"x\nx\ny\nx\n") == (b"x\n", b"")


def test_repeated_lines_go_to_the_hunk_they_come_from() -> None:
    file = marked(b"{\n", b"}\n", b"end\n", hunks=((b"if a:\n}\nA\n", b"", b"B\n"), (b"C\n", b"", b"D\n")))
    assert align(file, b"{\nif a:\n}\nA\nB\n}\nC\nend\n") == (b"if a:\n}\nA\nB\n", b"C\n")


def test_a_tie_goes_to_the_left() -> None:
    assert align(marked(b"", b"}\n", b""), b"new\n}\nnew\n}\nnew\n") == (b"new\n", b"new\n}\nnew\n")


def test_an_empty_segment_between_two_hunks_divides_by_origin() -> None:
    file = marked(b"", b"", b"", hunks=((b"A\n", b"", b""), (b"", b"", b"B\n")))
    assert align(file, b"A\nB\n") == (b"A\n", b"B\n")


def splits(segments: tuple[bytes, ...], resolved: bytes) -> Iterator[tuple[bytes, ...]]:
    """All splits, by trying everything."""
    head, *rest = segments
    if not resolved.startswith(head):
        return
    text = resolved[len(head) :]
    if not rest:
        if not text:
            yield ()
        return
    for end in range(len(text) + 1):
        whole = text[:end] == b"" or text[:end].endswith(b"\n") or (len(rest) == 1 and rest[0] == b"")
        if whole:
            for others in splits(tuple(rest), text[end:]):
                yield (text[:end], *others)


def strangers(file: MarkedFile, texts: tuple[bytes, ...]) -> int:
    count = 0
    for hunk, text in zip(file.hunks, texts, strict=True):
        known = {b"", *hunk.ours.split(b"\n"), *hunk.ancestor.split(b"\n"), *hunk.theirs.split(b"\n")}
        count += sum(line not in known for line in text.split(b"\n"))
    return count


_WHOLE = st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", b"c\n"]), max_size=3).map(b"".join)
_HUNK = st.tuples(_WHOLE, _WHOLE, _WHOLE)


@st.composite
def files(draw: st.DrawFn) -> MarkedFile:
    hunks = draw(st.lists(_HUNK, min_size=1, max_size=3))
    segments = [draw(_WHOLE) for _ in range(len(hunks) + 1)]
    segments[-1] += draw(st.sampled_from([b"", b"", b"z"]))
    return marked(*segments, hunks=tuple(hunks))


@given(files(), st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", b"c\n"]), max_size=9), st.sampled_from([b"", b"z"]))
def test_a_split_is_found_exactly_when_there_is_one_and_it_is_the_best(
    file: MarkedFile, lines: list[bytes], end: bytes
) -> None:
    resolved = b"".join(lines) + end
    possible = list(splits(file.segments, resolved))
    found = align(file, resolved)
    assert (found is None) == (not possible)
    if found is not None:
        assert splice(file, found) == resolved
        assert found in possible
        assert strangers(file, found) == min(strangers(file, texts) for texts in possible)


@given(files(), st.data())
def test_what_was_spliced_is_always_aligned(file: MarkedFile, data: st.DataObject) -> None:
    texts = [data.draw(_WHOLE) for _ in file.hunks]
    resolved = splice(file, texts)
    found = align(file, resolved)
    assert found is not None
    assert splice(file, found) == resolved
    assert strangers(file, found) <= strangers(file, tuple(texts))


@pytest.mark.timeout(60)  # what explodes takes minutes
def test_files_made_to_be_slow_are_not() -> None:
    blank = b"\n" * 50_000
    file = marked(b"", *[blank + b"x\n" + blank] * 3, b"")
    resolved = splice(file, [b"\n" * 300_000, b"\nx\n" * 100_000, b"\n" * 300_000, b"x\n" * 300_000])
    assert align(file, resolved) is not None
    many = marked(b"", *[b"\n"] * 2_000, b"")
    assert align(many, b"\n" * 100_000) is not None
