"""A resolved file beside what it comes from: how it fits into git's merge, and the origin of each of its lines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from bot.merge.fit import Fit, fit
from bot.merge.matching import lines_of
from bot.merge.provenance import origins
from bot.model.conflicts import MarkedFile
from bot.model.resolutions import Candidate, LineOrigin, SideTexts, Tier
from bot.validation.texts import decode, provable

_MODELS: Final = frozenset({Tier.DIRECT, Tier.AGENT})

MAX_STRANGE: Final = 10_000
"""So many lines from neither side are looked at in one file. With more, a person is asked: nobody reads so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedFile:
    """One resolution with content, small enough to be looked at.

    ``lines`` and ``origins`` belong together; ``strange`` are the first ``MAX_STRANGE`` from neither side: number (from
    1), text without its end, origin. ``marked`` and ``fit`` are None for a conflict without hunks. ``text`` is False
    where the content or a side is binary. ``generated``: the repository's own command made it anew. ``by_model``: a
    model wrote at least one of its hunks.
    """

    path: str
    content: bytes
    sides: SideTexts
    marked: MarkedFile | None
    fit: Fit | None
    lines: tuple[bytes, ...]
    origins: tuple[LineOrigin, ...]
    strange: tuple[tuple[int, str, LineOrigin], ...]
    settled: Mapping[int, bytes]
    text: bool
    generated: bool
    by_model: bool

    def made(self, *wanted: LineOrigin) -> Iterator[tuple[int, str]]:
        """Number and text of the lines that are recombined, new, or both, as asked for."""
        for number, line, origin in self.strange:
            if origin in wanted:
                yield number, line

    def hunk_texts(self) -> Iterator[tuple[int, bytes]]:
        """For each hunk: the number of its first line in the result, and the text in its place."""
        for first, stop in () if self.fit is None else self.fit.places:
            yield first + 1, b"".join(self.lines[first:stop])


def traced(candidate: Candidate) -> Iterator[TracedFile]:
    """Each resolution with content that is not too large, see ``bot.validation.size`` for the others."""
    for resolution, content, contents in provable(candidate):
        marked = candidate.marked.get(resolution.path)
        sides = candidate.sides.get(resolution.path) or SideTexts(ancestor=None, ours=None, theirs=None)
        placed = None if marked is None else fit(marked, content)
        lines = lines_of(content)
        found = origins(sides, content, marked, placed)
        yield TracedFile(
            path=resolution.path,
            content=content,
            sides=sides,
            marked=marked,
            fit=placed,
            lines=tuple(lines),
            origins=tuple(found),
            strange=tuple(islice(_strange(lines, found), MAX_STRANGE)),
            settled=candidate.settled.get(resolution.path, {}),
            text=all(decode(version) is not None for version in (content, *contents)),
            generated=resolution.path in candidate.generated,
            by_model=any(hunk.tier in _MODELS for hunk in resolution.hunks),
        )


def plain(line: bytes) -> str:
    """The text of a line, without its end. Zero bytes are left out: then ASCII in UTF-16 reads as such, too."""
    return line.replace(b"\0", b"").decode(errors="surrogateescape").rstrip("\r\n")


def _strange(lines: Sequence[bytes], found: Sequence[LineOrigin]) -> Iterator[tuple[int, str, LineOrigin]]:
    for number, (line, origin) in enumerate(zip(lines, found, strict=True), start=1):
        if origin is LineOrigin.NEW or origin is LineOrigin.RECOMBINED:
            yield number, plain(line), origin
