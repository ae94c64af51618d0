"""From a question to the body of a Messages API request.

The answer's shape is asked for by the API's own means, ``output_config`` with a JSON schema: the pinned SDK and
``count_tokens`` both know it, it needs no beta header and no tool that would have to be called.
Sources: https://platform.claude.com/docs/en/api/messages ,
https://platform.claude.com/docs/en/build-with-claude/structured-outputs ,
https://platform.claude.com/docs/en/build-with-claude/prompt-caching
"""

import difflib
import json
from collections.abc import Iterator
from typing import Any, Final

from bot.direct.asking import AskedFile, AskedHunk
from bot.direct.definitions import definitions_for
from bot.direct.fence import Data, Heading, Part, fenced
from bot.direct.instructions import INSTRUCTIONS
from bot.direct.narrow import Scope
from bot.model.characters import shown
from bot.model.direct import DirectQuestion, MergeContext

_MAX_NAME: Final = 200
_MAX_WORDS: Final = 4_000
_MAX_SUBJECTS: Final = 20
_MAX_CANDIDATE: Final = 8_000
_DIFF_CONTEXT: Final = 3

_NAMED: Final[dict[str, Any]] = {
    "file": {"type": "integer"},
    "hunk": {"type": "integer"},
}
_RESOLVED: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        **_NAMED,
        "decision": {"type": "string", "enum": ["resolved"]},
        "reason": {"type": "string"},
        "content": {"type": "string"},
        "confidence": {"type": "string", "enum": ["high", "medium", "low"]},
    },
    "required": ["file", "hunk", "decision", "reason", "content", "confidence"],
    "additionalProperties": False,
}
_UNDECIDED: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        **_NAMED,
        "decision": {"type": "string", "enum": ["undecided"]},
        "reason": {"type": "string"},
    },
    "required": ["file", "hunk", "decision", "reason"],
    "additionalProperties": False,
}
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"answers": {"type": "array", "items": {"anyOf": [_RESOLVED, _UNDECIDED]}}},
    "required": ["answers"],
    "additionalProperties": False,
}
"""The shape of an answer, the same for every question. The reason comes before the content, as thought does."""


def request_body(question: DirectQuestion, scope: Scope) -> dict[str, Any]:
    """The body of the call: the same question in the same scope gives the same body."""
    # In the order in which the SDK writes them.
    return {
        "max_tokens": question.limits.max_output_tokens,
        "messages": [{"role": "user", "content": [{"type": "text", "text": _message(question.context, scope)}]}],
        "model": question.model,
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "system": [{"type": "text", "text": INSTRUCTIONS, "cache_control": {"type": "ephemeral"}}],
    }


def encoded(body: dict[str, Any]) -> str:
    """A body as it goes over the wire."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _message(context: MergeContext, scope: Scope) -> str:
    parts = [*_merge(context)]
    if scope.detail.subjects:
        parts += _words(context)
    for number, file in enumerate(scope.files, start=1):
        parts += _file(number, file, scope)
    return fenced(parts)


def _merge(context: MergeContext) -> Iterator[Part]:
    yield Heading(text="# The merge")
    yield Data(label="branch of ours", text=_cut(context.head, _MAX_NAME))
    yield Data(label="branch of theirs", text=_cut(context.base, _MAX_NAME))
    yield Data(label="title of ours", text=_cut(context.title, _MAX_NAME))
    if context.instructions:
        yield Data(label="wish of the person who asked for the merge", text=_cut(context.instructions, _MAX_WORDS))


def _words(context: MergeContext) -> Iterator[Part]:
    yield Heading(text="# What people wrote")
    yield Data(label="commit subjects of ours, newest first", text=_subjects(context.ours_subjects))
    yield Data(label="commit subjects of theirs, newest first", text=_subjects(context.theirs_subjects))
    yield Data(label="description of ours", text=_cut(context.body, _MAX_WORDS))


def _file(number: int, file: AskedFile, scope: Scope) -> Iterator[Part]:
    end = "" if file.ends_with_newline else ", no newline at its end"
    hunks = f"{len(file.hunks)} of {file.open_hunks} open hunks asked"
    yield Heading(text=f"# File {number}: {file.kind.value}, {hunks}, {file.lines} lines with conflict markers{end}")
    yield Data(label="path", text=shown(file.path))
    for hunk in file.hunks:
        yield from _hunk(number, hunk, scope.detail.surrounding)
    definitions = definitions_for(file) if scope.detail.definitions else ()
    if definitions:
        yield Heading(text=f"## File {number}: definitions of names that these hunks use")
    for found in definitions:
        yield Data(label=f"definition, {found.side}, line {found.first_line}", text=found.text)


def _hunk(number: int, hunk: AskedHunk, surrounding: int) -> Iterator[Part]:
    yield Heading(text=f"## File {number}, hunk {hunk.index}: lines {hunk.first_line} to {hunk.last_line}")
    yield Data(label="difference from ancestor to ours", text=_difference(hunk.ancestor, hunk.ours))
    yield Data(label="difference from ancestor to theirs", text=_difference(hunk.ancestor, hunk.theirs))
    yield Data(label="lines before", text=_lines(hunk.before[len(hunk.before) - min(surrounding, len(hunk.before)) :]))
    yield Data(label="ours", text=hunk.ours)
    yield Data(label="ancestor", text=hunk.ancestor)
    yield Data(label="theirs", text=hunk.theirs)
    yield Data(label="lines after", text=_lines(hunk.after[:surrounding]))
    for place, candidate in enumerate(hunk.candidates, start=1):
        text = candidate.content.decode(errors="replace").replace("\r\n", "\n")
        if len(text) <= _MAX_CANDIDATE:
            yield Data(label=f"candidate {place}", text=text)
            yield Data(label=f"why candidate {place}", text=_cut(f"{candidate.resolver}: {candidate.reason}", 500))


def _difference(before: str, after: str) -> str:
    """The unified difference of two texts, without its two head lines."""
    pieces = difflib.unified_diff(before.split("\n")[:-1], after.split("\n")[:-1], lineterm="", n=_DIFF_CONTEXT)
    return _lines(list(pieces)[2:])


def _lines(lines: tuple[str, ...] | list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _subjects(subjects: tuple[str, ...]) -> str:
    return _lines([_cut(subject, _MAX_NAME).replace("\n", " ") for subject in subjects[:_MAX_SUBJECTS]])


def _cut(text: str, limit: int) -> str:
    """At most ``limit`` characters of what people wrote, with hidden characters written out."""
    return shown(text if len(text) <= limit else f"{text[: limit - 1]}…").replace("\r\n", "\n")
