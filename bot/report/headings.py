"""Where a job stands, in a few words."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, assert_never

from bot.model.jobs import JobKind, JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkWords:
    """What work that people asked for in words is called: itself, while it is done, and when it is done."""

    name: str
    doing: str
    done: str


WORK_WORDS: Final[Mapping[JobKind, WorkWords]] = MappingProxyType(
    {
        JobKind.IMPLEMENT: WorkWords(name="change", doing="working on the issue", done="a draft pull request is open"),
        JobKind.PLAN: WorkWords(name="plan", doing="making a plan", done="the plan is made"),
        JobKind.EXPLAIN: WorkWords(name="explanation", doing="reading the pull request", done="explained"),
        JobKind.FIX: WorkWords(name="fix", doing="mending the pull request", done="the fix is pushed"),
    }
)


def heading(kind: JobKind, state: JobState) -> str:  # noqa: C901, PLR0911, PLR0912 - one short text for every state
    """Where a job stands, in a few words: the comment's heading and the check run's title."""
    if (words := WORK_WORDS.get(kind)) is not None:
        return _of_work(words, state)
    rollback = kind is JobKind.ROLLBACK
    match state:
        case JobState.QUEUED:
            return "rollback queued" if rollback else "queued"
        case JobState.PREPARING | JobState.RUNNING | JobState.VALIDATING:
            return "preparing the rollback" if rollback else "resolving the conflicts"
        case JobState.AWAITING_APPROVAL:
            return "a revert waits for approval" if rollback else "a resolution waits for approval"
        case JobState.PUBLISHING:
            return "rolling back" if rollback else "pushing the approved resolution"
        case JobState.PUBLISHED:
            return "rolled back" if rollback else "conflicts resolved"
        case JobState.NOTHING_TO_DO:
            return "nothing to roll back" if rollback else "nothing to resolve"
        case JobState.REPORTED:
            return "dry run"
        case JobState.UNRESOLVED:
            return "the rollback needs a person" if rollback else "the conflicts need a person"
        case JobState.REFUSED:
            return "rollback refused" if rollback else "refused"
        case JobState.FAILED:
            return "rollback failed" if rollback else "failed"
        case JobState.CANCELLED:
            return "rollback cancelled" if rollback else "cancelled"
        case JobState.REJECTED:
            return "proposal discarded"
        case JobState.SUPERSEDED:
            return "out of date"
        case _:
            assert_never(state)


def _of_work(words: WorkWords, state: JobState) -> str:  # noqa: C901, PLR0911, PLR0912 - one short text for every state
    match state:
        case JobState.QUEUED:
            return f"{words.name} queued"
        case JobState.PREPARING | JobState.RUNNING | JobState.VALIDATING:
            return words.doing
        case JobState.AWAITING_APPROVAL:
            return f"{words.name} waits for approval"
        case JobState.PUBLISHING:
            return f"{words.name} is being published"
        case JobState.PUBLISHED | JobState.REPORTED:
            return words.done
        case JobState.NOTHING_TO_DO:
            return "nothing was changed"
        case JobState.UNRESOLVED:
            return f"{words.name} needs a person"
        case JobState.REFUSED:
            return f"{words.name} refused"
        case JobState.FAILED:
            return f"{words.name} failed"
        case JobState.CANCELLED:
            return f"{words.name} cancelled"
        case JobState.REJECTED:
            return f"{words.name} discarded"
        case JobState.SUPERSEDED:
            return "out of date"
        case _:
            assert_never(state)
