"""How fast GitHub is asked: a burst at once, then evenly, and never more than GitHub allows."""

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import ForgeLimitedError
from bot.forges.github.pacing import CREATIONS, HOURLY_CREATIONS, MOST_PROCESSES, POINTS, Bucket, Pace, Rate
from bot.forges.meter import NoMeter
from tests.bot.forges.github.virtual import VirtualTime


@dataclass
class CountedWaits(NoMeter):
    seconds: float = 0.0

    def paced(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Road:
    """A pace, and when its requests went out."""

    time: VirtualTime = field(default_factory=VirtualTime)
    meter: CountedWaits = field(default_factory=CountedWaits)
    processes: int = 1
    longest_wait: float = 10.0
    sent: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pace = Pace(
            processes=self.processes,
            monotonic=self.time.monotonic,
            sleep=self.time.sleep,
            meter=self.meter,
            longest_wait=self.longest_wait,
        )

    async def ask(self, method: str = "POST", installation_id: int | None = 1, *, leave: float = 0.0) -> None:
        async with self.pace.turn(installation_id, method, leave=leave):
            self.sent.append(self.time.seconds)

    async def in_a_row(self, number: int, method: str = "POST") -> None:
        for _ in range(number):
            await self.ask(method)


async def test_a_persons_first_answers_wait_for_nothing() -> None:
    road = Road()
    await road.in_a_row(30)
    assert road.time.slept == []
    assert road.meter.seconds == 0


async def test_after_a_burst_creations_are_more_than_a_second_apart() -> None:
    road = Road()
    await road.time.run(road.in_a_row(40))
    pauses = [later - earlier for earlier, later in zip(road.sent[29:], road.sent[30:], strict=False)]
    assert pauses == pytest.approx([1.5] * 10)
    assert road.meter.seconds == pytest.approx(15)


async def test_a_rest_gives_the_burst_back() -> None:
    road = Road()
    await road.in_a_row(30)
    road.time.move(45)
    await road.in_a_row(30)
    assert road.time.slept == []


async def test_whoever_would_wait_too_long_is_told_when_to_come_back() -> None:
    road = Road()
    results = await road.time.run(*(road.ask() for _ in range(60)))
    refused = [result for result in results if result is not None]
    assert len(road.sent) == 36, "a burst of 30, and one each 1.5 s of the ten that one waits"
    assert len(refused) == 24
    assert all(isinstance(error, ForgeLimitedError) and 0 < error.retry_after <= 1.5 for error in refused)


async def test_reads_are_cheap_and_do_not_wait_for_the_one_who_writes() -> None:
    road = Road()
    async with road.pace.turn(1, "PATCH", leave=0), asyncio.timeout(60):
        await road.ask("GET")
    await road.in_a_row(194, "GET")
    assert road.time.slept == []
    await road.time.run(road.ask("GET"))
    assert road.time.slept == [pytest.approx(0.1)]


async def test_of_one_installation_one_writes_at_a_time() -> None:
    road, at_once, most = Road(), 0, 0

    async def write(installation_id: int) -> None:
        nonlocal at_once, most
        async with road.pace.turn(installation_id, "PATCH", leave=0):
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            at_once -= 1

    await asyncio.gather(*(write(1) for _ in range(10)))
    assert most == 1
    await asyncio.gather(*(write(number) for number in range(10)))
    assert most == 10, "each installation has a turn of its own"


async def test_nobody_waits_for_a_write_that_hangs_for_ever() -> None:
    road = Road(longest_wait=0.01)
    async with road.pace.turn(1, "PATCH", leave=0):
        with pytest.raises(ForgeLimitedError, match="takes long"):
            await road.ask("PATCH")
    await road.ask("PATCH")
    assert road.sent == [0]


async def test_a_write_that_fails_or_is_cut_off_gives_its_turn_back() -> None:
    road = Road()

    async def failing() -> None:
        async with road.pace.turn(1, "PATCH", leave=0):
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await failing()
    never = asyncio.Event()

    async def hanging() -> None:
        async with road.pace.turn(1, "PATCH", leave=0):
            await never.wait()

    task = asyncio.create_task(hanging())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await road.ask("PATCH")


async def test_what_goes_on_in_the_background_leaves_room_for_people() -> None:
    road = Road()
    results = await road.time.run(*(road.ask(leave=0.2) for _ in range(31)))
    at_once = [at for at in road.sent if at == 0]
    assert len(at_once) == 24
    assert any(isinstance(result, ForgeLimitedError) for result in results)
    before = len(road.time.slept)
    for _ in range(6):
        await road.ask()
    assert len(road.time.slept) == before, "six more of people's at once"


async def test_the_app_itself_creates_nothing_that_people_see() -> None:
    road = Road()
    for _ in range(40):
        await road.ask(installation_id=None)
    assert road.time.slept == []
    async with road.pace.turn(None, "POST", leave=0), asyncio.timeout(60):
        await road.ask(installation_id=None)


async def test_installations_do_not_wait_for_each_other() -> None:
    road = Road()
    await road.in_a_row(30)
    await road.ask(installation_id=2)
    assert road.time.slept == []


@pytest.mark.parametrize("processes", range(1, MOST_PROCESSES + 1))
def test_all_processes_together_keep_githubs_numbers(processes: int) -> None:
    for rate, seconds, allowed in ((POINTS, 60, 900), (CREATIONS, 60, 80), (HOURLY_CREATIONS, 3600, 500)):
        part = rate.part(processes)
        assert processes * (part.burst + part.per_second * seconds) < allowed
        assert part.burst >= (5 if rate is POINTS else 1), "a request has to fit in at all"


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(0, 40)), max_size=60), st.floats(1, 30), st.floats(0.1, 20))
def test_no_stretch_of_time_lets_more_through_than_burst_and_flow(
    asked: list[tuple[int, float]], burst: float, per_second: float
) -> None:
    bucket, now, spent = Bucket(Rate(burst, per_second), 0.0), 0.0, list[tuple[float, int]]()
    for cost, pause in asked:
        now += pause
        if cost <= burst:
            now += bucket.wait(cost, now)
            bucket.spend(cost, now)
            spent.append((now, cost))
    for first, (start, _) in enumerate(spent):
        total = 0
        for end, cost in spent[first:]:
            total += cost
            assert total <= burst + per_second * (end - start) + 0.01
