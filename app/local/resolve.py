"""``flowforge resolve``: a merge's conflicts through rules, model and gate. Changes nothing in the clone."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.local.asking import Asked, ModelPart, ask_model
from app.local.conclude import Facts, conclude
from app.local.generated import generated
from app.local.judge import NOTHING_TO_JUDGE, Judged, judge, objections
from app.local.merge import Merge
from app.local.outcome import ResolveOutcome, Status
from app.local.survey import survey
from bot.git.clone import LocalClone
from bot.model.cases import FileProgress
from bot.model.conflicts import CleanMerge
from bot.model.direct import MergeContext
from bot.model.runs import NO_USAGE
from bot.resolvers.chain import run_rules

_SUBJECTS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What came of it, and, for writing, how far each file is that may be written."""

    outcome: ResolveOutcome
    files: Mapping[str, FileProgress]


async def resolve(clone: LocalClone, merge: Merge, *, model: ModelPart | None) -> Resolved:
    """Resolve what can be resolved; without ``model`` by rules alone. Objects are written, nothing else.

    Raises:
        GitError: the clone cannot be read or its object database not be written.
        SandboxError: a check cannot be run on this machine.
    """
    if isinstance(merge.verdict, CleanMerge):
        return Resolved(outcome=_clean(merge, merge.verdict), files={})
    todo = [conflict for conflict in merge.verdict.conflicts if conflict.path not in merge.left_alone]
    made = await generated(clone, todo, merge.ours, merge.theirs)
    asking = [conflict for conflict in todo if conflict.path not in made]
    found = await survey(clone, asking, ours=merge.ours, theirs=merge.theirs)
    files = {path: await asyncio.to_thread(run_rules, case) for path, case in found.cases.items()}
    asked = await _asked(clone, merge, files, model)
    judged = [Judged(conflict=item, progress=asked.files[item.path]) for item in todo if item.path in asked.files]
    gate = await asyncio.to_thread(judge, judged, protected_paths=merge.protected_paths)
    facts = Facts(reasons={**found.reasons, **made}, asked=asked, gate=gate, objections=objections(gate))
    outcome = await conclude(clone, merge, merge.verdict, facts)
    writable = {path: file for path, file in asked.files.items() if not facts.against(path)}
    return Resolved(outcome=outcome, files={} if outcome.status is Status.REFUSED else writable)


async def _asked(clone: LocalClone, merge: Merge, files: Mapping[str, FileProgress], model: ModelPart | None) -> Asked:
    """How far the files are once the model was asked, where there is one and something is for it."""
    if model is None or not any(file.open for file in files.values()):
        return Asked(files=files, reasons={}, usage=NO_USAGE, notes=())
    return await ask_model(model, files, await _context(clone, merge))


def _clean(merge: Merge, verdict: CleanMerge) -> ResolveOutcome:
    return ResolveOutcome(
        ours=merge.ours,
        theirs=merge.theirs,
        names=merge.names,
        merge_bases=merge.merge_bases,
        status=Status.CLEAN,
        tree=verdict.tree,
        paths=(),
        gate=NOTHING_TO_JUDGE,
        notes=merge.notes,
    )


async def _context(clone: LocalClone, merge: Merge) -> MergeContext:
    return MergeContext(
        title="",
        body="",
        head=merge.names.ours,
        base=merge.names.theirs,
        ours_subjects=await clone.subjects(since=merge.theirs, until=merge.ours, limit=_SUBJECTS),
        theirs_subjects=await clone.subjects(since=merge.ours, until=merge.theirs, limit=_SUBJECTS),
        instructions="",
    )
