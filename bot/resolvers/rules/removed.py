"""One side removed text in which the other made a small edit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    for hunk in case.marked.hunks:
        try:
            found = _answer(case, hunk, budget)
        except OverBudgetError:
            return
        if found is not None:
            yield found


def _answer(case: FileCase, hunk: Hunk, budget: Budget) -> HunkAnswer | None:
    ancestor = words(hunk.ancestor)
    if len(ancestor) < _MIN_REMOVED:
        return None
    ours = edits(ancestor, words(hunk.ours), budget)
    theirs = edits(ancestor, words(hunk.theirs), budget)
    by_us, by_them = _removal(ours, theirs), _removal(theirs, ours)
    if (by_us is None) == (by_them is None):
        return None
    remover, editor, removal = ("ours", "theirs", by_us) if by_us else ("theirs", "ours", by_them)
    kept, whole = (hunk.ours, case.sides.ours) if by_us else (hunk.theirs, case.sides.theirs)
    if removal is None or _moved(hunk.ancestor, kept, whole):
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


def _moved(ancestor: bytes, kept: bytes, whole: bytes | None) -> bool:
    """Whether half of the removed lines stand elsewhere in the file of the side that removed them."""
    if whole is None:
        return False
    here = {line.strip() for line in lines(kept)}
    gone = {line.strip() for line in lines(ancestor)} - here
    telling = {line for line in gone if len(line) >= _TELLING}
    elsewhere = telling & {line.strip() for line in lines(whole)}
    return bool(telling) and 2 * len(elsewhere) >= len(telling)
