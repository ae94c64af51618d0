"""How GitLab merges, and what it waits for, in the words of the model."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.forges.gitlab import answers
from bot.forges.gitlab.client import GitLabClient
from bot.model.forge import MergeBlock, Merging, RepositoryRef
from bot.ports.system import Clock

_LINEAR: Final = frozenset({"ff", "rebase_merge"})
"""The merge methods that want a merge request up to date with its target, and rebase it where it is not.

https://docs.gitlab.com/user/project/merge_requests/methods/
"""

_KEPT: Final = timedelta(minutes=10)
_MOST_KEPT: Final = 1_000

_BLOCKS: Final[Mapping[str, MergeBlock]] = MappingProxyType(
    {
        "conflict": MergeBlock.CONFLICT,
        "need_rebase": MergeBlock.BEHIND,
        "draft_status": MergeBlock.DRAFT,
        "not_approved": MergeBlock.APPROVALS,
        "requested_changes": MergeBlock.APPROVALS,
        "discussions_not_resolved": MergeBlock.DISCUSSIONS,
        "ci_must_pass": MergeBlock.CHECKS,
        "ci_still_running": MergeBlock.CHECKS,
        "status_checks_must_pass": MergeBlock.CHECKS,
        "external_status_checks": MergeBlock.CHECKS,
        "jira_association_missing": MergeBlock.RULES,
        "locked_lfs_files": MergeBlock.RULES,
        "locked_paths": MergeBlock.RULES,
        "merge_request_blocked": MergeBlock.RULES,
        "blocked_status": MergeBlock.RULES,
        "merge_time": MergeBlock.RULES,
        "policies_denied": MergeBlock.RULES,
        "security_policy_violations": MergeBlock.RULES,
        "title_regex": MergeBlock.RULES,
    }
)
"""``detailed_merge_status``, those that say what is missing, older names among them. ``checking`` and such say nothing.

https://docs.gitlab.com/api/merge_requests/#merge-status
"""


class MergeMethods:
    """How projects merge. Each is asked once in ten minutes: it is a setting that people seldom change."""

    def __init__(self, client: GitLabClient, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._linear: dict[int, tuple[datetime, bool]] = {}

    async def merging(self, repository: RepositoryRef, found: answers.MergeRequest) -> Merging:
        """How a merge request is merged, and what it waits for. Raises ``ForgeUnavailableError``."""
        return Merging(
            blocked=_BLOCKS.get(found.detailed_merge_status or ""),
            squashes=bool(found.squash_on_merge),
            linear=await self._is_linear(repository),
        )

    async def _is_linear(self, repository: RepositoryRef) -> bool:
        """https://docs.gitlab.com/api/projects/#retrieve-a-project ."""
        now = self._clock.now()
        asked, known = self._linear.get(repository.id, (now - _KEPT, False))
        if now - asked < _KEPT:
            return known
        try:
            project = await self._client.get(f"/projects/{repository.id}", answers.Project)
        except (ForgeNotFoundError, ForgeRefusedError):
            return False
        if len(self._linear) >= _MOST_KEPT:
            self._linear.clear()
        self._linear[repository.id] = (now, project.merge_method in _LINEAR)
        return self._linear[repository.id][1]
