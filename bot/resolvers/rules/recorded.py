"""What people decided before: the same file conflict in this repository, or the same hunk in a git rerere cache."""

from collections.abc import Iterator
from typing import Final

from bot.merge.markers import align
from bot.model.cases import FileCase
from bot.model.resolutions import Confidence, HunkAnswer, Tier

NAME: Final = "recorded"
SUMMARY: Final = "A person approved a resolution of exactly this conflict before, or resolved the same hunk by hand."


def answer(case: FileCase) -> Iterator[HunkAnswer]:
    """The texts of an approved resolution of this path and these three blobs; then single hunks from a rerere cache.

    An approved file that also differs outside the hunks gives no answers: it cannot be taken apart.
    """
    texts = None if case.recorded is None else align(case.marked, case.recorded.content)
    if case.recorded is not None and texts is not None:
        reason = f"The same versions of this file conflicted before. Approved then: {case.recorded.source}."
        for hunk, text in zip(case.marked.hunks, texts, strict=True):
            yield _answer(hunk.index, text, reason, Confidence.HIGH)
        return
    for index, text in case.rerere.items():
        reason = "The same two sides were resolved by hand before, as an imported git rerere cache records."
        yield _answer(index, text, reason, Confidence.MEDIUM)


def _answer(index: int, content: bytes, reason: str, confidence: Confidence) -> HunkAnswer:
    return HunkAnswer(
        index=index,
        content=content,
        resolver=NAME,
        tier=Tier.RECORDED,
        reason=reason,
        confidence=confidence,
    )
