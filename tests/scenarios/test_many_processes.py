"""Two web processes and three workers, on one database and one Redis: every job once, one push, one comment, one check.

Each delivery reaches both web processes at the same moment. One gateway serves all runs.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.model.deliveries import DeliveryState
from bot.model.jobs import JobKind, JobState
from bot.model.proposals import PushPurpose
from bot.model.runs import RunOutcome
from tests.outages.world import Outcome
from tests.postgres import own_server
from tests.scenarios.many import WORKERS, Fleet, open_fleet

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'flowforge.db'}"
        return
    with own_server() as server:
        yield server.url()


@pytest.fixture
async def fleet(tmp_path: Path, database_url: str) -> AsyncIterator[Fleet]:
    async with open_fleet(tmp_path, database_url=database_url) as fleet:
        yield fleet


def check_once(outcome: Outcome) -> None:
    """One job, one push to the pull request, one comment, one check run, and nothing left over."""
    assert outcome.jobs == [(JobKind.RESOLVE, JobState.PUBLISHED)]
    assert outcome.parents == 2
    assert outcome.pushes == Counter(
        {
            ("refs/heads/feature", "people"): 1,
            ("refs/heads/main", "people"): 1,
            ("ours", "bot"): 2,  # the proposal's branch comes and goes
            ("refs/heads/feature", "bot"): 1,
        }
    )
    assert outcome.git_operations == Counter(
        {(PushPurpose.PROPOSE, "done"): 1, (PushPurpose.PUBLISH, "done"): 1, (PushPurpose.CLEAN_UP, "done"): 1}
    )
    assert outcome.check_runs == [("before", "completed", "success")]
    assert len(outcome.stickies) == 1
    assert (outcome.replies, outcome.branches, outcome.reactions) == (0, set(), {"eyes"})
    assert set(outcome.deliveries) <= {DeliveryState.IGNORED, DeliveryState.ROUTED}


async def check_deliveries(fleet: Fleet) -> None:
    """Of the two web processes one was told first, each time; the other one knew the delivery already."""
    asked = fleet.world.sim.webhooks.deliveries
    assert len(fleet.answers) == len(asked) > 0
    used = [sorted(one["detail"] for one in both) for both in fleet.answers]
    assert set(map(tuple, used)) <= {("accepted", "known already"), ("not used", "not used")}
    kept = await fleet.delivered()
    assert len(kept) == len(set(kept)) == used.count(["accepted", "known already"])


async def test_every_delivery_twice_and_everything_once(fleet: Fleet) -> None:
    world = fleet.world
    world.gate.open()
    world.say("/flowforge resolve")
    await world.until_proposed()
    world.approve()
    await world.until_pushed()
    check_once(await world.outcome())
    await check_deliveries(fleet)


async def test_what_a_killed_worker_had_begun_the_others_finish_and_do_not_do_again(fleet: Fleet) -> None:
    world = fleet.world
    world.say("/flowforge resolve")
    await world.until_running()
    await fleet.kill(await fleet.supervisor())
    world.gate.open()
    await world.until_proposed()
    world.approve()
    await world.until_pushed()
    check_once(await world.outcome())
    await check_deliveries(fleet)
    assert len(fleet.workers) == WORKERS - 1
    assert await fleet.runs_ended() == [RunOutcome.INFRA_RETRYABLE, RunOutcome.SUCCEEDED]
