"""One side removed text in which the other made a small edit."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from bot.model.cases import FileCase
from bot.model.conflicts import Hunk
from bot.model.resolutions import Confidence, HunkAnswer, Tier
from bot.resolvers.edits import Budget, Edit, OverBudgetError, edits
from bot.resolvers.text import is_lock, lines, words

NAME: Final = "removed"
SUMMARY: Final = (
    "One side removed the text in which the other made a small edit; it stays removed, unless it was moved."
)

_SMALL: Final = 0.1
_PART: Final = 0.5
_MAX_WRITTEN: Final = 10
_MIN_REMOVED: Final = 10
_MAX_FILE: Final = 8 * 1024 * 1024
_TELLING: Final = 8
"""Bytes from which on a line that stands elsewhere, too, says that text was moved, and not just a bracket repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Removal:
    """How many words one side removed around the other's edits, and how many of them the other changed.

    ``written`` is False when that other side only removed them.
    """

    removed: int
    edited: int
    written: bool


def answer(case: FileCase) -> Iterator[HunkAnswer]:
    """The side that removed the text, where all that the other did was a small edit inside of it.

    Small means: at most ten words written, and at most a tenth of the words that were removed; or nothing written, and
    at most half of them removed. Where the removed lines still stand in that side's file they were moved, and the edit
    would be lost: nothing is said then.
    """
    if is_lock(case.path):
        return
    budget = Budget()
    sides = {"ours": case.sides.ours, "theirs": case.sides.theirs}
    standing = cache(lambda side: _standing(sides[side]))
    for hunk in case.marked.hunks:
        try:
            found = _answer(hunk, budget, standing)
        except OverBudgetError:
            return
        if found is not None:
            yield found


def _answer(hunk: Hunk, budget: Budget, standing: Callable[[str], frozenset[bytes] | None]) -> HunkAnswer | None:
    ancestor = words(hunk.ancestor)
    if len(ancestor) < _MIN_REMOVED:
        return None
    ours = edits(ancestor, words(hunk.ours), budget)
    theirs = edits(ancestor, words(hunk.theirs), budget)
    by_us, by_them = _removal(ours, theirs), _removal(theirs, ours)
    if (by_us is None) == (by_them is None):
        return None
    remover, editor, removal = ("ours", "theirs", by_us) if by_us else ("theirs", "ours", by_them)
    kept = hunk.ours if by_us else hunk.theirs
    elsewhere = standing(remover)
    if removal is None or elsewhere is None or _moved(hunk.ancestor, kept, elsewhere):
        return None
    deed = "change" if removal.written else "remove"
    return HunkAnswer(
        index=hunk.index,
        content=kept,
        resolver=NAME,
        tier=Tier.A,
        reason=(
            f"{remover.capitalize()} removed {removal.removed} words and signs here, and all that {editor} did was to "
            f"{deed} {removal.edited} of them."
        ),
        confidence=Confidence.MEDIUM,
    )


def _removal(remover: Sequence[Edit], editor: Sequence[Edit]) -> _Removal | None:
    """What one side removed around all edits of the other; None when it did not, or they are no small ones."""
    around: set[Edit] = set()
    removals = iter(edit for edit in remover if not edit.text)
    removal = next(removals, None)
    for edit in editor:
        while removal is not None and removal.last < edit.last:
            removal = next(removals, None)
        if removal is None or edit.first < removal.first:
            return None
        around.add(removal)
    removed = sum(edit.removed for edit in around)
    edited = sum(edit.size for edit in editor)
    written = sum(len(edit.text) for edit in editor)
    small = written <= _MAX_WRITTEN and edited <= (_SMALL if written else _PART) * removed
    if not around or removed < _MIN_REMOVED or not small:
        return None
    return _Removal(removed=removed, edited=edited, written=bool(written))


def _standing(whole: bytes | None) -> frozenset[bytes] | None:
    """The lines of a side's file, none where it is not known; None when it is too large to look through."""
    if whole is not None and len(whole) > _MAX_FILE:
        return None
    return frozenset(line.strip() for line in lines(whole or b""))


def _moved(ancestor: bytes, kept: bytes, standing: frozenset[bytes]) -> bool:
    """Whether half of the removed lines stand elsewhere in the file of the side that removed them."""
    here = {line.strip() for line in lines(kept)}
    gone = {line.strip() for line in lines(ancestor)} - here
    telling = {line for line in gone if len(line) >= _TELLING}
    return bool(telling) and 2 * len(telling & standing) >= len(telling)
