"""Candidate: the edits of both sides put together, line by line."""

from collections.abc import Iterator
from typing import Final

from bot.model.cases import FileCase
from bot.model.conflicts import Hunk
from bot.model.resolutions import Confidence, HunkAnswer, Tier
from bot.resolvers.edits import Budget, OverBudgetError, edits, merged
from bot.resolvers.text import lines

NAME: Final = "adjacent"
SUMMARY: Final = "The sides changed different lines next to one another; both changes are kept."


def answer(case: FileCase) -> Iterator[HunkAnswer]:
    """The ancestor's lines with both sides' edits, for hunks where no line was changed by both.

    git calls that a conflict because no unchanged line is between them.
    """
    budget = Budget()
    for hunk in case.marked.hunks:
        try:
            found = _answer(hunk, budget)
        except OverBudgetError:
            return
        if found is not None:
            yield found


def _answer(hunk: Hunk, budget: Budget) -> HunkAnswer | None:
    ancestor = lines(hunk.ancestor)
    ours = edits(ancestor, lines(hunk.ours), budget)
    theirs = edits(ancestor, lines(hunk.theirs), budget)
    both = merged(ancestor, ours, theirs, gap=0) if ours and theirs else None
    if both is None:
        return None
    return HunkAnswer(
        index=hunk.index,
        content=b"".join(both),
        resolver=NAME,
        tier=Tier.B,
        reason="Each side changed other lines; both changes are kept. Right in about 6 of 10 such hunks.",
        confidence=Confidence.LOW,
    )
