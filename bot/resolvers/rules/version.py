"""The sides differ in dotted versions only: the larger one is taken."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bot.model.cases import FileCase
from bot.model.conflicts import Hunk
from bot.model.resolutions import Confidence, HunkAnswer, Tier
from bot.resolvers.text import is_lock, is_prose

NAME: Final = "version"
SUMMARY: Final = "The sides differ in dotted versions only; the side with the larger ones is taken."

_VERSION: Final = (
    rb"(?<![A-Za-z0-9_.\x80-\xff])[vV]?[0-9]{1,9}(?:\.[0-9]{1,9})+(?:[A-Za-z]+[0-9]*)?(?:[-+.][A-Za-z0-9]+)*"
)
_PIECE: Final = re.compile(rb"(" + _VERSION + rb")|[A-Za-z0-9_\x80-\xff]+|[^A-Za-z0-9_\s\x80-\xff]")
_PARTS: Final = re.compile(rb"[vV]?([0-9.]*[0-9])(.*)", re.DOTALL)
_UNIT: Final = re.compile(rb"\s*(?:%|(?:[kKMGT]i?)?[bB]\b|(?:bytes|ns|us|ms|s|sec|seconds|min|px|em|pt|Hz|[kMG]Hz)\b)")
_MAX_SHOWN: Final = 60

_AROUND: Final = 80
"""Bytes before and after a number that may say what it is."""

_PHONE: Final = (3, 3, 4)
_ADDRESS: Final = 4
_BYTE: Final = 255
_DAYS: Final = 31
_YEARS: Final = range(1900, 2100)
_NO_VERSION: Final = b"\0"


@dataclass(frozen=True, slots=True)
class _Version:
    """A dotted number and what follows it: ``2.1.0-rc.3`` has numbers (2, 1), words ("rc",) and serials (3,)."""

    numbers: tuple[int, ...]
    words: tuple[bytes, ...]
    serials: tuple[int, ...]


def answer(case: FileCase) -> Iterator[HunkAnswer]:
    """The side with the larger versions, for hunks where the three texts differ in nothing else.

    Not in prose and recorded output, where a version is a fact, nor in lock files, which belong to their tool.
    """
    if is_lock(case.path) or is_prose(case.path):
        return
    for hunk in case.marked.hunks:
        found = _answer(hunk)
        if found is not None:
            yield found


def _answer(hunk: Hunk) -> HunkAnswer | None:
    ours, ancestor, theirs = (_pieces(text) for text in (hunk.ours, hunk.ancestor, hunk.theirs))
    if ours is None or ancestor is None or theirs is None or not len(ours) == len(ancestor) == len(theirs):
        return None
    different = [trio for trio in zip(ours, ancestor, theirs, strict=True) if trio[0] != trio[2]]
    larger = {_larger(*trio) for trio in different}
    if larger not in ({"ours"}, {"theirs"}):
        return None
    taken = larger == {"ours"}
    mine, _, other = different[0]
    if not taken:
        mine, other = other, mine
    side, rest = ("Our", "theirs") if taken else ("Their", "ours")
    more = f" ({len(different) - 1} more likewise)" if len(different) > 1 else ""
    return HunkAnswer(
        index=hunk.index,
        content=hunk.ours if taken else hunk.theirs,
        resolver=NAME,
        tier=Tier.A,
        reason=(
            f"{side} version {_shown(mine)} is larger than {rest}, {_shown(other)}, and nothing else differs{more}."
        ),
        confidence=Confidence.MEDIUM,
    )


def _pieces(text: bytes) -> list[bytes] | None:
    """The text without white space, versions in one piece; None when a number in it is a measurement."""
    pieces = []
    for found in _PIECE.finditer(text):
        if found[1] and _UNIT.match(text, found.end()):
            return None
        other = found[1] and not _is_version(found[0], _line_around(text, found), text[: found.start()][-_AROUND:])
        pieces.append(_NO_VERSION + found[0] if other else found[0])
    return pieces


def _line_around(text: bytes, found: re.Match[bytes]) -> bytes:
    """What stands in the number's line, as far as it is near."""
    before = text[max(0, found.start() - _AROUND) : found.start()].rpartition(b"\n")[2]
    return (before + text[found.end() : found.end() + _AROUND].partition(b"\n")[0]).lower()


def _is_version(piece: bytes, line: bytes, before: bytes) -> bool:
    """Whether a dotted number is a version whose larger value is the newer one.

    It is not after ``<``, where a larger number lets more in, nor when it looks like a date, a telephone number or an
    address. A number with one point may be any quantity: it must be quoted, pinned, or called a version.
    """
    parts = _PARTS.fullmatch(piece)
    numbers = [] if parts is None else parts[1].split(b".")
    if not all(numbers) or before.rstrip(b" =\"'").endswith(b"<"):
        return False
    values = [int(number) for number in numbers]
    named = b"version" in line or piece[:1] in b"vV" or (parts is not None and parts[2] != b"")
    if tuple(map(len, numbers)) == _PHONE or (len(values) == _ADDRESS and max(values) <= _BYTE and not named):
        return False
    if len(values) > 2:  # noqa: PLR2004 - a number with one point is looked at below
        return not (values[0] <= _DAYS and values[1] <= _DAYS and values[-1] in _YEARS)
    return named or before.endswith((b'"', b"'", b"^", b"~", b"==", b">=", b"@", b"~>", b"~> "))


def _larger(ours: bytes, ancestor: bytes, theirs: bytes) -> str | None:
    """Whose version is larger; None when one of the three is no version, or they cannot be compared."""
    mine, old, other = _version(ours), _version(ancestor), _version(theirs)
    if mine is None or old is None or other is None:
        return None
    if mine.words != other.words:
        # A release and a snapshot of different numbers: fine, as long as the smaller one stayed what it was.
        smaller = min(mine, other, key=lambda version: version.numbers)
        if mine.numbers == other.numbers or smaller.words != old.words:
            return None
    sizes = {"ours": (mine.numbers, mine.serials), "theirs": (other.numbers, other.serials)}
    if sizes["ours"] == sizes["theirs"]:
        return None
    winner = max(sizes, key=lambda side: sizes[side])
    return winner if sizes[winner] > (old.numbers, old.serials) else None


def _version(piece: bytes) -> _Version | None:
    parts = _PARTS.fullmatch(piece)
    if parts is None or b"." not in parts[1]:
        return None
    numbers = [int(number) for number in parts[1].split(b".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return _Version(
        tuple(numbers),
        tuple(re.findall(rb"[a-z]+", parts[2].lower())),
        tuple(int(number) for number in re.findall(rb"[0-9]{1,18}", parts[2])),
    )


def _shown(version: bytes) -> str:
    text = version.decode("ascii", "replace")
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
