"""What GitHub could not deliver is had again: what never arrived, and nothing else."""

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from sqlalchemy import delete

from app.demo.simulator.record import Exchange
from app.store.history_tables import delivery_keys
from app.store.tables import deliveries
from app.wiring_sweeps import LOG
from bot.errors import ForgeUnavailableError
from bot.handlers.redeliver import MAX_ATTEMPTS, PACE_SECONDS, Redeliver
from bot.model.deliveries import DeliveryState
from bot.model.forge import ForgeKind
from bot.model.jobs import JobState
from bot.model.sweeps import RepairKind, Swept
from tests.bot.handlers.bench import Bench, HandClock

LIST = "/app/hook/deliveries"


@dataclass
class Sleeps:
    """Sleeps that take no time but the clock's, and more of that than they should where they are ``stretched``."""

    clock: HandClock
    stretched: float = 1
    taken: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        self.clock.advance(seconds * self.stretched)


async def redeliver(bench: Bench, bookmark: str = "", *, sleeps: Sleeps | None = None) -> Swept:
    """A pass, and what comes of it."""
    sleep = sleeps or Sleeps(bench.clock)
    swept = await Redeliver(store=bench.store, log=LOG, forge=bench.instance.forge, clock=bench.clock, sleep=sleep)(
        bookmark
    )
    await bench.arrived()
    return swept


def asked(bench: Bench) -> list[Exchange]:
    return bench.asked("POST", "/attempts")


def listed(bench: Bench) -> list[Exchange]:
    return bench.asked("GET", LIST)


async def test_a_command_that_never_arrived_is_acted_on_after_all_and_once(bench: Bench) -> None:
    await bench.work()
    bench.sim.webhooks.drop("issue_comment")
    bench.say("/flowforge resolve")
    await bench.work()
    assert await bench.store.jobs.latest(bench.ref, bench.pull.number) is None
    swept = await redeliver(bench)
    assert swept.repairs == {RepairKind.DELIVERY: 1}
    await bench.work()
    job = await bench.job()
    assert job.state is JobState.RUNNING
    bench.clock.advance(300)
    again = await redeliver(bench, swept.bookmark or "")
    assert again.repairs == {RepairKind.DELIVERY: 0}
    assert len(asked(bench)) == 1
    await bench.work()
    assert (await bench.job()).id == job.id


async def test_what_arrived_is_not_asked_for_whatever_became_of_it(bench: Bench) -> None:
    await bench.work()
    bench.say("nothing to do with us")
    bench.sim.webhooks.duplicate("issue_comment")
    bench.say("/flowforge status")
    await bench.work()
    dead = bench.sim.webhooks.deliveries[-1].guid
    await bench.store.deliveries.settle(ForgeKind.GITHUB, dead, DeliveryState.DEAD, error="it killed us")
    assert (await redeliver(bench)).repairs == {RepairKind.DELIVERY: 0}
    assert asked(bench) == []


async def test_what_is_here_is_not_asked_for_although_github_saw_no_success(bench: Bench) -> None:
    await bench.work()
    bench.sim.webhooks.drop("issue_comment")
    bench.say("/flowforge help")
    await bench.arrived()
    sent = bench.sim.webhooks.deliveries[-1]
    assert [attempt.status for attempt in sent.attempts] == ["failed to connect to host"]
    bench.sim.webhooks.redeliver(sent)
    await bench.arrived()
    # As after an answer that came too late: the row is there, and GitHub knows of no success.
    sent.attempts.pop()
    assert (await redeliver(bench)).repairs == {RepairKind.DELIVERY: 0}


async def test_what_github_knows_to_have_arrived_is_not_asked_for_although_its_row_is_gone(bench: Bench) -> None:
    await bench.work()
    async with bench.store.engine.begin() as connection:
        await connection.execute(delete(deliveries))
        await connection.execute(delete(delivery_keys))
    assert (await redeliver(bench)).repairs == {RepairKind.DELIVERY: 0}


async def test_events_that_we_do_not_use_stay_away(bench: Bench) -> None:
    await bench.work()
    bench.sim.webhooks.drop()
    bench.sim.world.app = replace(bench.sim.world.app, events=(*bench.sim.world.app.events, "star"))
    bench.sim.webhooks.emit("star", {"action": "created"}, action="created")
    await bench.arrived()
    assert bench.sim.webhooks.deliveries[-1].attempts
    assert (await redeliver(bench)).repairs == {RepairKind.DELIVERY: 0}
    assert len(listed(bench)) == 1


