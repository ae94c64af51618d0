"""Events: verified, decoded deliveries. No ``Event`` exists that was not verified."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.model.forge import Actor, ForgeName, RepositoryRef
from bot.model.work import SeenText


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentPosted:
    """Somebody wrote a comment under a pull request or an issue; ``seen`` is that as it was then."""

    delivery_id: str
    repository: RepositoryRef
    number: int
    on_pull_request: bool
    comment_id: int
    body: str
    actor: Actor
    seen: SeenText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentEdited:
    """Somebody changed a comment; the actor is who edited, not who wrote."""

    delivery_id: str
    repository: RepositoryRef
    number: int
    on_pull_request: bool
    comment_id: int
    body: str
    body_before: str
    actor: Actor
    seen: SeenText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reacted:
    """Somebody put an emoji under a comment: ``body`` is what the comment said then, ``author_id`` who wrote it.

    Or they took back what they had put there (``taken_back``). ``body_stood`` is for how long the comment had said so.
    """

    delivery_id: str
    repository: RepositoryRef
    number: int
    on_pull_request: bool
    comment_id: int
    author_id: int
    body: str
    reaction_id: int
    reaction: str
    actor: Actor
    taken_back: bool = False
    body_stood: timedelta = timedelta(0)


class PullRequestAction(StrEnum):
    """What happened to a pull request, as far as the bot cares."""

    OPENED = "opened"
    REOPENED = "reopened"
    CLOSED = "closed"
    HEAD_MOVED = "synchronize"
    EDITED = "edited"
    DRAFTED = "converted_to_draft"
    READY = "ready_for_review"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAdded:
    """Somebody put a label on a pull request or an issue.

    ``title`` and ``body`` are as they stood at that moment: what is edited later is not obeyed. ``base_ref`` is the
    branch whose configuration counts: a pull request's base, the default branch for an issue. ``more`` are further
    labels and ``assignees`` who was assigned with them, on forges that tell of several at once.
    """

    delivery_id: str
    repository: RepositoryRef
    number: int
    on_pull_request: bool
    label: str
    title: str
    body: str
    base_ref: str
    actor: Actor
    more: tuple[str, ...] = ()
    assignees: tuple[Actor, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """Somebody assigned a pull request or an issue to ``assignee``; everything else is as for a label."""

    delivery_id: str
    repository: RepositoryRef
    number: int
    on_pull_request: bool
    assignee: Actor
    title: str
    body: str
    base_ref: str
    actor: Actor
    more: tuple[Actor, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestChanged:
    """A pull request was opened, closed, got commits or another base.

    ``open`` and ``base_sha`` (the base's tip on record) are as of ``updated_at``; None where the forge does not say.
    ``marked`` is what it was given with that, on forges that tell of both at once and of neither again.
    """

    delivery_id: str
    repository: RepositoryRef
    number: int
    action: PullRequestAction
    head_sha: str
    base_ref: str
    actor: Actor
    open: bool | None = None
    base_sha: str | None = None
    updated_at: datetime | None = None
    marked: LabelAdded | Assigned | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckActionRequested:
    """Somebody clicked a button of one of our check runs."""

    delivery_id: str
    repository: RepositoryRef
    check_run_id: int
    external_id: str
    head_sha: str
    action: str
    actor: Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRerequested:
    """Somebody asked for one of our check runs again."""

    delivery_id: str
    repository: RepositoryRef
    check_run_id: int
    external_id: str
    head_sha: str
    actor: Actor


class PageDecision(StrEnum):
    """What somebody decided on the approval page."""

    APPROVE = "approve"
    DISCARD = "discard"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedOnPage:
    """Somebody pressed a button of the approval page: who it was, the forge has told the page.

    ``action_id`` is the same however often the same form was sent. ``commit`` is what the page showed, ``old_head`` the
    head that it said would be replaced by force, None where none would be.
    """

    delivery_id: str
    action_id: str
    repository: RepositoryRef
    job_id: str
    proposal_id: str
    commit: str
    old_head: str | None
    decision: PageDecision
    actor: Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFailed:
    """A check of others, or a whole pipeline, failed on a commit.

    ``pulls`` are the pull requests that the forge itself names with it, each a number and its base branch: some of
    those with that head, or none, as for heads of forks.
    """

    delivery_id: str
    repository: RepositoryRef
    head_sha: str
    pulls: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchPushed:
    """A branch moved; ``before`` or ``after`` is all zeros when it was created or deleted."""

    delivery_id: str
    repository: RepositoryRef
    branch: str
    before: str
    after: str
    actor: Actor


class InstallationAction(StrEnum):
    """What happened to an installation of the App."""

    CREATED = "created"
    DELETED = "deleted"
    SUSPENDED = "suspend"
    UNSUSPENDED = "unsuspend"
    PERMISSIONS_ACCEPTED = "new_permissions_accepted"
    REPOSITORIES_CHANGED = "repositories"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationChanged:
    """The App was installed, removed, suspended, or got other repositories."""

    delivery_id: str
    forge: ForgeName
    installation_id: int
    account: str
    action: InstallationAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinged:
    """The forge tests the webhook."""

    delivery_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """An authentic delivery of which the bot makes no use; ``reason`` says why."""

    delivery_id: str
    reason: str


Event = (
    CommentPosted
    | CommentEdited
    | Reacted
    | PullRequestChanged
    | LabelAdded
    | Assigned
    | CheckActionRequested
    | CheckRerequested
    | DecidedOnPage
    | CheckFailed
    | BranchPushed
    | InstallationChanged
    | Pinged
    | Unused
)
