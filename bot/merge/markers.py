"""Conflict markers: take a file with them apart, put it together again, find its hunks in a resolved file.

Only diff3-style markers of exactly one length count, as ``git merge-tree`` writes them with
``merge.conflictStyle=diff3`` and the attribute ``conflict-marker-size``::

    <<<<<<< ours
    ||||||| ancestor
    =======
    >>>>>>> theirs

Labels follow a space, the divider has none, and in a file with CRLF line ends the marker lines end so too. Longer
markers, which git writes inside the ancestor's part after a criss-cross merge and around renamed files, are text like
any other. Where a side has no newline at its end, git adds one before the next marker: the texts of a hunk always end
with a newline or are empty.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from bot.errors import MarkersError
from bot.merge.align import split_resolved
from bot.model.conflicts import MARKER_SIZE, Hunk, MarkedFile

_LABELS: Final = (b"ours", b"ancestor", b"theirs")


class _Marker(Enum):
    """The four marker lines."""

    OPENING = b"<"
    ANCESTOR = b"|"
    DIVIDER = b"="
    CLOSING = b">"


class _Part(Enum):
    """Where a line stands."""

    OUTSIDE = auto()
    OURS = auto()
    ANCESTOR = auto()
    THEIRS = auto()


_WHERE: Final = {
    _Part.OUTSIDE: "outside a conflict",
    _Part.OURS: "in our part of a conflict",
    _Part.ANCESTOR: "in the ancestor's part of a conflict",
    _Part.THEIRS: "in their part of a conflict",
}

_INSIDE: Final = {
    (_Part.OUTSIDE, _Marker.OPENING): _Part.OURS,
    (_Part.OURS, _Marker.ANCESTOR): _Part.ANCESTOR,
    (_Part.ANCESTOR, _Marker.DIVIDER): _Part.THEIRS,
    (_Part.THEIRS, _Marker.CLOSING): _Part.OUTSIDE,
}
"""The one way through a hunk."""

_TEXT: Final = frozenset({(_Part.OUTSIDE, _Marker.DIVIDER), (_Part.OURS, _Marker.DIVIDER)})
"""Marker-like lines that are text where they stand: a heading's underline may be exactly that long.

Between ancestor and closing marker such a line would be taken for the divider, or the divider for it: that is an error.
"""


@dataclass(slots=True)
class _Reading:
    """A file half read."""

    path: str
    part: _Part
    segments: list[bytes]
    hunks: list[Hunk]
    lines: dict[_Part, list[bytes]]
    first_line: int


def parse_marked(path: str, content: bytes, *, size: int = MARKER_SIZE) -> MarkedFile:
    """Take a file with conflict markers of exactly ``size`` characters apart.

    A file without markers is one segment and no hunk.

    Raises:
        MarkersError: the markers are not in git's order, or a line of the file itself cannot be told from a marker.
    """
    reading = _Reading(
        path=path,
        part=_Part.OUTSIDE,
        segments=[],
        hunks=[],
        lines={part: [] for part in _Part},
        first_line=0,
    )
    for number, line in enumerate(_lines(content), start=1):
        marker = _marker(line, size)
        if marker is None or (reading.part, marker) in _TEXT:
            reading.lines[reading.part].append(line)
        else:
            _step(reading, marker, number)
    if reading.part is not _Part.OUTSIDE:
        raise MarkersError(f"{path}: the conflict that opens at line {reading.first_line} is not closed")
    reading.segments.append(b"".join(reading.lines[_Part.OUTSIDE]))
    return MarkedFile(path=path, segments=tuple(reading.segments), hunks=tuple(reading.hunks))


def _step(reading: _Reading, marker: _Marker, number: int) -> None:
    after = _INSIDE.get((reading.part, marker))
    if after is None:
        sign = marker.value.decode()
        where = (
            "outside a conflict" if reading.part is _Part.OUTSIDE else f"among the lines of {reading.part.name.lower()}"
        )
        raise MarkersError(f"{reading.path}:{number}: a line of {sign} markers {where} cannot be git's")
    if marker is _Marker.OPENING:
        reading.segments.append(b"".join(reading.lines[_Part.OUTSIDE]))
        reading.lines = {part: [] for part in _Part}
        reading.first_line = number
    elif marker is _Marker.CLOSING:
        reading.hunks.append(
            Hunk(
                index=len(reading.hunks),
                first_line=reading.first_line,
                last_line=number,
                ours=b"".join(reading.lines[_Part.OURS]),
                ancestor=b"".join(reading.lines[_Part.ANCESTOR]),
                theirs=b"".join(reading.lines[_Part.THEIRS]),
            )
        )
    reading.part = after


def _lines(content: bytes) -> Iterator[bytes]:
    """The lines of a file as git sees them: a newline ends a line, nothing else does."""
    start = 0
    while start < len(content):
        end = content.find(b"\n", start) + 1 or len(content)
        yield content[start:end]
        start = end


def _marker(line: bytes, size: int) -> _Marker | None:
    """The marker that a line is, or None. A divider has no label; after another marker comes a space or the end."""
    text = line.removesuffix(b"\n").removesuffix(b"\r")
    if line[:1] not in (b"<", b"|", b"=", b">") or text[:size] != line[:1] * size:
        return None
    marker = _Marker(line[:1])
    label = text[size:]
    if label and (marker is _Marker.DIVIDER or not label.startswith(b" ")):
        return None
    return marker


def splice(marked: MarkedFile, texts: Sequence[bytes]) -> bytes:
    """The file with the text at each index in the place of that hunk. There must be one text for each hunk."""
    parts = [marked.segments[0]]
    for text, segment in zip(texts, marked.segments[1:], strict=True):
        parts += [text, segment]
    return b"".join(parts)


def render(marked: MarkedFile) -> bytes:
    """The file with conflict markers again, labelled with the names of the sides.

    ``parse_marked(path, render(marked)) == marked`` for every file that ``parse_marked`` gave; of git's own bytes only
    the labels may differ.
    """
    end = b"\r\n" if _has_crlf(marked) else b"\n"
    return splice(marked, [_rendered(hunk, end) for hunk in marked.hunks])


def _rendered(hunk: Hunk, end: bytes) -> bytes:
    ours, ancestor, theirs = _LABELS
    opening, bar, divider, closing = (marker.value * MARKER_SIZE for marker in _Marker)
    return b"".join(
        [
            *(opening, b" ", ours, end, hunk.ours),
            *(bar, b" ", ancestor, end, hunk.ancestor),
            *(divider, end, hunk.theirs),
            *(closing, b" ", theirs, end),
        ]
    )


def _has_crlf(marked: MarkedFile) -> bool:
    texts = [*marked.segments, *(text for hunk in marked.hunks for text in (hunk.ours, hunk.ancestor, hunk.theirs))]
    first = next((text for text in texts if text), b"")
    return first[: first.find(b"\n") + 1].endswith(b"\r\n")


def align(marked: MarkedFile, resolved: bytes) -> tuple[bytes, ...] | None:
    """The text that stands in the place of each hunk in ``resolved``, None when something outside them was changed.

    Unchanged means: every segment is there byte for byte, in order, as whole lines, the first at the very beginning,
    the last at the very end; so each text is empty or ends with a newline, but for one that ends the file. A split is
    found whenever there is one; among several, the one with fewest lines that are strangers to their hunk, then the
    leftmost. ``splice(marked, align(marked, resolved)) == resolved``.
    """
    return split_resolved(marked.segments, marked.hunks, resolved)
