"""What the simulated GitHub knows. Mutable on purpose: this is a world, not a value."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from itertools import count
from pathlib import Path
from typing import TypeVar

from app.demo.simulator.settings import AppSpec
from bot.ports.system import Clock

T = TypeVar("T")

ZERO_OID = "0" * 40

OTHER_APP_ID = 15_368
"""The id of the App that foreign check runs are of."""


class AccountKind(StrEnum):
    """The ``type`` of an account in GitHub's answers."""

    USER = "User"
    BOT = "Bot"
    ORGANIZATION = "Organization"


class Role(IntEnum):
    """What a person may do in a repository, in ascending order."""

    NONE = 0
    READ = 1
    TRIAGE = 2
    WRITE = 3
    MAINTAIN = 4
    ADMIN = 5


@dataclass(slots=True, kw_only=True, eq=False)
class Account:
    """A person, a bot or an organization."""

    id: int
    login: str
    kind: AccountKind
    name: str
    email: str
    created_at: datetime


@dataclass(slots=True, kw_only=True, eq=False)
class Repository:
    """A repository: a bare git repository in ``directory`` and what GitHub keeps beside it.

    ``refs`` mirrors ``refs/heads`` and ``refs/tags`` of the bare repository as of the last change, full names to ids.
    ``threads`` holds pull requests and, on GitHub, the issues that are counted with them; GitLab's are in ``issues``,
    and ``ci_config_path`` is where it finds the pipeline: empty means ``.gitlab-ci.yml``. ``merges_by`` is the one way
    in which pull requests are merged, ``merge``, ``squash`` or ``rebase``; empty: any.
    """

    id: int
    owner: Account
    name: str
    directory: Path
    default_branch: str
    private: bool
    created_at: datetime
    pushed_at: datetime
    parent: "Repository | None" = None
    roles: dict[int, Role] = field(default_factory=dict)
    protected: set[str] = field(default_factory=set)
    refs: dict[str, str] = field(default_factory=dict)
    threads: "dict[int, Issue]" = field(default_factory=dict)
    issues: "dict[int, Issue]" = field(default_factory=dict)
    deleted: bool = False
    ci_config_path: str = ""
    merges_by: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def full_name(self) -> str:
        """``owner/name``."""
        return f"{self.owner.login}/{self.name}"

    def branch(self, name: str) -> str | None:
        """Where a branch points, None when there is no such branch."""
        return self.refs.get(f"refs/heads/{name}")

    def role_of(self, account: Account) -> Role:
        """What the account may do here; everyone may read what is public."""
        if account.id == self.owner.id:
            return Role.ADMIN
        return max(self.roles.get(account.id, Role.NONE), Role.NONE if self.private else Role.READ)

    def pull_requests(self) -> "list[PullRequest]":
        """The pull requests into this repository, oldest first."""
        return [thread for thread in self.threads.values() if isinstance(thread, PullRequest)]


@dataclass(slots=True, kw_only=True, eq=False)
class Reaction:
    """An emoji under a comment."""

    id: int
    account: Account
    content: str
    created_at: datetime


@dataclass(slots=True, kw_only=True, eq=False)
class Comment:
    """A comment under an issue or a pull request; ``via_app``: by our App, ``system``: by GitLab itself.

    ``resolved`` is None where there is nothing to resolve, as in all comments but those on lines on GitLab.
    """

    id: int
    issue: "Issue"
    author: Account
    body: str
    created_at: datetime
    updated_at: datetime
    via_app: bool
    system: bool = False
    resolved: bool | None = None
    reactions: list[Reaction] = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class Issue:
    """An issue; every pull request is one too."""

    id: int
    repository: Repository
    number: int
    title: str
    body: str
    author: Account
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
    labels: list[str] = field(default_factory=list)
    assignees: list[Account] = field(default_factory=list)
    comments: dict[int, Comment] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether it is open."""
        return self.closed_at is None


@dataclass(slots=True, kw_only=True, eq=False)
class PullRequest(Issue):
    """A pull request.

    ``base_sha`` is the base as of the last change of the head, which lags behind the base branch, as GitHub's does.
    ``mergeable`` is None until somebody asked and git has answered; ``merge_pair`` says for which base and head.
    """

    head_repository: Repository
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    draft: bool = False
    maintainer_can_modify: bool = False
    merged_at: datetime | None = None
    merged_by: Account | None = None
    merge_commit_sha: str | None = None
    waits_for: str = ""
    mergeable: bool | None = None
    merge_pair: tuple[str, str] | None = None
    remarks: "list[Remark]" = field(default_factory=list)

    @property
    def from_fork(self) -> bool:
        """Whether the head branch is in another repository."""
        return self.head_repository is not self.repository


@dataclass(slots=True, kw_only=True, eq=False)
class Remark:
    """A comment of a review on a line, on GitHub; ``line`` is None when the line is gone.

    ``answers`` is the first comment of its thread, None where it is that itself, and then says if that is resolved.
    """

    id: int
    author: Account
    path: str
    line: int | None
    body: str
    commit: str
    created_at: datetime
    answers: "Remark | None" = None
    resolved: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class CheckRun:
    """A check run. ``actions`` are its buttons, which GitHub shows to people but never returns by the API.

    ``foreign`` ones are of another App than ours.
    """

    id: int
    suite_id: int
    repository: Repository
    name: str
    head_sha: str
    external_id: str
    details_url: str
    status: str
    conclusion: str | None
    started_at: datetime
    completed_at: datetime | None
    title: str | None = None
    summary: str | None = None
    text: str | None = None
    annotations: list[dict[str, object]] = field(default_factory=list)
    actions: list[dict[str, str]] = field(default_factory=list)
    foreign: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class GitHubStatus:
    """A commit status."""

    id: int
    repository: Repository
    sha: str
    context: str
    state: str
    description: str
    creator: Account
    created_at: datetime


@dataclass(slots=True, kw_only=True, eq=False)
class Installation:
    """The App, installed on an account. ``repositories`` None means all of the account's."""

    id: int
    account: Account
    permissions: dict[str, str]
    created_at: datetime
    updated_at: datetime
    repositories: set[int] | None = None
    suspended_at: datetime | None = None

    def covers(self, repository: Repository) -> bool:
        """Whether the installation reaches the repository."""
        if repository.deleted or repository.owner is not self.account:
            return False
        return self.repositories is None or repository.id in self.repositories


