"""Files that run by themselves or bring other code in, and lines that do: what is new there is for a person."""

import re
from collections.abc import Iterator
from typing import Final

from bot.model.resolutions import Finding, GateVerdict, LineOrigin
from bot.validation.path_classes import PathClass, class_of
from bot.validation.traced import TracedFile

NAME: Final = "sensitive"

_NEVER_BY_ITSELF: Final = frozenset({PathClass.MANIFEST, PathClass.BUILD})

_PART: Final = re.compile(r"[^\s\"'`,;=()\[\]{}<>]+")
"""What a name, a version, a URL or a hash is in most formats: parts put together anew are no known part."""

_FETCHES: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (what, re.compile(pattern, re.IGNORECASE))
    for what, pattern in (
        (
            "runs what it downloads",
            r"\b(?:curl|wget|fetch|iwr|irm)\b[^|;&]{1,300}\|\s{0,4}(?:sudo\s+)?(?:\w{0,4}sh|python\d?|node|perl|ruby|iex)\b",
        ),
        ("runs what it downloads", r"\b(?:ba|z|da)?sh\s+(?:-c\s+)?[\"']?(?:<\(|\$\()\s{0,4}(?:curl|wget)\b"),
        ("names where packages come from", r"--(?:extra-)?index-url\b|--find-links\b|--trusted-host\b|--registry[ =]"),
        ("names where packages come from", r"\b(?:registry|index-url|extra-index-url)\s{0,4}[:=]\s{0,4}[\"']?https?:"),
        (
            "names where packages come from",
            r"\bgit\+(?:https?|ssh|git|file)://|\b(?:GOPROXY|GONOSUMDB|GOFLAGS)\s{0,4}=",
        ),
        ("has the hash of a package", r"\bsha(?:256|384|512)-[A-Za-z0-9+/]{40,}={0,2}|--hash[= ]sha\d+:"),
    )
)

_EXAMINED: Final = 1000
"""Columns of a line that are looked at: longer new lines go to a person anyway, see ``bot.validation.new_lines``."""


def check(file: TracedFile) -> Iterator[Finding]:
    """Promise: in a manifest, a lock file, a generated file or one that builds or installs, a person sees what is new.

    New is a line that comes from neither side, and one put together of the sides' words whose names, versions, URLs or
    hashes no side has. In every other file that goes for lines that fetch code. What only takes lines of the sides
    passes with a note. Package names are not judged: whether ``reqeusts`` is meant is for the person to say.

    What the repository's own command wrote into a file that it generates is new by nature: a note says how much that
    is. Not so where the file is one that people write or that runs when the project is built.
    """
    if not file.text:
        return
    kind = class_of(file.path)
    if file.generated and kind not in _NEVER_BY_ITSELF:
        yield from _generated(file)
        return
    if kind is None:
        yield from _fetching(file)
        return
    new = list(_strange(file))
    for number in new:
        message = f"This file is {kind}, and this line is on neither side."
        yield _finding(file, message, (number, number), GateVerdict.NEEDS_PERSON)
    if not new:
        message = f"This file is {kind}. Everything in its result is from the sides."
        yield _finding(file, message, None, GateVerdict.PASS)


def _generated(file: TracedFile) -> Iterator[Finding]:
    count = sum(1 for _ in file.made(LineOrigin.NEW))
    if count:
        lines = "a line that is" if count == 1 else f"{count:,} lines that are"
        message = f"The repository's own command wrote {lines} on neither side into it."
        yield _finding(file, message, None, GateVerdict.PASS)


def _strange(file: TracedFile) -> Iterator[int]:
    """The lines that bring something new."""
    mixed = list(file.made(LineOrigin.RECOMBINED))
    known = _known(file) if mixed else frozenset()
    fresh = [number for number, line in file.made(LineOrigin.NEW)]
    fresh += [number for number, line in mixed if not set(_PART.findall(line)) <= known]
    yield from sorted(fresh)


def _known(file: TracedFile) -> frozenset[str]:
    texts = (text.decode(errors="surrogateescape") for text in (file.sides.ours, file.sides.theirs) if text is not None)
    return frozenset(part for text in texts for part in _PART.findall(text))


def _fetching(file: TracedFile) -> Iterator[Finding]:
    for number, line in file.made(LineOrigin.NEW, LineOrigin.RECOMBINED):
        what = next((what for what, pattern in _FETCHES if pattern.search(line[:_EXAMINED])), None)
        if what is not None:
            message = f"This line {what}, and no side has it."
            yield _finding(file, message, (number, number), GateVerdict.NEEDS_PERSON)


def _finding(file: TracedFile, message: str, lines: tuple[int, int] | None, verdict: GateVerdict) -> Finding:
    return Finding(check=NAME, verdict=verdict, path=file.path, message=message, lines=lines)
