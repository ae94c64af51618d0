"""A delivery is acted on once; while that is impossible it waits, and what will never be possible comes to an end."""

import asyncio
import contextlib
from typing import Any

import pytest
from sqlalchemy import text

from app.wiring import open_flowforge
from bot.errors import BusyError
from bot.model.deliveries import Delivery, DeliveryState
from bot.model.forge import ForgeKind
from bot.model.jobs import JobState
from tests.bot.handlers.bench import WAIT, Bench
from tests.bot.handlers.puppet import PuppetRunner

PERMISSION = r"/repos/acme/fees/collaborators/maintainer/permission"


async def rows(bench: Bench, query: str) -> list[tuple[Any, ...]]:
    async with bench.store.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def state(bench: Bench, event: str = "issue_comment") -> DeliveryState:
    """Of the newest delivery of an event that the bot did not cause itself."""
    await bench.arrived()
    of_people = (
        one.guid
        for one in reversed(bench.sim.webhooks.deliveries)
        if one.event == event and (one.payload.get("sender") or {}).get("login") != bench.sim.bot.login  # type: ignore[attr-defined]
    )
    delivery = await bench.store.deliveries.get(ForgeKind.GITHUB, next(of_people))
    assert delivery is not None
    return delivery.state


async def put(bench: Bench, event: str, body: bytes) -> str:
    """A verified delivery, as if the web service had kept it."""
    delivery = Delivery(
        forge=ForgeKind.GITHUB,
        delivery_id=f"made-by-hand-{event}",
        event=event,
        headers={},
        body=body,
        received_at=bench.clock.now(),
    )
    assert await bench.store.deliveries.add(delivery)
    return f"{ForgeKind.GITHUB}:{delivery.delivery_id}"


async def test_routing_again_changes_nothing(bench: Bench) -> None:
    bench.say("/flowforge help")
    await bench.work()
    assert await state(bench) is DeliveryState.ROUTED
    for delivery in bench.sim.webhooks.deliveries:
        await bench.tick("delivery", f"github:{delivery.guid}")
    await bench.tick("delivery", "github:of-nothing-at-all")
    await bench.work()
    assert len(bench.comments) == 1
    assert bench.errors == []


async def test_a_forge_that_is_away_is_waited_for_an_hour(bench: Bench) -> None:
    bench.sim.faults.fail("GET", PERMISSION, status=500, times=99)
    bench.say("/flowforge resolve")
    for _ in range(11):
        await bench.work()
        assert await state(bench) is DeliveryState.NEW
        bench.clock.advance(300)
    bench.sim.faults.clear()
    await bench.work()
    assert await state(bench) is DeliveryState.ROUTED
    assert (await bench.job()).state is JobState.RUNNING


async def test_a_forge_that_stays_away_kills_the_delivery_which_the_audit_trail_tells(bench: Bench) -> None:
    bench.sim.faults.fail("GET", PERMISSION, status=500, times=99)
    bench.say("/flowforge resolve")
    for _ in range(18):
        await bench.work()
        bench.clock.advance(300)
    assert await state(bench) is DeliveryState.DEAD
    ((verb, data),) = await rows(bench, "SELECT verb, data FROM audit_events WHERE verb = 'delivery.dead'")
    assert (verb, "500" in str(data)) == ("delivery.dead", True)
    assert await bench.store.audit.first_broken() is None


async def test_a_refusal_of_the_forge_is_tried_five_times(bench: Bench) -> None:
    bench.sim.faults.fail("GET", PERMISSION, status=403, times=99, message="Resource not accessible by integration")
    bench.say("/flowforge resolve")
    for attempt in range(5):
        assert await state(bench) is DeliveryState.NEW, attempt
        await bench.work()
    assert await state(bench) is DeliveryState.DEAD
    assert len(bench.asked("GET", "/collaborators/")) == 5


async def test_trouble_of_our_own_is_tried_five_times(bench: Bench) -> None:
    async with bench.store.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE intents RENAME COLUMN actor_login TO somebody"))
    bench.say("/flowforge help")
    for _ in range(5):
        assert await state(bench) is DeliveryState.NEW
        await bench.work()
    assert await state(bench) is DeliveryState.DEAD


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"action": 5}', b"[" * 100_000])
async def test_a_body_that_does_not_decode_is_dead_at_once(bench: Bench, body: bytes) -> None:
    key = await put(bench, "issue_comment", body)
    assert await bench.tick("delivery", key)
    delivery = await bench.store.deliveries.get(ForgeKind.GITHUB, "made-by-hand-issue_comment")
    assert delivery is not None
    assert delivery.state is DeliveryState.DEAD


