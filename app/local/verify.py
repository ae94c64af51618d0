"""``flowforge verify``: prove a merge commit, whoever made it, by merging its parents again."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.local.begin import UNSHALLOW, possible, protected
from app.local.merge import SUBMODULE
from app.local.outcome import Remerge, VerifyOutcome
from app.local.survey import TEXT_KINDS, marked_of, sides_of
from bot.errors import BadInputError
from bot.git.clone import LocalClone
from bot.model.conflicts import Conflict, ConflictedMerge, MarkedFile, Side, Stage
from bot.model.resolutions import (
    Candidate,
    Confidence,
    Finding,
    GateResult,
    GateVerdict,
    HunkRationale,
    Resolution,
    SideTexts,
    Tier,
)
from bot.validation.gate import run_gate

_MAX_BYTES: Final = 256 * 1024 * 1024
_PARENTS: Final = 2
_PERSON: Final = "person"
_MOVES: Final = "moves"
_UNFINISHED: Final = "Unfinished: "
"""How ``bot.report.commit_message`` begins the message of a part of a merge."""


async def verify(clone: LocalClone, name: str) -> VerifyOutcome:
    """What the checks say of the named merge commit.

    For the checks, what the commit has in a conflict's place is the resolution, and whatever else differs from git's
    own merge of the parents is an edit beyond the merge.

    Raises:
        BadInputError: it is no merge of two commits, or git cannot merge its parents.
        GitError: there is no such commit, or the clone cannot be read.
        SandboxError: a check cannot be run on this machine.
    """
    commit = await clone.resolve(name)
    parents = await clone.parents_of(commit)
    if len(parents) == 1:
        raise BadInputError(f"{commit} is not a merge of two commits: it has one parent. {await _what(clone, commit)}")
    ours, theirs = _two(parents, commit, shallow=clone.shallow)
    verdict = possible(clone, await clone.merge(ours=ours, theirs=theirs))
    conflicts = verdict.conflicts if isinstance(verdict, ConflictedMerge) else ()
    edits = await _beyond(clone, commit, verdict.tree, conflicts)
    candidate = await _candidate(clone, commit, conflicts, edits)
    gate = await asyncio.to_thread(run_gate, candidate)
    return VerifyOutcome(
        commit=commit,
        parents=(ours, theirs),
        remerge=Remerge.CONFLICTED if conflicts else Remerge.CLEAN,
        conflicts=tuple((conflict.path, conflict.kind) for conflict in conflicts),
        gate=_with_moves(gate, edits.moved),
    )


async def _what(clone: LocalClone, commit: str) -> str:
    """What a commit with one parent may be, so that nobody takes it for a resolution that failed the proof."""
    (parent,) = await clone.parents_of(commit)
    subjects = await clone.subjects(since=parent, until=commit, limit=1)
    if any(subject.startswith(_UNFINISHED) for subject in subjects):
        return (
            "Its subject says that it is a part of a merge, for a person to finish: prove the merge that comes of it."
        )
    return "A rebase, a revert and an unfinished merge end in such commits: there is no merge in them to prove."


def _two(parents: tuple[str, ...], commit: str, *, shallow: bool) -> tuple[str, str]:
    if len(parents) != _PARENTS:
        has = f"{len(parents)} parents" if parents else "no parent"
        # Where a shallow clone ends, commits look as if they had no parents.
        hint = UNSHALLOW if shallow and not parents else ""
        raise BadInputError(f"{commit} is not a merge of two commits: it has {has}.{hint}")
    return parents[0], parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edits:
    """What a commit has where git's merge has something else: content and mode by path.

    ``moved`` are new paths at which a version stands of a conflict that git has elsewhere, and that conflict. Their
    modes are in ``modes``, so that a path that nobody may touch stays one; their contents are a side's.
    """

    contents: Mapping[str, bytes | None]
    modes: Mapping[str, str]
    moved: Mapping[str, Conflict]


async def _candidate(clone: LocalClone, commit: str, conflicts: tuple[Conflict, ...], edits: _Edits) -> Candidate:
    parents = await clone.parents_of(commit)
    sides: dict[str, SideTexts] = {}
    marked: dict[str, MarkedFile] = {}
    resolutions = []
    for conflict in conflicts:
        sides[conflict.path] = await sides_of(clone, conflict)
        taken = await marked_of(clone, conflict)
        if taken is not None:
            marked[conflict.path] = taken
        resolutions.append(await _resolution(clone, commit, conflict, taken))
    return Candidate(
        conflicts=conflicts,
        sides=sides,
        marked=marked,
        resolutions=tuple(resolutions),
        changed=edits.contents,
        modes=edits.modes,
        protected_paths=await protected(clone, *parents),
    )


async def _beyond(clone: LocalClone, commit: str, merged: str, conflicts: tuple[Conflict, ...]) -> _Edits:
    """All that differs from git's merge at paths that are in no conflict."""
    known = {conflict.path for conflict in conflicts}
    versions = _versions(conflicts)
    contents: dict[str, bytes | None] = {}
    modes: dict[str, str] = {}
    moved: dict[str, Conflict] = {}
    for path, (before, now) in (await clone.changes(merged, commit)).items():
        if path in known:
            continue
        if now is not None:
            modes[path] = now.mode
        if before is None and now is not None and now.oid in versions:
            moved[path] = versions[now.oid]
        else:
            contents[path] = None if now is None else await _content(clone, now)
    return _Edits(contents=contents, modes=modes, moved=moved)


