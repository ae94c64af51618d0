"""Ten minutes after any event that never came, all is as if it had come; and what people should see is there."""

import asyncio
from datetime import timedelta

import pytest

from app.demo.simulator.record import Exchange
from app.demo.simulator.state import PullRequest
from app.telemetry import REPAIRS
from bot.handlers.reconcile import EVERY, JITTER, jitter
from bot.model.jobs import JobState
from bot.model.sweeps import RepairKind
from tests.bot.handlers.bench import WAIT, Bench

TURN = (EVERY + JITTER).total_seconds()


def repaired(kind: RepairKind) -> float:
    return REPAIRS.labels(kind=kind.value)._value.get()  # type: ignore[no-any-return]  # no other way to ask


class Repairs:
    """How often the sweeps put something right since this was made."""

    def __init__(self) -> None:
        self._before = {kind: repaired(kind) for kind in RepairKind}

    @property
    def made(self) -> dict[RepairKind, float]:
        now = {kind: repaired(kind) - self._before[kind] for kind in RepairKind}
        return {kind: count for kind, count in now.items() if count}


async def turn(bench: Bench) -> None:
    """The repository's turn comes, and what comes of it is done."""
    bench.clock.advance(TURN)
    await bench.instance.ticks.sweep("reconcile")
    await bench.work()


def listed(bench: Bench) -> list[Exchange]:
    return [one for one in bench.asked("GET", "/repos/acme/fees/pulls") if one.path.endswith("/pulls")]


async def is_watched(bench: Bench, pull: PullRequest) -> bool:
    return pull.number in {one.number for one in await bench.store.watch.open_pulls(bench.ref, "main")}


async def test_each_repository_has_its_turn_every_ten_to_twelve_minutes(bench: Bench) -> None:
    await bench.work()
    await bench.instance.ticks.sweep("reconcile")
    lists = len(listed(bench))
    later = jitter(bench.ref, bench.clock.now())
    assert timedelta(0) <= later < JITTER
    bench.clock.advance((EVERY + later).total_seconds() - 1)
    await bench.instance.ticks.sweep("reconcile")
    assert len(listed(bench)) == lists
    bench.clock.advance(2)
    await bench.instance.ticks.sweep("reconcile")
    await bench.instance.ticks.sweep("reconcile")
    await bench.work()
    assert len(listed(bench)) == lists + 1, "once, and nobody lists again for the conflict watch"


