"""Sweeps: each by one worker at a time, on record, with a heartbeat, and stopped by no other's failure."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from app.store.database import SqlStore
from app.system import SystemIds
from app.telemetry import REPAIRS, SWEPT
from app.wiring_sweeps import LOG
from bot.errors import ForgeUnavailableError
from bot.handlers.sweeping import RunSweep
from bot.model.sweeps import REDELIVER, RING, SWEEPS, RepairKind, Swept
from tests.app.store.backends import SqliteBackend
from tests.bot.handlers.bench import Bench, HandClock

SLOW = REDELIVER
WAIT = 60.0


class Told:
    """What a sweep told."""

    def __init__(self) -> None:
        self.repairs: list[tuple[RepairKind, int]] = []
        self.beats: list[str] = []

    def sweeper(self, store: SqlStore, clock: HandClock, worker: str = "w-1") -> RunSweep:
        return RunSweep(
            store=store,
            log=LOG,
            clock=clock,
            worker=worker,
            on_repair=lambda kind, count: self.repairs.append((kind, count)),
            on_beat=lambda name, _: self.beats.append(name),
        )


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def stores(databases: SqliteBackend, clock: HandClock) -> AsyncIterator[Callable[[], SqlStore]]:
    url, opened = await databases.fresh(), []

    def another() -> SqlStore:
        opened.append(SqlStore.open(url, clock, SystemIds()))
        return opened[-1]

    yield another
    for store in opened:
        await store.close()


async def test_two_workers_do_not_do_it_at_the_same_time(stores: Callable[[], SqlStore], clock: HandClock) -> None:
    told, began, may_end, passes = Told(), asyncio.Event(), asyncio.Event(), list[str]()

    async def work(bookmark: str) -> Swept:
        passes.append(bookmark)
        began.set()
        await may_end.wait()
        return Swept(bookmark="done once")

    first, second = (told.sweeper(stores(), clock, name) for name in ("w-1", "w-2"))
    async with asyncio.timeout(WAIT):
        at_work = asyncio.create_task(first(SLOW, work))
        await began.wait()
        await second(SLOW, work)
        may_end.set()
        await at_work
    assert passes == [""]
    await second(SLOW, work)
    assert passes == [""], "it was done a moment ago"
    clock.advance(SLOW.every.total_seconds())
    await second(SLOW, work)
    assert passes == ["", "done once"]
    assert told.beats == [SLOW.name] * 2


async def test_a_worker_that_starts_does_it_at_once_but_not_twice_in_half_a_minute(
    stores: Callable[[], SqlStore], clock: HandClock
) -> None:
    told = Told()

    async def work(_: str) -> Swept:
        return Swept()

    await told.sweeper(stores(), clock)(SLOW, work)
    clock.advance(29)
    await told.sweeper(stores(), clock, "restarted")(SLOW, work)
    assert len(told.beats) == 1
    clock.advance(1)
    again = told.sweeper(stores(), clock, "restarted again")
    await again(SLOW, work)
    assert len(told.beats) == 2
    clock.advance(60)
    await again(SLOW, work)
    assert len(told.beats) == 2, "after its first one, it keeps to the time"


async def test_what_is_done_four_times_a_minute_is_done_whenever_it_is_asked_for(
    stores: Callable[[], SqlStore], clock: HandClock
) -> None:
    told = Told()

    async def work(_: str) -> Swept:
        return Swept()

    sweeper = told.sweeper(stores(), clock)
    for _ in range(3):
        await sweeper(RING, work)
    assert told.beats == [RING.name] * 3


async def test_a_failure_is_on_record_and_the_next_pass_knows_what_the_last_good_one_left(
    stores: Callable[[], SqlStore], clock: HandClock
) -> None:
    told, store, seen = Told(), stores(), list[str]()
    sweeper = told.sweeper(store, clock)

    async def good(bookmark: str) -> Swept:
        seen.append(bookmark)
        return Swept(bookmark="page 2", repairs={RepairKind.DELIVERY: 2, RepairKind.BRANCH: 0})

    async def bad(bookmark: str) -> Swept:
        seen.append(bookmark)
        raise ForgeUnavailableError("away")

    await sweeper(SLOW, good)
    for _ in range(2):
        clock.advance(SLOW.every.total_seconds())
        with pytest.raises(ForgeUnavailableError):
            await sweeper(SLOW, bad)
    (beat,) = await store.sweeps.beats()
    assert (beat.failures, beat.error) == (2, "ForgeUnavailableError: away")
    clock.advance(SLOW.every.total_seconds())
    await sweeper(SLOW, good)
    assert seen == ["", "page 2", "page 2", "page 2"]
    assert told.repairs == [(RepairKind.DELIVERY, 2)] * 2
    assert (await store.sweeps.beats())[0].failures == 0


async def test_a_pass_that_is_cut_off_gives_the_right_back(stores: Callable[[], SqlStore], clock: HandClock) -> None:
    told, store, began = Told(), stores(), asyncio.Event()
    sweeper = told.sweeper(store, clock)

    async def for_ever(_: str) -> Swept:
        began.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def quick(_: str) -> Swept:
        return Swept()

    at_work = asyncio.create_task(sweeper(SLOW, for_ever))
    async with asyncio.timeout(WAIT):
        await began.wait()
        at_work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await at_work
    assert (await store.sweeps.beats())[0].error == "it was cut off"
    await told.sweeper(stores(), clock, "w-2")(replace(SLOW, rest=timedelta(0)), quick)
    assert told.beats == [SLOW.name]


# --- all of them, as they are bound


async def test_every_sweep_of_the_table_is_bound_and_does_its_pass(bench: Bench) -> None:
    await bench.work()
    assert [one.name for one in bench.instance.ticks.sweeps] == [spec.name for spec in SWEEPS]
    for spec in SWEEPS:
        await bench.instance.ticks.sweep(spec.name)
    beats = {beat.name: beat for beat in await bench.store.sweeps.beats()}
    assert set(beats) == {spec.name for spec in SWEEPS if spec.alone}
    assert {beat.failures for beat in beats.values()} == {0}
    for spec in SWEEPS:
        assert SWEPT.labels(sweep=spec.name)._value.get() == bench.clock.now().timestamp()


async def test_the_heartbeat_of_another_worker_is_shown_too(bench: Bench) -> None:
    lease = await bench.store.sweeps.take(
        "expire", owner="another", before=bench.clock.now(), until=bench.clock.now() + timedelta(seconds=9)
    )
    assert lease is not None
    assert await bench.store.sweeps.finish(lease)
    then = bench.clock.now()
    bench.clock.advance(500)
    await bench.instance.ticks.sweep("ring")
    assert SWEPT.labels(sweep="expire")._value.get() == then.timestamp()


async def test_a_job_whose_worker_died_is_counted_as_a_repair(bench: Bench) -> None:
    bench.say("/flowforge resolve")
    await bench.arrived()
    for kind, key in await bench.due():
        if kind == "delivery":
            await bench.tick(kind, key)
    job = await bench.job()
    assert await bench.store.jobs.claim(job.id, owner="the dead one", seconds=300) is not None
    before = REPAIRS.labels(kind="job_lease")._value.get()
    for _ in range(2):
        bench.clock.advance(301)
        await bench.instance.ticks.sweep("leases")
    assert REPAIRS.labels(kind="job_lease")._value.get() == before + 1
    await bench.work()
    assert (await bench.job()).attempt == 1
