"""What a job is to do about its pull request as it is now: go on, end, or end and start afresh.

Pure: a comparison of the job's row with what is live. Which event, or which sweep, led to the comparison does not
matter.
"""

import re
from typing import Final

from bot.model.forge import PullRequest
from bot.model.jobs import ANSWERS, ON_HEAD, Job, JobKind, JobState
from bot.model.proposals import Proposal
from bot.model.sync import Afresh, Branch, Close, Course, End, EndReason, Keep, Moved

MAX_AFRESH: Final = 5
"""So often in a row the work on a pull request starts afresh by itself; then a person has to ask."""

_PINNED: Final = frozenset(
    {JobState.PREPARING, JobState.RUNNING, JobState.VALIDATING, JobState.AWAITING_APPROVAL},
)
"""States in which a job is bound to a head and a base. A queued one fetches whatever is there when it begins."""

_UNMOVED: Final = ANSWERS | {JobKind.IMPLEMENT}
"""Kinds that a push makes no difference to: what ends in words, and what has a pull request only when it is done."""

_AFRESH_KEY: Final = re.compile(r"[a-z0-9-]+:afresh:([1-9][0-9]{0,3}):[0-9a-f]{32}")


def decide_sync(job: Job, proposal: Proposal | None, *, pull_request: PullRequest, live_base: str | None) -> Course:
    """What becomes of an active job.

    ``live_base`` is the tip of the base branch that the pull request has now, None when it is gone. A push under way is
    never interrupted, and neither is what ends in words alone. Work under way starts afresh; a proposal that waits for
    an answer only ends, for nobody asked for another one yet. A rollback and a fix are about the head alone, and are
    not repeated on top of somebody's commits.
    """
    if job.state is JobState.PUBLISHING or job.cancel_requested is not None or job.request.kind in _UNMOVED:
        return Keep()
    if not pull_request.open:
        return Close()
    waiting = job.state is JobState.AWAITING_APPROVAL
    if waiting and proposal is not None and pull_request.head_sha == proposal.commit:
        return End(reason=EndReason.PUSHED_BY_HAND, moved=None)
    moved = _moved(job, pull_request, live_base)
    if moved is None:
        return Keep()
    reason = _why_not_afresh(job)
    return Afresh(moved=moved) if reason is None else End(reason=reason, moved=moved)


def _why_not_afresh(job: Job) -> EndReason | None:
    if job.request.kind is JobKind.ROLLBACK:
        return EndReason.ROLLBACK_VOID
    if job.request.kind is JobKind.FIX:
        return EndReason.FIX_VOID  # the checks that failed were those of the old head
    if job.state is JobState.AWAITING_APPROVAL:
        return EndReason.PROPOSAL_VOID
    return EndReason.TOO_OFTEN if afresh_count(job.request.origin_key) >= MAX_AFRESH else None


def afresh_key(job: Job) -> str:
    """The origin of the job that takes the place of ``job``: there is one such job at most, wherever head and base go.

    It counts how often in a row that happened.
    """
    return f"{job.request.repository.forge}:afresh:{afresh_count(job.request.origin_key) + 1}:{job.id}"


def afresh_count(origin_key: str) -> int:
    """How many fresh starts in a row led to a job with this origin; 0 where somebody asked for it."""
    found = _AFRESH_KEY.fullmatch(origin_key)
    return 0 if found is None else int(found[1])


def _moved(job: Job, pull_request: PullRequest, live_base: str | None) -> Moved | None:
    """What is not where the job saw it; None when all is."""
    if pull_request.base_ref != job.request.base_ref:
        return Moved(what=Branch.TARGET, before=job.request.base_ref, now=pull_request.base_ref)
    if job.state not in _PINNED:
        return None
    if pull_request.head_sha != job.head_sha:
        return Moved(what=Branch.HEAD, before=job.head_sha, now=pull_request.head_sha)
    if job.request.kind in ON_HEAD or job.base_sha is None or live_base == job.base_sha:
        return None
    return Moved(what=Branch.BASE, before=job.base_sha, now=live_base, base_ref=pull_request.base_ref)
