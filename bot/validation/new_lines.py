"""What comes from nobody is named, and lines too long to be read go to a person."""

import re
from collections.abc import Iterator
from typing import Final

from bot.merge.provenance import spans
from bot.model.resolutions import Finding, GateVerdict, LineOrigin
from bot.validation.traced import MAX_STRANGE, TracedFile

NAME: Final = "provenance"

MAX_COLUMNS: Final = 1000
"""A line that no side has may be so long; what stands further right is easily overlooked."""

_FAR: Final = re.compile(r"\S[ \t]{100,}\S")
"""What stands behind so much white space is outside most windows."""

_MADE: Final = (LineOrigin.NEW, LineOrigin.RECOMBINED)


def check(file: TracedFile) -> Iterator[Finding]:
    """Promise: every line with a word that stands on no side in that place is named as new content.

    A note only: people write something new in 5 % of all hunks. A person is asked where such a line, or one put
    together from the sides, is longer than ``MAX_COLUMNS`` or goes on after a wide gap, and where there are too many
    of them to be read.
    """
    if len(file.strange) == MAX_STRANGE:
        message = f"More than {MAX_STRANGE:,} lines are from neither side."
        yield _finding(file, message, (file.strange[0][0], len(file.lines)), GateVerdict.NEEDS_PERSON)
    for number, line in file.made(*_MADE):
        if len(line) > MAX_COLUMNS:
            message = f"This line is on neither side and too long to be read: {len(line):,} characters."
            yield _finding(file, message, (number, number), GateVerdict.NEEDS_PERSON)
        elif _FAR.search(line):
            message = "This line is on neither side, and part of it stands far to the right, behind white space."
            yield _finding(file, message, (number, number), GateVerdict.NEEDS_PERSON)
    if file.text:
        for span in spans(file.origins):
            if span.origin is LineOrigin.NEW:
                yield _finding(file, _said(span.last - span.first + 1), (span.first, span.last), GateVerdict.PASS)


def _said(count: int) -> str:
    lines = "a line" if count == 1 else f"{count:,} lines"
    return f"New content: {lines} from neither side."


def _finding(file: TracedFile, message: str, lines: tuple[int, int], verdict: GateVerdict) -> Finding:
    return Finding(check=NAME, verdict=verdict, path=file.path, message=message, lines=lines)
