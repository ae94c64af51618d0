"""Put the answers to a merge's conflicts before the gate, and sort what it says by path.

A file of which some hunks are open is judged as if those had ended as ours: what is settled in it is proved like any
other resolution, and what is open is no change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bot.merge.markers import splice
from bot.merge.remainder import remainder
from bot.model.cases import FileProgress
from bot.model.conflicts import Conflict, MarkedFile
from bot.model.resolutions import Candidate, Finding, GateResult, GateVerdict, HunkRationale, Resolution
from bot.validation.gate import run_gate

NOTHING_TO_JUDGE: Final = GateResult(verdict=GateVerdict.PASS, findings=(), checks=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A conflict and how far the resolvers came with it."""

    conflict: Conflict
    progress: FileProgress


def judge(files: Sequence[Judged], *, protected_paths: tuple[str, ...]) -> GateResult:
    """The gate's word on every settled hunk. Parses files in a child process: call it off the event loop.

    Raises:
        SandboxError: a check cannot be run on this machine.
    """
    touched = [file for file in files if file.progress.settled]
    if not touched:
        return NOTHING_TO_JUDGE
    marked = {file.conflict.path: _settled_only(file.progress) for file in touched}
    contents = {file.conflict.path: _content(file.progress, marked[file.conflict.path]) for file in touched}
    return run_gate(
        Candidate(
            conflicts=tuple(file.conflict for file in touched),
            sides={file.conflict.path: file.progress.case.sides for file in touched},
            marked=marked,
            resolutions=tuple(_resolution(file, contents[file.conflict.path]) for file in touched),
            changed=contents,
            modes={file.conflict.path: mode_of(file.conflict) for file in touched},
            protected_paths=protected_paths,
        )
    )


def mode_of(conflict: Conflict) -> str:
    """The mode of a resolved text file: what git merged."""
    return conflict.merged_mode or "100644"


def _settled_only(progress: FileProgress) -> MarkedFile:
    marked = progress.case.marked
    left = set(progress.open)
    return remainder(marked, {hunk.index: hunk.ours for hunk in marked.hunks if hunk.index in left}).marked


def _content(progress: FileProgress, marked: MarkedFile) -> bytes:
    return splice(marked, [progress.settled[index].content for index in sorted(progress.settled)])


def _resolution(file: Judged, content: bytes) -> Resolution:
    answers = [file.progress.settled[index] for index in sorted(file.progress.settled)]
    return Resolution(
        path=file.conflict.path,
        kind=file.conflict.kind,
        resolver=answers[-1].resolver,
        mode=mode_of(file.conflict),
        content=content,
        hunks=tuple(
            HunkRationale(
                index=number,
                resolved=True,
                reason=answer.reason,
                confidence=answer.confidence,
                resolver=answer.resolver,
                tier=answer.tier,
            )
            for number, answer in enumerate(answers)
        ),
    )


def objections(gate: GateResult) -> Mapping[str, tuple[Finding, ...]]:
    """What stands against each path; against all of them under the empty path."""
    against: dict[str, tuple[Finding, ...]] = {}
    for finding in gate.findings:
        if finding.verdict is not GateVerdict.PASS:
            against[finding.path] = (*against.get(finding.path, ()), finding)
    return against
