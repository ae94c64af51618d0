"""What Claude Code's Read tool showed of a file, put together again.

Measured with Claude Code 2.1.330: each line is its number, a tab and its text; all line ends are shown alike, whatever
they are in the file; a final line end shows as one more, empty, numbered line; a byte order mark at the start is not
shown. A whole file over 256 KB or 25,000 tokens is refused or cut, with a remark after the last line.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from app.demo.model.messages import ToolUse

_NUMBERED: Final = re.compile(r"\s*(\d+)(?:\t|→)(.*)\Z", re.DOTALL)
_EMPTY_FILE: Final = "the file exists but the contents are empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The lines of one answer of Read: its 1-based ``first`` line, texts without line ends, and what followed them."""

    first: int
    lines: tuple[str, ...]
    remark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileView:
    """What is known of a file.

    ``lines`` maps 1-based numbers to texts without line ends. When ``complete`` all lines are there and the last one is
    what follows the last line end: empty in a file that ends with one.
    """

    lines: dict[int, str]
    complete: bool

    def text(self) -> str:
        """The whole text with line feeds as line ends; only of a complete view."""
        return "\n".join(self.lines[number] for number in sorted(self.lines))

    def knows(self, first: int, last: int) -> bool:
        """Whether all lines from ``first`` to ``last`` are known."""
        return all(number in self.lines for number in range(first, last + 1))


def parse_page(result: str) -> Page:
    """Take the lines of an answer of Read apart; whatever does not continue the numbering is the remark."""
    lines: list[str] = []
    first = 0
    rest = result.split("\n")
    for position, line in enumerate(rest):
        match = _NUMBERED.match(line)
        if match is None or (lines and int(match[1]) != first + len(lines)):
            return Page(first=first, lines=tuple(lines), remark="\n".join(rest[position:]).strip())
        first = first if lines else int(match[1])
        lines.append(match[2])
    return Page(first=first, lines=tuple(lines), remark="")


def view_of(reads: Iterable[ToolUse]) -> FileView:
    """Put the answered reads of one file together."""
    known: dict[int, str] = {}
    complete = False
    for read in reads:
        if not read.succeeded or read.result is None:
            continue
        if _EMPTY_FILE in read.result:
            return FileView(lines={1: ""}, complete=True)
        page = parse_page(read.result)
        known.update(enumerate(page.lines, start=page.first))
        whole = not read.input.get("offset") and not read.input.get("limit")
        complete = complete or (whole and bool(page.lines) and not page.remark)
    return FileView(lines=known, complete=complete)
