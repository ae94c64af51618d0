"""Pointers of Git LFS: a file of which the repository has only the hash. Nobody sees in a diff what it stands for.

https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
"""

from typing import Final

from bot.model.conflicts import is_lfs_pointer
from bot.model.resolutions import Candidate, Finding, GateVerdict

NAME: Final = "lfs"


def check(candidate: Candidate) -> list[Finding]:
    """Promise: a person sees where a change makes, swaps or replaces a pointer."""
    findings = []
    for path, sides in candidate.sides.items():
        before, after = sides.ours, candidate.changed.get(path)
        if before != after and any(each is not None and is_lfs_pointer(each) for each in (before, after)):
            message = "This is a pointer of Git LFS before or after the change: what it stands for is not in the diff."
            findings.append(Finding(check=NAME, verdict=GateVerdict.NEEDS_PERSON, path=path, message=message))
    return findings
