"""A text stays the kind of text it was: encoding, byte order mark, line ends."""

import contextlib
from collections.abc import Iterator
from itertools import chain
from typing import Final

from bot.model.resolutions import Candidate, Finding, GateVerdict
from bot.validation.texts import UNKNOWN, Text, at_most, decode, provable

NAME: Final = "encoding"

_ENDS: Final = {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}".encode()

_ONE_BYTE: Final = ("latin-1", "cp1252")


def check(candidate: Candidate) -> list[Finding]:
    """Promise: the result of text sides is text in an encoding of theirs, with their byte order mark and line ends.

    Of one-byte encodings only this is known: no line was turned into UTF-8, and no character was lost for U+FFFD.
    """
    findings = []
    for resolution, content, contents in provable(candidate):
        sides = [decode(side) for side in contents]
        texts = [side for side in sides if side is not None]
        if texts and len(texts) == len(sides):
            problems = chain(_form(decode(content), texts), _mangled(content, contents))
            findings += at_most(_refused(resolution.path, line, message) for line, message in problems)
    return findings


def _refused(path: str, line: int, message: str) -> Finding:
    return Finding(check=NAME, verdict=GateVerdict.REFUSED, path=path, message=message, lines=(line, line))


def _form(result: Text | None, sides: list[Text]) -> Iterator[tuple[int, str]]:
    """Line numbers, and what is wrong there with encoding, mark or line ends."""
    if result is None:
        yield 1, "The result is binary, its sides are text."
        return
    if result.encoding not in {side.encoding for side in sides} and not _lost_strange_bytes(result, sides):
        yield 1, f"The result is not in the encoding of its sides, {sides[0].encoding}."
    if result.byte_order_mark not in {side.byte_order_mark for side in sides}:
        yield 1, f"The byte order mark was {'added' if result.byte_order_mark else 'removed'}."
    ends = {end for side in sides for end in side.line_ends}
    for end in sorted(result.line_ends - ends if ends else ()):
        yield _first_line_ending(result, end), f"This line ends with {_ENDS[end]}, which no line of a side does."


def _lost_strange_bytes(result: Text, sides: list[Text]) -> bool:
    """True when all bytes that are not UTF-8 stood in lines that are not in the result."""
    return result.encoding == "utf-8" and all(side.encoding == UNKNOWN for side in sides)


def _first_line_ending(text: Text, end: str) -> int:
    alone = text.text if end == "\r\n" else text.text.replace("\r\n", "  ")
    return text.text.count("\n", 0, alone.find(end)) + 1


def _mangled(content: bytes, sides: tuple[bytes, ...]) -> Iterator[tuple[int, str]]:
    """Lines that were read in one encoding and written in another."""
    known = {line for side in sides for line in side.splitlines() if not line.isascii()}
    replaced = any(_REPLACEMENT in line for line in known)
    fresh = {line: number for number, line in enumerate(content.splitlines(), start=1) if not line.isascii()}
    for line, number in fresh.items():
        if line in known:
            continue
        if _REPLACEMENT in line and not replaced:
            yield number, "U+FFFD stands here for a character that was lost."
        elif any(original in known for original in _before_utf8(line)):
            yield number, "This line was turned into UTF-8."


def _before_utf8(line: bytes) -> Iterator[bytes]:
    """What a line may have been in a one-byte encoding before somebody wrote it as UTF-8."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return
    for encoding in _ONE_BYTE:
        with contextlib.suppress(UnicodeEncodeError):
            yield text.encode(encoding)
