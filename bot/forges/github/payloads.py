"""The fields the bot reads of GitHub's webhook payloads, with what must be true of each.

Everything else in a payload is skipped, URLs above all: what a payload says is never dialled.
https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta, Struct

Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""GitHub's numeric ids are positive and fit the database's 64 bits."""

Sha = Annotated[str, Meta(pattern=r"\A[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")]
"""A full object id, SHA-1 or SHA-256."""

FAILED: Final = frozenset({"failure", "timed_out", "startup_failure"})
"""Conclusions of check runs: https://docs.github.com/en/rest/guides/using-the-rest-api-to-interact-with-checks ."""

Login = Annotated[str, Meta(min_length=1, max_length=255)]
RefName = Annotated[str, Meta(min_length=1, max_length=1024)]

FullName = Annotated[
    str,
    Meta(pattern=r"\A(?!\.{1,2}/)[A-Za-z0-9._-]{1,100}/(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,100}\Z"),
]
"""``owner/name``: these characters only, since both become part of URLs; never ``.`` or ``..``."""


class User(Struct, frozen=True):
    """Whoever acts; ``type`` is ``User``, ``Bot``, ``Organization`` or ``Mannequin``."""

    id: Id
    login: Login
    type: str = "User"


class Repository(Struct, frozen=True):
    """The repository an event is about."""

    id: Id
    full_name: FullName


class InstallationId(Struct, frozen=True):
    """The installation through which GitHub told us."""

    id: Id


class Action(Struct, frozen=True):
    """What most payloads begin with."""

    action: str


class InRepository(Struct, frozen=True, kw_only=True):
    """What every event about a repository carries."""

    repository: Repository
    installation: InstallationId
    sender: User


class Comment(Struct, frozen=True):
    """A comment under an issue or pull request."""

    id: Id
    body: str
    updated_at: datetime | None = None


class PullRequestLink(Struct, frozen=True):
    """Present in an issue that is a pull request."""


class Issue(Struct, frozen=True):
    """An issue, or the issue side of a pull request."""

    number: Id
    title: str = ""
    body: str | None = None
    pull_request: PullRequestLink | None = None


class TextBefore(Struct, frozen=True, rename={"before": "from"}):
    """The text that an edit replaced."""

    before: str


class CommentChanges(Struct, frozen=True):
    """What an edit of a comment changed."""

    body: TextBefore | None = None


class IssueComment(InRepository, frozen=True, kw_only=True):
    """https://docs.github.com/en/webhooks/webhook-events-and-payloads#issue_comment ."""

    issue: Issue
    comment: Comment
    changes: CommentChanges = CommentChanges()


class Head(Struct, frozen=True):
    """The head of a pull request."""

    sha: Sha


class Base(Struct, frozen=True):
    """The branch a pull request is for, and its tip as GitHub has it on record."""

    ref: RefName
    sha: Sha | None = None


class PullRequestState(Struct, frozen=True):
    """A pull request as the event saw it."""

    head: Head
    base: Base
    state: str | None = None
    updated_at: datetime | None = None


class PullRequest(InRepository, frozen=True, kw_only=True):
    """https://docs.github.com/en/webhooks/webhook-events-and-payloads#pull_request ."""

    action: str
    number: Id
    pull_request: PullRequestState


class DefaultBranch(Struct, frozen=True):
    """The branch that a repository shows first."""

    default_branch: RefName


class InRepositoryWithDefault(Struct, frozen=True):
    """Just enough of an event to learn the default branch of its repository."""

    repository: DefaultBranch


class Label(Struct, frozen=True):
    """A label; GitHub's names have at most 50 characters, and here some room."""

    name: Annotated[str, Meta(min_length=1, max_length=1024)]


class Text(Struct, frozen=True):
    """What an issue or pull request says; ``body`` is null where nothing was written."""

    title: str
    body: str | None = None


class Marked(InRepository, frozen=True, kw_only=True):
    """``labeled`` and ``assigned``: an event has the one or the other.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads?actionType=labeled#issues
    """

    label: Label | None = None
    assignee: User | None = None


class PullRequestMarked(Marked, frozen=True, kw_only=True):
    """A ``pull_request`` event of the action ``labeled`` or ``assigned``."""

    pull_request: Text


class IssueMarked(Marked, frozen=True, kw_only=True):
    """An ``issues`` event of the action ``labeled`` or ``assigned``."""

    issue: Text


class IssueNumbered(Struct, frozen=True):
    """Just enough of an ``issues`` event to know which issue it is about."""

    issue: Issue


class App(Struct, frozen=True):
    """A GitHub App."""

    id: Id


class CheckRunOwner(Struct, frozen=True):
    """Whose check run an event is about."""

    app: App | None = None


class CheckRunOwned(Struct, frozen=True):
    """Just enough of a ``check_run`` event to see whether it is about us."""

    check_run: CheckRunOwner


class CheckRunState(Struct, frozen=True):
    """A check run of ours."""

    id: Id
    head_sha: Sha
    external_id: str | None = None


class CheckRun(InRepository, frozen=True, kw_only=True):
    """https://docs.github.com/en/webhooks/webhook-events-and-payloads#check_run ."""

    check_run: CheckRunState


class RepositoryId(Struct, frozen=True):
    """A repository, by its id alone."""

    id: Id


class CheckedBase(Struct, frozen=True):
    """The base of a pull request that a check run belongs to."""

    ref: RefName
    repo: RepositoryId


class CheckedPull(Struct, frozen=True):
    """A pull request that a check run belongs to; GitHub names none whose head is in a fork."""

    number: Id
    base: CheckedBase


class CheckRunEnd(Struct, frozen=True, kw_only=True):
    """A check run of whoever that ended; its name and texts are not read here."""

    head_sha: Sha
    conclusion: str | None = None
    pull_requests: list[CheckedPull] = []


class CheckRunEnded(InRepository, frozen=True, kw_only=True):
    """A ``check_run`` event of the action ``completed``."""

    check_run: CheckRunEnd


class RequestedAction(Struct, frozen=True):
    """Which button was clicked."""

    identifier: str


class CheckRunWithAction(CheckRun, frozen=True, kw_only=True):
    """A ``check_run`` event of the action ``requested_action``."""

    requested_action: RequestedAction


class Pusher(Struct, frozen=True):
    """Who pushed, by name only: all there is when the push has no sender."""

    name: Login


class Push(Struct, frozen=True, kw_only=True):
    """https://docs.github.com/en/webhooks/webhook-events-and-payloads#push ."""

    ref: RefName
    before: Sha
    after: Sha
    repository: Repository
    installation: InstallationId
    pusher: Pusher
    sender: User | None = None


class Ping(Struct, frozen=True):
    """https://docs.github.com/en/webhooks/webhook-events-and-payloads#ping ."""


class Account(Struct, frozen=True):
    """Where the App is installed: a user or organization (login), or an enterprise (slug)."""

    login: Login | None = None
    slug: Login | None = None


class InstallationState(Struct, frozen=True):
    """An installation of some App."""

    id: Id
    app_id: Id
    account: Account | None = None


class Installation(Struct, frozen=True):
    """``installation`` and ``installation_repositories``.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation
    """

    action: str
    installation: InstallationState
