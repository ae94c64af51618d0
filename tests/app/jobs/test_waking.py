"""A ring wakes the workers. Those of these tests would not look by themselves within an hour, unless a test says so."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.worker import func

from app.jobs.queue import QUEUE_NAME, RUNG_CHANNEL, ArqQueue, deserialize, open_pool, serialize
from app.jobs.waking import WokenWorker

WAIT = 60.0
NEVER = 3600.0

Seen = asyncio.Queue[str]


@pytest.fixture
async def pool(redis_url: str) -> AsyncIterator[ArqRedis]:
    pool = open_pool(redis_url)
    yield pool
    await pool.aclose()


@contextlib.asynccontextmanager
async def worker(pool: ArqRedis, tick: Callable[..., Awaitable[None]], **settings: Any) -> AsyncIterator[None]:
    """A worker at work, which listens already and has looked once."""
    made = WokenWorker(
        functions=[func(tick, name="tick", keep_result=0)],  # type: ignore[arg-type]  # arq's protocol wants a __qualname__
        redis_pool=pool,
        queue_name=QUEUE_NAME,
        job_serializer=serialize,
        job_deserializer=deserialize,
        handle_signals=False,
        **{"idle_seconds": NEVER, "busy_seconds": NEVER} | settings,
    )
    before = await listeners(pool)
    task = asyncio.create_task(made.main())
    await until_listening(pool, before + 1)
    try:
        yield
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=0.5)


def into(seen: Seen) -> Callable[..., Awaitable[None]]:
    """A tick that only tells."""

    async def tick(_: dict[str, Any], kind: str, key: str, __: object) -> None:
        seen.put_nowait(f"{kind} {key}")

    return tick


async def listeners(pool: ArqRedis) -> int:
    ((_, count),) = await pool.pubsub_numsub(RUNG_CHANNEL)
    return int(count)


async def until_listening(pool: ArqRedis, count: int) -> None:
    async with asyncio.timeout(WAIT):
        while await listeners(pool) != count:  # noqa: ASYNC110 - Redis has no event for it
            await asyncio.sleep(0.01)


async def next_of(seen: Seen) -> str:
    async with asyncio.timeout(WAIT):
        return await seen.get()


async def test_a_ring_wakes_a_worker_that_would_not_look(pool: ArqRedis) -> None:
    seen: Seen = asyncio.Queue()
    async with worker(pool, into(seen)):
        for number in range(3):
            await ArqQueue(pool).ring("job", str(number))
            assert await next_of(seen) == f"job {number}"


async def test_what_was_rung_before_the_worker_listened_is_found(pool: ArqRedis) -> None:
    seen: Seen = asyncio.Queue()
    await ArqQueue(pool).ring("job", "early")
    async with worker(pool, into(seen)):
        assert await next_of(seen) == "job early"


async def test_what_nobody_heard_is_found_by_looking(pool: ArqRedis) -> None:
    seen: Seen = asyncio.Queue()
    async with worker(pool, into(seen), idle_seconds=0.05):
        await pool.enqueue_job("tick", "job", "in silence", {})
        assert await next_of(seen) == "job in silence"


async def test_whoever_was_cut_off_listens_again_and_misses_nothing(pool: ArqRedis) -> None:
    seen: Seen = asyncio.Queue()
    async with worker(pool, into(seen)):
        await pool.client_kill_filter(_type="pubsub")
        await ArqQueue(pool).ring("job", "while it was deaf")
        assert await next_of(seen) == "job while it was deaf"
        await until_listening(pool, 1)
        await ArqQueue(pool).ring("job", "heard")
        assert await next_of(seen) == "job heard"


async def test_an_emptied_redis_wakes_as_before(pool: ArqRedis) -> None:
    seen: Seen = asyncio.Queue()
    async with worker(pool, into(seen)):
        await pool.flushall()
        await ArqQueue(pool).ring("job", "after the flush")
        assert await next_of(seen) == "job after the flush"


async def test_a_full_worker_looks_again_as_soon_as_a_place_is_free(pool: ArqRedis) -> None:
    seen: Seen = asyncio.Queue()
    may_end = asyncio.Event()

    async def tick(_: dict[str, Any], kind: str, key: str, __: object) -> None:
        seen.put_nowait(f"{kind} {key}")
        await may_end.wait()

    async with worker(pool, tick, max_jobs=1):
        queue = ArqQueue(pool)
        await queue.ring("job", "first")
        assert await next_of(seen) == "job first"
        await queue.ring("job", "second")
        may_end.set()
        assert await next_of(seen) == "job second"


async def test_of_three_workers_that_wake_one_gets_each_call(redis_url: str) -> None:
    seen: Seen = asyncio.Queue()
    async with contextlib.AsyncExitStack() as stack:
        pools = [open_pool(redis_url) for _ in range(3)]
        for one in pools:
            stack.push_async_callback(one.aclose)
            await stack.enter_async_context(worker(one, into(seen)))
        await asyncio.gather(*(ArqQueue(pools[0]).ring("job", str(number)) for number in range(60)))
        found = sorted([await next_of(seen) for _ in range(60)])
        assert found == sorted(f"job {number}" for number in range(60))
        async with asyncio.timeout(WAIT):
            while await pools[0].zcard(QUEUE_NAME):  # noqa: ASYNC110 - Redis has no event for it
                await asyncio.sleep(0.01)
    assert seen.empty()


async def test_rings_at_once_go_to_redis_together(pool: ArqRedis) -> None:
    async with pool.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(RUNG_CHANNEL)
        assert await channel.get_message(timeout=WAIT) is None, "this is only what Redis says to the subscription"
        queue = ArqQueue(pool)
        await asyncio.gather(*(queue.ring("job", str(number)) for number in range(100)))
        assert await pool.zcard(QUEUE_NAME) == 100
        woken = 0
        while await channel.get_message(timeout=0.5) is not None:
            woken += 1
    # The first may go alone while the others gather.
    assert 1 <= woken <= 2
