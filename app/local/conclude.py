"""From what resolvers and gate said to the outcome of a merge. Writes the objects of the result, nothing else."""

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.local.asking import Asked
from app.local.judge import mode_of, objections
from app.local.merge import SUBMODULE, Merge
from app.local.outcome import HunkOutcome, PathOutcome, Progress, ResolveOutcome, Status
from bot.git.clone import LocalClone
from bot.git.positions import places
from bot.handlers.progress import content_of
from bot.merge.provenance import hunk_provenance
from bot.model.cases import Choice, FileProgress
from bot.model.conflicts import Conflict, ConflictedMerge, Hunk, Side
from bot.model.resolutions import Finding, GateResult, GateVerdict, HunkAnswer
from bot.resolvers.suggestions import suggest

_COMPLETENESS: Final = "completeness"
_NOBODY: Final = "No rule settles this."


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that was found out: ``reasons`` why a path is a person's, how far the others came, the gate's word."""

    reasons: Mapping[str, str]
    asked: Asked
    gate: GateResult
    objections: Mapping[str, tuple[Finding, ...]]

    def against(self, path: str) -> tuple[Finding, ...]:
        """What the gate has against a path, or against all of them."""
        return (*self.objections.get(path, ()), *self.objections.get("", ()))


async def conclude(clone: LocalClone, merge: Merge, verdict: ConflictedMerge, facts: Facts) -> ResolveOutcome:
    """The outcome, with its blobs and, where all is resolved, its tree in the clone's object database.

    Raises:
        GitError: an object cannot be written.
    """
    paths = [await _path(clone, merge, conflict, facts) for conflict in verdict.conflicts]
    status = _status(paths, facts.gate)
    return ResolveOutcome(
        ours=merge.ours,
        theirs=merge.theirs,
        names=merge.names,
        merge_bases=merge.merge_bases,
        status=status,
        tree=await _tree(clone, merge, verdict, facts.asked.files) if status is Status.RESOLVED else None,
        paths=tuple(paths),
        gate=_with_open(facts.gate, paths),
        usage=facts.asked.usage,
        notes=(*merge.notes, *facts.asked.notes),
    )


async def _tree(clone: LocalClone, merge: Merge, verdict: ConflictedMerge, files: Mapping[str, FileProgress]) -> str:
    """The tree of git's merge with everything that is settled put in."""
    changes: dict[str, tuple[str, bytes] | None] = {
        conflict.path: (mode_of(conflict), content_of(files[conflict.path]))
        for conflict in verdict.conflicts
        if conflict.path in files
    }
    for path, alone in merge.left_alone.items():
        changes[path] = None if alone.content is None else (alone.mode, alone.content)
    return await clone.write_tree(verdict.tree, changes)


def _status(paths: Sequence[PathOutcome], gate: GateResult) -> Status:
    if gate.verdict is GateVerdict.REFUSED:
        return Status.REFUSED
    return Status.RESOLVED if all(path.state is Progress.RESOLVED for path in paths) else Status.PARTIAL


def _with_open(gate: GateResult, paths: Sequence[PathOutcome]) -> GateResult:
    """The gate's word with what is open in it: a merge with an open conflict needs a person."""
    known = objections(gate)
    left = tuple(
        Finding(check=_COMPLETENESS, verdict=GateVerdict.NEEDS_PERSON, path=path.path, message=_why_open(path))
        for path in paths
        if path.state is not Progress.RESOLVED and path.path not in known
    )
    if not left:
        return gate
    verdict = GateVerdict.NEEDS_PERSON if gate.verdict is GateVerdict.PASS else gate.verdict
    return GateResult(
        verdict=verdict,
        findings=(*gate.findings, *left),
        checks=tuple(dict.fromkeys((*gate.checks, _COMPLETENESS))),
    )


def _why_open(path: PathOutcome) -> str:
    count = sum(hunk.state is not Progress.RESOLVED for hunk in path.hunks)
    words = path.reason or f"{count} of {len(path.hunks)} hunks are open."
    if path.suggestion is None:
        return words
    return f"{words} Suggestion: take {path.suggestion.choice.value}. {path.suggestion.reason}"


