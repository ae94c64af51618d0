"""A merge's progress as rows of the database, and back."""

from collections.abc import Mapping, Sequence

from bot.handlers.progress import REGENERATE, Asked, MergeProgress, content_of, resolver_of
from bot.model.cases import FileCase, FileProgress, Suggestion
from bot.model.conflicts import Conflict
from bot.model.ids import blob_id
from bot.model.reports import ConflictRecord, ResolutionStatus
from bot.model.resolutions import HunkAnswer, ProvenanceSpan, Tier
from bot.report import endings
from bot.resolvers.suggestions import suggest


def records_of(
    progress: MergeProgress,
    *,
    passed: Mapping[str, tuple[ProvenanceSpan, ...]] | None = None,
    next_resolver: str = "agent",
) -> list[ConflictRecord]:
    """The rows of a merge, in git's order.

    ``passed`` has the files that the gate lets through, with the provenance of their lines; ``next_resolver`` is whom
    open text conflicts go to.
    """
    passed = passed or {}
    left = {item.path: item.reason for item in progress.left}
    return [_record(progress, conflict, left, passed, next_resolver) for conflict in progress.plan.merge.conflicts]


def _record(
    progress: MergeProgress,
    conflict: Conflict,
    left: Mapping[str, str],
    passed: Mapping[str, tuple[ProvenanceSpan, ...]],
    next_resolver: str,
) -> ConflictRecord:
    path = conflict.path
    if path in progress.taken:
        return _taken(progress, conflict)
    if path in progress.plan.generated:
        return _generated(progress, conflict, passed)
    file = progress.files.get(path)
    asked = progress.asked.get(path, Asked(prompt="", response=""))
    notes = progress.notes.get(path, ())
    if file is None:
        reasons = (*([left[path]] if path in left else []), *notes)
        return _row(conflict, resolver="person", reasons=reasons, suggestion=suggest(conflict))
    answers = tuple(file.settled[index] for index in sorted(file.settled))
    hunks = len(file.case.marked.hunks)
    if file.open:
        candidates = tuple(answer for index in sorted(file.candidates) for answer in file.candidates[index])
        return _row(
            conflict,
            resolver=next_resolver,
            reasons=notes,
            hunks=hunks,
            answers=answers,
            candidates=candidates,
            asked=asked,
            suggestion=suggest(conflict),
        )
    return _row(
        conflict,
        resolver=resolver_of(file),
        reasons=tuple(answer.reason for answer in answers),
        status=ResolutionStatus.RESOLVED if path in passed else ResolutionStatus.PROPOSED,
        hunks=hunks,
        answers=answers,
        asked=asked,
        oid=blob_id(content_of(file)),
        provenance=passed.get(path, ()),
    )


def _generated(
    progress: MergeProgress, conflict: Conflict, passed: Mapping[str, tuple[ProvenanceSpan, ...]]
) -> ConflictRecord:
    path = conflict.path
    made = progress.made.get(path)
    if made is None or made.content is None:
        command = progress.plan.generated[path].made_by.command
        notes = progress.notes.get(path, ())
        reasons = (endings.made_by(command) if notes else endings.waits_for_the_rest(command), *notes)
        return _row(conflict, resolver=REGENERATE, reasons=reasons, suggestion=suggest(conflict))
    return _row(
        conflict,
        resolver=made.resolver,
        reasons=tuple(hunk.reason for hunk in made.hunks),
        status=ResolutionStatus.RESOLVED if path in passed else ResolutionStatus.PROPOSED,
        oid=blob_id(made.content),
    )


def _taken(progress: MergeProgress, conflict: Conflict) -> ConflictRecord:
    take, resolution = progress.taken[conflict.path]
    return ConflictRecord(
        path=conflict.path,
        kind=conflict.kind.value,
        hunks=0,
        resolver="person",
        status=ResolutionStatus.RESOLVED,
        reasons=(),
        oid=None if resolution.content is None else blob_id(resolution.content),
        prompt="",
        response="",
        stages=dict(conflict.stages),
        taken=take,
    )


def _row(
    conflict: Conflict,
    *,
    resolver: str,
    reasons: tuple[str, ...],
    status: ResolutionStatus = ResolutionStatus.OPEN,
    hunks: int = 0,
    answers: tuple[HunkAnswer, ...] = (),
    candidates: tuple[HunkAnswer, ...] = (),
    asked: Asked | None = None,
    oid: str | None = None,
    provenance: tuple[ProvenanceSpan, ...] = (),
    suggestion: Suggestion | None = None,
) -> ConflictRecord:
    return ConflictRecord(
        path=conflict.path,
        kind=conflict.kind.value,
        hunks=hunks,
        resolver=resolver,
        status=status,
        reasons=reasons,
        oid=oid,
        prompt="" if asked is None else asked.prompt,
        response="" if asked is None else asked.response,
        stages=dict(conflict.stages),
        answers=answers,
        candidates=candidates,
        provenance=provenance,
        suggestion=suggestion,
    )


def kept(case: FileCase, record: ConflictRecord) -> FileProgress | None:
    """How far a file was by its row; None when the row is about another conflict."""
    if dict(record.stages) != dict(case.stages) or record.hunks != len(case.marked.hunks) or record.taken is not None:
        return None
    indexes = {hunk.index for hunk in case.marked.hunks}
    settled = {answer.index: answer for answer in record.answers if answer.index in indexes}
    return FileProgress(case=case, settled=settled, candidates=_by_hunk(record.candidates))


def was_settled(record: ConflictRecord) -> bool:
    """Whether anybody did anything about a conflict before its row was written."""
    return bool(record.answers or record.candidates or record.prompt or record.reasons)


def earlier_answer(case: FileCase, record: ConflictRecord) -> FileProgress | None:
    """The whole file as it passed the gate in an earlier job; None where it did not, or had other sides."""
    if record.status is not ResolutionStatus.RESOLVED:
        return None
    file = kept(case, record)
    return None if file is None or file.open or not file.settled else file


def _by_hunk(answers: Sequence[HunkAnswer]) -> dict[int, tuple[HunkAnswer, ...]]:
    found: dict[int, tuple[HunkAnswer, ...]] = {}
    for answer in answers:
        if answer.tier is Tier.B:
            found[answer.index] = (*found.get(answer.index, ()), answer)
    return found
