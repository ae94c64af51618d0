"""Merge requests: read, listed, and those of our own made, found again and closed."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.forges.gitlab import answers
from bot.forges.gitlab.client import GitLabClient, encoded
from bot.forges.gitlab.deliveries import OPEN_STATES
from bot.forges.gitlab.merging import MergeMethods
from bot.forges.gitlab.people import GHOST, actor_of
from bot.forges.gitlab.quick import without_quick_actions
from bot.model.forge import PullRequest, RepositoryRef
from bot.model.watch import SeenPull

LONGEST_TITLE: Final = 255
"""Characters: https://docs.gitlab.com/api/merge_requests/#create-a-merge-request ."""

DRAFT: Final = "Draft: "
"""What makes a merge request a draft: https://docs.gitlab.com/user/project/merge_requests/drafts/ ."""


class _Listed(Struct, frozen=True, kw_only=True):
    """Of all open merge requests only what is needed: the description of each may have a million characters.

    https://docs.gitlab.com/api/merge_requests/#list-project-merge-requests
    """

    iid: int
    state: str
    target_branch: str
    updated_at: datetime
    sha: str | None = None


async def read(client: GitLabClient, methods: MergeMethods, repository: RepositoryRef, number: int) -> PullRequest:
    """https://docs.gitlab.com/api/merge_requests/#retrieve-a-merge-request ."""
    found = await client.get(f"/projects/{repository.id}/merge_requests/{number}", answers.MergeRequest)
    refs = found.diff_refs or answers.DiffRefs()
    head_sha = found.sha or refs.head_sha
    if head_sha is None:
        raise ForgeNotFoundError(f"merge request {number} has no commits")
    return PullRequest(
        repository=repository,
        number=found.iid,
        title=found.title,
        body=found.description or "",
        open=found.state in OPEN_STATES,
        merged=found.state == "merged",
        draft=found.draft,
        author=GHOST if found.author is None else actor_of(found.author),
        head_ref=found.source_branch,
        head_sha=head_sha,
        head_repository_id=found.source_project_id,
        head_full_name=await _full_name(client, repository, found.source_project_id),
        base_ref=found.target_branch,
        # Not there for the moment until GitLab has looked at a new merge request.
        base_sha=refs.start_sha or await _tip(client, repository, found.target_branch),
        maintainer_can_modify=bool(found.allow_collaboration),
        html_url=found.web_url,
        merging=await methods.merging(repository, found),
    )


async def open_ones(client: GitLabClient, repository: RepositoryRef) -> list[SeenPull]:
    """https://docs.gitlab.com/api/merge_requests/#list-project-merge-requests , a hundred at a time.

    The oldest come first, which stay longest. The list does not say where a base was when a head came, so each base
    branch is asked for once, and where it is now is taken for that.
    """
    url = f"/projects/{repository.id}/merge_requests"
    found: dict[int, _Listed] = {}
    async for page in client.pages(url, list[_Listed], state="opened", scope="all", order_by="created_at", sort="asc"):
        found |= {one.iid: one for one in page}
    tips: dict[str, str | None] = {}
    for branch in {one.target_branch for one in found.values()}:
        try:
            tips[branch] = await _tip(client, repository, branch)
        except ForgeNotFoundError:
            tips[branch] = None  # deleted: nothing merges into it
    return [
        SeenPull(
            number=one.iid,
            open=one.state in OPEN_STATES,
            base_ref=one.target_branch,
            base_sha=tips[one.target_branch] or one.sha,
            head_sha=one.sha,
            updated_at=one.updated_at,
        )
        for one in found.values()
        if one.sha is not None
    ]


async def create(
    client: GitLabClient,
    repository: RepositoryRef,
    *,
    head_ref: str,
    base_ref: str,
    title: str,
    body: str,
    draft: bool,
) -> int:
    """https://docs.gitlab.com/api/merge_requests/#create-a-merge-request ."""
    data = {
        "source_branch": head_ref,
        "target_branch": base_ref,
        "title": f"{DRAFT if draft else ''}{title}"[:LONGEST_TITLE],
        "description": without_quick_actions(body),
        "remove_source_branch": False,
    }
    url = f"/projects/{repository.id}/merge_requests"
    return (await client.send("post", url, answers.Numbered, data=data, idempotent=False)).iid


async def find(client: GitLabClient, repository: RepositoryRef, head_ref: str) -> int | None:
    """https://docs.gitlab.com/api/merge_requests/#list-project-merge-requests , newest first."""
    url = f"/projects/{repository.id}/merge_requests"
    async for page in client.pages(
        url,
        list[answers.MergeRequest],
        state="all",
        scope="all",
        source_branch=head_ref,
        order_by="created_at",
        sort="desc",
    ):
        for one in page:
            if one.source_project_id == repository.id and one.source_branch == head_ref:
                return one.iid
    return None


async def close(client: GitLabClient, repository: RepositoryRef, number: int) -> None:
    """https://docs.gitlab.com/api/merge_requests/#update-a-merge-request .

    What is closed stays so; what was merged cannot be closed, which GitLab refuses.
    """
    url = f"/projects/{repository.id}/merge_requests/{number}"
    try:
        await client.send("put", url, answers.Ignored, data={"state_event": "close"}, idempotent=True)
    except ForgeRefusedError:
        if (await client.get(url, answers.MergeRequest)).state in OPEN_STATES:
            raise


async def _full_name(client: GitLabClient, repository: RepositoryRef, project_id: int | None) -> str | None:
    """The path of a source project; None where it is gone, or not for us to see."""
    if project_id is None or project_id == repository.id:
        return None if project_id is None else repository.full_name
    try:
        return (await client.get(f"/projects/{project_id}", answers.Project)).path_with_namespace
    except ForgeNotFoundError:
        return None


async def _tip(client: GitLabClient, repository: RepositoryRef, branch: str) -> str:
    """https://docs.gitlab.com/api/branches/#retrieve-a-repository-branch ."""
    url = f"/projects/{repository.id}/repository/branches/{encoded(branch)}"
    return (await client.get(url, answers.Branch)).commit.id
