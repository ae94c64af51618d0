"""Both sides wrote the same, but for white space."""

from collections.abc import Iterator
from typing import Final

from bot.model.cases import FileCase
from bot.model.resolutions import Confidence, HunkAnswer, Tier
from bot.resolvers.text import solid

NAME: Final = "identical"
SUMMARY: Final = "Both sides made the same change, apart from white space."


def answer(case: FileCase) -> Iterator[HunkAnswer]:
    """Our version of every hunk whose two sides differ in white space only, where that has no meaning."""
    for hunk in case.marked.hunks:
        if solid(case.path, hunk.ours) == solid(case.path, hunk.theirs):
            yield HunkAnswer(
                index=hunk.index,
                content=hunk.ours,
                resolver=NAME,
                tier=Tier.A,
                reason="Both sides made the same change; they differ in white space only.",
                confidence=Confidence.HIGH,
            )
