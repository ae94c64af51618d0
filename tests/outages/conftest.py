"""Fixtures: servers that a test may take away, and what happens when nobody does."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.demo.postgres_server import PostgresServer
from tests.outages.redis_process import RedisProcess
from tests.outages.world import Outcome, open_world
from tests.postgres import own_server

SECONDS = float(os.environ.get("FLOWFORGE_TEST_OUTAGE_SECONDS", "6"))
"""How long an outage lasts. With 60 what is tested is the same, except that leases run out meanwhile."""

_undisturbed: list[Outcome] = []


@pytest.fixture
def seconds() -> float:
    return SECONDS


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server of this test's own, which writes to disk."""
    with own_server() as server:
        yield server


@contextlib.asynccontextmanager
async def running_redis(directory: Path) -> AsyncIterator[RedisProcess]:
    await asyncio.to_thread(directory.mkdir)
    redis = RedisProcess(directory)
    await redis.start()
    try:
        yield redis
    finally:
        await redis.kill()


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisProcess]:
    async with running_redis(tmp_path / "redis") as redis:
        yield redis


@pytest.fixture
async def undisturbed(tmp_path: Path) -> Outcome:
    """How it all ends when nothing goes away; played once in each process of the tests."""
    if not _undisturbed:
        directory = tmp_path / "undisturbed"
        directory.mkdir()
        url = f"sqlite:///{directory / 'flowforge.db'}"
        async with (
            running_redis(directory / "redis") as redis,
            open_world(directory, database_url=url, redis_url=redis.url) as world,
        ):
            world.gate.open()
            world.say("/flowforge resolve")
            await world.until_proposed()
            world.approve()
            await world.until_pushed()
            _undisturbed.append(await world.outcome())
    return _undisturbed[0]
