"""Candidates for the gate, made the way the bot makes them: git merges, the marker file is taken apart."""

import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from bot.merge.markers import parse_marked
from bot.model.conflicts import MARKER_SIZE, Conflict, ConflictKind, MarkedFile, Side, Stage
from bot.model.resolutions import Candidate, Finding, HunkRationale, Resolution, SideTexts
from bot.validation.gate import FileCheck
from bot.validation.traced import traced

ANCESTOR = b"import os\n\n\ndef f(a):\n    keep = 1\n    return a\n\n\ndef last():\n    pass\n"
OURS = b"import os\n\n\ndef f(a):\n    keep = 1\n    return a + 1\n\n\ndef last():\n    pass\n"
THEIRS = b"import os\n\n\ndef f(a):\n    keep = 1\n    return a * 2\n\n\ndef last():\n    pass\n"


class Sides(TypedDict, total=False):
    """The versions of a file that a test gives instead of the usual ones."""

    ours: bytes | None
    ancestor: bytes
    theirs: bytes | None


def marked_by_git(path: str, *, ours: bytes, ancestor: bytes, theirs: bytes) -> MarkedFile:
    """What ``git merge-file`` makes of three versions."""
    with tempfile.TemporaryDirectory() as directory:
        for name, content in (("ours", ours), ("ancestor", ancestor), ("theirs", theirs)):
            Path(directory, name).write_bytes(content)
        merge = subprocess.run(
            ["git", "merge-file", "-p", "--diff3", f"--marker-size={MARKER_SIZE}", "ours", "ancestor", "theirs"],  # noqa: S607 - the git on PATH
            cwd=directory,
            capture_output=True,
            check=False,
        )
    assert merge.returncode >= 0, merge.stderr
    return parse_marked(path, merge.stdout)


def conflict(path: str, *, modes: tuple[str | None, str | None] = ("100644", "100644")) -> Conflict:
    """A content conflict; a side whose mode is None deleted the file."""
    sides = zip((Side.OURS, Side.THEIRS), modes, strict=True)
    stages = {side: Stage(mode=mode, oid="0" * 40) for side, mode in sides if mode is not None}
    return Conflict(
        path=path,
        kind=ConflictKind.CONTENT if None not in modes else ConflictKind.MODIFY_DELETE,
        stages=stages,
        merged_oid="1" * 40,
        merged_mode=next(mode for mode in modes if mode is not None),
        paths=(path,),
        messages=(),
    )


def candidate(
    result: bytes | None,
    *,
    path: str = "src/app.py",
    ours: bytes | None = OURS,
    ancestor: bytes = ANCESTOR,
    theirs: bytes | None = THEIRS,
    protected_paths: tuple[str, ...] = (),
) -> Candidate:
    """One file whose conflict ended as ``result``; a reason for every hunk."""
    marked = {}
    if ours is not None and theirs is not None and b"\0" not in ours + theirs:
        marked[path] = marked_by_git(path, ours=ours, ancestor=ancestor, theirs=theirs)
    hunks = marked[path].hunks if path in marked else ()
    resolution = Resolution(
        path=path,
        kind=ConflictKind.CONTENT,
        resolver="agent",
        mode="100644",
        content=result,
        hunks=tuple(HunkRationale(index=hunk.index, resolved=True, reason="Both wanted it.") for hunk in hunks),
    )
    modes = ("100644" if ours is not None else None, "100644" if theirs is not None else None)
    return Candidate(
        conflicts=(conflict(path, modes=modes),),
        sides={path: SideTexts(ancestor=ancestor, ours=ours, theirs=theirs)},
        marked=marked,
        resolutions=(resolution,),
        changed={path: result},
        modes={} if result is None else {path: "100644"},
        protected_paths=protected_paths,
    )


def with_extra_change(base: Candidate, path: str, content: bytes | None = b"x\n", mode: str = "100644") -> Candidate:
    """The same, and one more file that came out of the sandbox."""
    return replace(base, changed={**base.changed, path: content}, modes={**base.modes, path: mode})


def found(check: FileCheck, case: Candidate) -> list[Finding]:
    """What a check of single files says to a candidate."""
    return [finding for file in traced(case) for finding in check(file)]


def said(findings: list[Finding]) -> list[str]:
    """The messages."""
    return [finding.message for finding in findings]
