"""What of the sides' work a result keeps (lost_lines, dropped_side) and what settled hunks keep (scope_hunks)."""

from dataclasses import replace

import pytest

from bot.model.conflicts import Hunk, MarkedFile
from bot.model.resolutions import Candidate, GateVerdict, Tier
from bot.validation import dropped_side, lost_lines, scope_hunks
from tests.bot.validation.candidates import OURS, THEIRS, candidate, found, said

ANCESTOR = b"start\nend\n"
LEFT = b"start\nleft one\nleft two\nend\n"
RIGHT = b"start\nright one\nright two\nend\n"


def mixed(result: bytes) -> Candidate:
    return candidate(result, ancestor=ANCESTOR, ours=LEFT, theirs=RIGHT, path="x.txt")


def test_a_part_of_a_side_lost_in_a_mixture_needs_a_person() -> None:
    (finding,) = found(lost_lines.check, mixed(b"start\nleft one\nright one\nright two\nend\n"))
    assert finding.verdict is GateVerdict.NEEDS_PERSON
    assert finding.message == "Conflict 1 mixes the sides and lost a part of what ours added: `left two`."
    assert finding.lines == (2, 4)


@pytest.mark.parametrize(
    "result",
    [
        LEFT,
        RIGHT,
        b"start\nleft one\nleft two\nright one\nright two\nend\n",
        b"start\nright one\nleft one\nright two\n  left two\nend\n",
        b"start\nleft one\nleft two right\nright one\nright two\nend\n",
        b"start\nsomething else\nend\n",
    ],
)
def test_whole_sides_all_lines_and_reworked_lines_are_no_loss(result: bytes) -> None:
    assert found(lost_lines.check, mixed(result)) == []


def test_a_line_where_the_other_side_changed_nothing_is_missed_in_a_mixture() -> None:
    ancestor = b"start\n1\n}\n}\n2\nend\n"
    ours = b"start\n1 ours\n}\nours_only()\n}\n2 ours\nend\n"
    theirs = b"start\n1 theirs\n}\n}\n2 theirs\nend\n"
    texts = (ours[6:-4], ancestor[6:-4], theirs[6:-4])
    hunk = Hunk(index=0, first_line=2, last_line=20, ours=texts[0], ancestor=texts[1], theirs=texts[2])
    marked = MarkedFile(path="x.txt", segments=(b"start\n", b"end\n"), hunks=(hunk,))

    def lost(result: bytes) -> list[str]:
        case = candidate(result, ancestor=ancestor, ours=ours, theirs=theirs, path="x.txt")
        return said(found(lost_lines.check, replace(case, marked={"x.txt": marked})))

    message = "Conflict 1 mixes the sides and lost a part of what ours added: `ours_only()`."
    assert lost(b"start\nfresh 1 theirs\n}\n}\n2 theirs\nend\n") == [message]
    assert lost(theirs) == []


def test_a_dropped_side_is_a_note() -> None:
    (note,) = found(dropped_side.check, mixed(LEFT))
    assert note.verdict is GateVerdict.PASS
    assert note.message == "Conflict 1 keeps nothing of what theirs added: 2 lines."
    assert note.lines == (2, 3)
    assert found(dropped_side.check, mixed(b"start\nleft one\nleft two\nright one\nright two\nend\n")) == []


@pytest.mark.parametrize("tier", Tier)
def test_nothing_of_either_side_asks_for_a_person_where_a_model_wrote_it(tier: Tier) -> None:
    case = mixed(ANCESTOR)
    (resolution,) = case.resolutions
    hunks = tuple(replace(hunk, tier=tier) for hunk in resolution.hunks)
    findings = found(dropped_side.check, replace(case, resolutions=(replace(resolution, hunks=hunks),)))
    asked = [finding.message for finding in findings if finding.verdict is GateVerdict.NEEDS_PERSON]
    by_model = tier in {Tier.DIRECT, Tier.AGENT}
    assert asked == (["Conflict 1 keeps nothing of what either side added, and a model wrote it."] if by_model else [])
    assert len(findings) - len(asked) == 2


def test_what_a_model_wrote_in_the_place_of_both_sides_is_only_noted() -> None:
    findings = found(dropped_side.check, mixed(b"start\nfresh words\nend\n"))
    assert {finding.verdict for finding in findings} == {GateVerdict.PASS}


def test_of_a_conflict_without_hunks_it_is_said_which_side_it_is() -> None:
    ours, theirs = b"\0ours", b"\0theirs"
    (note,) = found(dropped_side.check, candidate(ours, ours=ours, theirs=theirs, path="x.bin"))
    assert note.message == "This is ours as it is; nothing of the other side is in it."


def test_a_settled_hunk_keeps_its_text() -> None:
    text = b"    return a + 1\n"
    settled = {"src/app.py": {0: text}}
    assert found(scope_hunks.check, replace(candidate(OURS), settled=settled)) == []
    (finding,) = found(scope_hunks.check, replace(candidate(THEIRS), settled=settled))
    assert finding.verdict is GateVerdict.REFUSED
    assert finding.message == "Conflict 1 was settled by a rule before, and its text changed."
    assert finding.lines == (6, 6)


def test_a_settled_hunk_is_looked_at_beside_an_edit_outside() -> None:
    settled = {"src/app.py": {0: b"    return a + 1\n"}}
    case = replace(candidate(THEIRS.replace(b"def last", b"def first")), settled=settled)
    assert {finding.verdict for finding in found(scope_hunks.check, case)} == {
        GateVerdict.NEEDS_PERSON,
        GateVerdict.REFUSED,
    }


def test_taking_back_what_one_side_changed_outside_the_hunks_needs_a_person() -> None:
    theirs = THEIRS.replace(b"import os", b"import os, re")
    (finding,) = found(scope_hunks.check, candidate(OURS, theirs=theirs))
    assert finding.message == "Outside the conflicts, a line that git merged is changed."
    assert finding.verdict is GateVerdict.NEEDS_PERSON


def test_lines_lost_between_hunks_that_look_alike_are_seen() -> None:
    # The text between the hunks is there three times, and the second hunk has a `shared` too many.
    ancestor = b"1\n}\n2\n"
    ours = b"A1\nshared\nA2\n}\nshared\n}\nA3\n"
    theirs = b"B1\nshared\nB2\n}\nB3\n"
    case = candidate(b"", ancestor=ancestor, ours=ours, theirs=theirs, path="x.txt")
    hunks = case.marked["x.txt"].hunks
    assert len(hunks) >= 2
    for result in (ours, theirs):
        assert (
            found(lost_lines.check, candidate(result, ancestor=ancestor, ours=ours, theirs=theirs, path="x.txt")) == []
        )
