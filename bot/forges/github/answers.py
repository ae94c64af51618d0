"""The fields the bot reads of GitHub's REST answers.

https://docs.github.com/en/rest
"""

from datetime import datetime

from msgspec import Struct


class User(Struct, frozen=True):
    """A user, bot or organization."""

    id: int
    login: str
    type: str = "User"


class OwnApp(Struct, frozen=True):
    """https://docs.github.com/en/rest/apps/apps#get-the-authenticated-app ."""

    id: int
    permissions: dict[str, str]
    events: list[str]
    slug: str = ""


class Installation(Struct, frozen=True):
    """https://docs.github.com/en/rest/apps/apps#list-installations-for-the-authenticated-app ."""

    id: int
    permissions: dict[str, str]
    events: list[str]
    account: User | None = None
    suspended_at: datetime | None = None


class Permission(Struct, frozen=True):
    """https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user ."""

    permission: str
    user: User | None = None
    role_name: str = ""


class Repository(Struct, frozen=True):
    """The repository at one end of a pull request."""

    id: int
    full_name: str


class PullRequestHead(Struct, frozen=True):
    """What a pull request brings; ``repo`` is null when its repository was deleted."""

    ref: str
    sha: str
    repo: Repository | None


class BaseRepository(Repository, frozen=True, kw_only=True):
    """With the ways in which it merges, which not everybody is told."""

    allow_merge_commit: bool | None = None
    allow_squash_merge: bool | None = None
    allow_rebase_merge: bool | None = None


class PullRequestBase(Struct, frozen=True):
    """The branch a pull request is for."""

    ref: str
    sha: str
    repo: BaseRepository


class PullRequest(Struct, frozen=True):
    """https://docs.github.com/en/rest/pulls/pulls#get-a-pull-request ."""

    number: int
    title: str
    state: str
    merged: bool
    head: PullRequestHead
    base: PullRequestBase
    html_url: str
    user: User | None = None
    body: str | None = None
    draft: bool = False
    maintainer_can_modify: bool = False
    mergeable_state: str | None = None


class ListedHead(Struct, frozen=True):
    """One end of a listed pull request."""

    ref: str
    sha: str


class ListedPull(Struct, frozen=True):
    """https://docs.github.com/en/rest/pulls/pulls#list-pull-requests ."""

    number: int
    state: str
    head: ListedHead
    base: ListedHead
    updated_at: datetime


class ContentItem(Struct, frozen=True):
    """A file, symbolic link or submodule; a directory is answered as a list.

    https://docs.github.com/en/rest/repos/contents#get-repository-content
    """

    type: str
    path: str
    size: int = 0
    encoding: str = ""
    content: str = ""


class Created(Struct, frozen=True):
    """Anything that was made and got an id."""

    id: int


class App(Struct, frozen=True):
    """A GitHub App."""

    id: int


class CheckRunOutput(Struct, frozen=True):
    """What a check run shows, as far as it counts."""

    annotations_count: int = 0


class CheckRun(Struct, frozen=True):
    """https://docs.github.com/en/rest/checks/runs#get-a-check-run ."""

    id: int
    external_id: str | None = None
    app: App | None = None
    output: CheckRunOutput = CheckRunOutput()


class CheckRuns(Struct, frozen=True):
    """https://docs.github.com/en/rest/checks/runs#list-check-runs-for-a-git-reference ."""

    check_runs: list[CheckRun]


class Comment(Struct, frozen=True):
    """https://docs.github.com/en/rest/issues/comments#list-issue-comments ."""

    id: int
    body: str | None = None
    user: User | None = None
    performed_via_github_app: App | None = None


class Ignored(Struct, frozen=True):
    """An answer of which nothing is read."""
