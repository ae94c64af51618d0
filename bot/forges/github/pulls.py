"""Pull requests of our own: made, found again, and closed."""

from typing import Final

from msgspec import Struct

from bot.errors import ForgeRefusedError
from bot.forges.github import answers
from bot.forges.github.app_auth import Act
from bot.forges.github.client import GitHubClient
from bot.model.forge import RepositoryRef

LONGEST_TITLE: Final = 256
"""Characters; GitHub refuses longer ones ("title is too long (maximum is 256 characters)")."""

_UNPROCESSABLE: Final = 422
_NO_DRAFTS: Final = "draft pull requests are not supported"


class _Numbered(Struct, frozen=True):
    """https://docs.github.com/en/rest/pulls/pulls#create-a-pull-request ."""

    number: int


class _End(Struct, frozen=True):
    """Where a listed pull request comes from; ``repo`` is null when its repository was deleted."""

    ref: str
    repo: answers.Repository | None


class _Listed(Struct, frozen=True):
    """https://docs.github.com/en/rest/pulls/pulls#list-pull-requests ."""

    number: int
    head: _End


async def create(
    client: GitHubClient,
    repository: RepositoryRef,
    *,
    head_ref: str,
    base_ref: str,
    title: str,
    body: str,
    draft: bool,
) -> int:
    """https://docs.github.com/en/rest/pulls/pulls#create-a-pull-request .

    Not every plan has drafts in private repositories. Such a refusal means that nothing was made, so it is safe to ask
    once more.
    """

    async def ask(*, as_draft: bool) -> int:
        made = await client.send(
            repository,
            Act.REPORT,
            "POST",
            "/pulls",
            _Numbered,
            data={
                "title": title[:LONGEST_TITLE],
                "body": body,
                "head": head_ref,
                "base": base_ref,
                "draft": as_draft,
                "maintainer_can_modify": False,
            },
            idempotent=False,
        )
        return made.number

    try:
        return await ask(as_draft=draft)
    except ForgeRefusedError as error:
        if not draft or error.status != _UNPROCESSABLE or _NO_DRAFTS not in str(error).lower():
            raise
    return await ask(as_draft=False)


async def find(client: GitHubClient, repository: RepositoryRef, head_ref: str) -> int | None:
    """https://docs.github.com/en/rest/pulls/pulls#list-pull-requests , newest first.

    The filter names an owner and a branch, and one owner may have several repositories with that branch in one network
    of forks: the repository's id decides.
    """
    url = "/pulls?state=all&sort=created&direction=desc{&head,per_page,page}"
    pages = client.pages(repository, Act.REPORT, url, list[_Listed], head=f"{repository.owner}:{head_ref}")
    async for page in pages:
        for one in page:
            ours = one.head.repo is not None and one.head.repo.id == repository.id
            if ours and one.head.ref == head_ref:
                return one.number
    return None


async def close(client: GitHubClient, repository: RepositoryRef, number: int) -> None:
    """https://docs.github.com/en/rest/pulls/pulls#update-a-pull-request ."""
    await client.send(
        repository,
        Act.REPORT,
        "PATCH",
        "/pulls/{number}",
        answers.Ignored,
        data={"state": "closed"},
        idempotent=True,
        number=number,
    )
