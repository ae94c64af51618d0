"""Forges, repositories, people and pull requests, as much of them as the bot needs."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class ForgeKind(StrEnum):
    """Which product a repository lives on."""

    GITHUB = "github"
    GITLAB = "gitlab"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRef:
    """A repository, known by the forge's numeric id: names change, ids do not."""

    forge: ForgeKind
    id: int
    owner: str
    name: str
    installation_id: int

    @property
    def full_name(self) -> str:
        """``owner/name`` as in the forge's URLs."""
        return f"{self.owner}/{self.name}"


class ActorKind(StrEnum):
    """Whether a person or a program acts."""

    USER = "user"
    BOT = "bot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts: decided by the numeric id, shown by the login."""

    id: int
    login: str
    kind: ActorKind = ActorKind.USER


class PermissionLevel(IntEnum):
    """What a person may do in a repository, in ascending order.

    Source: https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user
    """

    NONE = 0
    READ = 1
    TRIAGE = 2
    WRITE = 3
    MAINTAIN = 4
    ADMIN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """A pull request as the forge describes it at one moment.

    ``head_repository_id`` is None when the head's repository was deleted. ``base_sha`` is the base the forge has on
    record, which lags behind the base branch: the mirror knows the live tip.
    """

    repository: RepositoryRef
    number: int
    title: str
    body: str
    open: bool
    merged: bool
    draft: bool
    author: Actor
    head_ref: str
    head_sha: str
    head_repository_id: int | None
    head_full_name: str | None
    base_ref: str
    base_sha: str
    maintainer_can_modify: bool
    html_url: str

    @property
    def from_fork(self) -> bool:
        """True when the head branch is not in the repository that holds the pull request."""
        return self.head_repository_id != self.repository.id


@dataclass(frozen=True, slots=True, kw_only=True)
class GitAccess:
    """Where and with which credential git may talk to one repository.

    ``authorization`` is the value of an HTTP Authorization header. It reaches git through the environment only.
    """

    url: str
    authorization: str

    def __repr__(self) -> str:
        return f"GitAccess(url={self.url!r}, authorization=<hidden>)"
