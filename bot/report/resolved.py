"""What became of each conflict: who settled it and why, where its lines come from, and what is open."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from bot.model.cases import Choice
from bot.model.conflicts import ConflictKind, Side
from bot.model.jobs import JobState
from bot.model.reports import ConflictRecord, JobView, ResolutionStatus
from bot.model.resolutions import HunkAnswer, LineOrigin, Tier
from bot.redact import redact
from bot.report import messages
from bot.report.markdown import cell, code, details, escape_pipes, fence, size
from bot.report.sections import joined, more, name, told

_REGENERATE: Final = "regenerate"

_TABLE_ROOM: Final = 11_000
_DETAILS_ROOM: Final = 7_000
_CANDIDATES_ROOM: Final = 5_000
_CANDIDATE_ROOM: Final = 1_200
_REASON_ROOM: Final = 600
_NAME_ROOM: Final = 120
_PATH_ROOM: Final = 400
_READ: Final = 20_000
_MAX_NEW: Final = 5


def resolved(view: JobView) -> str:
    """Who settled what at a glance, then a row for each file, then the details in folds."""
    records = view.conflicts
    if not records:
        return ""
    left = [record for record in records if record.status is ResolutionStatus.OPEN]
    done = [record for record in records if record.status is not ResolutionStatus.OPEN]
    row = _open_row_with_commands if view.job.state is JobState.UNRESOLVED else _open_row
    open_table = _table(left, row, messages.OPEN_TABLE_HEAD, _TABLE_ROOM)
    done_table = _table(done, _resolved_row, messages.TABLE_HEAD, _TABLE_ROOM - size(open_table))
    return joined(
        [
            messages.settled(_counts(records), sum(max(record.hunks, 1) - len(record.answers) for record in left)),
            open_table,
            messages.SETTLED_HEAD if left and done else "",
            done_table,
            _details(records),
            _candidates(left),
        ]
    )


def _counts(records: Sequence[ConflictRecord]) -> Counter[Tier]:
    counts: Counter[Tier] = Counter()
    for record in records:
        if record.answers:
            counts.update(answer.tier for answer in record.answers)
        elif record.status is not ResolutionStatus.OPEN:
            counts[_tier(record)] += max(record.hunks, 1)
    return counts


def _tier(record: ConflictRecord) -> Tier:
    """Who settled a file whose hunks have no answers of their own."""
    if record.taken is not None:
        return Tier.PERSON
    return Tier.REGENERATED if record.resolver == _REGENERATE else Tier.AGENT


def _table(
    records: Sequence[ConflictRecord], row: Callable[[ConflictRecord], str], head: tuple[str, ...], room: int
) -> str:
    if not records:
        return ""
    kept: list[str] = []
    for record in records:
        line = row(record)
        room -= size(line) + 1
        if room < 0:
            break
        kept.append(line)
    return joined(["\n".join([*head, *kept]), *more(len(records) - len(kept), messages.more_rows)])


def _resolved_row(record: ConflictRecord) -> str:
    by = messages.resolver(record.resolver) or cell(record.resolver, _NAME_ROOM)
    why = _taken(record) if record.taken is not None else _reasons(record)
    new = messages.new_lines(_lines_by_origin(record)[LineOrigin.NEW])
    return f"| {_path_cell(record)} | {_conflict(record)} | {by} | {f'{why} {new}'.rstrip()} |"


def _open_row(record: ConflictRecord) -> str:
    return f"| {_path_cell(record)} | {_conflict(record)} | {_reasons(record)}{_suggestion(record)} |"


def _open_row_with_commands(record: ConflictRecord) -> str:
    """The same, with the commands that settle it: the suggested one, or those there are."""
    choices = (record.suggestion.choice,) if record.suggestion is not None else takes(record)
    commands = [messages.take(choice, record.path) for choice in choices]
    shown = messages.alternatives([escape_pipes(code(command, _PATH_ROOM)) for command in commands if _fits(command)])
    return f"{_open_row(record).removesuffix(' |')} {shown} |" if shown else _open_row(record)


def _suggestion(record: ConflictRecord) -> str:
    """What people did in such cases."""
    if record.suggestion is None:
        return ""
    return f" {messages.SUGGESTED} {cell(record.suggestion.reason, _REASON_ROOM)}"


def _fits(command: str) -> bool:
    return size(command) <= _PATH_ROOM and command.isprintable()


def _path_cell(record: ConflictRecord) -> str:
    return escape_pipes(code(record.path))


def _conflict(record: ConflictRecord) -> str:
    kind = messages.CONFLICT_WORDS.get(record.kind) or cell(record.kind, _NAME_ROOM)
    return f"{kind}, {messages.hunks(record.hunks)}" if record.hunks > 0 else kind


def _taken(record: ConflictRecord) -> str:
    take = record.taken
    return "" if take is None else escape_pipes(messages.taken(take.choice, name(take.taken_by)))


def _reasons(record: ConflictRecord) -> str:
    several = len(record.reasons) > 1
    numbered = (f"({number}) {reason}" if several else reason for number, reason in enumerate(record.reasons, start=1))
    text = " ".join(numbered)
    unread = max(len(text) - _READ, 0)
    return cell(redact(text[:_READ]), _REASON_ROOM, unread=unread) if text.strip() else messages.NO_REASON


def _details(records: Sequence[ConflictRecord]) -> str:
    """Every settled conflict: by whom, and where the lines come from. Left out where the table has said all of it."""
    rows = [row for record in records for row in _detail_rows(record)]
    if not rows:
        return ""
    return details(messages.DETAILS, _bounded(rows, _DETAILS_ROOM))


def _detail_rows(record: ConflictRecord) -> Iterator[str]:
    path = code(record.path)
    if origin := _origins(record):
        yield f"- {path}: {origin}"
    if len(record.answers) > 1 or (record.answers and record.status is ResolutionStatus.OPEN):
        for answer in record.answers:
            yield f"- {path}, {_answer(answer)}"


def _answer(answer: HunkAnswer) -> str:
    by = messages.resolver(answer.resolver) or name(answer.resolver)
    return f"{messages.conflict_number(answer.index)}, {by}: {told(answer.reason, _REASON_ROOM)}"


def _origins(record: ConflictRecord) -> str:
    new = [(span.first, span.last) for span in record.provenance if span.origin is LineOrigin.NEW]
    return messages.lines_from(_lines_by_origin(record), new[:_MAX_NEW], len(new[_MAX_NEW:]))


def _lines_by_origin(record: ConflictRecord) -> Counter[LineOrigin]:
    counts: Counter[LineOrigin] = Counter()
    for span in record.provenance:
        counts[span.origin] += span.last - span.first + 1
    return counts


def _candidates(records: Sequence[ConflictRecord]) -> str:
    """Texts that rules propose for open conflicts, for a person to copy."""
    blocks = []
    for record in records:
        for answer in record.candidates:
            text = redact(answer.content[:_READ].decode("utf-8", "replace"))
            block = fence(text)
            shown = block if size(block) <= _CANDIDATE_ROOM else messages.TOO_LONG_TO_SHOW
            blocks.append(f"{code(record.path)}, {_answer(answer)}\n\n{shown}")
    if not blocks:
        return ""
    return details(messages.CANDIDATES, _bounded(blocks, _CANDIDATES_ROOM, between="\n\n"))


def _bounded(rows: Sequence[str], room: int, between: str = "\n") -> str:
    kept: list[str] = []
    for row in rows:
        room -= size(row) + len(between)
        if room < 0:
            break
        kept.append(row)
    return between.join([*kept, *more(len(rows) - len(kept), messages.more_details)])


def takes(record: ConflictRecord) -> tuple[Choice, ...]:
    """Which versions of an open conflict a button can offer."""
    sides = {Choice.OURS: Side.OURS, Choice.THEIRS: Side.THEIRS}
    there = [choice for choice, side in sides.items() if side in record.stages]
    if not record.stages and record.kind == ConflictKind.DIRECTORY_RENAME:
        return ()  # it is about a whole directory
    deletable = len(there) < len(sides) or record.kind == ConflictKind.MODIFY_DELETE
    return (*there, Choice.DELETE) if deletable else tuple(there)
