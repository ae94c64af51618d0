"""How a conflicted file stands in the work tree: as git left it, settled by the person, or begun. Pure.

git writes its markers in the style that the person set, and in the styles ``merge`` and ``zdiff3`` it takes lines that
both sides share out of a hunk. What such a file says for each side as a whole is the same in every style, and so is
compared.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from bot.merge.markers import splice
from bot.merge.matching import lines_of
from bot.model.conflicts import Hunk, MarkedFile

_SIZE: Final = 7
_LABELLED: Final = (b"<", b">")
_MARKER_LIKE: Final = tuple(sign * _SIZE for sign in (*_LABELLED, b"|"))


class Standing(Enum):
    """What the person has done with a conflicted file."""

    UNTOUCHED = auto()
    SETTLED = auto()
    BEGUN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerStyle:
    """How git wrote the markers: the labels behind the first and the last, and whether it shows the ancestor."""

    first: bytes = b"ours"
    last: bytes = b"theirs"
    ancestor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFile:
    """A conflicted file of the work tree."""

    standing: Standing
    style: MarkerStyle = MarkerStyle()


class _Part(Enum):
    OUTSIDE = auto()
    FIRST = auto()
    ANCESTOR = auto()
    SECOND = auto()


@dataclass(slots=True)
class _Reading:
    """The file as each of git's two sides would have it, read so far."""

    first: list[bytes]
    second: list[bytes]
    labels: list[bytes]
    part: _Part = _Part.OUTSIDE
    ancestor: bool = False


_WAY: Final = {
    (_Part.OUTSIDE, b"<"): _Part.FIRST,
    (_Part.FIRST, b"|"): _Part.ANCESTOR,
    (_Part.FIRST, b"="): _Part.SECOND,
    (_Part.ANCESTOR, b"="): _Part.SECOND,
    (_Part.SECOND, b">"): _Part.OUTSIDE,
}
"""The one way through a hunk; other markers in it, or outside, are not git's."""


def work_file(content: bytes, marked: MarkedFile, *, swapped: bool) -> WorkFile:
    """How ``content`` stands beside the conflict; ``swapped`` when git's first side is our *theirs*."""
    plain = _unix(content)
    ours = _unix(splice(marked, [hunk.ours for hunk in marked.hunks]))
    theirs = _unix(splice(marked, [hunk.theirs for hunk in marked.hunks]))
    known = {*lines_of(ours), *lines_of(theirs)}
    if not any(line.startswith(_MARKER_LIKE) and line not in known for line in lines_of(plain)):
        return WorkFile(standing=Standing.SETTLED)
    read = _read(plain)
    wanted = (theirs, ours) if swapped else (ours, theirs)
    if read is None or (b"".join(read.first), b"".join(read.second)) != wanted:
        return WorkFile(standing=Standing.BEGUN)
    style = MarkerStyle(first=read.labels[0], last=read.labels[1], ancestor=read.ancestor)
    return WorkFile(standing=Standing.UNTOUCHED, style=style)


def as_in_git(content: bytes, marked: MarkedFile) -> bytes:
    """A file of the work tree with the line ends that git keeps of it."""
    kept = splice(marked, [hunk.ours + hunk.theirs for hunk in marked.hunks])
    return content if b"\r\n" in kept else _unix(content)


def _unix(content: bytes) -> bytes:
    """With the line ends that git compares: the clone's settings may ask for others in the work tree."""
    return content.replace(b"\r\n", b"\n")


def _read(content: bytes) -> _Reading | None:
    """The file taken apart, None when its markers are not in git's order or there are none."""
    reading = _Reading(first=[], second=[], labels=[])
    for line in lines_of(content):
        sign = _sign(line)
        after = _WAY.get((reading.part, sign))
        if after is not None:
            reading.part = after
            reading.ancestor |= after is _Part.ANCESTOR
            if after in {_Part.FIRST, _Part.OUTSIDE} and len(reading.labels) < len(_LABELLED):
                reading.labels.append(line[_SIZE:].strip())
        elif sign in _LABELLED:
            return None
        else:
            reading.first += [line] if reading.part in {_Part.OUTSIDE, _Part.FIRST} else []
            reading.second += [line] if reading.part in {_Part.OUTSIDE, _Part.SECOND} else []
    whole = reading.part is _Part.OUTSIDE and len(reading.labels) == len(_LABELLED)
    return reading if whole else None


def _sign(line: bytes) -> bytes:
    """The character of a marker line, nothing for other lines."""
    text = line.rstrip(b"\n")
    sign = text[:1]
    if sign not in (*_LABELLED, b"|", b"=") or text[:_SIZE] != sign * _SIZE:
        return b""
    if sign == b"=":
        return sign if len(text) == _SIZE else b""
    return sign if text[_SIZE : _SIZE + 1] in (b" ", b"") else b""


def render(marked: MarkedFile, style: MarkerStyle, *, swapped: bool) -> bytes:
    """A file with markers as git writes them for people, so that every tool of theirs knows them."""
    end = b"\r\n" if b"\r\n" in marked.segments[0] + marked.segments[-1] else b"\n"
    return splice(marked, [_rendered(hunk, style, end, swapped=swapped) for hunk in marked.hunks])


def _rendered(hunk: Hunk, style: MarkerStyle, end: bytes, *, swapped: bool) -> bytes:
    first, second = (hunk.theirs, hunk.ours) if swapped else (hunk.ours, hunk.theirs)
    parts = [_marker(b"<", style.first, end), first]
    parts += [_marker(b"|", b"ancestor", end), hunk.ancestor] if style.ancestor else []
    return b"".join([*parts, _marker(b"=", b"", end), second, _marker(b">", style.last, end)])


def _marker(sign: bytes, label: bytes, end: bytes) -> bytes:
    return sign * _SIZE + (b" " + label if label else b"") + end
