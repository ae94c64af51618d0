"""Commit messages. They ping people and close issues just as comments do, so only checked text goes in."""

import re
from collections.abc import Sequence
from typing import Final

from bot.model.forge import Actor
from bot.model.jobs import Job

_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_LOGIN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,98}[A-Za-z0-9])?(?:\[bot\])?")
_MAX_PATHS: Final = 20
_CLAUDE: Final = "Co-authored-by: Claude <noreply@anthropic.com>"


def merge_message(job: Job, paths: Sequence[str], *, by_model: bool) -> str:
    """The message of a resolving merge commit: the same for the same work, whichever job did it.

    Its trailers name who asked, and Claude where it took part.

    Trailers: https://docs.github.com/en/pull-requests/committing-changes-to-your-project/creating-and-editing-commits/creating-a-commit-with-multiple-authors
    """
    base = _name(job.request.base_ref, "the base branch")
    head = _name(job.request.head_ref, "the pull request")
    trailers = [_trailers(job.request.requested_by), *([_CLAUDE] if by_model else [])]
    return "\n".join(
        [f"Merge {base} into {head}", "", "Conflicts resolved by FlowForge:", _listing(paths), "", *trailers, ""]
    )


def unfinished_message(job: Job, resolved: Sequence[str], left: Sequence[str]) -> str:
    """The message of a commit that holds only a part of a merge, and must not be taken for one."""
    base = _name(job.request.base_ref, "the base branch")
    head = _name(job.request.head_ref, "the pull request")
    return "\n".join(
        [
            f"Unfinished: {len(resolved)} of {len(resolved) + len(left)} conflicts of {base} and {head}",
            "",
            "This is no merge: it only carries resolved files for whoever finishes it.",
            "",
            "Resolved by FlowForge:",
            _listing(resolved),
            "",
            "Still open:",
            _listing(left),
            "",
            _trailers(job.request.requested_by),
            "",
        ]
    )


def revert_message(job: Job, undone: str) -> str:
    """The message of a commit that takes a published resolution back."""
    return f"Revert the merge {undone[:12]}\n\nTaken back by FlowForge.\n\n{_trailers(job.request.requested_by)}\n"


def _listing(paths: Sequence[str]) -> str:
    shown = [_name(path, "(a path with unusual characters)") for path in paths[:_MAX_PATHS]]
    more = [f"- and {len(paths) - _MAX_PATHS} more"] if len(paths) > _MAX_PATHS else []
    return "\n".join([*(f"- {path}" for path in shown), *more])


def _trailers(actor: Actor) -> str:
    login = actor.login if _LOGIN.fullmatch(actor.login) else "somebody"
    return f"Co-authored-by: {login} <{actor.id}+{login}@users.noreply.github.com>"


def _name(text: str, otherwise: str) -> str:
    """Names of branches and paths are hostile: one with anything unusual in it is not repeated."""
    return text if _PLAIN_NAME.fullmatch(text) else otherwise
