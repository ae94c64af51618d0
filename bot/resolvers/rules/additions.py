"""Candidate: both sides only added lines, and one has all lines of the other."""

from collections.abc import Iterator, Sequence
from typing import Final

from bot.model.cases import FileCase
from bot.model.conflicts import Hunk
from bot.model.resolutions import Confidence, HunkAnswer, Tier
from bot.resolvers.text import lines

NAME: Final = "additions"
SUMMARY: Final = "Both sides only added lines, and one has all lines of the other in the same order."


def answer(case: FileCase) -> Iterator[HunkAnswer]:
    """The side with more lines."""
    for hunk in case.marked.hunks:
        found = _answer(hunk)
        if found is not None:
            yield found


def _answer(hunk: Hunk) -> HunkAnswer | None:
    ours, ancestor, theirs = lines(hunk.ours), lines(hunk.ancestor), lines(hunk.theirs)
    if ours == theirs:
        return None
    taken, left = ("ours", "theirs") if len(ours) > len(theirs) else ("theirs", "ours")
    fewer, more = sorted((ours, theirs), key=len)
    if len(fewer) <= len(ancestor) or not _within(ancestor, fewer) or not _within(fewer, more):
        return None
    return HunkAnswer(
        index=hunk.index,
        content=hunk.ours if taken == "ours" else hunk.theirs,
        resolver=NAME,
        tier=Tier.B,
        reason=f"{taken.capitalize()} has all lines that {left} added here, and more. Right in 3 of 4 such hunks.",
        confidence=Confidence.MEDIUM,
    )


def _within(part: Sequence[bytes], whole: Sequence[bytes]) -> bool:
    """Whether all elements of ``part`` are in ``whole``, in this order."""
    rest = iter(whole)
    return all(element in rest for element in part)
