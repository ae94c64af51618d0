"""Direct questions, taken apart; and who answers them.

A direct question is known by the first line of its instructions. A script that has nothing to say about such questions
leaves every hunk undecided, so that it plays its part where it was written for: in a sandbox.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, runtime_checkable

from app.demo.model.hunks import SeenHunk
from app.demo.model.messages import ModelRequest
from app.demo.model.replies import Message, Reply, Script, Text
from bot.direct.instructions import FIRST_LINE

_FENCE: Final = re.compile(r"Fence: ([0-9a-f]+)")
_FILE: Final = re.compile(
    r"# File (\d+): .*?, (\d+) of (\d+) open hunks asked, (\d+) lines with conflict markers(, no newline at its end)?"
)
_HUNK: Final = re.compile(r"## File (\d+), hunk (\d+): lines (\d+) to (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPlace:
    """One hunk of a direct question, and the lines around it that are shown."""

    hunk: SeenHunk
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAbout:
    """One file of a direct question. ``lines`` counts those of the file with markers."""

    number: int
    path: str
    lines: int
    ends_with_newline: bool
    complete: bool
    places: tuple[AskedPlace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenQuestion:
    """A direct question as the model sees it."""

    request: ModelRequest
    files: tuple[AskedAbout, ...]


@runtime_checkable
class AnswersDirect(Protocol):
    """A script that has something to say about direct questions."""

    def direct(self, question: SeenQuestion) -> Reply:
        """What the model answers."""
        ...


@dataclass(frozen=True, slots=True)
class OnDirect:
    """Answers direct questions with ``answer`` and plays ``then`` otherwise."""

    answer: Callable[[SeenQuestion], Reply]
    then: Script

    def reply(self, request: ModelRequest) -> Reply:
        """The script's reply."""
        return self.then.reply(request)

    def direct(self, question: SeenQuestion) -> Reply:
        """The other answer."""
        return self.answer(question)


def reply_of(script: Script, request: ModelRequest) -> Reply:
    """What ``script`` answers to a request of either kind."""
    question = see_question(request)
    if question is None:
        return script.reply(request)
    return script.direct(question) if isinstance(script, AnswersDirect) else nothing_decided(question)


def see_question(request: ModelRequest) -> SeenQuestion | None:
    """The direct question that a request is, None when it is none."""
    if request.system.split("\n", 1)[0] != FIRST_LINE:
        return None
    files: list[AskedAbout] = []
    for heading, data in _sections(request.prompt):
        if match := _FILE.fullmatch(heading):
            number, asked, of, lines = map(int, match.groups()[:4])
            files.append(
                AskedAbout(
                    number=number,
                    path=data["path"].removesuffix("\n"),
                    lines=lines,
                    ends_with_newline=match[5] is None,
                    complete=asked == of,
                    places=(),
                )
            )
        elif match := _HUNK.fullmatch(heading):
            files[-1] = replace(files[-1], places=(*files[-1].places, _place(match, data)))
    return SeenQuestion(request=request, files=tuple(files))


def resolved(file: int, hunk: int, content: str, *, reason: str, confidence: str = "high") -> Mapping[str, Any]:
    """One entry of an answer."""
    return {
        "file": file,
        "hunk": hunk,
        "decision": "resolved",
        "reason": reason,
        "content": content,
        "confidence": confidence,
    }


def undecided(file: int, hunk: int, reason: str) -> Mapping[str, Any]:
    """One entry of an answer."""
    return {"file": file, "hunk": hunk, "decision": "undecided", "reason": reason}


def answered(entries: Sequence[Mapping[str, Any]]) -> Message:
    """The message with these entries."""
    return Message(content=(Text(text=json.dumps({"answers": entries})),))


def nothing_decided(question: SeenQuestion) -> Message:
    """Every hunk undecided."""
    reason = "This script does not answer direct questions."
    entries = [undecided(file.number, place.hunk.index, reason) for file in question.files for place in file.places]
    return answered(entries)


@dataclass(slots=True)
class _Section:
    heading: str
    data: dict[str, str] = field(default_factory=dict)


def _sections(prompt: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Each heading with the data below it."""
    first, *lines = prompt.split("\n")
    fence = _FENCE.fullmatch(first)
    if fence is None:
        return
    begin, end = f"[{fence[1]} begin ", f"[{fence[1]} end]"
    section, label, inside = _Section(heading=""), "", list[str]()
    for line in lines:
        if label and line == end:
            section.data[label] = "".join(inside)
            label = ""
        elif label:
            inside.append(f"{line}\n")
        elif line.startswith(begin):
            label, inside = line.removeprefix(begin).removesuffix("]"), []
        elif line:
            yield section.heading, section.data
            section = _Section(heading=line)
    yield section.heading, section.data


def _place(match: re.Match[str], data: Mapping[str, str]) -> AskedPlace:
    _, index, first, last = map(int, match.groups())
    return AskedPlace(
        hunk=SeenHunk(
            index=index,
            first_line=first,
            last_line=last,
            ours=_lines(data["ours"]),
            ancestor=_lines(data["ancestor"]),
            theirs=_lines(data["theirs"]),
        ),
        before=_lines(data["lines before"]),
        after=_lines(data["lines after"]),
    )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.split("\n")[:-1])
