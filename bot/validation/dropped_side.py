"""A side whose work is not in the result at all: a fact to show, and no fault unless a model dropped both."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from bot.model.resolutions import Finding, GateVerdict
from bot.validation.regions import Region, regions
from bot.validation.traced import TracedFile
from bot.validation.work import counted, work_in

NAME: Final = "dropped_side"


def check(file: TracedFile) -> Iterator[Finding]:
    """Promise: where nothing is left of the lines that a side added in a hunk, a note says so.

    People drop one side in 54 % of all hunks, so this stops nothing. A model that keeps nothing of either side, and has
    nothing in its place, asks for a person: people do that in 3 % of hunks, and know why. Where a conflict has no
    hunks, the note says which side the result is.
    """
    if file.marked is None:
        yield from _of_whole_file(file)
    for region in regions(file):
        work = work_in(region)
        gone = [side for side in (work.ours, work.theirs) if side.lost and not side.kept and side.lost == side.added]
        if file.by_model and len(gone) > 1 and _adds_nothing(region):
            message = f"{region.name} keeps nothing of what either side added, and a model wrote it."
            yield replace(_note(file, message, region.lines), verdict=GateVerdict.NEEDS_PERSON)
        for name, side in (("ours", work.ours), ("theirs", work.theirs)):
            if side in gone:
                count = sum(side.added.values())
                message = f"{region.name} keeps nothing of what {name} added: {_lines(count)}."
                yield _note(file, message, region.lines)


def _adds_nothing(region: Region) -> bool:
    """Whether every line in the hunks' place is the ancestor's."""
    return counted(region.texts) <= counted(hunk.ancestor for hunk in region.hunks)


def _lines(count: int) -> str:
    return "one line" if count == 1 else f"{count:,} lines"


def _of_whole_file(file: TracedFile) -> Iterator[Finding]:
    sides = {"ours": file.sides.ours, "theirs": file.sides.theirs}
    same = [name for name, content in sides.items() if content == file.content]
    if len(same) == 1:
        yield _note(file, f"This is {same[0]} as it is; nothing of the other side is in it.", None)


def _note(file: TracedFile, message: str, lines: tuple[int, int] | None) -> Finding:
    return Finding(check=NAME, verdict=GateVerdict.PASS, path=file.path, message=message, lines=lines)
