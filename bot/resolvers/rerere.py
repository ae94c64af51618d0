"""Read git's own memory of conflicts, ``.git/rr-cache``: which text people put in the place of which hunk.

For each conflict git keeps a directory with ``preimage`` (the file with markers) and ``postimage`` (as a person left
it), and numbered variants of the two. git normalizes the preimage: no labels, no ancestor, the sides in sorted order
(https://git-scm.com/docs/git-rerere, Documentation/technical/rerere.txt in git's sources).

What git writes with ``merge.conflictStyle=merge`` has lines that both sides share taken out of its hunks, and what it
writes with ``diff3``, as we do, has not. So both the digest and the kept text are those of a hunk's core: what is left
of the sides without the lines they begin and end with alike.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.errors import MarkersError
from bot.merge.align import split_resolved
from bot.model.conflicts import Hunk, MarkedFile

MAX_CONFLICTS: Final = 20_000
"""Directories of a cache that are looked at."""

MAX_FILE_BYTES: Final = 4 * 1024 * 1024
MAX_TOTAL_BYTES: Final = 256 * 1024 * 1024

_MAX_VARIANTS: Final = 16
_MARKER: Final = 7
_ID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MARKER_LINE: Final = re.compile(rb"^(?:<{7}|\|{7}|={7}|>{7})(?:[ \r\n]|\Z)", re.MULTILINE)
_LINES: Final = re.compile(rb"[^\n]*\n|[^\n]+")
_DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def hunk_digest(ours: bytes, theirs: bytes) -> str:
    """The name of a pair of sides, whichever of them is ours: SHA-256 in hexadecimal digits, of the hunk's core."""
    first, second = sorted(_core(ours, theirs).sides)
    return hashlib.sha256(b"%d\n%b%b" % (len(first), first, second)).hexdigest()


def texts(marked: MarkedFile, found: Mapping[str, bytes]) -> dict[int, bytes]:
    """The texts for the hunks of a file, by index, out of what the store found for their digests."""
    answers = {}
    for hunk in marked.hunks:
        core = found.get(hunk_digest(hunk.ours, hunk.theirs))
        if core is not None:
            around = _core(hunk.ours, hunk.theirs)
            answers[hunk.index] = around.before + core + around.after
    return answers


def read_cache(directory: Path) -> dict[str, bytes]:
    """What the cache in a directory (``.git/rr-cache``) says about single hunks: digest to the text of the core.

    Left out is what says too little (a side without any word: the same sides could come from another change), what
    still holds markers, resolutions that also changed something outside the hunks, hunks that people resolved in two
    ways, and files that git did not write: links, devices, files that are too large. Reading stops at the limits above.

    Raises:
        OSError: there is no such directory, or it cannot be read.
    """
    found: dict[str, bytes] = {}
    contradicted: set[str] = set()
    budget = MAX_TOTAL_BYTES
    for preimage, postimage in _pairs(directory):
        budget -= len(preimage) + len(postimage)
        if budget < 0:
            break
        for digest, text in _hunks(preimage, postimage):
            if found.setdefault(digest, text) != text:
                contradicted.add(digest)
    return {digest: text for digest, text in found.items() if digest not in contradicted}


@dataclass(frozen=True, slots=True)
class _Core:
    """Two sides, and the lines around them that they have in common."""

    before: bytes
    sides: tuple[bytes, bytes]
    after: bytes


def _core(ours: bytes, theirs: bytes) -> _Core:
    left, right = _LINES.findall(ours), _LINES.findall(theirs)
    shorter = min(len(left), len(right))
    first = next((n for n in range(shorter) if left[n] != right[n]), shorter)
    rest = shorter - first
    last = next((n for n in range(rest) if left[-1 - n] != right[-1 - n]), rest)
    return _Core(
        b"".join(left[:first]),
        (b"".join(left[first : len(left) - last]), b"".join(right[first : len(right) - last])),
        b"".join(left[len(left) - last :]),
    )


def _hunks(preimage: bytes, postimage: bytes) -> Iterator[tuple[str, bytes]]:
    """The hunks of one conflict with their texts."""
    try:
        segments, sides = _parse(preimage)
    except MarkersError:
        return
    hunks = [
        Hunk(index=index, first_line=0, last_line=0, ours=one, ancestor=b"", theirs=other)
        for index, (one, other) in enumerate(sides)
    ]
    resolved = split_resolved(segments, hunks, postimage) if hunks else None
    for hunk, text in zip(hunks, resolved or (), strict=bool(resolved)):
        core = _core(hunk.ours, hunk.theirs)
        inside = text[len(core.before) : len(text) - len(core.after)]
        whole = core.before + inside + core.after == text
        if whole and all(side.strip() for side in core.sides) and not _MARKER_LINE.search(inside):
            yield hunk_digest(hunk.ours, hunk.theirs), inside


def _parse(preimage: bytes) -> tuple[list[bytes], list[tuple[bytes, bytes]]]:
    """The segments and the sides of a normalized file. Raises ``MarkersError``: nested, or not git's."""
    segments: list[bytes] = []
    sides: list[tuple[bytes, bytes]] = []
    part: list[bytes] = []
    one: bytes | None = None
    inside = False
    for line in _LINES.findall(preimage):
        sign = line[:1] if _MARKER_LINE.match(line) else b""
        if sign == b"<" and not inside:
            segments.append(b"".join(part))
            part, inside = [], True
        elif sign == b"=" and inside and one is None:
            one, part = b"".join(part), []
        elif sign == b">" and one is not None:
            sides.append((one, b"".join(part)))
            part, one, inside = [], None, False
        elif sign and (inside or sign != b"="):
            raise MarkersError("the markers are not in git's order")
        else:
            part.append(line)
    if inside:
        raise MarkersError("a conflict is not closed")
    return [*segments, b"".join(part)], sides


def _pairs(directory: Path) -> Iterator[tuple[bytes, bytes]]:
    """Each preimage with its postimage, in the order of their names."""
    with _opened(os.open(directory, _DIRECTORY_FLAGS)) as cache:
        with os.scandir(cache) as entries:
            names = sorted(name for entry in entries if _ID.fullmatch(name := entry.name))
        for name in names[:MAX_CONFLICTS]:
            try:
                opened = os.open(name, _DIRECTORY_FLAGS, dir_fd=cache)
            except OSError:
                continue
            with _opened(opened) as conflict:
                for end in ("", *(f".{n}" for n in range(1, _MAX_VARIANTS))):
                    before, after = _read(conflict, f"preimage{end}"), _read(conflict, f"postimage{end}")
                    if before is not None and after is not None:
                        yield before, after


@contextmanager
def _opened(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(directory: int, name: str) -> bytes | None:
    """The bytes of a plain file; None for anything else, and for what is too large."""
    try:
        descriptor = os.open(name, _FILE_FLAGS, dir_fd=directory)
    except OSError:
        return None
    with _opened(descriptor):
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_FILE_BYTES + 1)
    return content if len(content) <= MAX_FILE_BYTES else None
