"""Every conflict has one resolution, every hunk a reason, and what is proposed is what was made."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from bot.model.resolutions import Candidate, Finding, GateVerdict, Resolution
from bot.validation.texts import at_most

NAME: Final = "completeness"


def check(candidate: Candidate) -> list[Finding]:
    """Promise: one resolution for each conflict, a reason for each hunk, no hunk called open, content as it came out.

    A hunk that its author calls open goes to a person; everything else here can be done better in another try.
    """
    count = Counter(resolution.path for resolution in candidate.resolutions)
    findings = [
        _finding(conflict.path, "This conflict has no resolution.")
        for conflict in candidate.conflicts
        if not count[conflict.path]
    ]
    findings += [_finding(path, "This conflict has more than one resolution.") for path in count if count[path] > 1]
    for resolution in candidate.resolutions:
        findings += at_most(_hunks(candidate, resolution))
        if candidate.changed.get(resolution.path, resolution.content) != resolution.content:
            findings.append(_finding(resolution.path, "The resolution is not what came out of the sandbox."))
    return findings


def _finding(path: str, message: str, verdict: GateVerdict = GateVerdict.REFUSED) -> Finding:
    return Finding(check=NAME, verdict=verdict, path=path, message=message)


def _hunks(candidate: Candidate, resolution: Resolution) -> Iterator[Finding]:
    left_open = {rationale.index for rationale in resolution.hunks if not rationale.resolved}
    explained = {rationale.index for rationale in resolution.hunks if rationale.reason.strip()}
    for index in sorted(left_open):
        message = f"Its author leaves conflict {index + 1} open."
        yield _finding(resolution.path, message, GateVerdict.NEEDS_PERSON)
    marked = candidate.marked.get(resolution.path)
    for hunk in () if marked is None else marked.hunks:
        if hunk.index not in explained | left_open:
            yield _finding(resolution.path, f"No reason is given for conflict {hunk.index + 1}.")