async def test_turns_are_spread(bench: Bench) -> None:
    now = bench.clock.now()
    found = {jitter(bench.ref, now + EVERY * n).total_seconds() // 30 for n in range(40)}
    assert found == {0.0, 1.0, 2.0, 3.0}


async def test_nothing_missed_is_nothing_repaired(bench: Bench) -> None:
    await bench.until_proposed()
    repairs = Repairs()
    writes = len(bench.asked("POST", "/repos")) + len(bench.asked("PATCH", "/repos"))
    for _ in range(3):
        await turn(bench)
    assert repairs.made == {}
    assert len(bench.asked("POST", "/repos")) + len(bench.asked("PATCH", "/repos")) == writes
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL


# --- pull requests


async def test_a_pull_request_that_opened_unheard_of_is_watched(bench: Bench) -> None:
    await bench.work()
    await turn(bench)
    repairs = Repairs()
    await bench.sim.people.commit(bench.repository, "quiet", {"quiet.md": "1\n"}, author=bench.author)
    await bench.work()
    bench.sim.webhooks.drop("pull_request")
    pull = await bench.sim.people.open_pull_request(bench.repository, author=bench.author, head="quiet", title="Quiet")
    await bench.work()
    assert not await is_watched(bench, pull)
    await turn(bench)
    assert await is_watched(bench, pull)
    assert repairs.made == {RepairKind.PULL_REQUEST: 1}


async def test_the_job_of_a_pull_request_that_closed_unheard_of_ends(bench: Bench) -> None:
    await bench.until_proposed()
    repairs = Repairs()
    bench.sim.webhooks.drop("pull_request")
    bench.sim.people.close(bench.pull, bench.author)
    await bench.work()
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL
    await turn(bench)
    assert (await bench.job()).state is JobState.CANCELLED
    bench.clock.advance(31)
    await bench.work()
    assert bench.branches == {}
    assert repairs.made == {RepairKind.PULL_REQUEST: 1}
    assert not await is_watched(bench, bench.pull)


async def test_a_head_that_moved_unheard_of_makes_the_proposal_stale(bench: Bench) -> None:
    await bench.until_proposed()
    repairs = Repairs()
    bench.sim.webhooks.drop(times=2)
    await bench.sim.people.commit(bench.repository, "feature", {"more.md": "1\n"}, author=bench.author)
    await bench.work()
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL
    await turn(bench)
    assert (await bench.job()).state is JobState.SUPERSEDED
    assert repairs.made == {RepairKind.PULL_REQUEST: 1}


async def test_a_base_that_moved_unheard_of_makes_the_proposal_stale(bench: Bench) -> None:
    await bench.until_proposed()
    repairs = Repairs()
    bench.sim.webhooks.drop("push")
    await bench.sim.people.commit(bench.repository, "main", {"more.md": "1\n"}, author=bench.maintainer)
    await bench.work()
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL
    await turn(bench)
    assert (await bench.job()).state is JobState.SUPERSEDED
    assert repairs.made == {RepairKind.PULL_REQUEST: 1}


async def test_a_pull_request_that_goes_elsewhere_unheard_of_is_no_longer_worked_on(bench: Bench) -> None:
    await bench.until_proposed()
    repairs = Repairs()
    await bench.sim.people.move_branch(
        bench.repository, "next", bench.repository.refs["refs/heads/main"], actor=bench.author
    )
    await bench.work()
    bench.sim.webhooks.drop("pull_request")
    await bench.sim.people.retarget(bench.pull, bench.author, base="next")
    await bench.work()
    await turn(bench)
    assert (await bench.job()).state is JobState.SUPERSEDED
    assert repairs.made == {RepairKind.PULL_REQUEST: 1}


async def test_a_job_that_moves_the_head_itself_meanwhile_is_no_repair(bench: Bench) -> None:
    job = await bench.until_proposed()
    bench.clock.advance(TURN)
    repairs, hold = Repairs(), bench.sim.faults.hold("GET", ".*/info/refs")
    async with asyncio.timeout(WAIT):
        comparing = asyncio.create_task(bench.instance.ticks.sweep("reconcile"))
        await hold.arrived.wait()
        lease = await bench.store.jobs.claim(job.id, owner="publishes", seconds=60)
        assert lease is not None
        await bench.store.jobs.move(lease, JobState.PUBLISHING)
        await bench.sim.people.commit(bench.repository, "feature", {"more.md": "1\n"}, author=bench.author)
        hold.release()
        await comparing
    assert repairs.made == {}


# --- reports


async def test_a_sticky_comment_that_somebody_deleted_comes_back_once(bench: Bench) -> None:
    await bench.until_proposed()
    (sticky,) = bench.stickies
    (comment,) = [one for one in bench.sim.comments(bench.pull, bench.sim.bot) if one.body == sticky]
    bench.sim.people.delete_comment(comment, bench.maintainer)
    await bench.work()
    repairs = Repairs()
    await turn(bench)
    assert bench.stickies == [sticky]
    assert repairs.made == {RepairKind.REPORT: 1}
    await turn(bench)
    assert bench.stickies == [sticky]
    assert repairs.made == {RepairKind.REPORT: 1}


async def test_a_sticky_comment_that_somebody_rewrote_says_what_it_should(bench: Bench) -> None:
    await bench.until_proposed()
    (sticky,) = bench.stickies
    (comment,) = [one for one in bench.sim.comments(bench.pull, bench.sim.bot) if one.body == sticky]
    bench.sim.people.edit_comment(comment, bench.maintainer, "Approved by everybody.")
    await turn(bench)
    assert bench.stickies == [sticky]
    assert comment.body == sticky


@pytest.mark.parametrize("ended", [False, True])
async def test_a_check_run_that_vanished_is_made_anew(bench: Bench, ended: bool) -> None:
    job = await bench.until_proposed()
    if ended:
        bench.say("/flowforge reject")
        await bench.work()
    (before,) = bench.check_runs
    del bench.sim.world.check_runs[before.id]
    repairs = Repairs()
    await turn(bench)
    (after,) = bench.check_runs
    assert after.id != before.id
    assert (after.title, after.conclusion, after.summary) == (before.title, before.conclusion, before.summary)
    assert (after.external_id or "").startswith(job.id)
    assert repairs.made == {RepairKind.REPORT: 1}


@pytest.mark.parametrize(("field", "value"), [("title", "Queued"), ("conclusion", "success"), ("summary", "old")])
async def test_a_check_run_that_says_something_old_is_written_again(bench: Bench, field: str, value: str) -> None:
    await bench.until_proposed()
    (check,) = bench.check_runs
    right = getattr(check, field)
    setattr(check, field, value)
    await turn(bench)
    assert [getattr(one, field) for one in bench.check_runs] == [right]


async def test_what_ended_days_ago_is_left_as_it_is(bench: Bench) -> None:
    await bench.until_proposed()
    bench.say("/flowforge reject")
    await bench.work()
    bench.clock.advance(timedelta(days=1).total_seconds() + 1)
    bench.sim.world.check_runs.clear()
    await turn(bench)
    assert bench.check_runs == []


# --- limits


async def test_the_reconcile_ends_where_the_rest_is_for_people(bench: Bench) -> None:
    await bench.work()
    await bench.instance.ticks.sweep("reconcile")
    state = bench.sim.limits
    state.limit = 100
    for _ in range(75):
        await bench.instance.forge.read_file(bench.ref, f"no-such-file-{_}", ref="main")
    asked = len(bench.sim.record.exchanges)
    bench.clock.advance(TURN)
    await bench.instance.ticks.sweep("reconcile")
    assert len(bench.sim.record.exchanges) <= asked + 1
    (beat,) = [one for one in await bench.store.sweeps.beats() if one.name == "reconcile"]
    assert (beat.failures, beat.succeeded_at) == (0, bench.clock.now())


async def test_a_repository_out_of_reach_waits_an_hour_and_stops_no_other(bench: Bench) -> None:
    await bench.work()
    bench.clock.advance(TURN)
    bench.sim.faults.fail("GET", "/repos/acme/fees/pulls", status=403, message="Resource not accessible by integration")
    await bench.instance.ticks.sweep("reconcile")
    lists = len(listed(bench))
    bench.clock.advance(3500)
    await bench.instance.ticks.sweep("reconcile")
    assert len(listed(bench)) == lists
    bench.clock.advance(120)
    await bench.instance.ticks.sweep("reconcile")
    assert len(listed(bench)) == lists + 1
