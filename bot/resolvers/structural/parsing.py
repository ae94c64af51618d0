"""Syntax trees as plain data, read in a child process with limits: see ``bot.resolvers.structural.parse_child``."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.resolvers.structural import parse_child

MAX_DOCUMENT_BYTES: Final = 500_000
MAX_REQUEST_BYTES: Final = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A text for the parser; ``start`` and ``end`` are the bytes whose surroundings are asked for."""

    grammar: str
    content: bytes
    start: int = 0
    end: int = 0
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A child node: its kind, its bytes, and those of its name, None where it has none."""

    kind: str
    start: int
    end: int
    name: tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """How many errors a document has, and what was found around the bytes asked for."""

    errors: int
    container: str | None
    children: tuple[Child, ...]


def parse(documents: Sequence[Document], deadline: float) -> list[Parsed | None]:
    """Parse all, in order; None for those that the parser did not come to the end of, and for all after them.

    ``deadline`` is a time of ``time.monotonic``; then the parser is ended (a start takes 0.03 s).
    """
    sizes = [len(document.content) for document in documents]
    if not documents or max(sizes) > MAX_DOCUMENT_BYTES or sum(sizes) > MAX_REQUEST_BYTES:
        return [None] * len(documents)
    header = json.dumps([[item.grammar, len(item.content), item.start, item.end, item.kinds] for item in documents])
    request = header.encode() + b"\n" + b"".join(document.content for document in documents)
    try:
        child = subprocess.run(
            [sys.executable, "-I", str(Path(parse_child.__file__))],
            input=request,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            timeout=max(deadline - time.monotonic(), 0),
            check=False,
        )
        output = child.stdout
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
    lines = output.split(b"\n")[1:-1]
    answers: list[Parsed | None] = [_parsed(line) for line in lines[: len(documents)]]
    return answers + [None] * (len(documents) - len(answers))


def _parsed(line: bytes) -> Parsed:
    errors, container, children = json.loads(line)
    return Parsed(
        errors=errors,
        container=container,
        children=tuple(
            Child(kind=kind, start=start, end=end, name=None if name < 0 else (name, name_end))
            for kind, start, end, name, name_end in children
        ),
    )
