"""The database is away: nothing is taken that could be lost, nothing ends, and everything goes on when it is back."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from app.demo.postgres_server import PostgresServer
from tests.outages.redis_process import RedisProcess
from tests.outages.world import Outcome, World, open_world

pytestmark = pytest.mark.timeout(900)

ANSWER_SECONDS = 9.5
"""GitHub waits for ten, and then counts the delivery as failed without knowing why."""


def crash(postgres: PostgresServer) -> None:
    postgres.crash()


def stop_at_once(postgres: PostgresServer) -> None:
    postgres.stop(signal.SIGQUIT)


Away = Callable[[PostgresServer], None]


@contextlib.asynccontextmanager
async def away(postgres: PostgresServer, how: Away, seconds: float) -> AsyncIterator[None]:
    """The database is gone while the block runs, and for so many seconds at least."""
    await asyncio.to_thread(how, postgres)
    until = time.monotonic() + seconds
    yield
    await asyncio.sleep(until - time.monotonic())
    await asyncio.to_thread(postgres.start)


@contextlib.contextmanager
def frozen(postgres: PostgresServer) -> Iterator[None]:
    """Every process of the server stands still: connections stay, and nobody answers on them."""
    server = psutil.Process(postgres.pid)
    family = [server, *server.children(recursive=True)]
    for one in family:
        one.suspend()
    try:
        yield
    finally:
        for one in family:
            one.resume()


@pytest.fixture
async def world(tmp_path: Path, postgres: PostgresServer, redis: RedisProcess) -> AsyncIterator[World]:
    async with open_world(tmp_path, database_url=postgres.url(), redis_url=redis.url) as world:
        yield world


async def answer_of(world: World, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.get(f"{world.service.web}{path}", timeout=ANSWER_SECONDS)


async def refused(world: World) -> None:
    """What is said now gets 503 in time, and the process says of itself that it lives and what it lacks."""
    world.say("Is anybody there?")
    began = time.monotonic()
    assert await world.until_answered() == 503
    assert time.monotonic() - began < ANSWER_SECONDS
    assert (await answer_of(world, "/health/live")).status_code == 200
    ready = await answer_of(world, "/health/ready")
    assert ready.status_code == 503
    assert "answer" in ready.json()["database"]
    assert ready.json()["redis"] == "ok"


async def back(world: World) -> None:
    """Everything is there again; what would be over after minutes is over now."""
    await world.until_ready(200)
    await world.forget_leases()


@pytest.mark.parametrize("how", [crash, stop_at_once])
async def test_while_it_is_away_nothing_is_taken_and_nothing_ends(
    world: World, postgres: PostgresServer, how: Away
) -> None:
    async with away(postgres, how, 0):
        await refused(world)
    assert set((await world.until_ready(200)).values()) == {"ok"}
    world.sim.webhooks.redeliver(world.sim.webhooks.deliveries[-1])
    assert await world.until_answered() == 202


async def test_a_database_that_stands_still_is_away_too(world: World, postgres: PostgresServer) -> None:
    with frozen(postgres):
        await refused(world)
        await refused(world)
    assert set((await world.until_ready(200)).values()) == {"ok"}
    world.say("And now?")
    assert await world.until_answered() == 202


@pytest.mark.parametrize("how", [crash, stop_at_once])
async def test_what_was_refused_is_redelivered_and_done(
    world: World, postgres: PostgresServer, undisturbed: Outcome, how: Away, seconds: float
) -> None:
    world.gate.open()
    async with away(postgres, how, seconds):
        world.say("/flowforge resolve")
        assert await world.until_answered() == 503
    await back(world)
    await world.hurry("redeliver")
    await world.until_proposed()
    async with away(postgres, how, seconds):
        world.approve()
        assert await world.until_answered() == 503
    await back(world)
    await world.hurry("redeliver")
    await world.until_pushed()
    assert await world.outcome() == undisturbed


@pytest.mark.parametrize("how", [crash, stop_at_once])
async def test_a_job_at_work_goes_on(
    world: World, postgres: PostgresServer, undisturbed: Outcome, how: Away, seconds: float
) -> None:
    world.say("/flowforge resolve")
    await world.until_running()
    async with away(postgres, how, seconds):
        world.gate.open()
    await back(world)
    await world.until_proposed()
    world.approve()
    assert await world.until_answered() == 202
    async with away(postgres, how, seconds):
        pass
    await back(world)
    await world.until_pushed()
    assert await world.outcome() == undisturbed
