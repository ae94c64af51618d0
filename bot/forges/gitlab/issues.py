"""Issues, and what people say under them and under merge requests."""

from datetime import datetime

from msgspec import Struct

from bot.forges.gitlab import answers
from bot.forges.gitlab.client import GitLabClient
from bot.forges.gitlab.notes import notes_of
from bot.forges.gitlab.people import GHOST, actor_of
from bot.model.forge import RepositoryRef, Thread
from bot.model.work import Issue, ThreadComment


class _Issue(Struct, frozen=True):
    """https://docs.gitlab.com/api/issues/#retrieve-a-project-issue ."""

    iid: int
    title: str
    state: str
    updated_at: datetime
    description: str | None = None
    author: answers.User | None = None


class _Project(Struct, frozen=True):
    """https://docs.gitlab.com/api/projects/#retrieve-a-project ."""

    default_branch: str


class _Note(Struct, frozen=True):
    """https://docs.gitlab.com/api/notes/ ."""

    id: int
    body: str
    created_at: datetime
    updated_at: datetime
    author: answers.User | None = None
    system: bool = False
    internal: bool = False


async def issue(client: GitLabClient, repository: RepositoryRef, number: int) -> Issue:
    """The issue, and the branch that its project works on.

    https://docs.gitlab.com/api/issues/#retrieve-a-project-issue
    """
    found = await client.get(f"/projects/{repository.id}/issues/{number}", _Issue)
    project = await client.get(f"/projects/{repository.id}", _Project)
    return Issue(
        number=found.iid,
        title=found.title,
        body=found.description or "",
        open=found.state == "opened",
        author=GHOST if found.author is None else actor_of(found.author),
        updated_at=found.updated_at,
        default_branch=project.default_branch,
    )


async def comments(
    client: GitLabClient, repository: RepositoryRef, thread: Thread, *, limit: int
) -> list[ThreadComment]:
    """The newest notes that people wrote for everybody to read: https://docs.gitlab.com/api/notes/ ."""
    newest: list[ThreadComment] = []
    url = notes_of(repository, thread)
    pages = client.pages(url, list[_Note], sort="asc", order_by="created_at", activity_filter="only_comments")
    async for page in pages:
        newest = [*newest, *(_comment(one) for one in page if not one.system and not one.internal)][-limit:]
    return newest


def _comment(note: _Note) -> ThreadComment:
    return ThreadComment(
        id=note.id,
        author=GHOST if note.author is None else actor_of(note.author),
        body=note.body,
        created_at=note.created_at,
        updated_at=note.updated_at,
    )
