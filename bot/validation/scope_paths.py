"""Only the conflicted and the generated paths change, and only a conflict about a deletion may end in one."""

from typing import Final

from bot.model.conflicts import Conflict, Side
from bot.model.resolutions import Candidate, Finding, GateVerdict

NAME: Final = "scope_paths"


def check(candidate: Candidate) -> list[Finding]:
    """Promise: every path that changed is a conflicted or generated path with a resolution; nothing else is touched.

    A path is deleted only where one of the sides deleted it.
    """
    conflicts = {conflict.path: conflict for conflict in candidate.conflicts}
    resolved = {resolution.path for resolution in candidate.resolutions}
    findings = [
        _refused(path, "This file is not among the conflicted ones, so it may not change.")
        for path in sorted({*candidate.changed, *resolved} - conflicts.keys() - candidate.generated)
    ]
    findings += [
        _refused(path, "This conflict has no resolution, yet its file changed.")
        for path in sorted((candidate.changed.keys() & conflicts.keys()) - resolved)
    ]
    findings += [
        _refused(path, "The command deleted this file, which it may only make anew.")
        for path in sorted(_deleted(candidate) & (candidate.generated - conflicts.keys()))
    ]
    findings += [
        _refused(path, "The file was deleted, but neither side deletes it.")
        for path in sorted(_deleted(candidate) & conflicts.keys())
        if not _one_side_deletes(conflicts[path])
    ]
    return findings


def _refused(path: str, message: str) -> Finding:
    return Finding(check=NAME, verdict=GateVerdict.REFUSED, path=path, message=message)


def _deleted(candidate: Candidate) -> set[str]:
    gone = {path for path, content in candidate.changed.items() if content is None}
    return gone | {resolution.path for resolution in candidate.resolutions if resolution.content is None}


def _one_side_deletes(conflict: Conflict) -> bool:
    return not {Side.OURS, Side.THEIRS} <= conflict.stages.keys()
