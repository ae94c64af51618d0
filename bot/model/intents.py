"""Intents: what an event asks of the bot, with the actor; and what policy decides about it."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from bot.model.cases import Choice
from bot.model.forge import Actor, RepositoryRef, ThreadKind
from bot.model.work import SeenText


class Strategy(StrEnum):
    """How a pull request is brought up to date with its base."""

    MERGE = "merge"
    REBASE = "rebase"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an intent comes from; ``key`` is unique per intent and makes it run once.

    ``key`` is built from the comment id, the hash of its body and the command's ordinal, or from the delivery of a
    click. ``thread`` says what ``number`` counts. ``comment_id`` is None for clicks. The events of check runs do not
    name a pull request: then ``number`` is 0, and ``job_id`` names the job whose check run was clicked, where the
    number is to be found.
    ``configured`` says that nobody asked but the repository's configuration; the actor is then the bot itself.
    ``seen`` is the issue's or pull request's text as the event saw it, where the event tells.
    """

    key: str
    delivery_id: str
    repository: RepositoryRef
    number: int
    actor: Actor
    thread: ThreadKind = ThreadKind.PULL
    comment_id: int | None = None
    quoted: str = ""
    job_id: str | None = None
    configured: bool = False
    seen: SeenText | None = None

    @property
    def subject(self) -> int:
        """The number as jobs have it: that of a pull request, or of an issue with a minus."""
        return -self.number if self.thread is ThreadKind.ISSUE else self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """Show the commands."""

    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve:
    """Resolve the conflicts of this pull request with its base."""

    origin: Origin
    instructions: str = ""
    strategy: Strategy = Strategy.MERGE
    budget_usd: float | None = None
    model: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Say where things stand."""

    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseHere:
    """Let nothing begin and nothing be pushed in this repository."""

    origin: Origin
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeHere:
    """End a pause of this repository."""

    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowConfig:
    """Say which configuration holds, and where it was said."""

    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    """Push exactly what was shown.

    ``sha`` (a prefix of the proposal's commit) pins it for comments, ``proposal_id`` for clicks. ``old_head`` (a prefix
    of the commit that a force push would replace) is what the approval of a rebase has to name. ``on_page`` says that
    it was given on the approval page. ``shown_for`` is for how long a comment had looked as it did when somebody
    approved by an emoji under it; None for all other approvals.
    """

    origin: Origin
    sha: str | None = None
    proposal_id: str | None = None
    old_head: str | None = None
    on_page: bool = False
    shown_for: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeSide:
    """Settle one open conflict as a person says; ``path`` None means the only open one, as buttons do."""

    origin: Origin
    choice: Choice
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Throw the proposal away."""

    origin: Origin
    proposal_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Do the last job again, from the start."""

    origin: Origin
    proposal_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Stop what is running."""

    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """Undo the last publication."""

    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Ok:
    """Let jobs run on the head of a fork's pull request; ``sha`` is a prefix of that head, and counts for no other."""

    origin: Origin
    sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Implement:
    """Do what an issue asks for, on a branch of its own."""

    origin: Origin
    instructions: str = ""
    budget_usd: float | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Say in words how an issue would be settled."""

    origin: Origin
    instructions: str = ""
    budget_usd: float | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """Do what the last plan on an issue says."""

    origin: Origin
    instructions: str = ""
    budget_usd: float | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explain:
    """Say in words what a pull request does, or answer a question about it."""

    origin: Origin
    instructions: str = ""
    budget_usd: float | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """Mend what the failing checks and the comments of a pull request say."""

    origin: Origin
    instructions: str = ""
    budget_usd: float | None = None
    model: str | None = None


Work = Implement | Plan | Go | Explain | Fix
"""What an agent does by what people wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misspelt:
    """A line addressed to us that is no command; ``message`` says what is wrong and what to write."""

    origin: Origin
    message: str


Intent = (
    Help
    | Resolve
    | Status
    | ShowConfig
    | PauseHere
    | ResumeHere
    | Approve
    | TakeSide
    | Reject
    | Retry
    | Cancel
    | Rollback
    | Ok
    | Work
    | Misspelt
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentOutcome:
    """What is on record of an intent that was decided; ``message`` is the sentence for people, where there is one."""

    actor_id: int
    decision: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Policy lets the intent through; ``reasons`` are the rules that spoke for it."""

    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Policy says no: ``rule`` is the rule's stable name, ``message`` a sentence for the person."""

    rule: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Nothing to do and nothing to say (a bot's comment, our own comment)."""

    rule: str


Decision = Allowed | Refused | Ignored
