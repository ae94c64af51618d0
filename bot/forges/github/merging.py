"""How GitHub merges, and what it waits for, in the words of the model."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bot.forges.github import answers
from bot.model.forge import MergeBlock, Merging

_BLOCKS: Final[Mapping[str, MergeBlock]] = MappingProxyType(
    {
        "dirty": MergeBlock.CONFLICT,
        "behind": MergeBlock.BEHIND,
        "draft": MergeBlock.DRAFT,
        "blocked": MergeBlock.RULES,
    }
)
"""``mergeable_state``, those that say that something is missing; which rule it is, GitHub does not say here.

https://docs.github.com/en/graphql/reference/enums#mergestatestatus
"""


def merging_of(pull_request: answers.PullRequest) -> Merging:
    """How a pull request is merged, as far as it leaves people no choice."""
    base = pull_request.base.repo
    ways = (base.allow_merge_commit, base.allow_squash_merge, base.allow_rebase_merge)
    return Merging(
        blocked=_BLOCKS.get(pull_request.mergeable_state or ""),
        squashes=ways == (False, True, False),
        linear=ways == (False, False, True),
    )
