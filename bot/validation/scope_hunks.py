"""No byte outside the conflicting hunks changes."""

from typing import Final

from bot.merge.markers import align
from bot.model.conflicts import MarkedFile
from bot.model.resolutions import Candidate, Finding, GateVerdict, Resolution
from bot.validation.texts import provable

NAME: Final = "scope_hunks"


def check(candidate: Candidate) -> list[Finding]:
    """Promise: what git merged without conflict is in the result byte for byte, in order.

    A conflict without hunks (a file deleted here and modified there, a binary file) ends as one of its sides.
    """
    findings = []
    for resolution, content, sides in provable(candidate):
        marked = candidate.marked.get(resolution.path)
        if marked is not None:
            if align(marked, content) is None:
                findings.append(_first_difference(marked, content))
        elif content not in sides:
            findings.append(_mixed(resolution))
    return findings


def _mixed(resolution: Resolution) -> Finding:
    message = "This conflict has no hunks, so its result must be one of the sides as it is."
    return Finding(check=NAME, verdict=GateVerdict.REFUSED, path=resolution.path, message=message)


def _first_difference(marked: MarkedFile, content: bytes) -> Finding:
    """Where the first text outside a hunk is missing or different."""
    place = _common_length(marked.segments[0], content)
    if place < len(marked.segments[0]):
        return _outside(marked, content, place)
    for segment in marked.segments[1:-1]:
        found = content.find(segment, place)
        if found < 0:
            return _between(marked, content, place)
        place = found + len(segment)
    last = marked.segments[-1]
    kept = _common_length(last[::-1], content[place:][::-1])
    return _outside(marked, content, len(content) - kept if kept < len(last) else place)


def _common_length(one: bytes, other: bytes) -> int:
    """How many bytes the two begin with in common; halving, so that large texts are compared quickly."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _outside(marked: MarkedFile, content: bytes, place: int) -> Finding:
    line = content.count(b"\n", 0, place) + 1
    message = "This differs from what git merged outside the conflict."
    return Finding(check=NAME, verdict=GateVerdict.REFUSED, path=marked.path, message=message, lines=(line, line))


def _between(marked: MarkedFile, content: bytes, place: int) -> Finding:
    """A text between two hunks is nowhere after the one before: it starts somewhere below ``place``."""
    line = content.count(b"\n", 0, place) + 1
    message = "Below this line, a text that git merged between two conflicts is missing or different."
    return Finding(check=NAME, verdict=GateVerdict.REFUSED, path=marked.path, message=message, lines=(line, line))
