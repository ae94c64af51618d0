"""Find, in a resolved file, the text that stands in the place of each hunk.

A resolution keeps a file when every segment outside the hunks is still there, byte for byte, as whole lines and in
order. Lines repeat (closing brackets, blank lines), so that often more than one split into kept segments and new texts
is possible. The one is taken in which fewest lines of the texts are strangers to their hunk, and of those the leftmost:
a check that asks which hunk a line belongs to then gets the answer that a reader would give.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bot.model.conflicts import Hunk

_BUDGET: Final = 4 * 1024 * 1024
"""Bytes that may be looked at to choose between splits; beyond it, in files made for that, the leftmost is taken."""

_MAX_WAYS: Final = 500
"""So many texts are tried to find a split in which all of them fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Middle:
    """A resolved file between its first and its last segment, and the segments that must be found in there."""

    text: bytes
    start: int
    stop: int
    segments: tuple[bytes, ...]


def split_resolved(segments: Sequence[bytes], hunks: Sequence[Hunk], resolved: bytes) -> tuple[bytes, ...] | None:
    """The text in the place of each hunk, None when something outside the hunks was changed.

    ``segments`` are those of a ``MarkedFile``: one more than ``hunks``, all but the last ending with a newline.
    """
    if not hunks:
        return () if resolved == segments[0] else None
    stop = len(resolved) - len(segments[-1])
    whole = stop >= len(segments[0]) and resolved.startswith(segments[0]) and resolved.endswith(segments[-1])
    if not whole or (segments[-1] and not _starts_line(resolved, stop)):
        return None
    middle = _Middle(text=resolved, start=len(segments[0]), stop=stop, segments=tuple(segments[1:-1]))
    left = _leftmost(middle)
    if left is None:
        return None
    right = _rightmost(middle)
    places = left if left == right else _best(middle, hunks, left, right) or left
    ends = [middle.start, *(place + len(segment) for place, segment in zip(places, middle.segments, strict=True))]
    return tuple(resolved[end:place] for end, place in zip(ends, [*places, stop], strict=True))


def some_split(segments: Sequence[bytes], text: bytes, fits: Callable[[int, bytes], bool]) -> bool | None:
    """Whether ``text`` can be divided at ``segments`` so that what stands before, between and after them all ``fits``.

    ``segments`` are known to stand in ``text`` in this order, as whole lines. None when there are too many ways to try.
    """
    middle = _Middle(text=text, start=0, stop=len(text), segments=tuple(segments))
    left = _leftmost(middle)
    choices = None if left is None else _choices(middle, left, _rightmost(middle))
    if choices is None:
        return None
    ways = _MAX_WAYS
    ends = [0]
    for index, places in enumerate([*choices, [len(text)]]):
        size = len(segments[index]) if index < len(segments) else 0
        reached = []
        for place in places:
            ways -= len(ends)
            if ways < 0:
                return None
            if any(end <= place and fits(index, text[end:place]) for end in ends):
                reached.append(place + size)
        ends = reached
    return bool(ends)


def _starts_line(text: bytes, place: int) -> bool:
    return place == 0 or text[place - 1 : place] == b"\n"


def _find(text: bytes, segment: bytes, low: int, high: int) -> int:
    """The first line in ``text[low:high]`` at which the segment stands whole, -1 when there is none."""
    if _starts_line(text, low) and text.startswith(segment, low, high):
        return low
    before = text.find(b"\n" + segment, low, high)
    return before if before < 0 else before + 1


def _leftmost(middle: _Middle) -> list[int] | None:
    """Each segment as far left as it can stand. Whenever any split exists, this one does."""
    places = []
    low = middle.start
    for segment in middle.segments:
        place = _find(middle.text, segment, low, middle.stop)
        if place < 0:
            return None
        places.append(place)
        low = place + len(segment)
    return places


def _rightmost(middle: _Middle) -> list[int]:
    """Each segment as far right as it can stand; a split is known to exist.

    Searched in the reversed text: ``bytes.find`` takes linear time, ``bytes.rfind`` may take quadratic time.
    """
    backwards = middle.text[::-1]
    size = len(backwards)
    places = []
    high = middle.stop
    for segment in reversed(middle.segments):
        found = backwards.find(segment[::-1] + b"\n", size - high, size)
        # Not found with a newline before it: then it stands where the file begins.
        high = 0 if found < 0 else size - found - len(segment)
        places.append(high)
    return places[::-1]


def _best(middle: _Middle, hunks: Sequence[Hunk], left: list[int], right: list[int]) -> list[int] | None:
    """The places that leave fewest strange lines in the hunks' texts; None when finding them costs too much."""
    choices = _choices(middle, left, right)
    if choices is None:
        return None
    sizes = [0, *map(len, middle.segments)]
    columns = [[middle.start], *choices, [middle.stop]]
    if sum(after[-1] - before[0] for before, after in pairwise(columns)) > _BUDGET:
        return None
    costs = [0]
    came_from: list[list[int]] = []
    for hunk, size, (before, after) in zip(hunks, sizes, pairwise(columns), strict=True):
        strange = _strange_before(middle.text, hunk, before[0] + size, after[-1])
        costs, origins = _advance(costs, [place + size for place in before], after, strange)
        came_from.append(origins)
    return _walk_back(columns, came_from)


def _choices(middle: _Middle, left: list[int], right: list[int]) -> list[list[int]] | None:
    """All places of each segment between its leftmost and its rightmost."""
    budget = _BUDGET
    choices = []
    for segment, low, high in zip(middle.segments, left, right, strict=True):
        places = [low]
        while places[-1] < high:
            budget -= len(segment) + 1
            if budget < 0:
                return None
            places.append(_find(middle.text, segment, places[-1] + 1, high + len(segment)))
        choices.append(places)
    return choices


def _strange_before(text: bytes, hunk: Hunk, low: int, high: int) -> dict[int, int]:
    """For each line start in ``text[low:high]``, and for ``high``: how many lines before it are none of the hunk's."""
    known = {line for side in (hunk.ours, hunk.ancestor, hunk.theirs) for line in side.split(b"\n")}
    count = 0
    place = low
    strange = {low: 0}
    while place < high:
        newline = text.find(b"\n", place, high)
        line_end = high if newline < 0 else newline
        count += text[place:line_end] not in known
        place = min(line_end + 1, high)
        strange[place] = count
    return strange


def _advance(
    costs: list[int],
    ends: list[int],
    places: list[int],
    strange: dict[int, int],
) -> tuple[list[int], list[int]]:
    """The least cost of reaching each place of a segment, and from which place of the segment before."""
    reached: list[int] = []
    origins: list[int] = []
    following = 0
    best = -1
    for place in places:
        while following < len(ends) and ends[following] <= place:
            if best < 0 or costs[following] - strange[ends[following]] < costs[best] - strange[ends[best]]:
                best = following
            following += 1
        reached.append(costs[best] + strange[place] - strange[ends[best]])
        origins.append(best)
    return reached, origins


def _walk_back(columns: list[list[int]], came_from: list[list[int]]) -> list[int]:
    """The places of the middle segments on the cheapest way to the end."""
    at = 0
    places = []
    for column, origins in zip(reversed(columns[1:]), reversed(came_from), strict=True):
        places.append(column[at])
        at = origins[at]
    return places[:0:-1]
