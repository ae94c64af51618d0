"""What others found out about a commit: check runs of other Apps, and commit statuses."""

from typing import Final

from msgspec import Struct

from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.forges.github import answers
from bot.forges.github.app_auth import Act
from bot.forges.github.client import GitHubClient
from bot.forges.github.payloads import FAILED
from bot.model.forge import RepositoryRef
from bot.model.work import FailingCheck

MAX_CHECKS: Final = 20
"""So many failing checks are told of: each may cost a request for its remarks."""

_BAD: Final = frozenset({"failure", "error"})
"""States of commit statuses: https://docs.github.com/en/rest/commits/statuses ."""

_UNSEEN: Final = frozenset({403, 422})
"""The App has no right to see statuses: the request is refused, or already the token for it."""

_ROOM: Final = 2_000


class _Output(Struct, frozen=True):
    title: str | None = None
    summary: str | None = None
    text: str | None = None
    annotations_count: int = 0


class _CheckRun(Struct, frozen=True):
    """https://docs.github.com/en/rest/checks/runs#list-check-runs-for-a-git-reference ."""

    id: int
    name: str
    conclusion: str | None = None
    app: answers.App | None = None
    output: _Output = _Output()


class _CheckRuns(Struct, frozen=True):
    check_runs: list[_CheckRun]


class _Remark(Struct, frozen=True):
    """https://docs.github.com/en/rest/checks/runs#list-check-run-annotations ."""

    path: str
    start_line: int
    annotation_level: str | None = None
    message: str | None = None


class _Status(Struct, frozen=True):
    """https://docs.github.com/en/rest/commits/statuses#list-commit-statuses-for-a-reference ."""

    state: str
    context: str
    description: str | None = None


async def failing(client: GitHubClient, repository: RepositoryRef, head_sha: str, *, app_id: int) -> list[FailingCheck]:
    """The newest of each check of others on a commit, where that failed.

    The logs of workflows are not read: that is another permission, for much more than logs.
    """
    found: list[FailingCheck] = []
    url = "/commits/{ref}/check-runs?filter=latest{&per_page,page}"
    async for page in client.pages(repository, Act.REPORT, url, _CheckRuns, ref=head_sha):
        for one in page.check_runs:
            ours = one.app is not None and one.app.id == app_id
            if one.conclusion in FAILED and not ours and len(found) < MAX_CHECKS:
                text = await _text(client, repository, one)
                found.append(FailingCheck(name=one.name, conclusion=one.conclusion or "", text=text))
    return [*found, *await _statuses(client, repository, head_sha)][:MAX_CHECKS]


async def _text(client: GitHubClient, repository: RepositoryRef, check: _CheckRun) -> str:
    """What a check run says, and its remarks on lines as far as the first page of them goes."""
    output = check.output
    said = [text[:_ROOM] for text in (output.title, output.summary, output.text) if text]
    if output.annotations_count:
        url = "/check-runs/{check_run_id}/annotations"
        remarks = await client.get(repository, Act.REPORT, url, list[_Remark], check_run_id=check.id)
        said += [f"{one.path}:{one.start_line}: {one.annotation_level or ''} {one.message or ''}" for one in remarks]
    return "\n".join(said)


async def _statuses(client: GitHubClient, repository: RepositoryRef, head_sha: str) -> list[FailingCheck]:
    """The newest status of each name, which GitHub lists first; none where the App may not see them."""
    newest: dict[str, _Status] = {}
    url = "/commits/{ref}/statuses{?per_page,page}"
    try:
        async for page in client.pages(repository, Act.STATUSES, url, list[_Status], ref=head_sha):
            for one in page:
                newest.setdefault(one.context, one)
    except ForgeNotFoundError:
        return []
    except ForgeRefusedError as error:
        if error.status not in _UNSEEN:
            raise
        return []
    return [
        FailingCheck(name=one.context, conclusion=one.state, text=one.description or "")
        for one in newest.values()
        if one.state in _BAD
    ]
