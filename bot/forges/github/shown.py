"""What GitHub shows of ours."""

from msgspec import Struct

from bot.errors import ForgeNotFoundError
from bot.forges.github import answers
from bot.forges.github.app_auth import Act
from bot.forges.github.client import GitHubClient
from bot.model.forge import RepositoryRef
from bot.model.shown import ShownCheckRun


class _Output(Struct, frozen=True):
    title: str | None = None
    summary: str | None = None


class _CheckRun(Struct, frozen=True):
    """https://docs.github.com/en/rest/checks/runs#list-check-runs-for-a-git-reference ."""

    id: int
    status: str
    external_id: str | None = None
    conclusion: str | None = None
    app: answers.App | None = None
    output: _Output = _Output()


class _CheckRuns(Struct, frozen=True):
    check_runs: list[_CheckRun]


async def check_runs(
    client: GitHubClient, repository: RepositoryRef, head_sha: str, *, app_id: int
) -> list[ShownCheckRun]:
    """The check runs of our App on a commit; none where the commit is gone.

    https://docs.github.com/en/rest/checks/runs#list-check-runs-for-a-git-reference
    """
    url = "/commits/{ref}/check-runs?filter=all{&app_id,per_page,page}"
    pages = client.pages(repository, Act.REPORT, url, _CheckRuns, ref=head_sha, app_id=app_id)
    return [
        ShownCheckRun(
            id=one.id,
            external_id=one.external_id or "",
            status=one.status,
            conclusion=one.conclusion,
            title=one.output.title or "",
            summary=one.output.summary or "",
        )
        async for found in pages
        for one in found.check_runs
        if one.app is not None and one.app.id == app_id
    ]


async def comment(client: GitHubClient, repository: RepositoryRef, remote_id: int) -> str | None:
    """The body of a comment; None when it is gone.

    https://docs.github.com/en/rest/issues/comments#get-an-issue-comment
    """
    url = "/issues/comments/{comment_id}"
    try:
        found = await client.get(repository, Act.REPORT, url, answers.Comment, comment_id=remote_id)
    except ForgeNotFoundError:
        return None
    return found.body or ""
