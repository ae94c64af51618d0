"""From a run of tests that ended to what is said about it."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.handlers.testing import evidence_of
from bot.model.proposals import SuiteEvidence, SuiteOutcome
from bot.model.runs import Run, RunKind, RunOutcome, RunState, SuiteAnswer
from tests.app.store.words import LIMITS, START, sha1

KNOWN = SuiteEvidence(tree=sha1("tree"), outcome=SuiteOutcome.UNDER_WAY, at=START, command="make test", left_out=2)
ENDED = Run(
    id="1" * 32,
    job_id="2" * 32,
    attempt=1,
    state=RunState.ENDED,
    model="m",
    limits=LIMITS,
    outcome=RunOutcome.SUCCEEDED,
    detail="what the machinery says",
    stop_requested=None,
    started_at=START,
    deadline_at=None,
    ended_at=START + timedelta(seconds=90),
    kind=RunKind.TEST,
)
ANSWERS = st.builds(
    SuiteAnswer,
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    duration_ms=st.integers(0, 2**40),
    log_tail=st.text(max_size=50),
)


@given(outcome=st.none() | st.sampled_from(RunOutcome), answer=st.none() | ANSWERS)
def test_a_pass_needs_a_run_that_ended_well_and_an_answer_that_says_so(
    outcome: RunOutcome | None, answer: SuiteAnswer | None
) -> None:
    found = evidence_of(KNOWN, replace(ENDED, outcome=outcome), answer)
    well = outcome is RunOutcome.SUCCEEDED and answer is not None and answer.exit_code == 0
    assert (found.outcome is SuiteOutcome.PASSED) is well
    assert found.outcome not in {SuiteOutcome.UNDER_WAY, SuiteOutcome.NOT_CONFIGURED}
    assert (found.tree, found.command, found.left_out) == (KNOWN.tree, KNOWN.command, KNOWN.left_out)
    assert bool(found.detail) is (found.outcome is SuiteOutcome.COULD_NOT_RUN), "only then is there something to say"


def test_of_stopped_tests_the_detail_is_their_log() -> None:
    for outcome in (RunOutcome.TIMED_OUT, RunOutcome.STALLED):
        found = evidence_of(KNOWN, replace(ENDED, outcome=outcome, detail="one\ntwo\n"), None)
        assert (found.outcome, found.log_tail, found.duration_ms) == (SuiteOutcome.TIMED_OUT, "one\ntwo\n", 90_000)
    found = evidence_of(KNOWN, replace(ENDED, outcome=RunOutcome.MAX_OUTPUT, detail="y\ny\n"), None)
    assert (found.outcome, found.log_tail) == (SuiteOutcome.COULD_NOT_RUN, "y\ny\n")
    assert found.detail == "They printed more than they may, and were stopped"