async def _path(clone: LocalClone, merge: Merge, conflict: Conflict, facts: Facts) -> PathOutcome:
    blank = PathOutcome(path=conflict.path, kind=conflict.kind, stages=conflict.stages, state=Progress.OPEN, hunks=())
    alone = merge.left_alone.get(conflict.path)
    if alone is not None:
        if alone.reason:
            return replace(blank, reason=alone.reason)
        is_file = alone.content is not None and alone.mode != SUBMODULE
        blob = await clone.write_blob(alone.content or b"") if is_file else None
        return replace(blank, state=Progress.RESOLVED, blob=blob, by_hand=True)
    file = facts.asked.files.get(conflict.path)
    if file is None or file.open:
        offered = suggest(conflict)
        command = "" if offered is None else _command(merge, conflict.path, offered.choice)
        if offered is None and file is None:
            sides = [_command(merge, conflict.path, choice) for choice in (Choice.OURS, Choice.THEIRS)]
            command = " or ".join(filter(None, sides))
        blank = replace(blank, suggestion=offered, command=command)
    if file is None:
        return replace(blank, reason=facts.reasons[conflict.path])
    against = facts.against(conflict.path)
    hunks = await asyncio.to_thread(_hunks, file, facts.asked.reasons)
    if against:
        stopped = tuple(replace(hunk, state=Progress.OPEN) for hunk in hunks)
        return replace(blank, hunks=stopped, reason=" ".join(dict.fromkeys(item.message for item in against)))
    if not file.open:
        return replace(blank, hunks=hunks, state=Progress.RESOLVED, blob=await clone.write_blob(content_of(file)))
    left = any(hunk.state is Progress.OPEN for hunk in hunks)
    return replace(blank, hunks=hunks, state=Progress.OPEN if left else Progress.PROPOSED)


def _command(merge: Merge, path: str, choice: Choice) -> str:
    """What to type for a choice; nothing for a path that cannot be shown as it is."""
    if not path.isprintable():
        return ""
    place = shlex.quote(path)
    if choice is Choice.DELETE:
        return f"git rm -- {place}"
    if choice is Choice.BASE:
        return f"git checkout {merge.merge_bases[0]} -- {place}" if len(merge.merge_bases) == 1 else ""
    side = "--ours" if (choice is Choice.OURS) != merge.swapped else "--theirs"
    return f"git checkout {side} -- {place} && git add -- {place}"


def _hunks(file: FileProgress, reasons: Mapping[tuple[str, int], str]) -> tuple[HunkOutcome, ...]:
    case = file.case
    answers = {hunk.index: _answer(file, hunk.index) for hunk in case.marked.hunks}
    spans = hunk_provenance(case.marked, [b"" if answer is None else answer.content for answer in answers.values()])
    ours = places(case.marked, Side.OURS, case.sides.ours or b"")
    theirs = places(case.marked, Side.THEIRS, case.sides.theirs or b"")
    return tuple(
        HunkOutcome(
            hunk=hunk,
            ours=ours[hunk.index],
            theirs=theirs[hunk.index],
            state=_state(file, hunk),
            answer=answers[hunk.index],
            provenance=spans[hunk.index],
            others=() if hunk.index in file.settled else file.candidates.get(hunk.index, ())[1:],
            reason="" if hunk.index in file.settled else reasons.get((case.path, hunk.index), _NOBODY),
        )
        for hunk in case.marked.hunks
    )


def _answer(file: FileProgress, index: int) -> HunkAnswer | None:
    """The answer that is applied, or the best of those that are only proposed."""
    return file.settled.get(index) or next(iter(file.candidates.get(index, ())), None)


def _state(file: FileProgress, hunk: Hunk) -> Progress:
    if hunk.index in file.settled:
        return Progress.RESOLVED
    return Progress.PROPOSED if file.candidates.get(hunk.index) else Progress.OPEN
