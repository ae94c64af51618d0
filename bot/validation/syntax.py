"""No parse errors that neither side has.

Parsing happens in a child process, see ``bot.validation.parse_child``: the answer depends on nothing but the texts,
unless a text drives the parser to its limits, which is an answer too.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.errors import SandboxError
from bot.model.resolutions import Candidate, Finding, GateVerdict
from bot.validation import parse_child
from bot.validation.languages import language_of
from bot.validation.texts import ResolvedText, Text, at_most, resolved_texts

NAME: Final = "syntax"

MAX_PARSED_BYTES: Final = 1_000_000

_MAX_CHILDREN: Final = 4
"""After so many children of one gate ended badly, what is left is not parsed."""

_STARTING_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parsed:
    """What the parser says about one document."""

    count: int
    errors: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    language: str
    content: bytes


def check(candidate: Candidate) -> list[Finding]:
    """Promise: a file whose grammar is known has no parse error that neither of its sides has.

    Never "no errors": many honest files do not parse to begin with. A file without a known grammar, a side that is too
    large or too hard to parse, each leave a note that passes.

    Raises:
        SandboxError: the parser cannot be started on this machine; then nothing is proved, and nothing may pass.
    """
    findings: list[Finding] = []
    parsable: list[tuple[ResolvedText, str]] = []
    for text in resolved_texts(candidate):
        language = language_of(text.path)
        hindrance = _hindrance(text, language)
        if hindrance is not None:
            findings.append(hindrance)
        elif language is not None:
            parsable.append((text, language))
    documents = [
        _Document(language=language, content=side.text.encode(errors="surrogateescape"))
        for text, language in parsable
        for side in (*text.sides, text.result)
    ]
    answers = iter(_parse(documents))
    for text, _ in parsable:
        sides = [next(answers) for _ in text.sides]
        findings += at_most(iter(_compare(text, sides, next(answers))))
    return findings


def _note(path: str, message: str, verdict: GateVerdict = GateVerdict.PASS) -> Finding:
    return Finding(check=NAME, verdict=verdict, path=path, message=message)


def _hindrance(text: ResolvedText, language: str | None) -> Finding | None:
    """Why this file is not parsed, None when it is."""
    if language is None:
        return _note(text.path, "Not parsed: no grammar for a file of this name.")
    if not text.sides:
        return _note(text.path, "Not parsed: no side to compare with is text.")
    if any(len(side.text) > MAX_PARSED_BYTES for side in text.sides):
        return _note(text.path, "Not parsed: a side is larger than 1 MB.")
    if len(text.result.text) > MAX_PARSED_BYTES:
        return _note(text.path, "The result is too large to parse, its sides are not.", GateVerdict.NEEDS_PERSON)
    return None


def _compare(text: ResolvedText, sides: Sequence[_Parsed | None], result: _Parsed | None) -> list[Finding]:
    known = [side for side in sides if side is not None]
    if len(known) < len(sides):
        return [_note(text.path, "Not parsed: a side is too hard for the parser.")]
    if result is None:
        message = "The result is too hard for the parser, its sides are not."
        return [_note(text.path, message, GateVerdict.NEEDS_PERSON)]
    if any(parsed.count > parse_child.MAX_LISTED for parsed in (result, *known)):
        return _compare_counts(text.path, known, result)
    seen: Counter[tuple[str, str]] = Counter()
    for version, side in zip(text.sides, known, strict=True):
        seen.update(signature for _, signature in _signatures(version, side))
    findings = []
    for line, signature in _signatures(text.result, result):
        if seen[signature] > 0:
            seen[signature] -= 1
        else:
            findings.append(_new_error(text.path, line, signature[0]))
    return findings


def _compare_counts(path: str, sides: Sequence[_Parsed], result: _Parsed) -> list[Finding]:
    """For files with more errors than are listed: there may not be more of them than on the sides together."""
    before = sum(side.count for side in sides)
    if result.count <= before:
        return []
    line = result.errors[0][0]
    message = f"There are {result.count} parse errors, and the sides have {before} together."
    return [Finding(check=NAME, verdict=GateVerdict.REFUSED, path=path, message=message, lines=(line, line))]


def _signatures(version: Text, parsed: _Parsed) -> list[tuple[int, tuple[str, str]]]:
    """Each error's line number, and its kind with the line's text: what is the same error wherever it moved to."""
    lines = version.text.split("\n")
    return [
        (line, (kind, " ".join(lines[line - 1].split()) if line <= len(lines) else "")) for line, kind in parsed.errors
    ]


def _new_error(path: str, line: int, kind: str) -> Finding:
    what = "This does not parse" if kind == "error" else f"This does not parse: {kind}"
    message = f"{what}. Neither side has this error."
    return Finding(check=NAME, verdict=GateVerdict.REFUSED, path=path, message=message, lines=(line, line))


def _parse(documents: Sequence[_Document]) -> list[_Parsed | None]:
    """Parse all, in order; None for what the parser could not take. Who ends the child pays for itself only."""
    answers: list[_Parsed | None] = []
    for _ in range(_MAX_CHILDREN):
        if len(answers) == len(documents):
            return answers
        batch = documents[len(answers) :]
        fresh = _run_child(batch)
        answers += fresh if len(fresh) == len(batch) else [*fresh, None]
    return answers + [None] * (len(documents) - len(answers))


def _run_child(documents: Sequence[_Document]) -> list[_Parsed]:
    """The answers that one child gave before it ended, well or badly; ``SandboxError`` where none ever began."""
    header = json.dumps([[document.language, len(document.content)] for document in documents])
    request = header.encode() + b"\n" + b"".join(document.content for document in documents)
    try:
        child = subprocess.run(
            [sys.executable, "-I", str(Path(parse_child.__file__))],
            input=request,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            timeout=_STARTING_SECONDS + 2 * parse_child.MAX_CPU_SECONDS * len(documents),
            check=False,
        )
        output = child.stdout
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
    ready, *complete = output.split(b"\n")[:-1] or [b""]
    if ready != parse_child.READY.encode():
        raise SandboxError("the parser could not be started")
    return [
        _Parsed(count=count, errors=tuple((line, kind) for line, kind in errors))
        for count, errors in map(json.loads, complete)
    ]
