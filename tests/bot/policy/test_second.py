from dataclasses import replace

import pytest

from bot.config_keys import RepositoryConfig
from bot.model.cases import Choice, Take
from bot.model.intents import Resolve
from bot.model.jobs import TERMINAL, Job, JobKind, JobState
from bot.policy.facts import Facts
from bot.policy.second import Join, Supersede, Wait, decide_second
from tests.bot.policy.build import JOB_ID, ORIGIN, OTHER, PULL_REQUEST, QUIET, during, job

RESOLVE = Resolve(origin=ORIGIN)
UNDER_WAY = [JobState.QUEUED, JobState.PREPARING, JobState.RUNNING, JobState.VALIDATING]


def second(intent: Resolve, active: Job, facts: Facts | None = None) -> Join | Supersede | Wait:
    return decide_second(intent, active, facts or during(active))


@pytest.mark.parametrize("state", UNDER_WAY)
def test_the_same_request_joins_the_job_that_is_there(state: JobState) -> None:
    assert second(RESOLVE, job(state)) == Join(
        job_id=JOB_ID,
        message="Job `11111111` is already working on exactly this.",
    )


def test_the_same_request_joins_the_proposal_that_waits() -> None:
    assert second(RESOLVE, job(JobState.AWAITING_APPROVAL)) == Join(
        job_id=JOB_ID,
        message="Job `11111111` did exactly this and waits for an answer: `/flowforge approve` or `/flowforge reject`; "
        "`/flowforge retry` does it again.",
    )


def test_what_comes_to_the_same_is_the_same() -> None:
    spelt_out = Resolve(origin=replace(ORIGIN, key="other"), budget_usd=5.0, model="sonnet")
    assert isinstance(second(spelt_out, job()), Join)
    assert isinstance(second(RESOLVE, job(), replace(during(job()), config=None)), Join)


DIFFERENT: dict[str, tuple[Resolve, Job, Facts]] = {
    "the instructions differ": (Resolve(origin=ORIGIN, instructions="keep ours"), job(), QUIET),
    "one of the two is a dry run": (Resolve(origin=ORIGIN, dry_run=True), job(), QUIET),
    "it holds people's decisions about single conflicts": (
        RESOLVE,
        job(takes=(Take(path="a", choice=Choice.OURS, taken_by="ada"),)),
        QUIET,
    ),
    "the budget differs": (Resolve(origin=ORIGIN, budget_usd=1.0), job(), QUIET),
    "the model differs": (Resolve(origin=ORIGIN, model="opus"), job(), QUIET),
    "the head moved": (RESOLVE, job(), replace(QUIET, pull_request=replace(PULL_REQUEST, head_sha=OTHER))),
    "the pull request has another base branch now": (
        RESOLVE,
        job(),
        replace(QUIET, pull_request=replace(PULL_REQUEST, base_ref="next")),
    ),
    "it is being stopped already": (RESOLVE, replace(job(), cancel_requested=JobState.CANCELLED), QUIET),
    "it was a rollback": (RESOLVE, job(JobState.AWAITING_APPROVAL, kind=JobKind.ROLLBACK), QUIET),
}


@pytest.mark.parametrize("difference", DIFFERENT)
def test_another_request_takes_its_place_and_says_why(difference: str) -> None:
    assert second(*DIFFERENT[difference]) == Supersede(
        job_id=JOB_ID,
        message=f"Job `11111111` ends and this one takes its place, because {difference}.",
    )


@pytest.mark.parametrize("state", [*UNDER_WAY, JobState.AWAITING_APPROVAL])
def test_another_request_takes_its_place_in_any_state_before_the_push(state: JobState) -> None:
    assert isinstance(second(Resolve(origin=ORIGIN, instructions="x"), job(state)), Supersede)


@pytest.mark.parametrize("intent", [RESOLVE, Resolve(origin=ORIGIN, instructions="x")])
def test_a_push_is_waited_for(intent: Resolve) -> None:
    assert second(intent, job(JobState.PUBLISHING)) == Wait(
        rule="busy",
        message="The result of job `11111111` is being pushed. Wait for it, then ask again.",
    )


@pytest.mark.parametrize("state", UNDER_WAY)
def test_a_rollback_is_waited_for(state: JobState) -> None:
    assert second(RESOLVE, job(state, kind=JobKind.ROLLBACK)) == Wait(
        rule="busy",
        message="Rollback `11111111` is under way. Wait for it, then ask again.",
    )


def test_every_state_of_an_active_job_is_decided() -> None:
    for state in set(JobState) - TERMINAL:
        assert isinstance(second(RESOLVE, job(state)), Join | Supersede | Wait)


def test_a_changed_configuration_makes_another_request() -> None:
    facts = replace(QUIET, config=RepositoryConfig(version=1, budget_usd=3.0))
    assert isinstance(second(RESOLVE, job(), facts), Supersede)
