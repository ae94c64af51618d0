"""What a person asks for happens exactly once: however often it is delivered, whoever routes it, whoever dies."""

import asyncio
import contextlib

from sqlalchemy import text

from app.wiring import open_flowforge
from bot.errors import BusyError
from bot.model.jobs import JobState
from tests.bot.handlers.bench import WAIT, Bench
from tests.bot.handlers.puppet import PuppetRunner
from tests.bot.handlers.test_route import PERMISSION, rows


async def intents(bench: Bench) -> list[tuple[str, str]]:
    return [(str(name), str(decision)) for name, decision in await rows(bench, "SELECT name, decision FROM intents")]


async def test_a_click_counts_once_however_often_it_is_delivered_and_two_clicks_count_twice(bench: Bench) -> None:
    await bench.until_proposed()
    shown = bench.check_runs[-1]
    bench.sim.webhooks.duplicate("check_run")
    bench.sim.people.click(shown, bench.maintainer, "retry")
    await bench.arrived()
    clicked = bench.sim.webhooks.deliveries[-1]
    await bench.work()
    assert await intents(bench) == [("resolve", "allowed"), ("retry", "allowed")]
    bench.sim.webhooks.redeliver(clicked)
    await bench.work()
    assert await rows(bench, "SELECT state FROM jobs ORDER BY serial") == [("superseded",), ("running",)]
    bench.sim.people.send_requested_action(shown, bench.maintainer, "retry")
    await bench.work()
    assert await intents(bench) == [("resolve", "allowed"), ("retry", "allowed"), ("retry", "refused")]


async def test_two_processes_with_the_same_command_make_one_job(bench: Bench) -> None:
    bench.say("/flowforge resolve")
    await bench.arrived()
    hold = bench.sim.faults.hold("GET", PERMISSION)
    keys = [key for kind, key in await bench.due() if kind == "delivery"]
    opened = open_flowforge(bench.settings, worker="another", clock=bench.clock, runner=PuppetRunner())
    async with opened as another:
        workers = (bench.instance, another)
        both = [asyncio.ensure_future(each.ticks.on["delivery"](key)) for key in keys for each in workers]
        await asyncio.wait_for(hold.arrived.wait(), WAIT)
        hold.release()
        for done in await asyncio.gather(*both, return_exceptions=True):
            assert done is None or isinstance(done, BusyError)
        with contextlib.suppress(BusyError):
            await bench.work()
    assert await rows(bench, "SELECT count(*) FROM jobs") == [(1,)]
    assert await intents(bench) == [("resolve", "allowed")]
    assert (len(bench.check_runs), len(bench.runner.puppets), bench.errors) == (1, 1, [])


async def test_a_worker_that_died_after_the_deed_and_before_its_record_has_done_it(bench: Bench) -> None:
    job = await bench.until_running()
    async with bench.store.engine.begin() as connection:
        await connection.execute(text("UPDATE intents SET finished_at = NULL, decision = NULL, job_id = NULL"))
        await connection.execute(text("UPDATE deliveries SET state = 'new' WHERE event = 'issue_comment'"))
    await bench.work()
    assert (await bench.job()).id == job.id
    assert (await bench.job()).state is JobState.RUNNING
    assert await rows(bench, "SELECT job_id FROM intents") == [(job.id,)]
    assert (len(bench.comments), len(bench.runner.puppets), bench.errors) == (1, 1, [])
