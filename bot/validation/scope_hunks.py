"""Nothing outside the conflicting hunks changes, and nothing in those that were settled before."""

from collections.abc import Iterator
from typing import Final

from bot.merge.fit import Outside
from bot.merge.markers import align
from bot.merge.remainder import remainder
from bot.model.resolutions import Finding, GateVerdict
from bot.validation.traced import TracedFile

NAME: Final = "scope_hunks"


def check(file: TracedFile) -> Iterator[Finding]:
    """Promise: what git merged without conflict, and every hunk that a rule settled, is in the result byte for byte.

    Else a person is asked: people edit outside the hunks in one file of seven, and no such edit can be shown to be
    safe, not even a text that a side has, since it takes back what the other side changed. What a rule settled nobody
    may change, so that is refused. A conflict without hunks (a file deleted here and modified there, a binary file)
    ends as one of its sides, or a person is asked. A generated file is nothing that git or a rule merged: a note says
    so.
    """
    if file.generated:
        message = "Made anew by the repository's own command, not merged."
        yield Finding(check=NAME, verdict=GateVerdict.PASS, path=file.path, message=message)
        return
    if file.marked is None or file.fit is None:
        if file.content not in {file.sides.ours, file.sides.theirs}:
            message = "This conflict has no hunks, and its result is not one of the sides as it is."
            yield Finding(check=NAME, verdict=GateVerdict.NEEDS_PERSON, path=file.path, message=message)
        return
    for edit in file.fit.outside:
        message = _said(edit)
        lines = _within(file, edit.first, max(edit.first, edit.last))
        yield Finding(check=NAME, verdict=GateVerdict.NEEDS_PERSON, path=file.path, message=message, lines=lines)
    if align(remainder(file.marked, file.settled).marked, file.content) is None:
        yield from _unsettled(file)


def _within(file: TracedFile, first: int, last: int) -> tuple[int, int]:
    end = max(len(file.lines), 1)
    return min(first, end), min(last, end)


def _said(edit: Outside) -> str:
    new = edit.last - edit.first + 1
    if not edit.lost:
        return f"Outside the conflicts, {_lines(new)} of the result {_is(new)} not in what git merged."
    lost = len(edit.lost)
    if new > 0:
        return f"Outside the conflicts, {_lines(lost)} that git merged {_is(lost)} changed."
    return f"Outside the conflicts, {_lines(lost)} that git merged {_is(lost)} missing here."


def _lines(count: int) -> str:
    return "a line" if count == 1 else f"{count:,} lines"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _unsettled(file: TracedFile) -> Iterator[Finding]:
    for index, (first, text) in enumerate(file.hunk_texts()):
        if index in file.settled and file.settled[index] != text:
            message = f"Conflict {index + 1} was settled by a rule before, and its text changed."
            lines = _within(file, first, first + max(text.count(b"\n") - 1, 0))
            yield Finding(check=NAME, verdict=GateVerdict.REFUSED, path=file.path, message=message, lines=lines)
