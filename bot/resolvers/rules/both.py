"""Candidate: both sides added something at the same place; both are kept, one after the other."""

from collections.abc import Iterator
from typing import Final

from bot.model.cases import FileCase
from bot.model.resolutions import Confidence, HunkAnswer, Tier
from bot.resolvers.text import joined, lines

NAME: Final = "both"
SUMMARY: Final = "Both sides added text at the same place; both are kept, in either order."


def answer(case: FileCase) -> Iterator[HunkAnswer]:
    """Ours before theirs and theirs before ours, for hunks where the ancestor has nothing."""
    for hunk in case.marked.hunks:
        if hunk.ancestor.strip() or not hunk.ours.strip() or not hunk.theirs.strip():
            continue
        before, ours, theirs, after = _apart(lines(hunk.ours), lines(hunk.theirs))
        orders = (("ours first", ours, theirs, "3"), ("theirs first", theirs, ours, "2"))
        for order, first, second, share in orders:
            yield HunkAnswer(
                index=hunk.index,
                content=joined(*before, *first, *second, *after),
                resolver=NAME,
                tier=Tier.B,
                reason=f"Both sides added text here; both are kept, {order}. Right in {share} of 10 such hunks.",
                confidence=Confidence.LOW,
            )


def _apart(ours: list[bytes], theirs: list[bytes]) -> tuple[list[bytes], list[bytes], list[bytes], list[bytes]]:
    """The lines that both sides begin with, what is only in ours, what is only in theirs, and what both end with."""
    shorter = min(len(ours), len(theirs))
    first = 0
    while first < shorter and ours[first] == theirs[first]:
        first += 1
    end = 0
    while end < shorter - first and ours[-1 - end] == theirs[-1 - end]:
        end += 1
    return (
        ours[:first],
        ours[first : len(ours) - end],
        theirs[first : len(theirs) - end],
        ours[len(ours) - end :],
    )
