"""The conflicts of a resolved file, each with the text in its place: what a check compares with what."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.model.conflicts import Hunk, MarkedFile
from bot.validation.traced import TracedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One hunk, or several that cannot be told apart, and their texts in the result.

    ``between`` has git's texts between the hunks. ``lines`` are the first and last line of the texts in the result,
    from 1; where they are empty, the line that follows.
    """

    hunks: tuple[Hunk, ...]
    texts: tuple[bytes, ...]
    between: tuple[bytes, ...]
    lines: tuple[int, int]

    @property
    def name(self) -> str:
        """How a reader finds it."""
        first, last = self.hunks[0].index + 1, self.hunks[-1].index + 1
        return f"Conflict {first}" if first == last else f"Conflicts {first} to {last}"

    @property
    def content(self) -> bytes:
        """All of it, as it stands in the result."""
        following = [*self.between, b""]
        return b"".join(part for pair in zip(self.texts, following, strict=True) for part in pair)

    def alone(self, index: int, text: bytes) -> "Region":
        """One of the hunks, with a text in its place."""
        return Region(hunks=(self.hunks[index],), texts=(text,), between=(), lines=self.lines)


def regions(file: TracedFile) -> Iterator[Region]:
    """Every hunk once; those that git's text between them could divide in more than one way come together."""
    if file.marked is None or file.fit is None or not file.marked.hunks:
        return
    texts = list(file.hunk_texts())
    alone = [(index, index) for index in range(len(texts))]
    together = alone if file.fit.outside else _inseparable(file.marked, file.content)
    end = max(len(file.lines), 1)
    for first, last in together:
        start, text = texts[last]
        yield Region(
            hunks=file.marked.hunks[first : last + 1],
            texts=tuple(text for _, text in texts[first : last + 1]),
            between=file.marked.segments[first + 1 : last + 1],
            lines=(min(texts[first][0], end), min(start + max(text.count(b"\n") - 1, 0), end)),
        )


def _inseparable(marked: MarkedFile, content: bytes) -> Iterator[tuple[int, int]]:
    """First and last index of hunks to look at together: only a text that can stand in one place divides them."""
    start = len(marked.segments[0])
    middle = content[start : len(content) - len(marked.segments[-1])]
    between = marked.segments[1:-1]
    first = 0
    for index, (left, right) in enumerate(zip(_leftmost(middle, between), _rightmost(middle, between), strict=True)):
        if left == right:
            yield first, index
            first = index + 1
    yield first, len(marked.hunks) - 1


def _leftmost(text: bytes, segments: Sequence[bytes]) -> list[int]:
    """As far left as each segment can stand, as whole lines; the text is known to hold them in order."""
    padded = b"\n" + text
    places = []
    place = 0
    for segment in segments:
        place = padded.find(b"\n" + segment, place)
        places.append(place)
        place += len(segment)
    return places


def _rightmost(text: bytes, segments: Sequence[bytes]) -> list[int]:
    """As far right as each can stand, found in the reversed text: ``bytes.rfind`` may take quadratic time."""
    padded = text[::-1] + b"\n"
    places = []
    place = 0
    for segment in reversed(segments):
        place = padded.find(segment[::-1] + b"\n", place) + len(segment)
        places.append(len(text) - place)
    return places[::-1]
