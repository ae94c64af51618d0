"""Which events arrive, how often and in which order makes no difference: they only say where to look."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.app.store.backends import SqliteBackend
from tests.bot.handlers.bench import Bench, open_bench
from tests.bot.handlers.test_sync import DEBOUNCE, overtaken, push, states

EVENTS: Final = 5
"""The deliveries of the minute below, besides those of our own check runs and comments."""

Order = Sequence[tuple[int, bool]]
"""Positions of deliveries as they arrive, some more than once and some never; and whether a worker looks after each."""

ORDERS = st.lists(st.tuples(st.integers(0, EVENTS - 1), st.booleans()), max_size=8)


async def a_minute(bench: Bench) -> None:
    """What people do during the run, and nobody hears of yet."""
    await push(bench, "feature", "one")
    await push(bench, "main", "two")
    await push(bench, "feature", "three")


async def played(bench: Bench, order: Order) -> tuple[object, ...]:
    """What is there in the end, in words that do not depend on the moment."""
    old = await bench.until_running()
    bench.sim.webhooks.hold()
    await a_minute(bench)
    held = list(bench.sim.webhooks.held)
    assert len(held) == EVENTS
    bench.sim.webhooks.release(order=[])
    puppet = bench.runner.last
    for position, looked in order:
        bench.sim.webhooks.redeliver(held[position])
        await bench.arrived()
        if looked:
            await bench.work()
    # What the reconcile does for deliveries that never came.
    await bench.store.levels.raise_for_jobs(bench.ref)
    await bench.work()
    if not puppet.forgotten.is_set():
        await overtaken(bench)
    bench.clock.advance(DEBOUNCE)
    await bench.work()
    for delivery in held:
        bench.sim.webhooks.redeliver(delivery)
    await bench.work()
    new = await bench.job()
    ended = await bench.store.jobs.get(old.id)
    assert ended is not None
    newest = (bench.head, bench.repository.refs["refs/heads/main"])
    return (
        await states(bench),
        (new.head_sha, new.base_sha) == newest,
        new.request.origin_key == f"github:afresh:1:{old.id}",
        (ended.message or "").startswith(f"The head moved from `{old.head_sha[:12]}` to `{bench.head[:12]}`"),
        [(check.head_sha == bench.head, check.conclusion) for check in bench.check_runs],
        (len(bench.stickies), len(bench.runner.puppets)),
        [str(error) for error in bench.errors],
    )


UNDISTURBED: Final[tuple[object, ...]] = (
    ["superseded", "running"],
    True,
    True,
    True,
    [(False, "neutral"), (True, None)],
    (1, 2),
    [],
)


@pytest.mark.timeout(600)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(ORDERS)
def test_any_order_any_number_and_any_loss_of_events_end_alike(order: Order) -> None:
    async def play() -> tuple[object, ...]:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            async with open_bench(directory, await SqliteBackend(directory).fresh()) as bench:
                return await played(bench, order)

    assert asyncio.run(play()) == UNDISTURBED
