"""What reviews say on lines of a pull request, and what of it nobody has resolved."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final

from msgspec import Meta, Struct

from bot.errors import ForgeLimitedError, ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError
from bot.forges.github.app_auth import Act
from bot.forges.github.client import GitHubClient
from bot.forges.github.issues import Comment, comment_of
from bot.model.forge import RepositoryRef
from bot.model.work import LineComments, ThreadComment

MOST_PAGES: Final = 5
"""So many hundreds of comments, and of threads, are looked through: the newest ones."""

QUERY: Final = """
query($owner: String!, $repo: String!, $number: Int!, $before: String) {
  repository(owner: $owner, name: $repo) {
    pullRequest(number: $number) {
      reviewThreads(last: 100, before: $before) {
        pageInfo { hasPreviousPage startCursor }
        nodes { isResolved comments(first: 1) { nodes { fullDatabaseId } } }
      }
    }
  }
}
"""
"""Which threads are resolved, and each one's first comment by the id that REST knows it by.

https://docs.github.com/en/graphql/reference/objects#pullrequestreviewthread
"""


class _LineComment(Comment, frozen=True, kw_only=True):
    """https://docs.github.com/en/rest/pulls/comments#list-review-comments-on-a-pull-request .

    ``line`` is null when the line it was about is gone. Every reply names the first comment of its thread.
    """

    path: str
    line: int | None = None
    in_reply_to_id: int | None = None

    @property
    def thread(self) -> int:
        return self.id if self.in_reply_to_id is None else self.in_reply_to_id


class _Id(Struct, frozen=True, rename="camel"):
    """https://docs.github.com/en/graphql/reference/objects#pullrequestreviewcomment ; a number as a text."""

    full_database_id: Annotated[str, Meta(pattern="^[0-9]{1,19}$")]


class _First(Struct, frozen=True):
    nodes: list[_Id]


class _Thread(Struct, frozen=True, rename="camel"):
    is_resolved: bool
    comments: _First


class _PageInfo(Struct, frozen=True, rename="camel"):
    has_previous_page: bool
    start_cursor: str | None


class _Threads(Struct, frozen=True, rename="camel"):
    page_info: _PageInfo
    nodes: list[_Thread]


class _PullRequest(Struct, frozen=True, rename="camel"):
    review_threads: _Threads


class _Repository(Struct, frozen=True, rename="camel"):
    pull_request: _PullRequest


class _Found(Struct, frozen=True):
    repository: _Repository


async def line_comments(client: GitHubClient, repository: RepositoryRef, number: int, *, limit: int) -> LineComments:
    """The newest comments of reviews on lines that are still there, without those that GitHub says are resolved.

    https://docs.github.com/en/rest/pulls/comments#list-review-comments-on-a-pull-request
    """
    newest: list[_LineComment] = []
    resolved: Mapping[int, bool] | None = None
    left = MOST_PAGES
    url = "/pulls/{number}/comments?sort=created&direction=desc{&per_page,page}"
    async for page in client.pages(repository, Act.READ, url, list[_LineComment], number=number):
        there = [one for one in page if one.line]
        if there and resolved is None:
            resolved = await _resolved(client, repository, number)
        newest += [one for one in there if not (resolved or {}).get(one.thread)]
        left -= 1
        if len(newest) >= limit or not left:
            break
    kept = newest[:limit][::-1]
    return LineComments(
        comments=tuple(_placed(one) for one in kept),
        all_told=all(one.thread in (resolved or {}) for one in kept),
    )


async def _resolved(client: GitHubClient, repository: RepositoryRef, number: int) -> Mapping[int, bool]:
    """Whether each of the newest threads is resolved, by the id of its first comment; nothing of what is not told.

    A server may be too old for the query, or its owner may keep GraphQL from us; then people are told that we do not
    know.

    Raises:
        ForgeLimitedError: we are to ask nothing at all now.
    """
    told: dict[int, bool] = {}
    before: str | None = None
    for _ in range(MOST_PAGES):
        try:
            found = await client.query(repository, Act.READ, QUERY, _Found, number=number, before=before)
        except ForgeLimitedError:
            raise
        except (ForgeRefusedError, ForgeNotFoundError, ForgeUnavailableError):
            break
        threads = found.repository.pull_request.review_threads
        for one in threads.nodes:
            told |= {int(first.full_database_id): one.is_resolved for first in one.comments.nodes}
        before = threads.page_info.start_cursor
        if not threads.page_info.has_previous_page or before is None:
            break
    return told


def _placed(found: _LineComment) -> ThreadComment:
    return replace(comment_of(found), body=f"{found.path}:{found.line}\n{found.body or ''}")
