from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config_keys import RepositoryConfig, Resolvers
from bot.model.intents import Allowed, Refused
from bot.model.runs import RunLimits
from bot.policy.limits import check_conflicts, chosen_budget, chosen_model, direct_hunks, limits_of_tests, run_limits
from tests.bot.policy.build import SERVER

CONFIG = RepositoryConfig(version=1)
MONEY = st.floats(min_value=0.01, max_value=100.0)


def test_a_run_gets_the_server_s_limits_and_the_repository_s() -> None:
    assert run_limits(CONFIG, budget_usd=2.0, server=SERVER) == RunLimits(
        deadline_seconds=1800.0,
        stall_seconds=300.0,
        budget_usd=2.0,
        max_turns=40,
        max_workspace_bytes=1_000_000,
        max_result_bytes=2_000_000,
        max_result_files=100,
        max_log_bytes=3_000_000,
    )


def test_the_server_ends_a_run_where_the_repository_would_wait_longer() -> None:
    config = RepositoryConfig(version=1, timeout_minutes=120)
    assert run_limits(config, budget_usd=1.0, server=SERVER).deadline_seconds == 3600.0


@given(asked=st.none() | MONEY, repository=MONEY, server=MONEY)
def test_the_lowest_budget_counts(asked: float | None, repository: float, server: float) -> None:
    config, limits = RepositoryConfig(version=1, budget_usd=repository), replace(SERVER, max_budget_usd=server)
    budget = chosen_budget(config, asked, limits)
    assert budget == min(amount for amount in (asked, repository, server) if amount is not None)
    assert run_limits(config, budget_usd=budget, server=limits).budget_usd == budget


@pytest.mark.parametrize(
    ("asked", "configured", "model"),
    [(None, None, "sonnet"), (None, "opus", "opus"), ("haiku", "opus", "haiku"), ("haiku", None, "haiku")],
)
def test_the_nearest_wish_for_a_model_counts(asked: str | None, configured: str | None, model: str) -> None:
    assert chosen_model(RepositoryConfig(version=1, model=configured), asked, SERVER) == model


def test_a_merge_with_too_many_conflicts_is_left_to_people() -> None:
    config = RepositoryConfig(version=1, max_conflicted_files=2)
    assert check_conflicts(config, 2, said_in="`acme/.flowforge/flowforge.yml:4`") == Allowed(
        reasons=("2 conflicted files, at most 2 allowed",)
    )
    assert check_conflicts(config, 3, said_in="`acme/.flowforge/flowforge.yml:4`") == Refused(
        rule="conflicted-files",
        message="3 files conflict; this repository leaves merges with more than 2 to people "
        "(`max_conflicted_files` in `acme/.flowforge/flowforge.yml:4`).",
    )


def test_direct_calls_need_the_server_and_the_repository() -> None:
    few = RepositoryConfig(version=1, resolvers=Resolvers(direct_max_hunks=3))
    none = RepositoryConfig(version=1, resolvers=Resolvers(direct=False, direct_max_hunks=3))
    assert direct_hunks(few, SERVER) == 3
    assert direct_hunks(none, SERVER) == 0
    assert direct_hunks(few, replace(SERVER, direct_calls=False)) == 0


@given(minutes=st.integers(1, 120), server=st.floats(min_value=60.0, max_value=10_000.0))
def test_tests_may_be_silent_for_as_long_as_they_may_take_and_spend_and_leave_nothing(
    minutes: int, server: float
) -> None:
    config = RepositoryConfig(version=1, test_timeout_minutes=minutes, timeout_minutes=1, budget_usd=50.0)
    limits = limits_of_tests(config, server=replace(SERVER, max_run_seconds=server))
    assert limits.deadline_seconds == limits.stall_seconds == min(minutes * 60.0, server)
    assert limits.budget_usd <= 0.01
    assert limits.max_result_bytes == 1
    assert (limits.max_log_bytes, limits.max_workspace_bytes) == (SERVER.max_log_bytes, SERVER.max_workspace_bytes)
