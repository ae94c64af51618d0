"""Candidate: the lines of both sides, where the order hardly matters: imports and lists."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from bot.model.cases import FileCase
from bot.model.conflicts import Hunk
from bot.model.resolutions import Confidence, HunkAnswer, Tier
from bot.resolvers.text import joined, lines

NAME: Final = "union"
SUMMARY: Final = "Imports or list entries of both sides, each once."

_IMPORT: Final = re.compile(
    rb"\s*(?:import\b|from\b.*\bimport\b|use\b|using\b|#\s*include\b|#\s*import\b|@import\b|require\b|require_relative\b"
    rb"|(?:pub\s+)?(?:use|mod)\b|(?:const|let|var)\b[^=]*=\s*require\b|\"[^\"\s]+\"\s*$|\w+\s+\"[^\"\s]+\"\s*$)"
)
_LIST: Final = re.compile(
    r"(?:^|/)(?:\.[a-z]*ignore|\.gitattributes|authors|contributors|codeowners|thanks|\.mailmap|[^/]*words?)(?:\.[a-z]+)?$",
    re.IGNORECASE,
)


def answer(case: FileCase) -> Iterator[HunkAnswer]:
    """Our lines and then theirs that we have not, for hunks where neither side did anything but add."""
    for hunk in case.marked.hunks:
        found = _answer(case.path, hunk)
        if found is not None:
            yield found


def _answer(path: str, hunk: Hunk) -> HunkAnswer | None:
    ours, ancestor, theirs = lines(hunk.ours), lines(hunk.ancestor), lines(hunk.theirs)
    added = [_added(ancestor, side) for side in (ours, theirs)]
    if not all(added):
        return None
    what = _what(path, [line for side in added for line in side or ()])
    if what is None:
        return None
    mine = Counter(ours)
    rest = [line for line in theirs if not line.strip() or not mine[line]]
    kept = [*ours, *_without_edge_blanks(rest, ours)]
    if what == "imports" and _sorted(ours) and _sorted(theirs):
        kept = sorted(kept)
    return HunkAnswer(
        index=hunk.index,
        content=joined(*kept),
        resolver=NAME,
        tier=Tier.B,
        reason=f"The {what} of both sides, each once. Right in about half of such hunks: people often leave one out.",
        confidence=Confidence.LOW,
    )


def _added(ancestor: Sequence[bytes], side: Sequence[bytes]) -> list[bytes] | None:
    """The lines that a side has more than the ancestor; None when it took one away."""
    more = Counter(side)
    more.subtract(ancestor)
    return None if min(more.values(), default=0) < 0 else list(more.elements())


def _what(path: str, added: Sequence[bytes]) -> str | None:
    if _LIST.search(path):
        return "entries"
    return "imports" if all(not line.strip() or _IMPORT.match(line) for line in added) else None


def _without_edge_blanks(rest: list[bytes], ours: Sequence[bytes]) -> list[bytes]:
    """Lines to add without blank ones in front, when ours ends with one already."""
    while rest and not rest[0].strip() and ours and not ours[-1].strip():
        rest = rest[1:]
    return rest


def _sorted(side: Sequence[bytes]) -> bool:
    return all(line.strip() for line in side) and list(side) == sorted(side)
