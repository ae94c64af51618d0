"""Definitions of the names that a hunk uses, found elsewhere in the same file.

A plain search of words, not a parse: what it finds is context for a reader, nothing is decided by it, and it costs no
child process. It knows the words that introduce a name in most languages, and assignments at the start of a line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bot.direct.asking import AskedFile

MAX_DEFINITIONS: Final = 12
_MAX_LINES: Final = 4
_MAX_LINE: Final = 200
_MAX_WORDS_BEFORE: Final = 6

_WORD: Final = re.compile(r"[A-Za-z_]\w{1,60}")
_INTRODUCES: Final = frozenset(
    {
        *("class", "const", "def", "define", "enum", "fn", "fun", "func", "function", "interface", "let", "macro"),
        *("mod", "module", "namespace", "package", "record", "static", "struct", "sub", "trait", "type", "typedef"),
        *("union", "val", "var"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """Some lines that define a name; ``first_line`` counts from 1 in the side's own file."""

    side: str
    first_line: int
    text: str


def definitions_for(file: AskedFile) -> tuple[Definition, ...]:
    """Where the names of the file's asked hunks are defined outside of them; at most ``MAX_DEFINITIONS``.

    A definition that is the same on both sides is given once, as that of ``both``.
    """
    names: set[str] = set()
    inside: set[str] = set()
    for hunk in file.hunks:
        for text in (hunk.ours, hunk.theirs):
            names.update(_WORD.findall(text))
            inside.update(text.split("\n"))
    names -= _INTRODUCES
    ours = {text: line for line, text in _found(file.ours, names, inside)}
    theirs = {text: line for line, text in _found(file.theirs, names, inside)}
    found = [
        Definition(side="both" if text in theirs else "ours", first_line=line, text=text) for text, line in ours.items()
    ]
    found += [
        Definition(side="theirs", first_line=line, text=text) for text, line in theirs.items() if text not in ours
    ]
    return tuple(found[:MAX_DEFINITIONS])


def _found(side: str, names: set[str], inside: set[str]) -> Iterator[tuple[int, str]]:
    lines = side.split("\n")
    count = 0
    for number, line in enumerate(lines):
        if line in inside or len(line) > _MAX_LINE or _defined(line) not in names:
            continue
        yield number + 1, "\n".join([line, *_body(lines, number + 1, _depth(line))])
        count += 1
        if count == MAX_DEFINITIONS:
            return


def _defined(line: str) -> str | None:
    """The name that a line defines, None when it defines none."""
    words: list[str] = _WORD.findall(line)
    for place, word in enumerate(words[:_MAX_WORDS_BEFORE]):
        if word in _INTRODUCES and place + 1 < len(words) and words[place + 1] not in _INTRODUCES:
            return words[place + 1]
    if words and line.startswith(words[0]) and line[len(words[0]) :].lstrip()[:1] in {"=", ":"}:
        return words[0]
    return None


def _body(lines: list[str], start: int, depth: int) -> Iterator[str]:
    """The first lines below a definition that are indented deeper than it."""
    for line in lines[start : start + _MAX_LINES - 1]:
        if not line.strip() or _depth(line) <= depth or len(line) > _MAX_LINE:
            return
        yield line


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())
