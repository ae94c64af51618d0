"""Where each line of a resolved file comes from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.merge.markers import splice
from bot.merge.matching import lines_of
from bot.merge.provenance import hunk_provenance, provenance, tokens
from bot.model.conflicts import MarkedFile
from bot.model.resolutions import LineOrigin, ProvenanceSpan, SideTexts
from tests.bot.validation.candidates import marked_by_git

ANCESTOR = b"top\none = 1\nend\n"
OURS = b"top\none = 1  # ours\nmore(ours)\nend\n"
THEIRS = b"top\none = 2\nend\ntheir_end\n"


def of(content: bytes) -> list[tuple[int, int, str]]:
    marked = marked_by_git("f", ours=OURS, ancestor=ANCESTOR, theirs=THEIRS)
    assert len(marked.hunks) == 1
    sides = SideTexts(ancestor=ANCESTOR, ours=OURS, theirs=THEIRS)
    return [(span.first, span.last, str(span.origin)) for span in provenance(sides, content, marked)]


def test_every_origin_has_its_name() -> None:
    assert of(b"top\none = 2\none = 1  # ours\none = 2  # ours\none = 3\nend\ntheir_end\n") == [
        (1, 1, "both"),
        (2, 2, "theirs"),
        (3, 3, "ours"),
        (4, 4, "recombined"),
        (5, 5, "new"),
        (6, 6, "both"),
        (7, 7, "theirs"),
    ]


def test_a_line_from_elsewhere_in_the_file_is_new() -> None:
    assert of(b"top\none = 2\ntheir_end\nend\ntheir_end\n")[2] == (3, 3, "new")


def test_a_second_copy_is_put_together_not_taken() -> None:
    found = of(b"top\nmore(ours)\nmore(ours)\nend\ntheir_end\n")[1:3]
    assert {origin for _, _, origin in found} == {"ours", "recombined"}


def test_lines_moved_within_the_hunk_keep_their_side() -> None:
    assert of(b"top\nmore(ours)\none = 1  # ours\nend\ntheir_end\n")[1] == (2, 3, "ours")


def test_a_version_of_known_numbers_is_new() -> None:
    assert tokens(b"x==1.2.3") == {"x", "=", "1.2.3"}
    sides = SideTexts(ancestor=b"v 1.0\n", ours=b"v 1.2\n", theirs=b"v 3.1\n")
    (span,) = provenance(sides, b"v 3.2\n", None)
    assert span.origin is LineOrigin.NEW


def test_edits_outside_the_hunks_have_an_origin_too() -> None:
    assert of(b"TOP\none = 2\nend\ntheir_end\n")[0] == (1, 1, "new")
    assert of(b"top\none = 2\nend\n")[-1] == (3, 3, "both")


def test_files_without_hunks_have_origins() -> None:
    sides = SideTexts(ancestor=b"a\nb\n", ours=None, theirs=b"a\nc\n")
    assert provenance(sides, b"a\nc\nd\n", None) == (
        ProvenanceSpan(first=1, last=2, origin=LineOrigin.THEIRS),
        ProvenanceSpan(first=3, last=3, origin=LineOrigin.NEW),
    )
    assert provenance(SideTexts(ancestor=None, ours=None, theirs=None), b"", None) == ()


def test_a_missing_final_newline_is_no_new_content() -> None:
    assert of(b"top\none = 2\nend\ntheir_end")[-1] == (4, 4, "theirs")


def test_hunks_count_their_own_lines() -> None:
    marked = marked_by_git("f", ours=OURS, ancestor=ANCESTOR, theirs=THEIRS)
    assert hunk_provenance(marked, [b"one = 2\nfresh\n"]) == (
        (
            ProvenanceSpan(first=1, last=1, origin=LineOrigin.THEIRS),
            ProvenanceSpan(first=2, last=2, origin=LineOrigin.NEW),
        ),
    )
    assert hunk_provenance(marked, [b""]) == ((),)


_TEXT = st.lists(st.sampled_from([b"a\n", b"b(x)\n", b"\n", b"  c = 1\n", b"d\r\n", b"\xe9\n"]), max_size=8).map(
    b"".join
)


@st.composite
def merges(draw: st.DrawFn) -> tuple[SideTexts, MarkedFile]:
    start, end = draw(_TEXT), draw(_TEXT)
    ours, ancestor, theirs = (start + draw(_TEXT) + b"same\n" + end + draw(_TEXT) for _ in range(3))
    sides = SideTexts(ancestor=ancestor, ours=ours, theirs=theirs)
    return sides, marked_by_git("f", ours=ours, ancestor=ancestor, theirs=theirs)


@given(merges(), _TEXT, st.sampled_from([b"", b"no end"]))
def test_spans_cover_every_line_once(merge: tuple[SideTexts, MarkedFile], content: bytes, end: bytes) -> None:
    sides, marked = merge
    for known in (marked, None):
        spans = provenance(sides, content + end, known)
        covered = [line for span in spans for line in range(span.first, span.last + 1)]
        assert covered == list(range(1, len(lines_of(content + end)) + 1))


@given(merges(), st.data())
def test_whole_sides_have_nothing_new(merge: tuple[SideTexts, MarkedFile], data: st.DataObject) -> None:
    sides, marked = merge
    content = splice(marked, [data.draw(st.sampled_from([hunk.ours, hunk.theirs])) for hunk in marked.hunks])
    assert {span.origin for span in provenance(sides, content, marked)} <= {
        LineOrigin.BOTH,
        LineOrigin.OURS,
        LineOrigin.THEIRS,
    }
    assert {span.origin for span in provenance(sides, sides.ours or b"", None)} <= {LineOrigin.BOTH, LineOrigin.OURS}


@given(merges(), st.data())
def test_a_fresh_word_is_always_new(merge: tuple[SideTexts, MarkedFile], data: st.DataObject) -> None:
    sides, marked = merge
    texts = [data.draw(st.sampled_from([hunk.ours, hunk.theirs])) for hunk in marked.hunks]
    lines = lines_of(splice(marked, texts))
    at = data.draw(st.integers(0, len(lines)))
    content = b"".join([*lines[:at], b"a = fresh_word\n", *lines[at:]])
    for known in (marked, None):
        (span,) = [span for span in provenance(sides, content, known) if span.first <= at + 1 <= span.last]
        assert span.origin is LineOrigin.NEW


@pytest.mark.timeout(60)  # what explodes takes minutes
def test_two_megabytes_take_a_moment() -> None:
    lines = [b"    value_%d = compute(%d)\n" % (number, number) for number in range(60_000)]
    ours, theirs, result = list(lines), list(lines), list(lines)
    for at in range(0, 60_000, 40):
        ours[at] = b"    ours(%d)\n" % at
        theirs[at + 5] = b"    theirs(%d)\n" % at
        result[at] = b"    ours(%d) + fresh\n" % at
    sides = SideTexts(ancestor=b"".join(lines), ours=b"".join(ours), theirs=b"".join(theirs))
    assert len(provenance(sides, b"".join(result), None)) > 3000
