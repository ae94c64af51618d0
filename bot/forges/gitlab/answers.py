"""The fields the bot reads of GitLab's REST answers.

https://docs.gitlab.com/api/rest/
"""

from datetime import date, datetime

from msgspec import Struct


class User(Struct, frozen=True):
    """A user. ``state`` is ``active``, ``blocked``, ``banned`` … : https://docs.gitlab.com/api/users/ .

    ``bot`` stands only where a single user was asked for.
    """

    id: int
    username: str
    state: str = "active"
    bot: bool = False


class Member(Struct, frozen=True):
    """https://docs.gitlab.com/api/project_members/#retrieve-a-direct-or-inherited-project-member ."""

    id: int
    username: str
    state: str
    access_level: int
    expires_at: date | None = None


class Project(Struct, frozen=True):
    """https://docs.gitlab.com/api/projects/#retrieve-a-project ."""

    id: int
    path_with_namespace: str
    visibility: str = "private"
    merge_method: str = "merge"
    ci_config_path: str | None = None


class DiffRefs(Struct, frozen=True):
    """The commits of a merge request's newest version; ``start_sha`` was the target branch's tip when it came."""

    head_sha: str | None = None
    start_sha: str | None = None


class MergeRequest(Struct, frozen=True, kw_only=True):
    """https://docs.gitlab.com/api/merge_requests/#retrieve-a-merge-request .

    ``source_project_id`` is null when the fork was deleted; ``sha`` while there are no commits.
    """

    iid: int
    title: str
    state: str
    source_branch: str
    target_branch: str
    target_project_id: int
    web_url: str
    updated_at: datetime
    source_project_id: int | None = None
    author: User | None = None
    description: str | None = None
    draft: bool = False
    sha: str | None = None
    diff_refs: DiffRefs | None = None
    allow_collaboration: bool | None = None
    detailed_merge_status: str | None = None
    squash_on_merge: bool | None = None


class Commit(Struct, frozen=True):
    """A commit, by its id."""

    id: str


class Branch(Struct, frozen=True):
    """https://docs.gitlab.com/api/branches/#retrieve-a-repository-branch ."""

    commit: Commit


class File(Struct, frozen=True):
    """https://docs.gitlab.com/api/repository_files/#retrieve-a-file-from-a-repository ."""

    size: int
    encoding: str
    content: str


class TreeEntry(Struct, frozen=True):
    """https://docs.gitlab.com/api/repositories/#list-all-repository-trees-in-a-project ."""

    path: str
    type: str
    mode: str


class Note(Struct, frozen=True):
    """https://docs.gitlab.com/api/notes/ ."""

    id: int
    body: str
    author: User | None = None
    system: bool = False


class Pipeline(Struct, frozen=True):
    """https://docs.gitlab.com/api/merge_requests/#list-all-pipelines-for-a-merge-request ."""

    id: int
    sha: str
    ref: str
    project_id: int | None = None


class Status(Struct, frozen=True):
    """https://docs.gitlab.com/api/commits/#list-commit-statuses . ``pipeline_id`` is missing in older versions."""

    id: int
    status: str
    name: str
    ref: str | None = None
    target_url: str | None = None
    description: str | None = None
    author: User | None = None
    pipeline_id: int | None = None
    allow_failure: bool = False


class Numbered(Struct, frozen=True):
    """Anything that was made in a project and got a number there."""

    iid: int


class Created(Struct, frozen=True):
    """Anything that was made and got an id."""

    id: int


class Ignored(Struct, frozen=True):
    """An answer of which nothing is read."""
