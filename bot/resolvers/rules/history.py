"""One side's whole file was on the other side already: squash-merged or stacked work."""

from collections.abc import Iterator
from typing import Final

from bot.model.cases import FileCase
from bot.model.conflicts import Side
from bot.model.resolutions import Confidence, HunkAnswer, Tier

NAME: Final = "history"
SUMMARY: Final = "One side's file is an earlier version of the other's, so the other side already builds on it."


def answer(case: FileCase) -> Iterator[HunkAnswer]:
    """Every hunk as on the side that had the other side's file in its own history since the merge base."""
    ours, theirs = case.stages.get(Side.OURS), case.stages.get(Side.THEIRS)
    ours_built_on = ours is not None and ours.oid in case.history.theirs
    theirs_built_on = theirs is not None and theirs.oid in case.history.ours
    if ours_built_on == theirs_built_on:
        return
    reason = (
        "Their branch had this very file as it is on ours, and changed it since; so theirs includes ours."
        if ours_built_on
        else "Our branch had this very file as it is on theirs, and changed it since; so ours includes theirs."
    )
    for hunk in case.marked.hunks:
        yield HunkAnswer(
            index=hunk.index,
            content=hunk.theirs if ours_built_on else hunk.ours,
            resolver=NAME,
            tier=Tier.A,
            reason=reason,
            confidence=Confidence.HIGH,
        )
