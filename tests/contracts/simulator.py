"""A simulator whose whole record must obey GitHub's description when the test ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.demo.simulator.server import Simulator
from app.demo.simulator.settings import AppSpec
from bot.ports.system import Clock
from tests.contracts.github import validate_record, validate_webhook


def assert_contract(sim: Simulator) -> None:
    """Everything said and sent so far is as GitHub describes it, and the simulator itself had no fault.

    Raises:
        AssertionError: with one line for each fault.
    """
    unsent = [delivery for delivery in sim.webhooks.deliveries if not delivery.attempts]
    faults = [
        *(f"the simulator failed: {error!r}" for error in sim.errors),
        *validate_record(sim.record),
        *(fault for delivery in unsent for fault in validate_webhook(delivery.event, delivery.payload)),
    ]
    if faults:
        raise AssertionError("\n".join(faults))


@asynccontextmanager
async def checked_simulator(
    directory: Path,
    *,
    webhook_secret: str,
    webhook_url: str | None = None,
    clock: Clock | None = None,
    app: AppSpec | None = None,
    enterprise: bool = False,
) -> AsyncIterator[Simulator]:
    """``Simulator.serve``, with ``assert_contract`` when the block ends without an error."""
    async with Simulator.serve(
        directory,
        webhook_secret=webhook_secret,
        webhook_url=webhook_url,
        clock=clock,
        app=app,
        enterprise=enterprise,
    ) as sim:
        yield sim
        assert_contract(sim)
