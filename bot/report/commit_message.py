"""Commit messages. They ping people and close issues just as comments do, so only checked text goes in."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bot.model.forge import Actor
from bot.model.jobs import Job

_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_LOGIN: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9_-])?(?:\[bot\])?")
"""Logins as GitHub and GitLab allow them: https://docs.gitlab.com/user/reserved_names/ ."""

_MAX_PATHS: Final = 20
_CLAUDE: Final = "Co-authored-by: Claude <noreply@anthropic.com>"


def merge_message(job: Job, paths: Sequence[str], *, by_model: bool, email: str) -> str:
    """The message of a resolving merge commit: the same for the same work, whichever job did it.

    Its trailers name who asked, with the address ``email``, and Claude where it took part.

    Trailers: https://docs.github.com/en/pull-requests/committing-changes-to-your-project/creating-and-editing-commits/creating-a-commit-with-multiple-authors
    """
    base = _name(job.request.base_ref, "the base branch")
    head = _name(job.request.head_ref, "the pull request")
    trailers = [_trailer(job, email), *([_CLAUDE] if by_model else [])]
    return "\n".join(
        [f"Merge {base} into {head}", "", "Conflicts resolved by FlowForge:", _listing(paths), "", *trailers, ""]
    )


def unfinished_message(job: Job, resolved: Sequence[str], left: Sequence[str], *, email: str) -> str:
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
            _trailer(job, email),
            "",
        ]
    )


def change_message(job: Job, paths: Sequence[str], *, email: str) -> str:
    """The message of a commit that does what an issue asks for, or mends a pull request."""
    subject = f"Work on issue {job.request.thread.number}"
    if not job.request.on_issue:
        subject = f"Mend {_name(job.request.head_ref, 'the pull request')}"
    return "\n".join(
        [
            subject,
            "",
            "Changed by FlowForge:",
            _listing(paths),
            "",
            _trailer(job, email),
            _CLAUDE,
            "",
        ]
    )


def revert_message(job: Job, undone: str, *, email: str) -> str:
    """The message of a commit that takes back what was pushed."""
    return f"Revert {undone[:12]}\n\nTaken back by FlowForge.\n\n{_trailer(job, email)}\n"


def _listing(paths: Sequence[str]) -> str:
    shown = [_name(path, "(a path with unusual characters)") for path in paths[:_MAX_PATHS]]
    more = [f"- and {len(paths) - _MAX_PATHS} more"] if len(paths) > _MAX_PATHS else []
    return "\n".join([*(f"- {path}" for path in shown), *more])


def credited(job: Job) -> Actor:
    """Who asked for a job, under a login that a commit message may hold; the forge makes an address of it."""
    actor = job.request.requested_by
    return actor if _LOGIN.fullmatch(actor.login) else replace(actor, login="somebody")


def _trailer(job: Job, email: str) -> str:
    return f"Co-authored-by: {credited(job).login} <{email}>"


def _name(text: str, otherwise: str) -> str:
    """Names of branches and paths are hostile: one with anything unusual in it is not repeated."""
    return text if _PLAIN_NAME.fullmatch(text) else otherwise
