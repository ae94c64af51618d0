"""Candidate: the edits of both sides put together, word by word."""

from collections.abc import Iterator
from typing import Final

from bot.model.cases import FileCase
from bot.model.conflicts import Hunk
from bot.model.resolutions import Confidence, HunkAnswer, Tier
from bot.resolvers.edits import Budget, OverBudgetError, edits, merged
from bot.resolvers.text import tokens

NAME: Final = "tokens"
SUMMARY: Final = "The edits of both sides put together word by word, where they do not touch."

_FAR: Final = 5


def answer(case: FileCase) -> Iterator[HunkAnswer]:
    """The ancestor's text with both sides' edits, for hunks where something unchanged is between any two of them."""
    budget = Budget()
    for hunk in case.marked.hunks:
        try:
            found = _answer(hunk, budget)
        except OverBudgetError:
            return
        if found is not None:
            yield found


def _answer(hunk: Hunk, budget: Budget) -> HunkAnswer | None:
    ancestor = tokens(hunk.ancestor)
    ours = edits(ancestor, tokens(hunk.ours), budget)
    theirs = edits(ancestor, tokens(hunk.theirs), budget)
    if not ours or not theirs:
        return None
    both = merged(ancestor, ours, theirs, gap=1)
    if both is None:
        return None
    far = merged(ancestor, ours, theirs, gap=_FAR) is not None
    return HunkAnswer(
        index=hunk.index,
        content=b"".join(both),
        resolver=NAME,
        tier=Tier.B,
        reason=(
            "The words that each side changed, put together; "
            + (
                "they are well apart. Right in 7 of 10 such hunks."
                if far
                else "they are close to one another. Right in less than half of such hunks."
            )
        ),
        confidence=Confidence.MEDIUM if far else Confidence.LOW,
    )
