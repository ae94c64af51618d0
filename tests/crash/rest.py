"""Whether anything is under way, or waits for its time to come; a trial is judged at rest."""

import asyncio
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, func, select

from app.demo.simulator.webhooks import Delivery
from app.store.sweep_tables import sweeps
from app.store.tables import deliveries, jobs, report_targets, runs
from app.store.watch_tables import levels
from bot.model.runs import RunState
from tests.crash.world import World

_LOOK: Final = 0.05
_QUIET_LOOKS: Final = 3
_FAR: Final = timedelta(days=1)


async def lost_deliveries(world: World) -> list[Delivery]:
    """What the forge sent, and what neither was answered as it wants it nor is in the inbox.

    A service that dies between inbox and answer has the delivery all the same.
    """
    sent = world.forge.webhooks.deliveries
    unanswered = [one for one in sent if not any(200 <= attempt.status_code < 300 for attempt in one.attempts)]
    if not unanswered:
        return []
    async with world.store.database.reading() as connection:
        inbox = set((await connection.execute(select(deliveries.c.delivery_id))).scalars())
    return [one for one in unanswered if not one.attempts or one.guid not in inbox]


async def is_busy(world: World) -> bool:
    """Whether somebody alive holds something; its lease must not run out under it."""
    now = world.clock.now()
    return await _any(
        world,
        jobs.c.lease_until > now,
        and_(runs.c.state == RunState.STARTED, runs.c.lease_until > now),
        levels.c.taken_until > now,
        sweeps.c.taken_until > now,
        and_(report_targets.c.retry_at > now, report_targets.c.attempts == 0),
    )


async def is_quiet(world: World) -> bool:
    """Whether all deliveries arrived, and no row waits for anything but people."""
    store, later = world.store, world.clock.now() + _FAR
    if await lost_deliveries(world):
        return False
    if await store.deliveries.waiting(limit=1) or await store.jobs.due(later, limit=1):
        return False
    if await store.reports.unreported(later, limit=1) or await store.levels.due(later, limit=1):
        return False
    return not await _any(
        world,
        jobs.c.conclude_at.is_not(None),
        jobs.c.lease_owner.is_not(None),
        runs.c.state != RunState.ENDED,
        levels.c.taken_until.is_not(None),
        and_(report_targets.c.retry_at.is_not(None), report_targets.c.gave_up_at.is_(None)),
    )


async def until_quiet(world: World) -> None:
    """Wait until it is quiet, and stays so for a moment."""
    looks = 0
    while looks < _QUIET_LOOKS:
        looks = looks + 1 if await is_quiet(world) else 0
        await asyncio.sleep(_LOOK)


async def _any(world: World, *conditions: ColumnElement[bool]) -> bool:
    async with world.store.database.reading() as connection:
        for condition in conditions:
            if (await connection.execute(select(func.count()).where(condition))).scalar_one():
                return True
    return False
