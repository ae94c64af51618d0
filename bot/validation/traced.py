"""A resolved file beside what it comes from: how it fits into git's merge, and the origin of each of its lines."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.merge.fit import Fit, fit
from bot.merge.matching import lines_of
from bot.merge.provenance import origins
from bot.model.conflicts import MarkedFile
from bot.model.resolutions import Candidate, LineOrigin, SideTexts
from bot.validation.texts import decode, provable


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedFile:
    """One resolution with content, small enough to be looked at.

    ``lines`` and ``origins`` belong together; ``marked`` and ``fit`` are None for a conflict without hunks. ``text`` is
    False where the content or a side is binary.
    """

    path: str
    content: bytes
    sides: SideTexts
    marked: MarkedFile | None
    fit: Fit | None
    lines: tuple[bytes, ...]
    origins: tuple[LineOrigin, ...]
    settled: Mapping[int, bytes]
    text: bool

    def made(self, *wanted: LineOrigin) -> Iterator[tuple[int, str]]:
        """Number (from 1) and text of each line of these origins, without its end."""
        for number, (line, origin) in enumerate(zip(self.lines, self.origins, strict=True), start=1):
            if origin in wanted:
                yield number, line.decode(errors="surrogateescape").rstrip("\r\n")

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
        yield TracedFile(
            path=resolution.path,
            content=content,
            sides=sides,
            marked=marked,
            fit=placed,
            lines=tuple(lines_of(content)),
            origins=tuple(origins(sides, content, marked, placed)),
            settled=candidate.settled.get(resolution.path, {}),
            text=all(decode(version) is not None for version in (content, *contents)),
        )
