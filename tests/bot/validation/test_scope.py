"""Nothing but the hunks of the conflicted files changes (scope_paths, scope_hunks, lost_lines)."""

from dataclasses import replace

import pytest

from bot.merge.markers import splice
from bot.model.resolutions import GateVerdict
from bot.validation import lost_lines, scope_hunks, scope_paths
from tests.bot.validation.candidates import ANCESTOR, OURS, THEIRS, candidate, found, said, with_extra_change


def test_the_conflicted_file_may_change() -> None:
    assert scope_paths.check(candidate(OURS)) == []


@pytest.mark.parametrize("path", ["src/other.py", "Makefile", "src/app.py.orig", "new/file"])
def test_any_other_file_is_refused(path: str) -> None:
    (finding,) = scope_paths.check(with_extra_change(candidate(OURS), path))
    assert (finding.path, finding.verdict) == (path, GateVerdict.REFUSED)


def test_deleting_another_file_is_refused() -> None:
    (finding,) = scope_paths.check(with_extra_change(candidate(OURS), "README.md", None))
    assert finding.path == "README.md"


def test_a_resolution_for_a_path_without_conflict_is_refused() -> None:
    honest = candidate(OURS)
    stray = replace(honest.resolutions[0], path="elsewhere.py")
    (finding,) = scope_paths.check(replace(honest, resolutions=(*honest.resolutions, stray)))
    assert finding.path == "elsewhere.py"


def test_a_conflicted_file_without_resolution_may_not_change() -> None:
    assert "no resolution" in scope_paths.check(replace(candidate(OURS), resolutions=()))[0].message


def test_deleting_the_file_takes_a_side_that_deletes_it() -> None:
    assert "deleted" in scope_paths.check(candidate(None))[0].message
    assert scope_paths.check(candidate(None, theirs=None)) == []
    assert scope_paths.check(candidate(None, ours=None)) == []


@pytest.mark.parametrize(
    "result", [OURS, THEIRS, OURS.replace(b"+ 1", b"+ 1 * 2"), OURS.replace(b"    return a + 1\n", b"")]
)
def test_whatever_happens_inside_the_hunk_is_in_scope(result: bytes) -> None:
    assert found(scope_hunks.check, candidate(result)) == []


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        (b"import os", b"import os, sys", 1),
        (b"import os\n\n", b"import os\n", 3),
        (b"def last", b"def first", 9),
        (b"    pass\n", b"    pass", 10),
        (b"    pass\n", b"    pass\nprint()\n", 11),
        (b"import os", b"#\nimport os", 1),
    ],
)
def test_a_byte_outside_the_hunk_needs_a_person_with_its_line(before: bytes, after: bytes, line: int) -> None:
    (finding,) = found(scope_hunks.check, candidate(OURS.replace(before, after)))
    assert finding.verdict is GateVerdict.NEEDS_PERSON
    assert finding.lines == (line, line)


def test_an_edit_between_two_hunks_needs_a_person() -> None:
    ancestor = b"a\n" + b"same\n" * 8 + b"b\n"
    ours, theirs = ancestor.replace(b"a\n", b"A1\n").replace(b"b\n", b"B1\n"), b"A2\n" + b"same\n" * 8 + b"B2\n"
    honest = candidate(ours, ours=ours, theirs=theirs, ancestor=ancestor, path="x.txt")
    assert len(honest.marked["x.txt"].hunks) == 2
    assert found(scope_hunks.check, honest) == []
    edited = ours.replace(b"same\n" * 8, b"same\n" * 3 + b"else\n" + b"same\n" * 4)
    findings = found(scope_hunks.check, candidate(edited, ours=ours, theirs=theirs, ancestor=ancestor, path="x.txt"))
    assert {finding.verdict for finding in findings} == {GateVerdict.NEEDS_PERSON}
    assert (5, 5) in [finding.lines for finding in findings]


