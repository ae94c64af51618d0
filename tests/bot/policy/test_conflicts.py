"""Decisions about single conflicts add up, and hold for what they were made for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.cases import Choice, Take
from bot.model.forge import PullRequest
from bot.model.intents import Allowed, Refused
from bot.model.jobs import JobState
from bot.policy.conflicts import check_unmoved, with_take
from tests.bot.policy.build import BASE, OTHER, PULL_REQUEST, job

TAKES = st.builds(
    Take, path=st.sampled_from("abcd"), choice=st.sampled_from(list(Choice)), taken_by=st.sampled_from(["ada", "bob"])
)
UNRESOLVED = job(JobState.UNRESOLVED)


@given(st.lists(TAKES, min_size=1))
def test_of_the_decisions_about_a_path_the_last_counts(decisions: list[Take]) -> None:
    found: tuple[Take, ...] = ()
    for decision in decisions:
        found = with_take(found, decision)
    assert {take.path: take for take in found} == {take.path: take for take in decisions}
    assert len({take.path for take in found}) == len(found)
    assert found[-1] == decisions[-1]


def test_what_stands_where_the_job_saw_it_is_unmoved() -> None:
    assert isinstance(check_unmoved(UNRESOLVED, pull_request=PULL_REQUEST, live_base=BASE), Allowed)


@pytest.mark.parametrize(
    ("pull_request", "live_base", "what"),
    [
        (PULL_REQUEST, OTHER, "The base branch"),
        (PULL_REQUEST, None, "The base branch"),
        (replace(PULL_REQUEST, base_ref="next"), BASE, "The base branch"),
        (replace(PULL_REQUEST, head_sha=OTHER), BASE, "The head"),
    ],
)
def test_what_moved_is_named(pull_request: PullRequest, live_base: str | None, what: str) -> None:
    assert check_unmoved(UNRESOLVED, pull_request=pull_request, live_base=live_base) == Refused(
        rule="stale",
        message=f"{what} moved since the conflicts were found. `/flowforge resolve` looks at them as they are now.",
    )


def test_a_job_that_never_saw_a_base_has_nothing_to_go_on_from() -> None:
    blind = replace(UNRESOLVED, base_sha=None)
    assert isinstance(check_unmoved(blind, pull_request=PULL_REQUEST, live_base=BASE), Refused)
    assert isinstance(check_unmoved(blind, pull_request=PULL_REQUEST, live_base=None), Refused)
