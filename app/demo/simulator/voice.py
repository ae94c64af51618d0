"""How a forge tells the world what happened on it, in its own words: GitHub to its App, GitLab to a project's hooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.demo.simulator.git import CommitInfo
from app.demo.simulator.state import Account, Comment, Issue, PullRequest, Reaction, Repository

Changes = Mapping[str, tuple[object, object]]
"""What an act changed: the fields' names (``title``, ``body``, ``base``, ``base_sha``, ``head``), old and new value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One ref that moved. ``old`` or ``new`` None: it was not, or is no longer, there.

    ``commits`` are the new ones, oldest first; ``head`` is the commit at ``new``; ``paths`` are what they changed.
    """

    repository: Repository
    ref: str
    old: str | None
    new: str | None
    forced: bool
    commits: Sequence[CommitInfo]
    head: CommitInfo | None
    paths: Mapping[str, Mapping[str, Sequence[str]]]


class Voice(Protocol):
    """One forge's words. Everything that people and the API do on it is told through here."""

    def email(self, number: int, login: str) -> str:
        """The address that hides a person's own."""
        ...

    def pull_ref(self, number: int) -> str:
        """Where the base repository keeps the head of a pull request."""
        ...

    def issues(self, repository: Repository) -> dict[int, Issue]:
        """Where issues are kept and counted: GitHub counts them together with its pull requests."""
        ...

    def token(self, account: Account) -> str:
        """A new personal access token, for git and the API."""
        ...

    def cover(self, repository: Repository) -> None:
        """Let FlowForge reach a new repository, silently."""
        ...

    def comment(self, action: str, comment: Comment, sender: Account, *, before: str = "") -> None:
        """A comment was ``created``, ``edited`` (from the text ``before``) or ``deleted``."""
        ...

    def reaction(self, action: str, comment: Comment, reaction: Reaction) -> None:
        """An emoji was ``added`` to a comment, or ``removed``."""
        ...

    def issue(self, action: str, issue: Issue, sender: Account, changes: Changes) -> None:
        """An issue was ``opened``, ``edited``, ``closed`` or ``reopened``."""
        ...

    def label(self, action: str, issue: Issue, name: str, sender: Account) -> None:
        """An issue or pull request was ``labeled`` with a name, or ``unlabeled``."""
        ...

    def assign(self, issue: Issue, assignee: Account, sender: Account) -> None:
        """An issue or pull request was assigned to somebody."""
        ...

    def pull(self, action: str, pull: PullRequest, sender: Account, changes: Changes) -> None:
        """A pull request was ``opened``, ``edited``, ``synchronize``d, ``closed`` or ``reopened``."""
        ...

    def push(self, push: Push, pusher: Account) -> None:
        """A branch or tag moved."""
        ...
