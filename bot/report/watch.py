"""The conflict watch's check run: a push to the base brought a pull request into conflict, or it merges again."""

import re
from typing import Final

from bot.commands import PREFIX
from bot.model.ids import make_watch_id
from bot.model.reports import CheckAction, CheckActionName, CheckConclusion, CheckRunContent, CheckStatus
from bot.model.watch import BaseCommit, ConflictWatch
from bot.report import watch_messages as messages
from bot.report.markdown import code
from bot.report.sections import joined, name, short, told

_MAX_PATHS: Final = 20
_PATH_ROOM: Final = 200
_SUBJECT_ROOM: Final = 160

# What GitHub writes when it merges, and when it squashes; anybody can write the same, so it is only shown.
_MERGED: Final = re.compile(r"Merge pull request #([1-9][0-9]{0,9}) from \S")
_SQUASHED: Final = re.compile(r".* \(#([1-9][0-9]{0,9})\)")

_RESOLVE: Final = CheckAction(
    label=messages.RESOLVE_LABEL, description=messages.RESOLVE_DESCRIPTION, identifier=CheckActionName.RESOLVE
)


def pull_request_of(commit: BaseCommit) -> int | None:
    """The number of the pull request that a commit of the base says it merged."""
    found = _MERGED.match(commit.subject) or _SQUASHED.fullmatch(commit.subject)
    return None if found is None else int(found[1])


def render_watch(watch: ConflictWatch) -> CheckRunContent:
    """The check run on one head, within GitHub's limits whatever the words of others in it."""
    base = name(watch.base_ref)
    if not watch.conflict:
        return CheckRunContent(
            head_sha=watch.head_sha,
            external_id=make_watch_id(watch.number, watch.head_sha),
            status=CheckStatus.COMPLETED,
            conclusion=CheckConclusion.SUCCESS,
            title=messages.CLEAN_TITLE,
            summary=messages.clean(base, short(watch.base_sha)),
            text="",
        )
    return CheckRunContent(
        head_sha=watch.head_sha,
        external_id=make_watch_id(watch.number, watch.head_sha),
        status=CheckStatus.COMPLETED,
        conclusion=CheckConclusion.ACTION_REQUIRED,
        title=messages.CONFLICT_TITLE,
        summary=joined(
            [
                messages.conflict(base, short(watch.base_sha), short(watch.head_sha)),
                _cause(watch.cause),
                _paths(watch.paths),
                messages.what_next(f"`{PREFIX} resolve`"),
            ]
        ),
        text="",
        actions=(_RESOLVE,),
    )


def _cause(cause: BaseCommit | None) -> str:
    if cause is None:
        return ""
    number = pull_request_of(cause)
    pull_request = "" if number is None else messages.pull_request(number)
    subject = told(cause.subject, _SUBJECT_ROOM) if cause.subject.strip() else ""
    return messages.cause(short(cause.sha), pull_request, subject)


def _paths(paths: tuple[str, ...]) -> str:
    if not paths:
        return ""
    rows = [f"* {code(path, _PATH_ROOM)}" for path in paths[:_MAX_PATHS]]
    left = len(paths) - _MAX_PATHS
    return "\n".join([messages.PATHS, "", *rows, *([messages.more(left)] if left > 0 else [])])
