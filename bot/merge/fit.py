"""How a resolved file fits into what git merged, also where it was edited outside the hunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bot.merge.align import split_resolved
from bot.merge.matching import lines_of, matching
from bot.model.conflicts import MarkedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """An edit outside the hunks: the result's lines ``first`` to ``last`` stand where git merged ``lost``.

    1-based; ``last`` is before ``first`` where lines are only missing.
    """

    first: int
    last: int
    lost: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """``places``: the result's lines in the place of each hunk, as 0-based half-open ranges. ``outside``: the edits."""

    places: tuple[tuple[int, int], ...]
    outside: tuple[Outside, ...]


def fit(marked: MarkedFile, resolved: bytes) -> Fit:
    """Where each hunk's text stands, and what was changed outside. ``outside`` is empty exactly when ``align`` splits.

    Where text next to a hunk was changed, what is new there counts to the hunk, and what is gone as an edit outside.
    """
    exact = split_resolved(marked.segments, marked.hunks, resolved)
    if exact is None:
        return _loose(marked, resolved)
    places = []
    line = 0
    for segment, text in zip(marked.segments, exact, strict=False):
        first = line + segment.count(b"\n")
        line = first + len(lines_of(text))
        places.append((first, line))
    return Fit(places=tuple(places), outside=())


def _loose(marked: MarkedFile, resolved: bytes) -> Fit:
    kept: list[bytes] = []
    bounds: list[int] = []
    for segment in marked.segments:
        bounds.append(len(kept))
        kept += lines_of(segment)
    lines = lines_of(resolved)
    found = [(-1, -1), *sorted(matching(kept, lines).items()), (len(kept), len(lines))]
    places: list[tuple[int, int]] = []
    edits: list[Outside] = []
    for (before, start), (after, stop) in pairwise(found):
        # Hunks that begin between these two lines of git's text: the result's lines there are the first one's.
        inside = [bound for bound in bounds[1:] if before < bound <= after]
        if inside:
            places += [(start + 1, stop), *[(stop, stop)] * (len(inside) - 1)]
        lost = kept[before + 1 : after]
        if lost or (not inside and stop > start + 1):
            edits.append(_edit(lost, (start + 1, start + 1) if inside else (start + 1, stop)))
    if not edits:
        # Same lines, but git's own are not where they can be: only an unfinished last line does that.
        edits.append(_edit((), (0, len(lines))))
    return Fit(places=tuple(places), outside=tuple(edits))


def _edit(lost: Sequence[bytes], span: tuple[int, int]) -> Outside:
    return Outside(first=span[0] + 1, last=span[1], lost=tuple(lost))
