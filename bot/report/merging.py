"""What people read about how a pull request will be merged, once FlowForge has done its part."""

from typing import assert_never

from bot.model.forge import MergeBlock, Merging
from bot.report.markdown import code

_NAME_ROOM = 100


def how_it_merges(merging: Merging, base_ref: str) -> str:
    """What becomes of the merge commit that an approval pushes; empty where it simply stays."""
    if merging.squashes:
        return (
            "Merging squashes the commits of this pull request into one, so the merge commit that an approval pushes "
            f"does not show in {code(base_ref, _NAME_ROOM)}."
        )
    if merging.linear:
        return (
            "This repository merges by fast-forward or rebase. A rebase drops the merge commit that an approval "
            "pushes, and the conflict comes back; `/flowforge resolve --strategy rebase` puts the commits on top of "
            f"{code(base_ref, _NAME_ROOM)} without one."
        )
    return ""


def waits_for(block: MergeBlock) -> str:
    """What the forge says is missing before it merges."""
    return f"Before it merges, the forge still waits: {_missing(block)}."


def _missing(block: MergeBlock) -> str:  # noqa: PLR0911 - one return for every block
    match block:
        case MergeBlock.CONFLICT:
            return "there is a conflict with the base branch"
        case MergeBlock.BEHIND:
            return "the head has to be brought up to date with the base branch"
        case MergeBlock.DRAFT:
            return "this is a draft"
        case MergeBlock.APPROVALS:
            return "reviewers have to approve it"
        case MergeBlock.DISCUSSIONS:
            return "discussions have to be resolved"
        case MergeBlock.CHECKS:
            return "checks have to pass"
        case MergeBlock.RULES:
            return "a rule of the repository is not met, such as reviews or checks"
        case _:
            assert_never(block)
