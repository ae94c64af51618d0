"""No line is lost that both sides keep."""

from collections import Counter
from typing import Final

from bot.merge.markers import align
from bot.model.conflicts import Hunk
from bot.model.resolutions import Candidate, Finding, GateVerdict
from bot.validation.texts import provable

NAME: Final = "lost_lines"

_SHOWN: Final = 60


def check(candidate: Candidate) -> list[Finding]:
    """Promise: in every hunk, each line that ours and theirs both have is in the result, as often as in both.

    Blank lines do not count, nor does white space within a line. That one side's own lines are gone is no fault: people
    drop one side in half of all conflicts.
    """
    findings = []
    for resolution, content, _ in provable(candidate):
        marked = candidate.marked.get(resolution.path)
        texts = None if marked is None else align(marked, content)
        if marked is None or texts is None:
            continue  # bot.validation.scope_hunks says so
        line = marked.segments[0].count(b"\n") + 1
        for hunk, text, segment in zip(marked.hunks, texts, marked.segments[1:], strict=True):
            last = line + max(text.count(b"\n") - 1, 0)
            finding = _lost(resolution.path, hunk, text, (line, last))
            if finding is not None:
                findings.append(finding)
            line += text.count(b"\n") + segment.count(b"\n")
    return findings


def _lost(path: str, hunk: Hunk, text: bytes, lines: tuple[int, int]) -> Finding | None:
    lost = (_lines(hunk.ours) & _lines(hunk.theirs)) - _lines(text)
    if not lost:
        return None
    first = next(iter(lost)).decode(errors="replace")
    shown = first if len(first) <= _SHOWN else f"{first[:_SHOWN]}…"
    count = sum(lost.values())
    more = f", and {count - 1} more" if count > 1 else ""
    message = f"Conflict {hunk.index + 1} lost a line that both sides keep: `{shown}`{more}."
    return Finding(check=NAME, verdict=GateVerdict.REFUSED, path=path, message=message, lines=lines)


def _lines(text: bytes) -> Counter[bytes]:
    """The lines that are not blank, with white space made one space."""
    return Counter(b" ".join(words) for line in text.split(b"\n") if (words := line.split()))
