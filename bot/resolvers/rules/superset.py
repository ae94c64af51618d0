"""One side made every edit that the other made, and more."""

from collections.abc import Iterator
from typing import Final

from bot.model.cases import FileCase
from bot.model.conflicts import Hunk
from bot.model.resolutions import Confidence, HunkAnswer, Tier
from bot.resolvers.edits import Budget, OverBudgetError, edits
from bot.resolvers.text import is_lock, likeness, words

NAME: Final = "superset"
SUMMARY: Final = "One side made every edit of the other and more, and the two are still much alike; it is taken."

_ALIKE: Final = 2 / 3
"""Below it, what both sides have in common is a coincidence in a rewritten text."""


def answer(case: FileCase) -> Iterator[HunkAnswer]:
    """The side whose edits include all of the other's, word by word; only a candidate when the rest are insertions."""
    if is_lock(case.path):
        return
    budget = Budget()
    for hunk in case.marked.hunks:
        try:
            found = _answer(hunk, budget)
        except OverBudgetError:
            return
        if found is not None:
            yield found


def _answer(hunk: Hunk, budget: Budget) -> HunkAnswer | None:
    ancestor, ours, theirs = words(hunk.ancestor), words(hunk.ours), words(hunk.theirs)
    if not ancestor or likeness(ours, theirs) < _ALIKE:
        return None
    mine = set(edits(ancestor, ours, budget))
    other = set(edits(ancestor, theirs, budget))
    if not mine or not other or not (mine > other or other > mine):
        return None
    taken, left = ("ours", "theirs") if mine > other else ("theirs", "ours")
    fewer, more = sorted((mine, other), key=len)
    if not any(edit.text for edit in fewer):
        # Both removed the same and one wrote something in its place: the removal may have been all that was wanted.
        return None
    count = len(more) - len(fewer)
    # What one side only wrote in between may be just what the other decided against: 2 of 3 people kept it.
    sure = any(edit.removed for edit in more - fewer)
    return HunkAnswer(
        index=hunk.index,
        content=hunk.ours if taken == "ours" else hunk.theirs,
        resolver=NAME,
        tier=Tier.A if sure else Tier.B,
        reason=f"{taken.capitalize()} has every edit that {left} made here, and {count} more.",
        confidence=Confidence.MEDIUM if sure else Confidence.LOW,
    )
