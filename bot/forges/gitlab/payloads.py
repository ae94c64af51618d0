"""The fields the bot reads of GitLab's webhook payloads, with what must be true of each.

Everything else in a payload is skipped, URLs above all: what a payload says is never dialled.
https://docs.gitlab.com/user/project/integrations/webhook_events/
"""

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta, Struct

from bot.errors import PayloadError

Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""GitLab's numeric ids are positive and fit the database's 64 bits."""

Number = Annotated[int, Meta(ge=1, lt=2**31)]
"""The number of an issue or merge request in its project; it fits the database's 32 bits."""

Sha = Annotated[str, Meta(pattern=r"\A[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")]
"""A full object id, SHA-1 or SHA-256."""

Login = Annotated[str, Meta(min_length=1, max_length=255)]
RefName = Annotated[str, Meta(min_length=1, max_length=1024)]

FullPath = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9_.][A-Za-z0-9_.-]{0,254}(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9_.][A-Za-z0-9_.-]{0,254}){1,20}\Z"
    ),
]
"""``group/project`` or ``group/subgroup/project``: these characters only, since all of it becomes part of URLs.

https://docs.gitlab.com/user/reserved_names/#rules-for-usernames-project-and-group-names-and-slugs
"""


def moment(text: str) -> datetime:
    """A time as GitLab writes it in payloads: ``2026-11-29 08:00:00 UTC``, or ISO 8601 in newer versions.

    Raises:
        PayloadError: it is neither.
    """
    iso = text.removesuffix(" UTC") + "+00:00" if text.endswith(" UTC") else text
    try:
        read = datetime.fromisoformat(iso)
        return (read if read.tzinfo is not None else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PayloadError("the body holds a time that is none") from None


class Kind(Struct, frozen=True):
    """What a system hook's payload is about: the same payloads as those of projects come under one event name."""

    object_kind: str = ""


class User(Struct, frozen=True):
    """Whoever acts."""

    id: Id
    username: Login


class Project(Struct, frozen=True):
    """The project an event is about."""

    id: Id
    path_with_namespace: FullPath
    default_branch: RefName | None = None


class InProject(Struct, frozen=True, kw_only=True):
    """What every event about a project carries, but for pushes."""

    project: Project
    user: User


class Numbered(Struct, frozen=True):
    """An issue or a merge request, by its number in the project. Only issues can be ``confidential``."""

    iid: Number
    title: str = ""
    description: str | None = None
    confidential: bool | None = None


class Note(Struct, frozen=True, kw_only=True):
    """A comment. ``action`` is missing before GitLab 16.

    ``internal`` ones are for members of the project only; they were called ``confidential`` first.
    """

    id: Id
    note: str
    noteable_type: str | None = None
    author_id: Id | None = None
    system: bool = False
    internal: bool | None = None
    confidential: bool | None = None
    action: str | None = None
    created_at: str = ""
    updated_at: str = ""


class NoteEvent(InProject, frozen=True, kw_only=True):
    """https://docs.gitlab.com/user/project/integrations/webhook_events/#comment-events ."""

    object_attributes: Note
    merge_request: Numbered | None = None
    issue: Numbered | None = None


class Award(Struct, frozen=True):
    """An emoji, put on something."""

    id: Id
    name: Annotated[str, Meta(min_length=1, max_length=255)]
    action: str | None = None
    user_id: Id | None = None
    created_at: str = ""


class AwardedNote(Struct, frozen=True, kw_only=True):
    """The comment under which an emoji was put."""

    id: Id
    note: str
    author_id: Id
    updated_at: str = ""
    noteable_type: str | None = None
    system: bool = False
    internal: bool | None = None
    confidential: bool | None = None


class EmojiEvent(InProject, frozen=True, kw_only=True):
    """https://docs.gitlab.com/user/project/integrations/webhook_events/#emoji-events ."""

    object_attributes: Award
    event_type: str = ""
    note: AwardedNote | None = None
    merge_request: Numbered | None = None


class Commit(Struct, frozen=True):
    """A commit, by its id."""

    id: Sha


class MergeRequest(Struct, frozen=True, kw_only=True):
    """A merge request as the event saw it. ``oldrev`` is there when its source branch got other commits."""

    iid: Number
    target_branch: RefName
    target_project_id: Id
    state: str
    updated_at: str
    title: str = ""
    description: str | None = None
    action: str | None = None
    oldrev: Sha | None = None
    last_commit: Commit | None = None


class DraftChange(Struct, frozen=True):
    """Whether a merge request is a draft now."""

    current: bool | None = None


class Change(Struct, frozen=True):
    """Something changed; what it is now, the API says."""


class Label(Struct, frozen=True):
    """A label; GitLab's names have at most 255 characters, and here some room."""

    title: Annotated[str, Meta(min_length=1, max_length=1024)]


class Labels(Struct, frozen=True):
    """The labels before and after."""

    previous: list[Label] = []
    current: list[Label] = []

    def added(self) -> list[str]:
        """The names of those that are new, in their order."""
        before = {label.title for label in self.previous}
        return [label.title for label in self.current if label.title not in before]


class Assignees(Struct, frozen=True):
    """Who saw to it before and after."""

    previous: list[User] = []
    current: list[User] = []

    def added(self) -> list[User]:
        """Those who are new, in their order."""
        before = {user.id for user in self.previous}
        return [user for user in self.current if user.id not in before]


class Marks(Struct, frozen=True, kw_only=True):
    """The changes of an issue or merge request that may be meant for us."""

    labels: Labels = Labels()
    assignees: Assignees = Assignees()


class MergeRequestChanges(Marks, frozen=True, kw_only=True):
    """What an update of a merge request changed."""

    draft: DraftChange | None = None
    title: Change | None = None
    description: Change | None = None
    target_branch: Change | None = None


class Issue(Struct, frozen=True, kw_only=True):
    """An issue as the event saw it."""

    iid: Number
    title: str
    description: str | None = None
    action: str | None = None
    confidential: bool | None = None


class IssueEvent(InProject, frozen=True, kw_only=True):
    """https://docs.gitlab.com/user/project/integrations/webhook_events/#work-item-events ."""

    object_attributes: Issue
    labels: list[Label] = []
    assignees: list[User] = []
    changes: Marks = Marks()


class MergeRequestEvent(InProject, frozen=True, kw_only=True):
    """https://docs.gitlab.com/user/project/integrations/webhook_events/#merge-request-events ."""

    object_attributes: MergeRequest
    labels: list[Label] = []
    assignees: list[User] = []
    changes: MergeRequestChanges = MergeRequestChanges()


class Pipeline(Struct, frozen=True, kw_only=True):
    """A pipeline as the event saw it."""

    sha: Sha
    status: str
    tag: bool = False


class PipelinePull(Struct, frozen=True, kw_only=True):
    """The merge request that a pipeline runs for."""

    iid: Number
    target_branch: RefName
    target_project_id: Id


class PipelineEvent(Struct, frozen=True, kw_only=True):
    """https://docs.gitlab.com/user/project/integrations/webhook_events/#pipeline-events ."""

    object_attributes: Pipeline
    project: Project
    merge_request: PipelinePull | None = None


class Push(Struct, frozen=True, kw_only=True):
    """https://docs.gitlab.com/user/project/integrations/webhook_events/#push-events ."""

    ref: RefName
    before: Sha
    after: Sha
    project: Project
    user_id: Id | None = None
    user_username: str | None = None
