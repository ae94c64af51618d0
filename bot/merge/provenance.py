"""Where each line of a resolved file comes from.

A line comes from a side when an alignment of the two texts pairs them, or when it stands in the place of a hunk and the
hunk has it on that side: an equal line elsewhere in the file proves nothing. What is left over is compared by its
tokens with the sides' text in the same place.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from bot.merge.fit import Fit, fit
from bot.merge.matching import lines_of, matching
from bot.model.conflicts import Hunk, MarkedFile
from bot.model.resolutions import LineOrigin, ProvenanceSpan, SideTexts

_TOKEN: Final = re.compile(r"\d+(?:\.\d+)+|\w+|[^\w\s]")
"""A dotted number is one token: a version that nobody had is new, also when each of its numbers is known."""

_FROM: Final[Mapping[tuple[bool, bool], LineOrigin]] = {
    (True, True): LineOrigin.BOTH,
    (True, False): LineOrigin.OURS,
    (False, True): LineOrigin.THEIRS,
}


def tokens(text: bytes) -> frozenset[str]:
    """The words, dotted numbers and signs; white space is none."""
    return frozenset(_TOKEN.findall(text.decode(errors="surrogateescape")))


def provenance(sides: SideTexts, content: bytes, marked: MarkedFile | None) -> tuple[ProvenanceSpan, ...]:
    """Spans that cover every line of ``content`` once, in order.

    ``marked`` is what git merged, with its hunks; None for a conflict without hunks.
    """
    return spans(origins(sides, content, marked, None if marked is None else fit(marked, content)))


def hunk_provenance(marked: MarkedFile, texts: Sequence[bytes]) -> tuple[tuple[ProvenanceSpan, ...], ...]:
    """The spans of the text in the place of each hunk; lines count from 1 within each text."""
    pairs = ((hunk, _lines(text)) for hunk, text in zip(marked.hunks, texts, strict=True))
    return tuple(spans(_of_hunk(hunk, lines, [None] * len(lines))) for hunk, lines in pairs)


def spans(found: Iterable[LineOrigin]) -> tuple[ProvenanceSpan, ...]:
    """Neighbours of one origin made one span."""
    line = 0
    made = []
    for origin, group in groupby(found):
        count = sum(1 for _ in group)
        made.append(ProvenanceSpan(first=line + 1, last=line + count, origin=origin))
        line += count
    return tuple(made)


def origins(sides: SideTexts, content: bytes, marked: MarkedFile | None, placed: Fit | None) -> list[LineOrigin]:
    """The origin of every line; ``placed`` is how ``content`` fits into ``marked``."""
    lines = _lines(content)
    ours, theirs = (_Aligned(lines, _lines(text or b"")) for text in (sides.ours, sides.theirs))
    found = [_FROM.get((at in ours.pairs, at in theirs.pairs)) for at in range(len(lines))]
    if marked is not None and placed is not None:
        _of_gits(found, lines, placed, ours, theirs)
        for hunk, (first, stop) in zip(marked.hunks, placed.places, strict=True):
            found[first:stop] = _of_hunk(hunk, lines[first:stop], found[first:stop])
    near: tuple[frozenset[str], tuple[int, ...]] = frozenset(), ()
    complete = []
    for at, origin in enumerate(found):
        if origin is None:
            place = (*ours.gap(at), *theirs.gap(at))
            if place != near[1]:
                near = _all_tokens(ours.text(at) + theirs.text(at)), place
            complete.append(_by_tokens(lines[at], near[0]))
        else:
            complete.append(origin)
    return complete


def _lines(text: bytes) -> list[bytes]:
    """The lines without their newlines: whether a file ends with one says nothing about where its last line is from."""
    return [line.removesuffix(b"\n") for line in lines_of(text)]


class _Aligned:
    """A result beside one side."""

    def __init__(self, lines: Sequence[bytes], side: Sequence[bytes]) -> None:
        self.side = side
        self.pairs = matching(lines, side)
        self.places = sorted(self.pairs)

    def gap(self, at: int) -> tuple[int, int]:
        """Which lines of the side stand in the place of a line that has no pair: a half-open range."""
        index = bisect_left(self.places, at)
        before = self.pairs[self.places[index - 1]] + 1 if index else 0
        after = self.pairs[self.places[index]] if index < len(self.places) else len(self.side)
        return before, after

    def text(self, at: int) -> list[bytes]:
        """Those lines."""
        first, stop = self.gap(at)
        return list(self.side[first:stop])


def _of_gits(
    found: list[LineOrigin | None], lines: Sequence[bytes], placed: Fit, ours: _Aligned, theirs: _Aligned
) -> None:
    """Lines outside the hunks as git merged them are from a side, even where the alignments pair them otherwise."""
    edited = {at for edit in placed.outside for at in range(edit.first - 1, edit.last)}
    edited.update(at for first, stop in placed.places for at in range(first, stop))
    left = [at for at, origin in enumerate(found) if origin is None and at not in edited]
    if left:
        known = set(ours.side), set(theirs.side)
        for at in left:
            found[at] = _FROM.get((lines[at] in known[0], lines[at] in known[1]))


def _of_hunk(hunk: Hunk, lines: Sequence[bytes], aligned: Sequence[LineOrigin | None]) -> list[LineOrigin]:
    """The origins of the lines in the place of a hunk. A line that was moved within it keeps its side, but no copy.

    ``aligned`` are the origins as far as the whole files' alignments know them: where git's text could divide the hunks
    in more than one way, a line of the hunk may be another's.
    """
    sides = [_lines(text) for text in (hunk.ours, hunk.theirs)]
    pairs = [matching(lines, side) for side in sides]
    spare = [Counter(side) - Counter(lines[at] for at in paired) for side, paired in zip(sides, pairs, strict=True)]
    known = _all_tokens(sides[0] + sides[1])
    strange: dict[bytes, LineOrigin] = {}
    found = []
    for at, line in enumerate(lines):
        has = (at in pairs[0], at in pairs[1])
        if not any(has):
            has = (spare[0][line] > 0, spare[1][line] > 0)
            for side, taken in zip(spare, has, strict=True):
                side[line] -= taken
        origin = _FROM.get(has) or aligned[at] or strange.get(line)
        if origin is None:
            origin = strange[line] = _by_tokens(line, known)
        found.append(origin)
    return found


def _by_tokens(line: bytes, known: frozenset[str]) -> LineOrigin:
    return LineOrigin.RECOMBINED if tokens(line) <= known else LineOrigin.NEW


def _all_tokens(lines: Iterable[bytes]) -> frozenset[str]:
    return tokens(b"\n".join(lines))
