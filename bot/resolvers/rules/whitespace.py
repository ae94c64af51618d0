"""One side changed nothing but white space."""

from collections.abc import Iterator
from typing import Final

from bot.model.cases import FileCase
from bot.model.resolutions import Confidence, HunkAnswer, Tier
from bot.resolvers.text import is_lock, solid

NAME: Final = "whitespace"
SUMMARY: Final = (
    "One side changed only white space (indentation counts where it has a meaning); the other side is taken."
)


def answer(case: FileCase) -> Iterator[HunkAnswer]:
    """The side that changed more than white space, for hunks where the other one did not.

    Nothing is said where the ancestor is empty: there a side that adds blank lines may well have moved the rest away.
    """
    if is_lock(case.path):
        return
    for hunk in case.marked.hunks:
        ours, ancestor, theirs = (solid(case.path, text) for text in (hunk.ours, hunk.ancestor, hunk.theirs))
        if not ancestor or ours == theirs or ancestor not in (ours, theirs):
            continue
        quiet, other = ("ours", "theirs") if ours == ancestor else ("theirs", "ours")
        yield HunkAnswer(
            index=hunk.index,
            content=hunk.theirs if ours == ancestor else hunk.ours,
            resolver=NAME,
            tier=Tier.A,
            reason=f"Here {quiet} changed only white space, so {other} is taken.",
            confidence=Confidence.MEDIUM,
        )
