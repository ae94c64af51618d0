"""Both sides wrote the same, but for white space."""

from collections.abc import Iterator
from typing import Final

from bot.model.cases import FileCase
from bot.model.resolutions import Confidence, HunkAnswer, Tier

NAME: Final = "identical"
SUMMARY: Final = "Both sides made the same change, apart from white space."


def answer(case: FileCase) -> Iterator[HunkAnswer]:
    """Our version of every hunk whose two sides differ in white space only."""
    for hunk in case.marked.hunks:
        if hunk.ours.split() == hunk.theirs.split():
            yield HunkAnswer(
                index=hunk.index,
                content=hunk.ours,
                resolver=NAME,
                tier=Tier.A,
                reason="Both sides made the same change; they differ in white space only.",
                confidence=Confidence.HIGH,
            )
