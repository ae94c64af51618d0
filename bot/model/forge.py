"""Forges, repositories, people and pull requests, as much of them as the bot needs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final


class ForgeKind(StrEnum):
    """Which product a repository lives on. Its value is also the name of the first forge of that kind."""

    GITHUB = "github"
    GITLAB = "gitlab"


PRODUCTS: Final[Mapping[ForgeKind, str]] = MappingProxyType({ForgeKind.GITHUB: "GitHub", ForgeKind.GITLAB: "GitLab"})
"""What people call each product."""

ForgeName = str
"""The name of one configured forge: ``github``, ``gitlab``, or ``<kind>-<word>`` for a further host or App.

Ids of repositories, people and deliveries are unique within one forge only, so whatever is kept goes by its name.
"""

_FORGE_NAME: Final = re.compile(r"(github|gitlab)(?:-[a-z0-9]+)*")
MAX_FORGE_NAME: Final = 32


def is_forge_name(text: str) -> bool:
    """Whether ``text`` can be the name of a forge: a kind, alone or with words in lower case and digits behind it."""
    return len(text) <= MAX_FORGE_NAME and _FORGE_NAME.fullmatch(text) is not None


def kind_of(name: ForgeName) -> ForgeKind:
    """Which product a forge is, as its name says.

    Raises:
        ValueError: it is no name of a forge.
    """
    if not is_forge_name(name):
        raise ValueError(f"a forge's name is `github`, `gitlab` or begins with one and a hyphen, not {name!r}")
    return ForgeKind(name.partition("-")[0])


def pull_name(forge: ForgeName, number: int) -> str:
    """A pull request as the forge links it: on GitLab ``#`` would lead to an issue of that number."""
    return f"{'!' if kind_of(forge) is ForgeKind.GITLAB else '#'}{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRef:
    """A repository, known by the forge's numeric id: names change, ids do not.

    ``installation_id`` is the GitHub App's installation; 0 where the forge has no such thing.
    """

    forge: ForgeName
    id: int
    owner: str
    name: str
    installation_id: int

    @property
    def full_name(self) -> str:
        """``owner/name`` as in the forge's URLs."""
        return f"{self.owner}/{self.name}"


class ThreadKind(StrEnum):
    """What people talk about in a thread."""

    PULL = "pull"
    ISSUE = "issue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """Where people talk: under a pull request or under an issue.

    GitHub numbers both in one row, GitLab each for itself: issue 7 and merge request 7 are there side by side. So a
    number alone says too little wherever a comment is meant.
    """

    kind: ThreadKind = ThreadKind.PULL
    number: int


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


class MergeBlock(StrEnum):
    """What keeps a pull request from being merged; of several, the one that the forge names."""

    CONFLICT = "conflict"
    BEHIND = "behind"
    DRAFT = "draft"
    APPROVALS = "approvals"
    DISCUSSIONS = "discussions"
    CHECKS = "checks"
    RULES = "rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merging:
    """How a pull request is merged. ``blocked`` None: nothing is in the way, or the forge does not know yet.

    ``squashes``: all of its commits become one. ``linear``: it goes in by fast-forward or by a rebase, if need be.
    """

    blocked: MergeBlock | None = None
    squashes: bool = False
    linear: bool = False


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
    merging: Merging = Merging()

    @property
    def from_fork(self) -> bool:
        """True when the head branch is not in the repository that holds the pull request."""
        return self.head_repository_id != self.repository.id


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """A file of the configuration as it was found; ``path`` is how people are told of it."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GitAccess:
    """Where and with which credential git may talk to one repository.

    ``authorization`` is the value of an HTTP Authorization header. It reaches git through the environment only.
    """

    url: str
    authorization: str

    def at(self, full_name: str, *, instead_of: str) -> "GitAccess":
        """The same credential for another repository of the same forge; both are named as in the forge's URLs.

        Raises:
            ValueError: the address does not name ``instead_of``.
        """
        before, found, after = self.url.rpartition(instead_of)
        if not found:
            raise ValueError(f"the address of {instead_of} does not name it")
        return replace(self, url=f"{before}{full_name}{after}")

    def __repr__(self) -> str:
        return f"GitAccess(url={self.url!r}, authorization=<hidden>)"
