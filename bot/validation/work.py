"""What the sides did in a conflict, and what of it a result keeps: in lines, without blank ones and white space."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bot.merge.matching import lines_of, matching
from bot.merge.provenance import tokens
from bot.model.conflicts import Hunk
from bot.validation.regions import Region

_REWORKED: Final = 0.6
"""A line counts as reworked, not lost, when a line that is nobody's has so large a part of its tokens."""

_BUDGET: Final = 2_000_000
"""Tokens that may be compared to find reworked lines of one side; beyond it, lines count as lost."""

Lines = Counter[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class SideWork:
    """One side's additions in a region: lines that neither the ancestor nor the other side has.

    ``lost`` are neither in the result nor reworked in it; of these, ``untouched`` stand where the other side changed
    nothing.
    """

    added: Lines
    kept: Lines
    lost: Lines
    untouched: Lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What both sides did in a region. ``lost_by_both``: lines that both have and the result has not as often.

    ``whole_side`` is true when the result is nothing but one side, in each hunk.
    """

    ours: SideWork
    theirs: SideWork
    lost_by_both: Lines
    whole_side: bool


def work_in(region: Region) -> Work:
    """Compare the result in a region with what the sides did there."""
    ours, ancestor, theirs = (
        counted(getattr(hunk, name) for hunk in region.hunks) for name in ("ours", "ancestor", "theirs")
    )
    result = counted(region.texts)
    made = [tokens(line) for line in result if line not in ours and line not in theirs]

    def side(added: Lines, free: Iterator[bytes]) -> SideWork:
        lost = _not_reworked(added - result, made)
        return SideWork(added=added, kept=added & result, lost=lost, untouched=lost & Counter(free))

    hunks = region.hunks
    return Work(
        ours=side(
            ours - theirs - ancestor,
            (line for hunk in hunks for line in _untouched(hunk, hunk.ours, hunk.theirs)),
        ),
        theirs=side(
            theirs - ours - ancestor,
            (line for hunk in hunks for line in _untouched(hunk, hunk.theirs, hunk.ours)),
        ),
        lost_by_both=(ours & theirs) - result,
        whole_side=result in (ours, theirs) or (len(hunks) > 1 and _one_side_each(region)),
    )


def counted(texts: Iterable[bytes]) -> Lines:
    """The lines of several texts, without blank ones and white space."""
    return Counter(line for text in texts for line in _words(text) if line)


def _words(text: bytes) -> list[bytes]:
    return [b" ".join(line.split()) for line in lines_of(text)]


def _one_side_each(region: Region) -> bool:
    pairs = zip(region.hunks, region.texts, strict=True)
    return all(counted([text]) in (counted([hunk.ours]), counted([hunk.theirs])) for hunk, text in pairs)


def _not_reworked(lost: Lines, made: Sequence[frozenset[str]]) -> Lines:
    """Those lines that no line of nobody's takes up."""
    left = Counter[bytes]()
    budget = _BUDGET
    for line, count in lost.items():
        own = tokens(line)
        reworked = False
        for other in made:
            budget -= min(len(own), len(other)) + 1
            if budget < 0:
                break
            if len(own & other) >= _REWORKED * len(own):
                reworked = True
                break
        if not reworked:
            left[line] = count
    return left


def _untouched(hunk: Hunk, side: bytes, other: bytes) -> Iterator[bytes]:
    """The lines that one side added or changed where the other left the ancestor's lines as they were."""
    ancestor = _words(hunk.ancestor)
    lines = _words(side)
    own = matching(lines, ancestor)
    kept = matching(ancestor, _words(other))
    kept |= {-1: -1, len(ancestor): len(_words(other))}
    before = -1
    waiting: list[bytes] = []
    for at in range(len(lines) + 1):
        place = own.get(at) if at < len(lines) else len(ancestor)
        if place is None:
            waiting.append(lines[at])
            continue
        # What is waiting stands between two of the ancestor's lines; has the other side all between them as it was?
        same = all(line in kept for line in range(before, place + 1)) and kept[place] - kept[before] == place - before
        if same:
            yield from waiting
        before, waiting = place, []
