"""Left-over and new conflict markers (ADV-037)."""

from typing import Unpack

import pytest

from bot.model.conflicts import MARKER_SIZE
from bot.model.resolutions import GateVerdict
from bot.validation import markers
from tests.bot.validation.candidates import OURS, Sides, candidate

HEAD, REST = OURS.split(b"    return")


def inside(text: bytes) -> bytes:
    """``text`` in the place of the hunk."""
    return HEAD + text + b"\n\ndef last():\n    pass\n"


def lines_with_findings(text: bytes, **sides: Unpack[Sides]) -> list[int]:
    findings = markers.check(candidate(inside(text), **sides))
    assert all(finding.verdict is GateVerdict.REFUSED for finding in findings)
    return [finding.lines[0] for finding in findings if finding.lines]


@pytest.mark.parametrize("sign", ["<", "|", "=", ">"])
@pytest.mark.parametrize("form", ["{} ours\n", "{}\n", "    {}\n", "{}\r\n", "\t{} \n"])
def test_no_marker_of_ours_stays(sign: str, form: str) -> None:
    if sign == "=" and "ours" in form:
        return
    assert lines_with_findings(form.format(sign * MARKER_SIZE).encode()) == [6]


@pytest.mark.parametrize("sign", ["<", "|", ">"])
def test_no_nested_marker_of_ours_stays(sign: str) -> None:
    assert lines_with_findings((sign * (MARKER_SIZE + 2) + " ours\n").encode()) == [6]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"<<<<<<< HEAD\nx\n=======\ny\n>>>>>>> b\n", [6, 8, 10]),
        (b"<<<<<<< HEAD\nx\n||||||| 123\nz\n=======\ny\n>>>>>>> b\n", [6, 8, 10, 12]),
        (b"<<<<<<< HEAD\r\nx\r\n=======\r\ny\r\n>>>>>>> b\r\n", [6, 8, 10]),
        (b"<<<<<<<\nx\n", [6]),
        (b"    text = '''\n    <<<<<<< HEAD\n    '''\n", [7]),
        (b">>>>>>> theirs\n", [6]),
        (b"x\r<<<<<<< HEAD\ry\n", [7]),
        (b"<<<<<<<<< nested\n", [6]),
    ],
)
def test_no_usual_marker_is_new(text: bytes, lines: list[int]) -> None:
    assert lines_with_findings(text) == lines


@pytest.mark.parametrize(
    "text",
    [
        b"Title\n=======\n",
        b"a <<<<<<< b\n",
        b"<<<<<<<x\n",
        b"<<<<<<\n",
        b"=" * 80 + b"\n",
        b"x = a || b\n",
    ],
)
def test_what_only_resembles_a_marker_is_left_alone(text: bytes) -> None:
    assert lines_with_findings(text) == []


def test_markers_that_a_side_has_may_stay() -> None:
    sample = b"<<<<<<< HEAD\nx\n=======\ny\n>>>>>>> b\n"
    ours = HEAD + sample + b"\n\ndef last():\n    pass\n"
    assert markers.check(candidate(ours, ours=ours)) == []
    indented = ours.replace(b"<<<<<<< HEAD", b"<<<<<<< OTHER")
    assert len(markers.check(candidate(indented, ours=ours))) == 1


def test_a_heading_of_exactly_that_length_may_stay() -> None:
    ours = OURS.replace(b"    return a + 1\n", b"Title\n" + b"=" * MARKER_SIZE + b"\n")
    assert markers.check(candidate(ours, ours=ours)) == []


def test_a_file_full_of_markers_is_reported_briefly() -> None:
    findings = markers.check(candidate(inside(b"<<<<<<< HEAD\n" * 100_000)))
    assert len(findings) < 30
    assert findings[-1].message == "And more of this kind."


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"    a = 1\n=======\n    a = 2\n", 7),
        (b"// <<<<<<< HEAD\n", 6),
        (b"    # >>>>>>> theirs\n", 6),
        (b"+<<<<<<< HEAD\n", 6),
        (b" * ||||||| base\n", 6),
    ],
)
def test_a_divider_alone_and_a_marker_behind_another_sign_need_a_person(text: bytes, line: int) -> None:
    (finding,) = markers.check(candidate(inside(text)))
    assert (finding.verdict, finding.lines) == (GateVerdict.NEEDS_PERSON, (line, line))
    assert markers.check(candidate(inside(text), ours=inside(text))) == []
