"""No conflict marker is left over, and none is new."""

import re
from collections.abc import Iterator
from typing import Final

from bot.model.conflicts import MARKER_SIZE
from bot.model.resolutions import Candidate, Finding, GateVerdict
from bot.validation.texts import ResolvedText, at_most, resolved_texts

NAME: Final = "markers"

_SIGNS: Final = frozenset("<|=>")

_OURS: Final = re.compile(rf"\s*(?:([<|>])\1{{{MARKER_SIZE - 1},}}|={{{MARKER_SIZE}}}\s*$)")
"""What we let git write, or what it nests there: at least so many of a kind. A ruler of ``=`` may be longer."""

_STANDARD: Final = re.compile(r"\s*([<|>])\1{6,}(?:\s|$)")
_DIVIDER: Final = re.compile(r"\s*={7}(?:\s|$)")
"""Also the underline of a heading, so alone it counts only where no such heading stands beside it."""
_HEADING: Final = re.compile(r"\w[\w .,:!?'-]{1,6}\s*")

_DISGUISED: Final = re.compile(r"\s*(?:#|//|/?\*|--|[+;%-])\s{0,4}([<|>])\1{6,}(?:\s|$)")
"""A marker behind the sign of a comment, or of a patch."""


def check(candidate: Candidate) -> list[Finding]:
    """Promise: no line of the result is a conflict marker, unless the same line stands on a side.

    That goes for the markers we let git write and for the usual ones of seven characters, in the styles merge, diff3
    and zdiff3, indented or not, whatever ends the line. A person is asked about one that is commented out, and about a
    divider alone that underlines nothing.
    """
    return [finding for text in resolved_texts(candidate) for finding in at_most(_new_markers(text))]


def _new_markers(text: ResolvedText) -> Iterator[Finding]:
    known = {line.rstrip() for side in text.sides for line in side.lines if _may_be_marker(line)}
    fresh = [
        (number, line)
        for number, line in enumerate(text.result.lines, start=1)
        if _may_be_marker(line) and line.rstrip() not in known
    ]
    yield from _findings(text.path, fresh)
    standard = any(_STANDARD.match(line) for _, line in fresh)
    dividers = () if standard else (number for number, line in fresh if _DIVIDER.match(line))
    for number in dividers:
        beside = text.result.lines[max(number - 2, 0) : number + 1]
        if not any(_HEADING.fullmatch(line) for line in beside):
            yield _doubtful(text.path, number, "This may be the divider of a conflict: it underlines nothing.")
    yield from _disguised(text)


def _may_be_marker(line: str) -> bool:
    return line.lstrip()[:1] in _SIGNS


def _disguised(text: ResolvedText) -> Iterator[Finding]:
    known: set[str] | None = None
    for number, line in enumerate(text.result.lines, start=1):
        if _DISGUISED.match(line):
            if known is None:
                known = {line.rstrip() for side in text.sides for line in side.lines if _DISGUISED.match(line)}
            if line.rstrip() not in known:
                yield _doubtful(text.path, number, "This looks like a conflict marker behind another sign.")


def _findings(path: str, lines: list[tuple[int, str]]) -> Iterator[Finding]:
    standard = any(_STANDARD.match(line) for _, line in lines)
    for number, line in lines:
        if _OURS.match(line):
            yield _refused(path, number, "A conflict marker is left over.")
        elif _STANDARD.match(line) or (standard and _DIVIDER.match(line)):
            yield _refused(path, number, "This conflict marker is on neither side.")


def _doubtful(path: str, number: int, what: str) -> Finding:
    return Finding(check=NAME, verdict=GateVerdict.NEEDS_PERSON, path=path, message=what, lines=(number, number))


def _refused(path: str, number: int, what: str) -> Finding:
    return Finding(check=NAME, verdict=GateVerdict.REFUSED, path=path, message=what, lines=(number, number))
