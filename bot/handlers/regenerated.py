"""What the repository's own commands made of the generated files of a merge."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from bot.config_keys import Regenerate
from bot.errors import IngestError
from bot.globs import matches
from bot.handlers.answers import Work, without_agent
from bot.handlers.progress import REGENERATE, MergeProgress
from bot.model.conflicts import ConflictKind, Stage
from bot.model.forge import RepositoryRef
from bot.model.resolutions import Confidence, HunkRationale, Resolution, SideTexts, Tier
from bot.model.runs import CommandAnswer, Run, RunOutcome
from bot.ports.git import Git
from bot.ports.runner import RunArchives
from bot.report import endings
from bot.validation.texts import MAX_PROVABLE_BYTES

_REGULAR: Final = frozenset({"100644", "100755"})
_MAX_ALSO: Final = 100
"""So many files beside the conflicts may change; people would not read more of what nobody asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMade:
    """Commands that failed, or whose result cannot be taken; ``note`` says what they said, and may be empty."""

    outcome: RunOutcome
    note: str


def read_answer(archives: RunArchives, run: Run, archive: bytes | None) -> CommandAnswer | NotMade:
    """What a run of commands that ended left. Unpacks its result: call it off the event loop."""
    outcome = run.outcome or RunOutcome.NO_REPORT
    if archive is None:
        return NotMade(outcome=RunOutcome.NO_REPORT if outcome is RunOutcome.SUCCEEDED else outcome, note="")
    try:
        answer = archives.read_commands(archive, limits=run.limits)
    except IngestError as error:
        failed = RunOutcome.INVALID_OUTPUT if outcome is RunOutcome.SUCCEEDED else outcome
        return NotMade(outcome=failed, note=endings.could_not_be_taken(str(error)))
    if outcome is RunOutcome.SUCCEEDED:
        return answer
    said = answer.log_tail.strip()
    return NotMade(outcome=outcome, note=endings.command_said(said) if said else "")


async def with_made(progress: MergeProgress, answer: CommandAnswer, *, repository: RepositoryRef, git: Git) -> Work:
    """The settled merge with what the commands left; whether they may have changed all of that, the gate will say.

    A generated file that they did not touch is the base branch's. Files that the same entries of the configuration
    cover may change as well, unless they are in conflict for another reason.
    """
    seconds = answer.duration_ms / 1000
    changed: dict[str, bytes | None] = {**answer.changed, **dict.fromkeys(answer.deleted)}
    awaited = progress.awaited
    made = {path: _made(progress, path, changed, seconds) for path in awaited}
    also = await _also(progress, changed, repository=repository, git=git)
    settled = without_agent(progress)
    return Work(
        progress=replace(progress, made=made, also=also),
        resolutions=(*settled.resolutions, *made.values(), *(resolution for resolution, _ in also.values())),
        changed=changed,
        oddities=answer.oddities,
    )


def not_made(progress: MergeProgress, note: str) -> MergeProgress:
    """The merge as it was before the commands ran; ``note`` says what came of them."""
    left = replace(progress, made={}, also={})
    return left.with_notes(left.awaited, note) if note else left


def _made(progress: MergeProgress, path: str, changed: Mapping[str, bytes | None], seconds: float) -> Resolution:
    file, conflict = progress.plan.generated[path], progress.conflict(path)
    return _resolution(
        path,
        kind=conflict.kind,
        mode=conflict.merged_mode or "100644",
        content=changed.get(path, file.sides.theirs),
        reason=endings.made_anew(file.made_by.command, seconds),
    )


async def _also(
    progress: MergeProgress, changed: Mapping[str, bytes | None], *, repository: RepositoryRef, git: Git
) -> dict[str, tuple[Resolution, SideTexts]]:
    """What the commands changed of their own files that are in no conflict, with the versions before."""
    entries = {progress.plan.generated[path].made_by for path in progress.awaited}
    in_conflict = {conflict.path for conflict in progress.plan.merge.conflicts}
    found: dict[str, tuple[Resolution, SideTexts]] = {}
    for path, content in changed.items():
        entry = next((entry for entry in entries if matches(path, entry.paths) is not None), None)
        if path in in_conflict or entry is None or len(found) == _MAX_ALSO:
            continue
        tree = progress.plan.merge.tree
        above = [await git.entry(repository, tree, parent) for parent in _parents(path)]
        stage = await git.entry(repository, tree, path)
        # A workspace has no links and no submodules: where one stands, what a command wrote would take its place.
        if not any(above) and (stage is None or stage.mode in _REGULAR):
            found[path] = await _beside(path, content, entry, stage, repository=repository, git=git)
    return found


def _parents(path: str) -> list[str]:
    names = path.split("/")
    return ["/".join(names[:count]) for count in range(1, len(names))]


async def _beside(
    path: str, content: bytes | None, entry: Regenerate, stage: Stage | None, *, repository: RepositoryRef, git: Git
) -> tuple[Resolution, SideTexts]:
    before = None if stage is None else await git.read_blob(repository, stage.oid, limit=MAX_PROVABLE_BYTES)
    resolution = _resolution(
        path,
        kind=ConflictKind.CONTENT,
        mode="100644" if stage is None else stage.mode,
        content=content,
        reason=endings.made_also(entry.command),
    )
    return resolution, SideTexts(ancestor=before, ours=before, theirs=before)


def _resolution(path: str, *, kind: ConflictKind, mode: str, content: bytes | None, reason: str) -> Resolution:
    rationale = HunkRationale(
        index=0,
        resolved=True,
        reason=reason,
        confidence=Confidence.HIGH,
        resolver=REGENERATE,
        tier=Tier.REGENERATED,
    )
    return Resolution(path=path, kind=kind, resolver=REGENERATE, mode=mode, content=content, hunks=(rationale,))