@dataclass(slots=True, kw_only=True, eq=False)
class World:
    """Everything there is on any forge, and a bell that rings at every change."""

    clock: Clock
    bot_login: str
    base_url: str = ""
    accounts: dict[str, Account] = field(default_factory=dict)
    repositories: dict[int, Repository] = field(default_factory=dict)
    renamed: dict[str, Repository] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: count(1_000_001))
    _bell: asyncio.Event = field(default_factory=asyncio.Event)

    def new_id(self) -> int:
        """A fresh numeric id, unique over all kinds of objects."""
        return next(self._ids)

    def now(self) -> datetime:
        """The present moment, cut to seconds as in GitHub's answers."""
        return self.clock.now().astimezone(UTC).replace(microsecond=0)

    def changed(self) -> None:
        """Wake everyone who waits for a change."""
        self._bell.set()
        self._bell = asyncio.Event()

    async def wait_for(self, predicate: Callable[[], T | None], *, timeout: float, what: str) -> T:  # noqa: ASYNC109 - the caller's deadline
        """The first truthy answer of ``predicate``, which is asked again after every change.

        Raises:
            TimeoutError: it stayed false for ``timeout`` seconds; the message says for ``what`` we waited.
        """
        try:
            async with asyncio.timeout(timeout):
                while not (answer := predicate()):
                    await self._bell.wait()
                return answer
        except TimeoutError:
            raise TimeoutError(f"the simulator waited {timeout} s in vain for {what}") from None

    @property
    def bot(self) -> Account:
        """The account that FlowForge's own comments and pushes appear under."""
        return self.accounts[self.bot_login]

    def repository(self, full_name: str) -> Repository | None:
        """A repository by ``owner/name``, ignoring case as GitHub does."""
        wanted = full_name.casefold()
        for repository in self.repositories.values():
            if not repository.deleted and repository.full_name.casefold() == wanted:
                return repository
        return None

    def account_by_id(self, account_id: int) -> Account | None:
        """An account by its number."""
        return next((account for account in self.accounts.values() if account.id == account_id), None)

    def pull_requests_from(self, repository: Repository, branch: str) -> Iterator[PullRequest]:
        """The open pull requests, in any repository, whose head is that branch."""
        for target in self.repositories.values():
            for pull in target.pull_requests():
                if pull.open and pull.head_repository is repository and pull.head_ref == branch:
                    yield pull


@dataclass(slots=True, kw_only=True, eq=False)
class GitHubWorld(World):
    """What there is on GitHub only: the App, where it is installed, and its check runs.

    ``enterprise`` makes it a GitHub Enterprise Server: the API is at ``/api/v3`` and limits nobody. In ``private`` mode
    it tells nothing to nobody in particular.
    """

    app: AppSpec
    enterprise: bool = False
    private: bool = False
    installations: dict[int, Installation] = field(default_factory=dict)
    check_runs: dict[int, CheckRun] = field(default_factory=dict)
    suites: dict[tuple[int, str], int] = field(default_factory=dict)
    teams: dict[str, set[int]] = field(default_factory=dict)
    statuses: list[GitHubStatus] = field(default_factory=list)

    def installation_for(self, repository: Repository) -> Installation | None:
        """The installation that reaches a repository, if any."""
        return next((one for one in self.installations.values() if one.covers(repository)), None)