async def test_a_command_for_a_job_that_somebody_holds_waits_for_it(bench: Bench) -> None:
    job = await bench.until_proposed()
    lease = await bench.store.jobs.claim(job.id, owner="somebody", seconds=200)
    assert lease is not None
    bench.say("/flowforge approve")
    for _ in range(8):
        await bench.work()
        bench.clock.advance(15)
    assert all(isinstance(error, BusyError) for error in bench.errors)
    assert len(bench.errors) == 8
    assert await state(bench) is DeliveryState.NEW
    bench.clock.advance(100)
    await bench.work()
    assert (await bench.job()).state is JobState.PUBLISHED


async def test_of_several_commands_only_those_are_repeated_that_failed(bench: Bench) -> None:
    bench.say("/flowforge help\n/flowforge resolve")
    await bench.arrived()
    fault = bench.sim.faults.fail("GET", r"/repos/acme/fees/contents/", status=500, times=1)
    await bench.work()
    assert fault.seen == 1
    await bench.work()
    assert (await bench.job()).state is JobState.RUNNING
    helps = [body for body in bench.comments if "/flowforge rollback" in body]
    assert len(helps) == 1
    decided = await rows(bench, "SELECT name, decision FROM intents ORDER BY name")
    assert decided == [("help", "allowed"), ("resolve", "allowed")]


async def test_two_workers_with_the_same_delivery_make_one_job(bench: Bench) -> None:
    bench.say("/flowforge resolve")
    await bench.arrived()
    hold = bench.sim.faults.hold("GET", PERMISSION)
    keys = [key for kind, key in await bench.due() if kind == "delivery"]
    both = [asyncio.create_task(bench.tick("delivery", key)) for key in keys for _ in range(2)]
    await asyncio.wait_for(hold.arrived.wait(), WAIT)
    hold.release()
    await asyncio.gather(*both)
    await bench.work()
    assert await rows(bench, "SELECT count(*) FROM jobs") == [(1,)]
    assert len(bench.check_runs) == 1
    assert len(bench.runner.puppets) == 1


async def test_a_delivery_that_is_rung_for_while_it_is_routed_acts_once(bench: Bench) -> None:
    await bench.until_proposed()
    bench.say("/flowforge approve")
    await bench.arrived()
    keys = [key for kind, key in await bench.due() if kind == "delivery"]
    await asyncio.gather(*(bench.tick("delivery", key) for key in keys for _ in range(3)))
    await bench.work()
    assert (await bench.job()).state is JobState.PUBLISHED
    assert await rows(bench, "SELECT count(*) FROM approvals") == [(1,)]
    assert (bench.errors, len(bench.comments)) == ([], 1)


@pytest.mark.parametrize("command", ["approve", "reject"])
async def test_two_workers_that_decide_at_once_leave_nothing_held(bench: Bench, command: str) -> None:
    """Whichever is later finds the job gone on; it must not keep the lease that it took to see that."""
    await bench.until_proposed()
    bench.say(f"/flowforge {command}")
    await bench.arrived()
    keys = [key for kind, key in await bench.due() if kind == "delivery"]
    opened = open_flowforge(bench.settings, worker="another", clock=bench.clock, runner=PuppetRunner())
    async with opened as another:
        both = [asyncio.create_task(bench.tick("delivery", key)) for key in keys]
        for key in keys:
            with contextlib.suppress(BusyError):
                await another.ticks.on["delivery"](key)
        await asyncio.gather(*both)
    await bench.work()
    wanted = JobState.PUBLISHED if command == "approve" else JobState.REJECTED
    assert (await bench.job()).state is wanted
    assert all(isinstance(error, BusyError) for error in bench.errors)
    assert bench.branches == {}


async def test_events_of_no_use_are_ignored(bench: Bench) -> None:
    bench.sim.people.ping()
    bench.say("Nothing for a bot.")
    await bench.work()
    assert await state(bench, "ping") is DeliveryState.IGNORED
    assert await state(bench) is DeliveryState.IGNORED
    assert await rows(bench, "SELECT count(*) FROM intents") == [(0,)]
