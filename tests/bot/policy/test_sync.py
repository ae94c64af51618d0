"""What becomes of a job whose pull request is no longer as the job saw it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.jobs import Job, JobKind, JobState
from bot.model.proposals import ProposalKind
from bot.model.sync import Afresh, Branch, Close, Course, End, EndReason, Keep, Moved
from bot.policy.sync import MAX_AFRESH, afresh_count, afresh_key, decide_sync
from tests.bot.policy.build import BASE, COMMIT, HEAD, JOB_ID, OTHER, PROPOSAL, PULL_REQUEST, job

UNDER_WAY = (JobState.PREPARING, JobState.RUNNING, JobState.VALIDATING)
HEAD_MOVED = Moved(what=Branch.HEAD, before=HEAD, now=OTHER)
BASE_MOVED = Moved(what=Branch.BASE, before=BASE, now=OTHER, base_ref="main")
BASE_GONE = replace(BASE_MOVED, now=None)
RETARGETED = Moved(what=Branch.TARGET, before="main", now="next")

PUSHED = replace(PULL_REQUEST, head_sha=OTHER)
ELSEWHERE = replace(PULL_REQUEST, base_ref="next")
CLOSED = replace(PULL_REQUEST, open=False)
TAKEN_OVER = replace(PULL_REQUEST, head_sha=COMMIT)
QUEUED, WAITING, PUSHING = job(JobState.QUEUED), job(JobState.AWAITING_APPROVAL), job(JobState.PUBLISHING)
FIX = job(JobState.RUNNING, kind=JobKind.FIX)
ROLLBACK = job(JobState.PREPARING, kind=JobKind.ROLLBACK)
REVERT = replace(PROPOSAL, kind=ProposalKind.REVERT)


def tired(count: int) -> Job:
    return job(JobState.RUNNING, origin_key=f"github:afresh:{count}:{JOB_ID}")


CASES: dict[str, tuple[Course, Job, object, str | None]] = {
    **{
        f"nothing moved while {state}": (Keep(), job(state), PULL_REQUEST, BASE)
        for state in (*UNDER_WAY, WAITING.state)
    },
    **{
        f"a push to the head while {state}": (Afresh(moved=HEAD_MOVED), job(state), PUSHED, BASE) for state in UNDER_WAY
    },
    **{
        f"a push to the base while {state}": (Afresh(moved=BASE_MOVED), job(state), PULL_REQUEST, OTHER)
        for state in UNDER_WAY
    },
    "the base is gone": (Afresh(moved=BASE_GONE), job(JobState.RUNNING), PULL_REQUEST, None),
    "both moved": (Afresh(moved=HEAD_MOVED), job(JobState.RUNNING), PUSHED, OTHER),
    "another base branch": (Afresh(moved=RETARGETED), job(JobState.RUNNING), ELSEWHERE, BASE),
    "another base branch before anything was fetched": (Afresh(moved=RETARGETED), QUEUED, ELSEWHERE, BASE),
    "a push before anything was fetched": (Keep(), QUEUED, PUSHED, OTHER),
    "a push to the head of a proposal": (
        End(reason=EndReason.PROPOSAL_VOID, moved=HEAD_MOVED),
        WAITING,
        PUSHED,
        BASE,
    ),
    "a push to the base of a proposal": (
        End(reason=EndReason.PROPOSAL_VOID, moved=BASE_MOVED),
        WAITING,
        PULL_REQUEST,
        OTHER,
    ),
    "somebody pushed the proposal by hand": (
        End(reason=EndReason.PUSHED_BY_HAND, moved=None),
        WAITING,
        TAKEN_OVER,
        BASE,
    ),
    "our own push": (Keep(), PUSHING, TAKEN_OVER, BASE),
    "a push while we push": (Keep(), PUSHING, PUSHED, OTHER),
    "closing while we push": (Keep(), PUSHING, CLOSED, None),
    **{
        f"closing while {state}": (Close(), job(state), CLOSED, None)
        for state in (*UNDER_WAY, QUEUED.state, WAITING.state)
    },
    "closing after a push": (Close(), job(JobState.RUNNING), replace(CLOSED, head_sha=OTHER), OTHER),
    "a push while it is being stopped": (
        Keep(),
        replace(job(JobState.RUNNING), cancel_requested=JobState.CANCELLED),
        PUSHED,
        OTHER,
    ),
    "a push under a rollback": (End(reason=EndReason.ROLLBACK_VOID, moved=HEAD_MOVED), ROLLBACK, PUSHED, None),
    "a push to the base under a rollback": (Keep(), ROLLBACK, PULL_REQUEST, OTHER),
    "a push under a fix": (End(reason=EndReason.FIX_VOID, moved=HEAD_MOVED), FIX, PUSHED, None),
    "a push to the base under a fix": (Keep(), FIX, PULL_REQUEST, OTHER),
    "another base branch under a fix": (End(reason=EndReason.FIX_VOID, moved=RETARGETED), FIX, ELSEWHERE, None),
    "one fresh start too many": (
        End(reason=EndReason.TOO_OFTEN, moved=HEAD_MOVED),
        tired(MAX_AFRESH),
        PUSHED,
        BASE,
    ),
    "the last fresh start": (Afresh(moved=HEAD_MOVED), tired(MAX_AFRESH - 1), PUSHED, BASE),
}


@pytest.mark.parametrize("name", CASES)
def test_what_becomes_of_a_job(name: str) -> None:
    course, subject, pull_request, live_base = CASES[name]
    assert decide_sync(subject, PROPOSAL, pull_request=pull_request, live_base=live_base) == course  # type: ignore[arg-type]


def test_the_base_does_not_matter_to_a_revert_that_waits() -> None:
    waiting = job(JobState.AWAITING_APPROVAL, kind=JobKind.ROLLBACK)
    assert decide_sync(waiting, REVERT, pull_request=PULL_REQUEST, live_base=OTHER) == Keep()
    moved = End(reason=EndReason.ROLLBACK_VOID, moved=HEAD_MOVED)
    assert decide_sync(waiting, REVERT, pull_request=PUSHED, live_base=OTHER) == moved


def test_fresh_starts_are_counted_in_their_origin_and_a_person_s_word_begins_anew() -> None:
    first = job(JobState.RUNNING)
    key = afresh_key(first)
    assert key == f"github:afresh:1:{JOB_ID}"
    second = replace(first, id="2" * 32, request=replace(first.request, origin_key=key))
    assert afresh_key(second) == f"github:afresh:2:{'2' * 32}"
    for theirs in ("github:comment:7:abc:0", f"github:click:1:retry:afresh:3:{JOB_ID}", "github:afresh:x:y"):
        assert afresh_count(theirs) == 0


JOBS = st.builds(
    lambda state, kind, count: job(state, kind=kind, origin_key=f"github:afresh:{count}:{JOB_ID}"),
    st.sampled_from([*UNDER_WAY, QUEUED.state, WAITING.state, PUSHING.state]),
    st.sampled_from(list(JobKind)),
    st.integers(1, MAX_AFRESH + 2),
)
PULL_REQUESTS = st.builds(
    lambda head, base_ref, is_open: replace(PULL_REQUEST, head_sha=head, base_ref=base_ref, open=is_open),
    st.sampled_from([HEAD, OTHER, COMMIT]),
    st.sampled_from(["main", "next"]),
    st.booleans(),
)


@given(JOBS, PULL_REQUESTS, st.sampled_from([BASE, OTHER, None]))
def test_nothing_is_pushed_over_nothing_goes_on_forever(subject: Job, pull_request: object, base: str | None) -> None:
    course = decide_sync(subject, PROPOSAL, pull_request=pull_request, live_base=base)  # type: ignore[arg-type]
    if subject.state is JobState.PUBLISHING:
        assert course == Keep()
    if isinstance(course, Afresh):
        assert subject.state not in {JobState.AWAITING_APPROVAL, JobState.PUBLISHING}
        assert subject.request.kind is JobKind.RESOLVE
        assert afresh_count(subject.request.origin_key) < MAX_AFRESH
