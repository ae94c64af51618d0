"""Pair the equal lines of two texts, in order: what a reader would call the same line. Quick on any input.

Lines that occur once in both texts anchor the rest (patience diff, https://bramcohen.livejournal.com/73318.html);
between two anchors the longest common sequence is taken where that is cheap, and a greedy one where it is not.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

_EXACT: Final = 40_000
"""Pairs of lines that are compared one by one between two anchors; above it the greedy way is taken."""

_LEVELS: Final = 16
"""So often each line may be looked at for anchors. Real texts need three or four, hostile ones could need thousands."""


class _Box(NamedTuple):
    """``left[low:high]`` beside ``right[start:stop]``."""

    low: int
    high: int
    start: int
    stop: int


def lines_of(text: bytes) -> list[bytes]:
    """The lines with their ends, as git counts them: a newline ends a line, nothing else does."""
    parts = text.split(b"\n")
    last = parts.pop()
    return [part + b"\n" for part in parts] + ([last] if last else [])


def matching(left: Sequence[bytes], right: Sequence[bytes]) -> dict[int, int]:
    """Index in ``left`` → index in ``right`` of an equal line; both ascend together."""
    pairs: dict[int, int] = {}
    waiting = [_Box(0, len(left), 0, len(right))]
    budget = _LEVELS * (len(left) + len(right))
    while waiting:
        box = _trim(left, right, waiting.pop(), pairs)
        budget -= box.high - box.low + box.stop - box.start
        anchors = _anchors(left, right, box) if budget > 0 else []
        if anchors:
            waiting += _gaps(anchors, box)
            pairs.update(anchors)
        elif (box.high - box.low) * (box.stop - box.start) <= _EXACT:
            pairs.update(_longest(left, right, box))
        else:
            pairs.update(_greedy(left, right, box))
    return pairs


def _trim(left: Sequence[bytes], right: Sequence[bytes], box: _Box, pairs: dict[int, int]) -> _Box:
    """Pair what both begin and end with; the box that is left."""
    low, high, start, stop = box
    while low < high and start < stop and left[low] == right[start]:
        pairs[low] = start
        low, start = low + 1, start + 1
    while low < high and start < stop and left[high - 1] == right[stop - 1]:
        high, stop = high - 1, stop - 1
        pairs[high] = stop
    return _Box(low, high, start, stop)


def _anchors(left: Sequence[bytes], right: Sequence[bytes], box: _Box) -> list[tuple[int, int]]:
    """The longest ascending sequence of lines that are there once on both sides."""
    if box.low == box.high or box.start == box.stop:
        return []
    mine, yours = left[box.low : box.high], right[box.start : box.stop]
    in_mine, in_yours = Counter(mine), Counter(yours)
    places = {line: at for at, line in enumerate(yours, start=box.start) if in_yours[line] == 1}
    found = ((at, places.get(line)) for at, line in enumerate(mine, start=box.low) if in_mine[line] == 1)
    return _ascending([(at, place) for at, place in found if place is not None])


def _ascending(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest subsequence whose second numbers ascend, by patience sorting."""
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for index, (_, place) in enumerate(found):
        pile = bisect_left(ends, place)
        before.append(last[pile - 1] if pile else -1)
        ends[pile : pile + 1] = [place]
        last[pile : pile + 1] = [index]
    chosen = []
    at = last[-1] if last else -1
    while at >= 0:
        chosen.append(found[at])
        at = before[at]
    return chosen[::-1]


def _gaps(anchors: list[tuple[int, int]], box: _Box) -> Iterator[_Box]:
    low, high, start, stop = box
    for at, place in anchors:
        yield _Box(low, at, start, place)
        low, start = at + 1, place + 1
    yield _Box(low, high, start, stop)


def _longest(left: Sequence[bytes], right: Sequence[bytes], box: _Box) -> Iterator[tuple[int, int]]:
    """A longest common sequence, by the table of all its lengths."""
    low, high, start, stop = box
    rows = [[0] * (stop - start + 1)]
    for line in reversed(left[low:high]):
        below = rows[-1]
        row = [0] * len(below)
        for at in range(stop - start - 1, -1, -1):
            same = right[start + at] == line
            row[at] = below[at + 1] + 1 if same else max(below[at], row[at + 1])
        rows.append(row)
    rows.reverse()
    at = place = 0
    while at < high - low and place < stop - start:
        if left[low + at] == right[start + place]:
            yield low + at, start + place
            at, place = at + 1, place + 1
        elif rows[at + 1][place] >= rows[at][place + 1]:
            at += 1
        else:
            place += 1


def _greedy(left: Sequence[bytes], right: Sequence[bytes], box: _Box) -> Iterator[tuple[int, int]]:
    """Each line of the left with the next equal one of the right."""
    low, high, start, stop = box
    places: defaultdict[bytes, list[int]] = defaultdict(list)
    for at, line in enumerate(right[start:stop], start=start):
        places[line].append(at)
    free = start
    for at, line in enumerate(left[low:high], start=low):
        found = places.get(line, [])
        index = bisect_right(found, free - 1)
        if index < len(found):
            yield at, found[index]
            free = found[index] + 1
