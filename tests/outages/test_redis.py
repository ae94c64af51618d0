"""Redis forgets, dies, or is away: it carries rings and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.outages.redis_process import RedisProcess
from tests.outages.world import Outcome, World, open_world

pytestmark = pytest.mark.timeout(900)

Loss = Callable[[RedisProcess, float], Awaitable[None]]


async def flush(redis: RedisProcess, seconds: float) -> None:
    del seconds
    await redis.flush()


async def restart(redis: RedisProcess, seconds: float) -> None:
    del seconds
    await redis.kill()
    await redis.start()


async def outage(redis: RedisProcess, seconds: float) -> None:
    await redis.kill()
    await asyncio.sleep(seconds)
    await redis.start()


@pytest.fixture
async def world(tmp_path: Path, redis: RedisProcess) -> AsyncIterator[World]:
    async with open_world(
        tmp_path, database_url=f"sqlite:///{tmp_path / 'flowforge.db'}", redis_url=redis.url
    ) as world:
        yield world


@pytest.mark.parametrize("loss", [flush, restart, outage])
async def test_a_job_is_carried_on(
    world: World, redis: RedisProcess, undisturbed: Outcome, loss: Loss, seconds: float
) -> None:
    world.say("/flowforge resolve")
    await loss(redis, seconds)
    await world.until_running()
    await loss(redis, seconds)
    world.gate.open()
    await world.until_proposed()
    world.approve()
    await loss(redis, seconds)
    await world.until_pushed()
    assert await world.outcome() == undisturbed


async def test_deliveries_are_taken_while_it_is_away(
    world: World, redis: RedisProcess, undisturbed: Outcome, seconds: float
) -> None:
    world.gate.open()
    await redis.kill()
    assert (await world.until_ready(503))["redis"] == "Redis does not answer"
    world.say("/flowforge resolve")
    assert await world.until_answered() == 202
    await asyncio.sleep(seconds)
    await redis.start()
    await world.until_ready(200)
    await world.until_proposed()
    world.approve()
    await world.until_pushed()
    assert await world.outcome() == undisturbed
