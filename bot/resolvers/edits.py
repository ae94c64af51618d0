"""Differences between two sequences, and three-way merges of them, within a fixed amount of work."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

BUDGET: Final = 2_000_000
"""Comparisons that a rule may spend on one file: below half a second. With more to do, it has no answer."""


class OverBudgetError(Exception):
    """The texts are too large, or too repetitive, to be compared within the budget."""


@dataclass(slots=True)
class Budget:
    """What is left to spend."""

    left: int = BUDGET

    def spend(self, steps: int) -> None:
        """Take off ``steps``.

        Raises:
            OverBudgetError: nothing is left.
        """
        self.left -= steps
        if self.left < 0:
            raise OverBudgetError


class Edit(NamedTuple):
    """Elements ``first`` to ``last`` (excluded) of the ancestor become ``text``. Edits of one side never touch."""

    first: int
    last: int
    text: tuple[bytes, ...]

    @property
    def removed(self) -> int:
        """How many elements of the ancestor are gone."""
        return self.last - self.first

    @property
    def size(self) -> int:
        """How many elements it is about."""
        return max(self.removed, len(self.text))


class _Span(NamedTuple):
    """A part of the old sequence, and the part of the new one that is compared with it."""

    old_first: int
    old_last: int
    new_first: int
    new_last: int


def edits(old: Sequence[bytes], new: Sequence[bytes], budget: Budget) -> tuple[Edit, ...]:
    """What turns ``old`` into ``new``, in order: around the longest common run, and so on in what is left and right.

    That is how Ratcliff and Metzener compare texts (Dr. Dobb's Journal, July 1988): closer to what a person would call
    the change than the shortest list of edits.

    Raises:
        OverBudgetError: it would take too long.
    """
    budget.spend(len(old) + len(new))
    whole = _trimmed(old, new)
    places: dict[bytes, list[int]] = {}
    for place in range(whole.new_first, whole.new_last):
        places.setdefault(new[place], []).append(place)
    found: list[Edit] = []
    todo = [whole]
    while todo:
        span = todo.pop()
        if span.old_first == span.old_last and span.new_first == span.new_last:
            continue
        old_at, new_at, size = _longest(old, places, span, budget)
        if not size:
            found.append(Edit(span.old_first, span.old_last, tuple(new[span.new_first : span.new_last])))
            continue
        todo.append(_Span(old_at + size, span.old_last, new_at + size, span.new_last))
        todo.append(_Span(span.old_first, old_at, span.new_first, new_at))
    return tuple(found)


def _trimmed(old: Sequence[bytes], new: Sequence[bytes]) -> _Span:
    """What is left without the common beginning and the common end."""
    shorter = min(len(old), len(new))
    first = 0
    while first < shorter and old[first] == new[first]:
        first += 1
    end = 0
    while end < shorter - first and old[-1 - end] == new[-1 - end]:
        end += 1
    return _Span(first, len(old) - end, first, len(new) - end)


def _longest(old: Sequence[bytes], places: dict[bytes, list[int]], span: _Span, budget: Budget) -> tuple[int, int, int]:
    """The longest common run in a span: where it is in the old, in the new, and its length. The leftmost of several."""
    best = (span.old_first, span.new_first, 0)
    lengths: dict[int, int] = {}
    for old_at in range(span.old_first, span.old_last):
        after: dict[int, int] = {}
        known = places.get(old[old_at], [])
        low = bisect_left(known, span.new_first)
        high = bisect_left(known, span.new_last, low)
        budget.spend(1 + high - low)
        for new_at in known[low:high]:
            length = lengths.get(new_at - 1, 0) + 1
            after[new_at] = length
            if length > best[2]:
                best = (old_at - length + 1, new_at - length + 1, length)
        lengths = after
    return best


def merged(old: Sequence[bytes], ours: Sequence[Edit], theirs: Sequence[Edit], *, gap: int) -> list[bytes] | None:
    """``old`` with the edits of both sides, None when they get in each other's way.

    Two edits do so when they overlap, when they insert at the same place, or when fewer than ``gap`` unchanged elements
    of ``old`` are between them. The same edit on both sides counts once.
    """
    shared = set(ours) & set(theirs)
    mine = set(ours)
    result: list[bytes] = []
    last: Edit | None = None
    for edit in sorted({*ours, *theirs}):
        if last is not None:
            distance = edit.first - last.last
            strangers = not {edit, last} & shared and (edit in mine) != (last in mine)
            if (edit.first, edit.last) == (last.first, last.last) or (strangers and distance < gap):
                return None
        result += old[last.last if last else 0 : edit.first]
        result += edit.text
        last = edit
    result += old[last.last if last else 0 :]
    return result
