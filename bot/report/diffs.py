"""Unified diffs in a report: whole where they fit, else file by file. Every changed file is shown or listed."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bot.report import messages
from bot.report.markdown import code, fence, size

_FILE: Final = "diff --git "
_MODES: Final = re.compile(r"^(?:old|new) mode (\d{6})$")
_MAX_HEADER_LINES: Final = 12
_LIST_ROOM: Final = 3000
_MORE_ROOM: Final = 300
_FENCE_ROOM: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """What a diff says about one file. ``remark`` says what lines cannot show: a mode, a binary content."""

    path: str
    text: str
    added: int
    removed: int
    remark: str


def split(diff: str) -> list[FileDiff]:
    """Take a diff as git writes it apart; what stands before the first file is a part of its own."""
    starts = [0, *(found.start() for found in re.finditer(rf"(?m)^{_FILE}", diff) if found.start()), len(diff)]
    parts = [diff[start:end] for start, end in pairwise(starts)]
    return [_file(part if part.endswith("\n") else f"{part}\n") for part in parts if part.strip()]


def _file(text: str) -> FileDiff:
    header, at_hunk, body = text.partition("\n@@ ")
    lines = header.split("\n", _MAX_HEADER_LINES)[:_MAX_HEADER_LINES]
    content = body.partition("\n")[2]
    added = sum(line.startswith("+") for line in _lines(content))
    removed = sum(line.startswith("-") for line in _lines(content))
    readable, ends = _without_carriage_returns(text) if at_hunk else (text, "")
    remarks = [remark for remark in (_mode_remark(lines), _binary_remark(lines), ends) if remark]
    return FileDiff(path=_path(lines), text=readable, added=added, removed=removed, remark=", ".join(remarks))


def _lines(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end + 1


def _path(header: Sequence[str]) -> str:
    """The file's name, as git writes it: quoted where it has unusual characters."""
    for line in reversed(header):
        for sign in ("+++ b/", "--- a/", '+++ "b/', '--- "a/', "rename to "):
            if line.startswith(sign):
                return line[len(sign) :].removesuffix('"').rstrip("\t")
    names = header[0].removeprefix(_FILE)
    half = names[: len(names) // 2]
    return half.removeprefix('"').removeprefix("a/").removesuffix('"')


def _mode_remark(header: Sequence[str]) -> str:
    modes = [found[1] for line in header if (found := _MODES.match(line))]
    if len(modes) == len(("old", "new")):
        return messages.mode_changed(modes[0], modes[1])
    return next((messages.FILE_REMARKS[sign] for sign in messages.FILE_REMARKS if _begins(header, sign)), "")


def _begins(header: Sequence[str], sign: str) -> bool:
    return any(line.startswith(sign) for line in header)


def _binary_remark(header: Sequence[str]) -> str:
    return messages.BINARY if _begins(header, "Binary files ") or _begins(header, "GIT binary patch") else ""


def _without_carriage_returns(text: str) -> tuple[str, str]:
    """A file whose every line ends with CRLF is shown without the CRs, and that is said."""
    content = [line for line in _lines(text.partition("\n@@ ")[2].partition("\n")[2]) if line[:1] in {"+", "-", " "}]
    if content and all(line.endswith("\r") for line in content):
        return text.replace("\r\n", "\n"), messages.CRLF
    return text, ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A diff as Markdown. ``complete``: every changed file is shown, or listed by its name as not shown."""

    text: str
    complete: bool


def render(files: Sequence[FileDiff], *, first: Collection[str], room: int) -> Rendered:
    """A diff as Markdown of at most ``room`` units, which is at least 4,000.

    Where it does not fit, the files named in ``first`` are shown before the others, and what is not shown is listed
    with its numbers of lines; a list too long for half the room ends with how many files more there are.
    """
    if not files:
        return Rendered(text=messages.NO_CHANGE, complete=True)
    shown = _fitting(files, room - size(_remarks(files)))
    if len(shown) == len(files):
        blocks = [fence("".join(file.text for file in files), "diff"), *filter(None, [_remarks(files)])]
        return Rendered(text="\n\n".join(blocks), complete=True)
    ranked = sorted(files, key=lambda file: file.path not in first)
    # The list has as much room as it could need: a name that is missing hides a change, a missing diff does not.
    list_room = min(max(_LIST_ROOM, sum(size(_row(file)) + 1 for file in ranked) + _MORE_ROOM), room // 2)
    shown = _fitting(ranked, room - _LIST_ROOM - list_room)
    chosen = {id(file) for file in shown}
    hidden = [file for file in ranked if id(file) not in chosen]
    block = [fence("".join(file.text for file in shown), "diff")] if shown else []
    rows = [_row(file) for file in hidden]
    listed = _listed(rows, list_room - _MORE_ROOM)
    listing = [messages.not_shown(len(hidden), len(files)), listed]
    text = "\n\n".join(filter(None, [*block, _remarks(shown), *listing]))
    return Rendered(text=text, complete=listed == "\n".join(rows))


def _fitting(files: Sequence[FileDiff], room: int) -> list[FileDiff]:
    """Those files, in order, whose diffs fit into one fence of ``room`` units together."""
    chosen: list[FileDiff] = []
    used = ticks = 0
    for file in files:
        if len(file.text) > room:
            continue
        block = fence(file.text, "diff")
        longest = max(ticks, block.index("d"))
        cost = size(block) - 2 * block.index("d")
        if used + cost + 2 * longest + _FENCE_ROOM <= room:
            chosen.append(file)
            used += cost
            ticks = longest
    return chosen


def _remarks(files: Sequence[FileDiff]) -> str:
    """What the lines of a diff show badly or not at all, file by file."""
    marked = [file for file in files if file.remark]
    return _listed([f"- {code(file.path)}: {file.remark}" for file in marked], _LIST_ROOM)


def _row(file: FileDiff) -> str:
    remark = f", {file.remark}" if file.remark else ""
    return f"- {code(file.path)} (+{file.added:,} −{file.removed:,}{remark})"  # noqa: RUF001 - a minus sign


def _listed(rows: Sequence[str], room: int) -> str:
    kept: list[str] = []
    for number, row in enumerate(rows):
        room -= size(row) + 1
        if room < size(messages.more_files(len(rows))):
            return "\n".join([*kept, messages.more_files(len(rows) - number)])
        kept.append(row)
    return "\n".join(kept)
