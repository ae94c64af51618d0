"""What people should see is written once, sooner or later, whatever the forge and the workers do."""

import asyncio
import contextlib

import pytest

from app.wiring import open_flowforge
from tests.bot.handlers.bench import WAIT, Bench
from tests.bot.handlers.puppet import PuppetRunner

COMMENTS = r"/repos/acme/fees/issues/1/comments$"
CHECKS = r"/repos/acme/fees/check-runs$"
CHECK = r"/repos/acme/fees/check-runs/\d+$"


async def route(bench: Bench, body: str) -> None:
    """Say something, and act on it, without writing what comes of it."""
    bench.say(body)
    await bench.arrived()
    for kind, key in await bench.due():
        if kind == "delivery":
            await bench.tick(kind, key)


async def reports(bench: Bench) -> list[str]:
    return [key for kind, key in await bench.due() if kind == "report"]


# --- once


async def test_comments_and_check_runs_whose_creation_got_no_answer_are_found_again(bench: Bench) -> None:
    bench.sim.faults.lose_answer("POST", COMMENTS)
    bench.sim.faults.lose_answer("POST", CHECKS)
    await bench.until_running()
    assert (len(bench.stickies), len(bench.check_runs)) == (1, 1)
    for _ in range(3):
        bench.clock.advance(61)
        await bench.work()
    assert (len(bench.stickies), len(bench.check_runs)) == (1, 1)
    assert bench.check_runs[0].status == "in_progress"


async def test_a_reply_whose_creation_got_no_answer_is_not_repeated(bench: Bench) -> None:
    bench.sim.faults.lose_answer("POST", COMMENTS)
    bench.say("/flowforge help")
    await bench.work()
    bench.clock.advance(61)
    await bench.work()
    assert len(bench.comments) == 1
    assert await bench.due() == []


async def test_two_workers_never_write_the_same_report_at_the_same_time(bench: Bench) -> None:
    await route(bench, "/flowforge help")
    hold = bench.sim.faults.hold("POST", COMMENTS)
    keys = await reports(bench)
    async with open_flowforge(bench.settings, worker="another", clock=bench.clock, runner=PuppetRunner()) as another:
        first = [asyncio.create_task(bench.tick("report", key)) for key in keys]
        await asyncio.wait_for(hold.arrived.wait(), WAIT)
        await asyncio.gather(*(another.ticks.on["report"](key) for key in keys))
        hold.release()
        await asyncio.gather(*first)
    assert len(bench.comments) == 1
    assert len(bench.asked("POST", "/issues/1/comments")) == 1


async def test_a_report_whose_worker_died_over_it_is_finished_by_the_next(bench: Bench) -> None:
    await route(bench, "/flowforge help")
    hold = bench.sim.faults.hold("POST", COMMENTS, after=True)
    dying = [asyncio.create_task(bench.tick("report", key)) for key in await reports(bench)]
    await asyncio.wait_for(hold.arrived.wait(), WAIT)
    for task in dying:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert await reports(bench) == [], "for all the others know somebody is at it"
    hold.release()
    bench.clock.advance(121)
    await bench.work()
    assert len(bench.comments) == 1
    assert await bench.due() == []


async def test_what_is_wished_while_a_report_is_written_is_written_next(bench: Bench) -> None:
    await bench.until_running()
    hold = bench.sim.faults.hold("PATCH", CHECK)
    await bench.store.jobs.progress((await bench.job()).id, "editing fees.py")
    bench.clock.advance(16)
    await bench.instance.ticks.on["job"]((await bench.job()).id)
    (key,) = await reports(bench)
    writing = asyncio.create_task(bench.tick("report", key))
    await asyncio.wait_for(hold.arrived.wait(), WAIT)
    bench.say("/flowforge cancel")
    await bench.arrived()
    for kind, other in await bench.due():
        if kind == "delivery":
            await bench.tick(kind, other)
    bench.clock.advance(1)
    await bench.ended()
    await bench.tick("job", (await bench.job()).id)
    hold.release()
    await writing
    assert bench.check_runs[-1].conclusion == "cancelled", "by the one that was at it, without another ring"


async def test_a_comment_of_ours_that_somebody_deleted_comes_back(bench: Bench) -> None:
    await bench.until_running()
    (comment,) = [one for one in bench.pull.comments.values() if one.author is bench.sim.bot]
    bench.sim.people.delete_comment(comment, bench.maintainer)
    await bench.finish()
    await bench.work()
    assert len(bench.stickies) == 1
    assert "RATE = 2 + 3" in bench.stickies[0]


async def test_a_marker_in_somebody_elses_comment_is_not_taken_for_ours(bench: Bench) -> None:
    await bench.until_running()
    ours = next(one for one in bench.pull.comments.values() if one.author is bench.sim.bot)
    bench.sim.people.delete_comment(ours, bench.maintainer)
    theirs = bench.say(ours.body, who=bench.stranger)
    await bench.finish()
    await bench.work()
    assert theirs.body == ours.body
    assert len(bench.stickies) == 1


# --- sooner or later


@pytest.mark.parametrize("status", [403, 404, 422])
async def test_a_refusal_is_final_until_there_is_something_else_to_say(bench: Bench, status: int) -> None:
    bench.sim.faults.fail("POST", COMMENTS, status=status)
    bench.say("/flowforge help")
    await bench.work()
    for _ in range(4):
        bench.clock.advance(3600)
        await bench.work()
    assert len(bench.asked("POST", "/issues/1/comments")) == 1
    assert bench.comments == []
    bench.say("/flowforge help")
    await bench.work()
    assert len(bench.comments) == 1


async def test_an_outage_is_waited_for_longer_and_longer(bench: Bench) -> None:
    fault = bench.sim.faults.fail("POST", COMMENTS, status=500, times=7)
    bench.say("/flowforge help")
    await bench.work()
    waits = []
    while not bench.comments:
        waited = 0
        while not await bench.due():
            bench.clock.advance(15)
            waited += 15
        waits.append(waited)
        await bench.work()
    assert fault.seen == 7
    assert waits == [30, 30, 60, 120, 240, 480, 960], "half an hour of an outage, and the answer still comes"


async def test_a_limit_is_kept_to_the_second(bench: Bench) -> None:
    bench.sim.faults.fail("POST", COMMENTS, status=429, headers={"retry-after": "77"})
    bench.say("/flowforge help")
    await bench.work()
    bench.clock.advance(76)
    assert await bench.due() == []
    bench.clock.advance(1)
    await bench.work()
    assert len(bench.comments) == 1


async def test_a_forge_that_never_comes_back_is_given_up_in_the_end(bench: Bench) -> None:
    bench.sim.faults.fail("POST", COMMENTS, status=500, times=99)
    bench.say("/flowforge help")
    for _ in range(40):
        await bench.work()
        bench.clock.advance(1801)
    assert len(bench.asked("POST", "/issues/1/comments")) == 25
    assert await bench.due() == []


async def test_progress_is_shown_at_most_every_fifteen_seconds(bench: Bench) -> None:
    job = await bench.until_running()
    before = len(bench.asked("PATCH", "/check-runs/"))
    refresh = bench.instance.ticks.on["job"]
    for second in range(10):
        await bench.store.jobs.progress(job.id, f"line {second}")
        bench.clock.advance(1)
        await bench.work()
    assert len(bench.asked("PATCH", "/check-runs/")) == before
    bench.clock.advance(16)
    await refresh(job.id)
    await bench.work()
    assert len(bench.asked("PATCH", "/check-runs/")) == before + 1
