"""Issues, and what people say under them and under merge requests."""

from datetime import datetime

from msgspec import Struct

from bot.errors import ForgeNotFoundError
from bot.forges.gitlab import answers
from bot.forges.gitlab.client import GitLabClient
from bot.forges.gitlab.notes import NOTES_PAGE, notes_of
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
    confidential: bool = False


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
    confidential: bool = False
    resolved: bool = False

    @property
    def for_everybody(self) -> bool:
        """Whether a person wrote it, and for all who see the thread; internal notes were called confidential first."""
        return not (self.system or self.internal or self.confidential)


async def issue(client: GitLabClient, repository: RepositoryRef, number: int) -> Issue:
    """The issue, and the branch that its project works on.

    https://docs.gitlab.com/api/issues/#retrieve-a-project-issue

    Raises:
        ForgeNotFoundError: there is none, or it is confidential: a merge request would tell everybody what it says.
    """
    found = await client.get(f"/projects/{repository.id}/issues/{number}", _Issue)
    if found.confidential:
        raise ForgeNotFoundError(f"issue {number} is confidential, and a merge request would tell what it says")
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
    """The newest notes that people wrote for everybody to read and nobody resolved, the oldest of them first.

    Read from the newest on, and no further than needed: a thread may be long. https://docs.gitlab.com/api/notes/
    """
    newest: list[ThreadComment] = []
    url = notes_of(repository, thread)
    order: dict[str, str | int] = {"sort": "desc", "order_by": "created_at", "activity_filter": "only_comments"}
    pages = client.pages(url, list[_Note], **order, per_page=NOTES_PAGE)
    async for page in pages:
        newest += [_comment(one) for one in page if one.for_everybody and not one.resolved]
        if len(newest) >= limit:
            break
    return newest[:limit][::-1]


def _comment(note: _Note) -> ThreadComment:
    return ThreadComment(
        id=note.id,
        author=GHOST if note.author is None else actor_of(note.author),
        body=note.body,
        created_at=note.created_at,
        updated_at=note.updated_at,
    )
