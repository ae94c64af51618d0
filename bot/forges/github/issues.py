"""Issues, and what people say under them and under pull requests."""

from datetime import datetime

from msgspec import Struct

from bot.errors import ForgeNotFoundError
from bot.forges.github import answers
from bot.forges.github.accounts import actor_of
from bot.forges.github.app_auth import Act
from bot.forges.github.client import GitHubClient
from bot.model.forge import RepositoryRef
from bot.model.work import Issue, ThreadComment


class _Link(Struct, frozen=True):
    """Present in an issue that is a pull request."""


class _Issue(Struct, frozen=True):
    """https://docs.github.com/en/rest/issues/issues#get-an-issue ."""

    number: int
    title: str
    state: str
    updated_at: datetime
    body: str | None = None
    user: answers.User | None = None
    pull_request: _Link | None = None


class _Repository(Struct, frozen=True):
    """https://docs.github.com/en/rest/repos/repos#get-a-repository ."""

    id: int
    default_branch: str


class Comment(Struct, frozen=True):
    """https://docs.github.com/en/rest/issues/comments#list-issue-comments ."""

    id: int
    created_at: datetime
    updated_at: datetime
    body: str | None = None
    user: answers.User | None = None


async def issue(client: GitHubClient, repository: RepositoryRef, number: int) -> Issue:
    """The issue, and the branch that its repository works on.

    https://docs.github.com/en/rest/issues/issues#get-an-issue
    https://docs.github.com/en/rest/repos/repos#get-a-repository

    Raises:
        ForgeNotFoundError: it is a pull request, or was moved to another repository.
    """
    found = await client.get(repository, Act.REPORT, "/issues/{number}", _Issue, number=number)
    if found.pull_request is not None:
        raise ForgeNotFoundError(f"{repository.full_name}#{number} is a pull request")
    home = await client.get(repository, Act.READ, "", _Repository)
    if home.id != repository.id or found.number != number:
        raise ForgeNotFoundError(f"{repository.full_name} is another repository now")
    return Issue(
        number=number,
        title=found.title,
        body=found.body or "",
        open=found.state == "open",
        author=actor_of(found.user),
        updated_at=found.updated_at,
        default_branch=home.default_branch,
    )


async def comments(client: GitHubClient, repository: RepositoryRef, number: int, *, limit: int) -> list[ThreadComment]:
    """The newest comments; GitHub lists them oldest first, and in that order only.

    https://docs.github.com/en/rest/issues/comments#list-issue-comments
    """
    newest: list[ThreadComment] = []
    url = "/issues/{number}/comments{?per_page,page}"
    async for page in client.pages(repository, Act.REPORT, url, list[Comment], number=number):
        newest = [*newest, *map(comment_of, page)][-limit:]
    return newest


def comment_of(found: Comment) -> ThreadComment:
    """The comment as the bot knows it."""
    return ThreadComment(
        id=found.id,
        author=actor_of(found.user),
        body=found.body or "",
        created_at=found.created_at,
        updated_at=found.updated_at,
    )
