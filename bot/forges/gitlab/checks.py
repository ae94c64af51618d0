"""What others found out about a commit: jobs of pipelines, and statuses from outside."""

import re
from typing import Final

from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.forges.gitlab import answers
from bot.forges.gitlab.client import GitLabClient, encoded
from bot.forges.gitlab.deliveries import FAILED, OPEN_STATES
from bot.forges.gitlab.statuses import NAME, WATCH_NAME
from bot.model.forge import RepositoryRef
from bot.model.work import FailingCheck

MAX_CHECKS: Final = 20
"""So many failing checks are told of: each may cost a request for its log."""

TAIL_BYTES: Final = 5_000
"""So much of the end of a job's log is kept."""

_MAX_FORKS: Final = 3
"""One commit may be the head of merge requests from as many forks as somebody likes."""

_DECORATION: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|section_(?:start|end):[0-9]+:[^\r\n]*\r?")
"""Colours, and the marks of folds: https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections ."""


async def failing(client: GitLabClient, repository: RepositoryRef, head_sha: str, *, own_id: int) -> list[FailingCheck]:
    """The newest of each check of others on a commit, where that failed and is not allowed to.

    Jobs are statuses, too, under the id of the job. The pipelines that a fork runs are in the fork: they are read as
    far as the token may. https://docs.gitlab.com/api/commits/#list-commit-statuses
    """
    found = await _of_project(client, repository.id, head_sha, own_id=own_id)
    for fork in await _forks(client, repository, head_sha):
        try:
            found += await _of_project(client, fork, head_sha, own_id=own_id)
        except (ForgeNotFoundError, ForgeRefusedError):
            continue  # it is not for us to see
    return found[:MAX_CHECKS]


async def _forks(client: GitLabClient, repository: RepositoryRef, head_sha: str) -> list[int]:
    """The projects whose merge requests have that head, without the project itself; most often none, or one.

    https://docs.gitlab.com/api/commits/#list-merge-requests-associated-with-a-commit
    """
    url = f"/projects/{repository.id}/repository/commits/{encoded(head_sha)}/merge_requests"
    found: dict[int, None] = {}
    async for page in client.pages(url, list[answers.MergeRequest]):
        for one in page:
            ours = one.sha == head_sha and one.target_project_id == repository.id and one.state in OPEN_STATES
            if ours and one.source_project_id not in {None, repository.id} and len(found) < _MAX_FORKS:
                found[one.source_project_id or 0] = None
    return list(found)


async def _of_project(client: GitLabClient, project_id: int, head_sha: str, *, own_id: int) -> list[FailingCheck]:
    found: list[FailingCheck] = []
    url = f"/projects/{project_id}/repository/commits/{encoded(head_sha)}/statuses"
    async for page in client.pages(url, list[answers.Status]):
        for one in page:
            # By the name as well: jobs are by whoever pushed, and we push to drafts of our own.
            ours = one.name in {NAME, WATCH_NAME} and one.author is not None and one.author.id == own_id
            if one.status == FAILED and not one.allow_failure and not ours and len(found) < MAX_CHECKS:
                text = await _log(client, project_id, one.id)
                said = text if one.description is None else f"{one.description}\n{text}"
                found.append(FailingCheck(name=one.name, conclusion=one.status, text=said))
    return found


async def _log(client: GitLabClient, project_id: int, job_id: int) -> str:
    """The end of a job's log; empty where there is none, or none for us. A status from outside has none.

    https://docs.gitlab.com/api/jobs/#get-a-log-file
    """
    try:
        end = await client.end_of(f"/projects/{project_id}/jobs/{job_id}/trace", most=TAIL_BYTES)
    except (ForgeNotFoundError, ForgeRefusedError):
        return ""
    return _DECORATION.sub("", end).strip()
