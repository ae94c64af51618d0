"""The hunks of a file as the model saw it, and the rule by which the scripted model resolves them without answers."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.demo.model.reading import FileView

_OPENING: Final = "<"
_ANCESTOR: Final = "|"
_DIVIDER: Final = "="
_CLOSING: Final = ">"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenHunk:
    """A conflicting region: its 1-based lines with both marker lines, and the lines of each side without line ends.

    ``ancestor`` is None where the file does not show it.
    """

    index: int
    first_line: int
    last_line: int
    ours: tuple[str, ...]
    ancestor: tuple[str, ...] | None
    theirs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The lines that take a hunk's place, and why."""

    lines: tuple[str, ...]
    reason: str
    confidence: str


def see_hunk(view: FileView, place: dict[str, Any]) -> SeenHunk | None:
    """Take the hunk at ``place`` (a ``ContextHunk`` as JSON) apart; None when no markers stand there."""
    first, last = int(place["first_line"]), int(place["last_line"])
    if not view.knows(first, last):
        return None
    lines = [view.lines[number] for number in range(first, last + 1)]
    size = len(lines[0]) - len(lines[0].lstrip(_OPENING))
    if size == 0 or not _is_marker(lines[-1], _CLOSING, size):
        return None
    dividers = [number for number, line in enumerate(lines) if _is_marker(line, _DIVIDER, size)]
    if not dividers:
        return None
    divider = dividers[0]
    ancestors = [number for number, line in enumerate(lines[:divider]) if _is_marker(line, _ANCESTOR, size)]
    ours_end = ancestors[0] if ancestors else divider
    return SeenHunk(
        index=int(place["index"]),
        first_line=first,
        last_line=last,
        ours=tuple(lines[1:ours_end]),
        ancestor=tuple(lines[ours_end + 1 : divider]) if ancestors else None,
        theirs=tuple(lines[divider + 1 : -1]),
    )


def resolve_by_rule(hunk: SeenHunk) -> Resolution:
    """Combine both sides by a fixed rule that never drops a line that a side added."""
    if hunk.ours == hunk.theirs:
        return _resolution(hunk.ours, "Both sides are equal.", "high")
    if hunk.ancestor is not None and hunk.ours == hunk.ancestor:
        return _resolution(hunk.theirs, "Only the base branch changed these lines.", "high")
    if hunk.ancestor is not None and hunk.theirs == hunk.ancestor:
        return _resolution(hunk.ours, "Only the pull request changed these lines.", "high")
    if hunk.ancestor is not None:
        combined = combine(hunk.ancestor, hunk.ours, hunk.theirs)
        if combined is not None and set(hunk.ours) & set(hunk.theirs) <= set(combined):
            # Each side may have dropped another one of equal lines: together they would drop what both keep.
            return _resolution(combined, "The sides changed different lines: both changes are kept.", "medium")
    added = tuple(line for line in hunk.theirs if line not in hunk.ours)
    return _resolution(hunk.ours + added, "The pull request's lines, then the base branch's other lines.", "low")


def combine(ancestor: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> tuple[str, ...] | None:
    """Apply both sides' changes to the ancestor; None when a change of one side touches one of the other."""
    changes = sorted(_changes(ancestor, ours) + _changes(ancestor, theirs))
    merged: list[str] = []
    position = 0
    for number, (start, end, lines) in enumerate(changes):
        if number and changes[number - 1] == (start, end, lines):
            continue
        if start < position or (number and start == changes[number - 1][0]):
            return None
        merged += [*ancestor[position:start], *lines]
        position = end
    return (*merged, *ancestor[position:])


def _changes(ancestor: Sequence[str], side: Sequence[str]) -> list[tuple[int, int, tuple[str, ...]]]:
    matcher = difflib.SequenceMatcher(a=ancestor, b=side, autojunk=False)
    return [
        (start, end, tuple(side[from_:to])) for tag, start, end, from_, to in matcher.get_opcodes() if tag != "equal"
    ]


def _resolution(lines: Sequence[str], reason: str, confidence: str) -> Resolution:
    return Resolution(lines=tuple(lines), reason=f"{reason} (scripted rule)", confidence=confidence)


def _is_marker(line: str, character: str, size: int) -> bool:
    return line.startswith(character * size) and not line.startswith(character * (size + 1))