def _versions(conflicts: tuple[Conflict, ...]) -> Mapping[str, Conflict]:
    """Each side's version of the conflicts that are about where a file stands, not about its lines."""
    return {
        stage.oid: conflict
        for conflict in conflicts
        if conflict.kind not in TEXT_KINDS
        for side, stage in conflict.stages.items()
        if side is not Side.ANCESTOR
    }


def _with_moves(gate: GateResult, moved: Mapping[str, Conflict]) -> GateResult:
    """The gate's word with the files that the person put under another name; git proposed some of the names itself."""
    findings = tuple(_moved(path, conflict) for path, conflict in moved.items())
    asks = any(finding.verdict is GateVerdict.NEEDS_PERSON for finding in findings)
    return GateResult(
        verdict=GateVerdict.NEEDS_PERSON if asks and gate.verdict is GateVerdict.PASS else gate.verdict,
        findings=(*gate.findings, *findings),
        checks=(*gate.checks, _MOVES),
    )


def _moved(path: str, conflict: Conflict) -> Finding:
    proposed = path in conflict.paths
    return Finding(
        check=_MOVES,
        verdict=GateVerdict.PASS if proposed else GateVerdict.NEEDS_PERSON,
        path=path,
        message=f"A side's version of the conflict at {conflict.path} stands here.",
    )


async def _content(clone: LocalClone, stage: Stage) -> bytes:
    if stage.mode == SUBMODULE:
        return stage.oid.encode("ascii")
    content = await clone.read_blob(stage.oid, limit=_MAX_BYTES)
    if content is None:
        raise BadInputError(f"A file in it is larger than {_MAX_BYTES // 1024**2} MiB, which cannot be looked at.")
    return content


async def _resolution(clone: LocalClone, commit: str, conflict: Conflict, marked: MarkedFile | None) -> Resolution:
    """What the commit has in a conflict's place. Whoever made it gave no reasons: that is no fault here."""
    now = await clone.entry(commit, conflict.path)
    return Resolution(
        path=conflict.path,
        kind=conflict.kind,
        resolver=_PERSON,
        mode=(conflict.merged_mode or "100644") if now is None else now.mode,
        content=None if now is None else await _content(clone, now),
        hunks=tuple(
            HunkRationale(
                index=hunk.index,
                resolved=True,
                reason="As committed.",
                confidence=Confidence.HIGH,
                resolver=_PERSON,
                tier=Tier.PERSON,
            )
            for hunk in (() if marked is None else marked.hunks)
        ),
    )
