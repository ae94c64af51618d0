"""No line is lost that both sides keep."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from bot.merge.markers import align
from bot.model.conflicts import MarkedFile
from bot.model.resolutions import Candidate, Finding, GateVerdict
from bot.validation.texts import at_most, provable

NAME: Final = "lost_lines"

_SHOWN: Final = 60


def check(candidate: Candidate) -> list[Finding]:
    """Promise: in every hunk, each line that ours and theirs both have is in the result, as often as in both.

    Blank lines do not count, nor does white space within a line. That one side's own lines are gone is no fault: people
    drop one side in half of all conflicts. Where it cannot be told which of several hunks a line belongs to, because
    the text between them occurs more than once, they count as one.
    """
    findings = []
    for resolution, content, _ in provable(candidate):
        marked = candidate.marked.get(resolution.path)
        texts = None if marked is None else align(marked, content)
        if marked is not None and texts is not None:  # else bot.validation.scope_hunks says so
            findings += at_most(_losses(marked, texts, content))
    return findings


def _losses(marked: MarkedFile, texts: tuple[bytes, ...], content: bytes) -> Iterator[Finding]:
    lines = _spans(marked, texts)
    for first, last in _groups(marked, content):
        kept: Counter[bytes] = Counter()
        wanted: Counter[bytes] = Counter()
        for hunk, text in zip(marked.hunks[first : last + 1], texts[first : last + 1], strict=True):
            wanted += _lines(hunk.ours) & _lines(hunk.theirs)
            kept += _lines(text)
        lost = wanted - kept
        if lost:
            name = f"Conflict {first + 1}" if first == last else f"Conflicts {first + 1} to {last + 1}"
            yield _finding(marked.path, name, lost, (lines[first][0], lines[last][1]))


def _finding(path: str, name: str, lost: Counter[bytes], lines: tuple[int, int]) -> Finding:
    line = next(iter(lost)).decode(errors="replace")
    shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
    count = sum(lost.values())
    more = f", and {count - 1} more" if count > 1 else ""
    message = f"{name} lost a line that both sides keep: `{shown}`{more}."
    return Finding(check=NAME, verdict=GateVerdict.REFUSED, path=path, message=message, lines=lines)


def _lines(text: bytes) -> Counter[bytes]:
    """The lines that are not blank, with white space made one space."""
    return Counter(b" ".join(words) for line in text.split(b"\n") if (words := line.split()))


def _spans(marked: MarkedFile, texts: Sequence[bytes]) -> list[tuple[int, int]]:
    """First and last line of each hunk's text in the result; where it is empty, the line that follows."""
    spans = []
    line = 1
    for segment, text in zip(marked.segments, texts, strict=False):
        line += segment.count(b"\n")
        spans.append((line, line + max(text.count(b"\n") - 1, 0)))
        line += text.count(b"\n")
    return spans


def _groups(marked: MarkedFile, content: bytes) -> Iterator[tuple[int, int]]:
    """First and last index of hunks to look at together: only a text that can stand in one place divides them."""
    start = len(marked.segments[0])
    middle = content[start : len(content) - len(marked.segments[-1])]
    between = marked.segments[1:-1]
    first = 0
    for index, (left, right) in enumerate(zip(_leftmost(middle, between), _rightmost(middle, between), strict=True)):
        if left == right:
            yield first, index
            first = index + 1
    if marked.hunks:
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
