"""The sticky comment: the one place under a pull request where a job says what it found, did and needs."""

from typing import Final

from bot.model.forge import RepositoryRef
from bot.model.jobs import JobState
from bot.model.reports import CommentContent, JobView
from bot.report import messages, sections
from bot.report.body import body
from bot.report.headings import heading
from bot.report.markdown import size
from bot.report.sections import joined

MAX_COMMENT: Final = 65_536
"""https://docs.github.com/en/rest/issues/comments gives no number; longer bodies are answered with 422."""


_PROGRESS_ROOM: Final = 240


def sticky_marker(repository: RepositoryRef, number: int) -> str:
    """The hidden line that finds the comment again. Nothing of others that we write can hold it."""
    return f"<!-- flowforge:sticky repository={repository.id} pull={number} -->"


def render_sticky(view: JobView) -> CommentContent:
    """The comment for the newest job of a pull request; at most ``MAX_COMMENT`` units, whatever the view holds."""
    request = view.job.request
    marker = sticky_marker(request.repository, request.number)
    top = joined(
        [
            marker,
            f"### {messages.NAME}: {heading(request.kind, view.job.state)}",
            _waits_for(view),
            *body(view),
        ],
    )
    bottom = "" if _is_quiet(view.job.state) else sections.footer(view)
    folds = ""
    if shows_diff(view.job.state):
        folds = sections.diff_folds(view, MAX_COMMENT - size(top) - size(bottom) - len("\n" * 5)).text
    return CommentContent(marker=marker, body=joined([top, folds, bottom]) + "\n")


def _waits_for(view: JobView) -> str:
    """What a queued job waits for, and what came before it."""
    waits = view.job.state is JobState.QUEUED and view.job.progress
    return messages.now(sections.told(view.job.progress, _PROGRESS_ROOM)) if waits else ""


def _is_quiet(state: JobState) -> bool:
    return state in {JobState.QUEUED, JobState.PREPARING, JobState.RUNNING, JobState.VALIDATING, JobState.PUBLISHING}


def shows_diff(state: JobState) -> bool:
    """Whether a report in this state carries the proposal's diffs."""
    return state in {JobState.AWAITING_APPROVAL, JobState.PUBLISHED, JobState.REFUSED}