def test_a_conflict_without_hunks_ends_as_a_side() -> None:
    ours, theirs = b"\0ours", b"\0theirs"
    assert found(scope_hunks.check, candidate(ours, ours=ours, theirs=theirs, path="x.bin")) == []
    (finding,) = found(scope_hunks.check, candidate(b"\0mixed", ours=ours, theirs=theirs, path="x.bin"))
    assert finding.verdict is GateVerdict.NEEDS_PERSON


def lost(result: bytes) -> list[str]:
    # Both sides inserted a block; `shared()` is in both, so it has to stay.
    ancestor = b"one\ntwo\n"
    ours = b"one\nleft()\nshared()\nleft()\ntwo\n"
    theirs = b"one\nright()\nshared()\nright()\ntwo\n"
    return said(found(lost_lines.check, candidate(result, ancestor=ancestor, ours=ours, theirs=theirs, path="x.txt")))


def test_a_line_that_both_sides_have_must_stay() -> None:
    assert lost(b"one\nleft()\nright()\ntwo\n") == ["Conflict 1 lost a line that both sides keep: `shared()`."]


@pytest.mark.parametrize(
    "result",
    [
        b"one\nleft()\nshared()\nleft()\ntwo\n",
        b"one\nleft()\n  shared()\nleft()\nright()\nright()\ntwo\n",
        b"one\nshared()\ntwo\n",
        b"one\nsomething()\nelse()\nshared()\ntwo\n",
    ],
)
def test_one_sides_lines_may_go(result: bytes) -> None:
    assert lost(result) == []


def test_a_line_that_both_have_twice_must_stay_twice() -> None:
    ours, theirs = b"x\n1\nsame\nsame\ny\n", b"x\n2\nsame\nsame\ny\n"
    one_gone = candidate(b"x\n1\nsame\ny\n", ancestor=b"x\ny\n", ours=ours, theirs=theirs, path="x.txt")
    # git sees the common lines and may leave them out of the hunk: either check may be the one that says no.
    assert found(lost_lines.check, one_gone) + found(scope_hunks.check, one_gone)


def test_the_span_of_a_lost_line_is_its_hunks_place_in_the_result() -> None:
    ancestor = b"a\nb\n"
    case = candidate(
        b"a\nL\nR\nb\n", ancestor=ancestor, ours=b"a\nL\nboth\nL\nb\n", theirs=b"a\nR\nboth\nR\nb\n", path="x.txt"
    )
    (finding,) = found(lost_lines.check, case)
    assert finding.lines == (2, 3)


def test_hunks_that_cannot_be_told_apart_count_as_one() -> None:
    # The line between the hunks also begins a side of the second, so where the first ends is open.
    ancestor = b"    b = f(a)\n}\n"
    ours = b"\n    b = f(a)\na\n    b = f(a)\n"
    theirs = b"a\n    b = f(a)\n    b = f(a)\na\n"
    case = candidate(b"", ancestor=ancestor, ours=ours, theirs=theirs, path="x.txt")
    marked = case.marked["x.txt"]
    assert len(marked.hunks) > 1
    for result in (ours, theirs):
        assert (
            found(lost_lines.check, candidate(result, ancestor=ancestor, ours=ours, theirs=theirs, path="x.txt")) == []
        )
    emptied = splice(marked, [b""] * len(marked.hunks))
    assert found(lost_lines.check, candidate(emptied, ancestor=ancestor, ours=ours, theirs=theirs, path="x.txt"))


def test_hunks_with_one_place_are_looked_at_one_by_one() -> None:
    ancestor = b"top\nmiddle\nend\n"
    ours = b"top\nL\nboth\nL\nmiddle\nL2\nend\n"
    theirs = b"top\nR\nboth\nR\nmiddle\nR2\nend\n"
    # The second conflict has one `both` too many; that does not make up for the first's.
    result = b"top\nL\nR\nmiddle\nboth\nL2\nend\n"
    (finding,) = found(lost_lines.check, candidate(result, ancestor=ancestor, ours=ours, theirs=theirs, path="x.txt"))
    assert finding.message.startswith("Conflict 1 lost a line")


def test_the_ancestor_is_no_resolution_of_lines_both_added() -> None:
    assert ANCESTOR not in (OURS, THEIRS)
    assert lost(b"one\ntwo\n") != []