async def test_one_that_cannot_be_had_is_asked_for_three_times_and_in_time(bench: Bench) -> None:
    await bench.work()
    bench.sim.webhooks.url = "http://127.0.0.1:9/nobody"
    bench.say("/flowforge resolve")
    await bench.arrived()
    bookmark, counts = "", []
    for _ in range(MAX_ATTEMPTS + 2):
        swept = await redeliver(bench, bookmark)
        bookmark = swept.bookmark or ""
        counts.append(swept.repairs[RepairKind.DELIVERY])
        assert (await redeliver(bench, bookmark)).repairs == {RepairKind.DELIVERY: 0}, "it may be on its way"
        bench.clock.advance(300)
    assert counts == [1] * MAX_ATTEMPTS + [0, 0]


async def test_they_are_asked_for_one_a_second(bench: Bench) -> None:
    await bench.work()
    bench.sim.webhooks.drop(times=5)
    for _ in range(5):
        bench.say("/flowforge help")
    await bench.arrived()
    sleeps = Sleeps(bench.clock)
    assert (await redeliver(bench, sleeps=sleeps)).repairs == {RepairKind.DELIVERY: 5}
    assert sleeps.taken == [PACE_SECONDS] * 5
    assert len({one.path for one in asked(bench)}) == 5


async def test_a_pass_that_takes_too_long_is_gone_on_with_and_covers_the_rest(bench: Bench) -> None:
    await bench.work()
    there, nowhere = bench.sim.webhooks.url, "http://127.0.0.1:9/nobody"
    for url, times in ((nowhere, 2), (there, 97), (nowhere, 4)):
        bench.sim.webhooks.url = url
        for _ in range(times):
            bench.say("hello")
        await bench.arrived()
    bench.sim.webhooks.url = there
    first = await redeliver(bench, sleeps=Sleeps(bench.clock, stretched=20))
    assert (first.again, first.repairs) == (True, {RepairKind.DELIVERY: 4}), "a page; after it, the time was up"
    second = await redeliver(bench, first.bookmark or "")
    assert (second.again, second.repairs) == (False, {RepairKind.DELIVERY: 2})
    assert (await redeliver(bench, second.bookmark or "")).repairs == {RepairKind.DELIVERY: 0}
    sent = [one.guid for one in bench.sim.webhooks.deliveries]
    assert await bench.store.sweeps.missing(ForgeKind.GITHUB, sent, attempts=9, asked_before=bench.clock.now()) == []


async def test_it_looks_back_for_three_days_then_to_the_last_pass_and_an_hour(bench: Bench) -> None:
    await bench.work()
    bench.sim.webhooks.drop("issue_comment", times=2)
    bench.say("/flowforge help")
    await bench.arrived()
    bench.clock.advance(timedelta(days=3).total_seconds() + 60)
    bench.say("/flowforge help")
    await bench.arrived()
    swept = await redeliver(bench)
    assert swept.repairs == {RepairKind.DELIVERY: 1}, "the old one cannot be had any more"
    assert bench.sim.webhooks.deliveries[-1].attempts[-1].redelivery
    for _ in range(110):
        bench.say("hello")
    await bench.arrived()
    bench.clock.advance(3601)
    pages = len(listed(bench))
    swept = await redeliver(bench, swept.bookmark or "")
    assert len(listed(bench)) == pages + 2
    assert "cursor" in listed(bench)[-1].query
    bench.clock.advance(7200)
    bench.say("hello")
    await bench.arrived()
    await redeliver(bench, swept.bookmark or "")
    assert len(listed(bench)) == pages + 3, "what is older than the last pass and an hour was looked through"


async def test_while_github_is_away_nothing_counts_as_looked_at(bench: Bench) -> None:
    await bench.work()
    bench.sim.webhooks.drop("issue_comment")
    bench.say("/flowforge resolve")
    await bench.arrived()
    bench.sim.faults.secondary_limit("GET", LIST, retry_after=60)
    with pytest.raises(ForgeUnavailableError):
        await bench.instance.ticks.sweep("redeliver")
    bench.clock.advance(300)
    await bench.instance.ticks.sweep("redeliver")
    await bench.work()
    assert (await bench.job()).state is JobState.RUNNING
    (beat,) = [one for one in await bench.store.sweeps.beats() if one.name == "redeliver"]
    assert (beat.failures, beat.succeeded_at) == (0, bench.clock.now())


async def test_a_bookmark_is_plain_json(bench: Bench) -> None:
    kept = json.loads((await redeliver(bench)).bookmark or "")
    assert kept == {"cursor": None, "covered": bench.clock.now().isoformat(), "since": None, "begun": None}
