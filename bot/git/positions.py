"""Where the hunks of a conflict stand in the files of the two sides. Diffs are libgit2's, made in memory."""

from bisect import bisect_right
from itertools import accumulate

import pygit2

from bot.model.conflicts import Hunk, MarkedFile, Side

Place = tuple[int, int]
"""First line (1-based) and count of lines; without lines, the first is the one before which they would stand."""


def places(marked: MarkedFile, side: Side, content: bytes) -> tuple[Place, ...]:
    """The place of each hunk in ``content``, the file of ``side``. Blocks: call in a thread.

    What git merged outside the hunks may hold changes of the other side, so the two are compared first. Where lines
    repeat, the place may be that of equal lines; it is always inside the file.
    """
    texts = [_text(hunk, side) for hunk in marked.hunks]
    parts = [part for pair in zip(marked.segments, [*texts, b""], strict=True) for part in pair]
    before = list(accumulate((_count(part) for part in parts), initial=0))
    lines, shifts = _shifts(b"".join(parts), content)
    total = _count(content)
    wanted = [(before[2 * hunk.index + 1], _count(text)) for hunk, text in zip(marked.hunks, texts, strict=True)]
    return tuple(
        (max(1, min(start + 1 + shifts[bisect_right(lines, start)], total - count + 1)), count)
        for start, count in wanted
    )


def _text(hunk: Hunk, side: Side) -> bytes:
    return {Side.ANCESTOR: hunk.ancestor, Side.OURS: hunk.ours, Side.THEIRS: hunk.theirs}[side]


def _count(text: bytes) -> int:
    return text.count(b"\n") + (bool(text) and not text.endswith(b"\n"))


def _shifts(old: bytes, new: bytes) -> tuple[list[int], list[int]]:
    """Line offsets in ``old`` at which the distance to ``new`` changes, and the distances: one more, the first 0."""
    patch = pygit2.Patch.create_from(old, new, context_lines=0)
    lines = [hunk.old_start if not hunk.old_lines else hunk.old_start - 1 + hunk.old_lines for hunk in patch.hunks]
    grown = (hunk.new_lines - hunk.old_lines for hunk in patch.hunks)
    return lines, list(accumulate(grown, initial=0))
