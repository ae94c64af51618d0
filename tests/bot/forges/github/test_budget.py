"""What is left of an hour: known from GitHub's own words, and a part of it kept for people."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import ForgeLimitedError
from bot.forges.github.budget import Budget
from bot.forges.meter import NoMeter
from tests.bot.forges.github.conftest import HandSetClock

HOUR = 3600


@dataclass
class Shares(NoMeter):
    seen: list[tuple[str, float]] = field(default_factory=list)

    def budget(self, resource: str, share: float) -> None:
        self.seen.append((resource, share))


@pytest.fixture
def shares() -> Shares:
    return Shares()


@pytest.fixture
def budget(clock: HandSetClock, shares: Shares) -> Budget:
    return Budget(clock=clock, meter=shares)


def says(clock: HandSetClock, remaining: int, *, limit: int = 1000, reset_in: int = HOUR) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(int(clock.now().timestamp()) + reset_in),
        "x-ratelimit-resource": "core",
    }


def admits(budget: Budget, installation_id: int = 1, *, leave: float = 0.0) -> bool:
    try:
        budget.check(installation_id, leave=leave)
    except ForgeLimitedError:
        return False
    return True


def test_as_long_as_nothing_is_known_everybody_may_ask(budget: Budget) -> None:
    assert admits(budget, leave=0.3)


@pytest.mark.parametrize(
    ("remaining", "reconcile", "sweep", "person"),
    [
        (1000, True, True, True),
        (301, True, True, True),
        (300, False, True, True),
        (201, False, True, True),
        (200, False, False, True),
        (1, False, False, True),
        (0, False, False, False),
    ],
)
def test_who_may_still_ask(
    budget: Budget, clock: HandSetClock, remaining: int, *, reconcile: bool, sweep: bool, person: bool
) -> None:
    budget.learn(1, says(clock, remaining))
    assert [admits(budget, leave=leave) for leave in (0.3, 0.2, 0.0)] == [reconcile, sweep, person]
    assert admits(budget, 2, leave=0.3), "another installation's budget is its own"


def test_it_is_told_when_to_come_back(budget: Budget, clock: HandSetClock) -> None:
    budget.learn(1, says(clock, 100, reset_in=1700))
    clock.move(seconds=500)
    with pytest.raises(ForgeLimitedError, match="kept for what people ask for") as raised:
        budget.check(1, leave=0.2)
    assert raised.value.retry_after == 1200
    clock.move(seconds=1200)
    assert admits(budget, leave=0.2)


def test_requests_under_way_count_as_spent(budget: Budget, clock: HandSetClock) -> None:
    budget.learn(1, says(clock, 202))
    with budget.asking(1):
        assert admits(budget, leave=0.2)
        with budget.asking(1):
            assert not admits(budget, leave=0.2)
    assert admits(budget, leave=0.2)


def test_answers_may_overtake_each_other(budget: Budget, clock: HandSetClock) -> None:
    budget.learn(1, says(clock, 150))
    budget.learn(1, says(clock, 400, reset_in=HOUR - 2))
    assert not admits(budget, leave=0.2)
    budget.learn(1, says(clock, 900, reset_in=-1))
    assert not admits(budget, leave=0.2), "an answer of the hour before"
    budget.learn(1, says(clock, 990, reset_in=2 * HOUR))
    assert admits(budget, leave=0.2), "a new hour"


def test_the_installation_with_the_least_is_shown(budget: Budget, clock: HandSetClock, shares: Shares) -> None:
    budget.learn(1, says(clock, 900))
    budget.learn(2, says(clock, 250, reset_in=60))
    budget.learn(1, says(clock, 899))
    clock.move(seconds=61)
    budget.learn(1, says(clock, 800, reset_in=HOUR - 61))
    assert shares.seen == [("core", 0.9), ("core", 0.25), ("core", 0.25), ("core", 0.8)]


_ODD = st.sampled_from(["", "x", "-1", "1.5", "0", "12", "9" * 5000, "٣", " 7", "1e3", "99999999999999999999"])


@given(headers=st.dictionaries(st.sampled_from([f"x-ratelimit-{n}" for n in ("limit", "remaining", "reset")]), _ODD))
def test_malformed_words_break_nothing(headers: dict[str, str]) -> None:
    budget = Budget(clock=HandSetClock(), meter=NoMeter())
    budget.learn(1, {**headers, "x-ratelimit-resource": "core"})
    admits(budget, leave=0.2)


def test_a_resource_with_an_odd_name_is_not_shown(budget: Budget, clock: HandSetClock, shares: Shares) -> None:
    budget.learn(1, says(clock, 0) | {"x-ratelimit-resource": 'core"} 1\nx'})
    assert shares.seen == []
    budget.learn(1, says(clock, 0) | {"x-ratelimit-resource": "search"})
    assert admits(budget, leave=0.3), "searches have a budget of their own"
