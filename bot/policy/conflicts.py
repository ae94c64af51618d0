"""What people decide about single conflicts, and what may be approved while some are open."""

from collections.abc import Sequence
from typing import Final

from bot.commands import PREFIX
from bot.model.cases import Choice, Take
from bot.model.conflicts import Side
from bot.model.forge import PullRequest
from bot.model.intents import Allowed, Refused, TakeSide
from bot.model.jobs import Job, JobKind
from bot.model.proposals import Proposal, ProposalKind
from bot.model.reports import ConflictRecord, ResolutionStatus
from bot.model.text import code_span

_SHOWN: Final = 20
"""Open paths that a refusal lists."""

_PATH_CHARACTERS: Final = 200

_WAYS_ON: Final = (
    f"`{PREFIX} take ours|theirs|base|delete <path>` settles one, and `{PREFIX} retry` tries all of them again; or "
    "finish the prepared branch by hand."
)


def open_conflicts(records: Sequence[ConflictRecord]) -> tuple[ConflictRecord, ...]:
    """The conflicts that nobody settled."""
    return tuple(record for record in records if record.status is ResolutionStatus.OPEN)


def taken_path(intent: TakeSide, records: Sequence[ConflictRecord]) -> str | None:
    """The path that a ``take`` is about; a button means the only open one, None when there is not exactly one."""
    if intent.path is not None:
        return intent.path
    left = open_conflicts(records)
    return left[0].path if len(left) == 1 else None


def check_take(intent: TakeSide, latest: Job | None, records: Sequence[ConflictRecord]) -> Allowed | Refused:
    """Whether the newest job left the conflict open, and whether there is what is to be taken."""
    left = open_conflicts(records)
    if latest is None or latest.request.kind is not JobKind.RESOLVE or not left:
        return _no(f"No conflict is open here. `{PREFIX} resolve` looks for conflicts.")
    if latest.request.dry_run:
        return _no(f"The last job was a dry run and left nothing to finish. `{PREFIX} resolve` starts a real one.")
    path = taken_path(intent, records)
    if path is None:
        return _no(
            f"More than one conflict is open: {listed(left)}. Say which: `{PREFIX} take {intent.choice} <path>`."
        )
    record = next((each for each in left if each.path == path), None)
    if record is None:
        return _no(f"{code_span(path, limit=_PATH_CHARACTERS)} is no open conflict here. Open: {listed(left)}.")
    return _check_choice(intent.choice, record)


def _check_choice(choice: Choice, record: ConflictRecord) -> Allowed | Refused:
    shown = code_span(record.path, limit=_PATH_CHARACTERS)
    if not record.stages:
        return _no(f"The conflict at {shown} is about a directory: no side has a version to take. Merge it by hand.")
    if choice is Choice.BASE and Side.ANCESTOR not in record.stages:
        return _no(f"There is no base version of {shown}: the path is not in what both sides started from.")
    return Allowed(reasons=(f"{shown} is open",))


def _no(message: str) -> Refused:
    return Refused(rule="take", message=message)


def check_unmoved(job: Job, *, pull_request: PullRequest, live_base: str | None) -> Allowed | Refused:
    """Whether both branches are where the job saw them; ``live_base`` is the base's tip now, None when it is gone."""
    if pull_request.base_ref != job.request.base_ref or live_base is None or live_base != job.base_sha:
        what = "The base branch"
    elif pull_request.head_sha != job.head_sha:
        what = "The head"
    else:
        return Allowed(reasons=("head and base are where the job saw them",))
    message = f"{what} moved since the conflicts were found. `{PREFIX} resolve` looks at them as they are now."
    return Refused(rule="stale", message=message)


def with_take(earlier: Sequence[Take], new: Take) -> tuple[Take, ...]:
    """The decisions of a job with a new one; the later of two about one path counts."""
    return (*(take for take in earlier if take.path != new.path), new)


def check_partial(proposal: Proposal, records: Sequence[ConflictRecord]) -> Refused | None:
    """Why a proposal that leaves conflicts open cannot be approved; None for a whole one."""
    if proposal.kind is not ProposalKind.PARTIAL:
        return None
    left = open_conflicts(records)
    which = f": {listed(left)}" if left else ""
    message = f"This is not a whole merge, so it cannot be pushed. Conflicts are open{which}. {_WAYS_ON}"
    return Refused(rule="partial", message=message)


def check_old_head(proposal: Proposal, *, named: str | None) -> Allowed | Refused | None:
    """Whether an approval names the commit that a force push would replace; a merge replaces none and need not."""
    old = proposal.head_sha
    if named is not None and old.startswith(named.lower()):
        return Allowed(reasons=(f"{named} is the head that will be replaced",))
    if named is None and proposal.kind is not ProposalKind.REBASE:
        return None
    command = f"`{PREFIX} approve --old-head {old[:12]} {proposal.commit[:12]}`"
    if named is not None:
        message = f"The head that would be replaced is `{old[:12]}`, not {code_span(named)}. To approve: {command}"
    else:
        message = (
            f"This is a rebase: pushing it replaces the commits up to `{old[:12]}` by force, and an approval has to "
            f"name that commit. To approve: {command}"
        )
    return Refused(rule="old-head", message=message)


def listed(records: Sequence[ConflictRecord]) -> str:
    """Paths as Markdown, of very many only the first."""
    shown = ", ".join(code_span(record.path, limit=_PATH_CHARACTERS) for record in records[:_SHOWN])
    more = len(records) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
