"""What the checks know about bytes: whether they are text, in which encoding, and where their lines are."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from bot.model.resolutions import Candidate, Finding, Resolution, SideTexts

MAX_PROVABLE_BYTES: Final = 4 * 1024 * 1024
"""Up to this size a file is looked at. Larger ones go to a person, see ``bot.validation.size``."""

_BINARY_WINDOW: Final = 8000
"""git calls a file binary when there is a NUL in its first bytes, so many of them: ``buffer_is_binary`` in xdiff."""

_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

UNKNOWN: Final = "unknown"
"""The encoding of text that is not UTF-8: one of the one-byte encodings, or broken."""

_LINE_END: Final = re.compile(r"\r\n|\n|\r")

MAX_FINDINGS: Final = 20
"""So many findings one check lists for one path; hostile files could have millions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Decoded bytes, without their byte order mark.

    ``encoding`` is ``utf-8``, a UTF-16 or UTF-32 name where a mark says so, or ``UNKNOWN``: then each byte that is not
    UTF-8 is one lone surrogate, see ``is_strange_byte``, and all the rest is read as usual.
    """

    encoding: str
    byte_order_mark: bool
    text: str

    @property
    def lines(self) -> list[str]:
        """The lines without their ends; CRLF, LF and CR each end a line."""
        parts = _LINE_END.split(self.text)
        return parts if parts[-1] else parts[:-1]

    @property
    def line_ends(self) -> frozenset[str]:
        """Which kinds of line end there are."""
        return frozenset(_LINE_END.findall(self.text))


def decode(content: bytes) -> Text | None:
    """The text that ``content`` is, None when it is binary."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            try:
                return Text(encoding=encoding, byte_order_mark=True, text=content[len(mark) :].decode(encoding))
            except UnicodeDecodeError:
                break
    if b"\0" in content[:_BINARY_WINDOW]:
        return None
    try:
        return Text(encoding="utf-8", byte_order_mark=False, text=content.decode())
    except UnicodeDecodeError:
        return Text(encoding=UNKNOWN, byte_order_mark=False, text=content.decode(errors="surrogateescape"))


def is_strange_byte(character: str) -> bool:
    """True for what ``decode`` makes of a byte that is not UTF-8."""
    return "\udc80" <= character <= "\udcff"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedText:
    """A resolution that is text, beside the sides that are."""

    path: str
    result: Text
    sides: tuple[Text, ...]


def within_limit(content: bytes | None) -> bool:
    """True when the content is small enough to be looked at."""
    return content is None or len(content) <= MAX_PROVABLE_BYTES


def side_contents(sides: SideTexts | None) -> tuple[bytes, ...]:
    """The contents of ours and theirs, as far as they exist."""
    if sides is None:
        return ()
    return tuple(content for content in (sides.ours, sides.theirs) if content is not None)


def provable(candidate: Candidate) -> Iterator[tuple[Resolution, bytes, tuple[bytes, ...]]]:
    """Each resolution with content, and its sides' contents. What is too large is left to ``bot.validation.size``."""
    for resolution in candidate.resolutions:
        contents = side_contents(candidate.sides.get(resolution.path))
        if resolution.content is not None and all(map(within_limit, (resolution.content, *contents))):
            yield resolution, resolution.content, contents


def resolved_texts(candidate: Candidate) -> Iterator[ResolvedText]:
    """Each resolution that is text and small enough, decoded, with those sides that are text."""
    for resolution, content, contents in provable(candidate):
        result = decode(content)
        if result is not None:
            sides = (side for side in map(decode, contents) if side is not None)
            yield ResolvedText(path=resolution.path, result=result, sides=tuple(sides))


def at_most(findings: Iterator[Finding]) -> list[Finding]:
    """The first findings of one check about one path, and whether there are more. The rest is not even looked for."""
    listed = list(islice(findings, MAX_FINDINGS))
    if next(findings, None) is not None:
        listed.append(replace(listed[-1], message="And more of this kind.", lines=None))
    return listed
