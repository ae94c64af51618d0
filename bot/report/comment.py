"""The sticky comment: the one place under a pull request where a job says what it found, did and needs."""

from typing import Final

from bot.model.forge import ForgeKind, RepositoryRef, kind_of
from bot.model.ids import make_offer_mark
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

_TEXT_ROOM: Final = 52_000
"""What the texts around the diffs may take: 50,000 units of the body, and the rest."""


def sticky_marker(repository: RepositoryRef, number: int) -> str:
    """The hidden line that finds the comment again. Nothing of others that we write can hold it."""
    return f"<!-- flowforge:sticky repository={repository.id} pull={number} -->"


def render_sticky(view: JobView) -> CommentContent:
    """The comment for the newest job of a pull request; at most ``MAX_COMMENT`` units, whatever the view holds."""
    request = view.job.request
    marker = sticky_marker(request.repository, request.number)
    offer = _offer_by_emoji(view)
    top = joined(
        [
            f"{marker}\n{offer}" if offer else marker,
            f"### {messages.NAME}: {heading(request.kind, view.job.state)}",
            _waits_for(view),
            *body(view),
            messages.APPROVE_BY_EMOJI if offer else "",
        ],
    )
    bottom = "" if _is_quiet(view.job.state) else sections.footer(view)
    folds = ""
    if shows_diff(view.job.state):
        folds = sections.diff_folds(view, MAX_COMMENT - size(top) - size(bottom) - len("\n" * 5)).text
    return CommentContent(marker=marker, body=joined([top, folds, bottom]) + "\n")


def _offer_by_emoji(view: JobView) -> str:
    """The hidden line that lets an emoji approve, where the forge has no buttons and the comment shows every change."""
    here = kind_of(view.job.request.repository.forge) is ForgeKind.GITLAB
    if not here or view.proposal is None or not sections.takes_a_plain_yes(view):
        return ""
    whole = sections.diff_folds(view, MAX_COMMENT - _TEXT_ROOM).complete
    return make_offer_mark(view.proposal.id) if whole else ""


def _waits_for(view: JobView) -> str:
    """What a queued job waits for, and what came before it."""
    waits = view.job.state is JobState.QUEUED and view.job.progress
    return messages.now(sections.told(view.job.progress, _PROGRESS_ROOM)) if waits else ""


def _is_quiet(state: JobState) -> bool:
    return state in {JobState.QUEUED, JobState.PREPARING, JobState.RUNNING, JobState.VALIDATING, JobState.PUBLISHING}


def shows_diff(state: JobState) -> bool:
    """Whether a report in this state carries the proposal's diffs."""
    return state in {JobState.AWAITING_APPROVAL, JobState.PUBLISHED, JobState.REFUSED}
