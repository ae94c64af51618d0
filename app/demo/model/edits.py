r"""From resolutions to calls of Claude Code's Edit tool, so that the file ends up with exactly the bytes meant.

Measured with Claude Code 2.1.330, and what is done about it here:

* Edit sees ``\n`` only and writes back the line ends that the majority of lines has: texts are compared without ``\r``.
* ``old_string`` must occur exactly once: it is extended by neighbouring lines until it does.
* White space at the end of the lines of ``new_string`` is dropped (not in Markdown files): such lines are written with
  a sentinel at their end, which one more edit takes away.
* An empty ``new_string`` takes the following line end along: a line end is always part of both strings.
* A file with mixed line ends can only be written by emptying it to one word first, and replacing that word.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.demo.model.reading import FileView

# What JavaScript's \s matches, less the line ends.
_SPACE: Final = "[\\t\\v\\f \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff]"
_SPACE_AT_LINE_END: Final = re.compile(rf"(?<={_SPACE})(?=[\r\n]|\Z)")


class NotEnoughShownError(Exception):
    """What was read of the file does not suffice to edit it; reading more may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One call of the Edit tool."""

    old: str
    new: str
    everywhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Lines ``first`` to ``last`` (1-based, inclusive, at least one) become ``lines``."""

    first: int
    last: int
    lines: tuple[str, ...]


def edits_for(view: FileView, changes: Sequence[Change]) -> list[Edit]:
    """The edits that make ``changes``, given in ascending order and without overlap.

    Raises:
        NotEnoughShownError: too little of the file is known to name the place of a change uniquely.
    """
    document = _Document(view)
    edits = [edit for change in changes if (edit := document.edit(change)) is not None]
    return list(_with_guarded_line_ends(edits, [*view.lines.values()]))


def rewrite(view: FileView, text: str) -> list[Edit]:
    """The edits that make ``text``, with its own line ends, of a completely known file that is not empty."""
    word = _unused_word("REWRITE", [*view.lines.values(), text])
    whole = Edit(old=view.text(), new=word)
    return [whole, *_with_guarded_line_ends([Edit(old=word, new=text)], [*view.lines.values()])]


class _Document:
    """The runs of consecutive known lines of a file, as they become edit by edit."""

    def __init__(self, view: FileView) -> None:
        self._runs: list[list[str]] = []
        self._places: dict[int, tuple[int, int]] = {}
        self._shift: dict[int, int] = {}
        previous = None
        for number in sorted(view.lines):
            if previous is None or number != previous + 1:
                self._runs.append([])
            self._places[number] = (len(self._runs) - 1, len(self._runs[-1]))
            self._runs[-1].append(view.lines[number])
            previous = number

    def edit(self, change: Change) -> Edit | None:
        """Make one change and say by which edit; None when it changes nothing."""
        run_number, offset = self._places[change.first]
        run = self._runs[run_number]
        start = offset + self._shift.get(run_number, 0)
        end = start + change.last - change.first + 1
        if run[start:end] == list(change.lines):
            return None
        low, high = self._unique_span(run, start, end)
        before, after = run[low:start], run[end:high]
        old, new = _strings(run[low:high], [*before, *change.lines, *after], at_end=high == len(run), after=low > 0)
        run[start:end] = change.lines
        self._shift[run_number] = self._shift.get(run_number, 0) + len(change.lines) - (end - start)
        return Edit(old=old, new=new)

    def _unique_span(self, run: list[str], start: int, end: int) -> tuple[int, int]:
        """Grow ``start:end`` line by line, below and above in turn, until its text occurs once in what is known."""
        low, high = start, end
        while self._occurrences(run[low:high], at_end=high == len(run)) > 1:
            if low == 0 and high == len(run):
                raise NotEnoughShownError
            low, high = max(0, low - 1), min(len(run), high + 1)
        return low, high

    def _occurrences(self, lines: list[str], *, at_end: bool) -> int:
        text = "\n".join(lines) + ("" if at_end else "\n")
        return sum(_count_overlapping("\n".join(run), text) for run in self._runs) if text else 2


def _strings(old: list[str], new: list[str], *, at_end: bool, after: bool) -> tuple[str, str]:
    if not at_end:
        return "".join(f"{line}\n" for line in old), "".join(f"{line}\n" for line in new)
    if not new and after:
        # The end of the file goes away: the line end before it goes along.
        return "\n" + "\n".join(old), ""
    return "\n".join(old), "\n".join(new)


def _count_overlapping(text: str, part: str) -> int:
    count, position = 0, text.find(part)
    while position != -1:
        count, position = count + 1, text.find(part, position + 1)
    return count


def _with_guarded_line_ends(edits: Iterable[Edit], texts: Sequence[str]) -> Iterator[Edit]:
    edits = list(edits)
    word = _unused_word("LINE-END", [*texts, *(edit.new for edit in edits)])
    guarded = [
        Edit(old=edit.old, new=_SPACE_AT_LINE_END.sub(word, edit.new), everywhere=edit.everywhere) for edit in edits
    ]
    yield from guarded
    written = "".join(edit.new for edit in guarded)
    # The word in front of a line end goes first: an edit to nothing would take the line end along.
    if f"{word}\n" in written.replace("\r\n", "\n"):
        yield Edit(old=f"{word}\n", new="\n", everywhere=True)
    if re.search(rf"{word}(?:\r(?!\n)|\0)", "".join(f"{edit.new}\0" for edit in guarded)):
        yield Edit(old=word, new="", everywhere=True)


def _unused_word(stem: str, texts: Sequence[str]) -> str:
    number = 0
    while any(f"<{stem}-{number}>" in text for text in texts):
        number += 1
    return f"<{stem}-{number}>"
