"""Deliveries of a scripted hour are dropped, lost, doubled, late and out of order: in the end nothing differs.

``FLOWFORGE_FUZZ_EXAMPLES`` says how many hours are lived; ``make test`` has time for a few.
"""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.model.jobs import JobState
from tests.app.store.backends import SqliteBackend
from tests.fuzz.hour import Disturbance, Fate, open_hour, template
from tests.fuzz.state import State, state_of

EXAMPLES: Final = int(os.environ.get("FLOWFORGE_FUZZ_EXAMPLES", "5"))

DISTURBANCES: Final = st.builds(
    Disturbance,
    fates=st.lists(st.sampled_from(Fate), min_size=1, max_size=120).map(tuple),
    seeds=st.lists(st.integers(0, 1_000_000), min_size=1, max_size=12).map(tuple),
)


pytestmark = pytest.mark.timeout(600 + 60 * EXAMPLES)


class Lives:
    """Lives hours: each with a forge and a database of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._databases = SqliteBackend(directory)
        self._undisturbed: State | None = None

    def live(self, disturbance: Disturbance) -> State:
        # Nobody reads the lines of a whole hour, and to write them takes a while.
        with capture_logs():
            return asyncio.run(self._live(disturbance))

    def undisturbed(self) -> State:
        if self._undisturbed is None:
            self._undisturbed = self.live(Disturbance())
        return self._undisturbed

    async def _live(self, disturbance: Disturbance) -> State:
        url = await self._databases.fresh()
        with tempfile.TemporaryDirectory(dir=self._directory) as directory:
            async with open_hour(Path(directory), url, template(self._directory), disturbance) as hour:
                await hour.live()
                assert hour.bench.errors == []
                assert hour.bench.runner.puppets == [], "rules settle all that there is"
                state = await state_of(hour)
        await self._databases.drop(url)
        return state


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Lives:
    return Lives(tmp_path_factory.mktemp("hours"))


def test_the_undisturbed_hour_is_full_of_work(lives: Lives) -> None:
    """What is compared with is what people wanted; an hour in which nothing happens would prove nothing."""
    state = lives.undisturbed()
    ends = {number: job_state for (number, _, job_state, _, _), _ in state["database"]["jobs"].items()}
    assert ends == {
        **dict.fromkeys((1, 2, 15), JobState.PUBLISHED),
        3: JobState.REJECTED,
        5: JobState.AWAITING_APPROVAL,
        17: JobState.NOTHING_TO_DO,
    }
    told = {number for number, (_, _, _, _, is_told) in state["database"]["watched"].items() if is_told}
    assert told == {3, 5, 6, 7, 16}
    assert {number for number, pull in state["forge"]["pulls"].items() if not pull["open"]} == {11, 12, 14}
    assert (state["database"]["levels due"], state["database"]["reports due"]) == (0, 0)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate] if EXAMPLES < 50 else list(Phase),
)
@given(disturbance=DISTURBANCES)
def test_whatever_becomes_of_deliveries_the_hour_ends_the_same(lives: Lives, disturbance: Disturbance) -> None:
    assert lives.live(disturbance) == lives.undisturbed()
