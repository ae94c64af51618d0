"""The worker: runs nothing but ticks, never retries, and outlives Redis, its ticks' errors and what others plant."""

import asyncio
import contextlib
import json
import pickle
import time
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from app.demo.redis_server import embedded_redis
from app.jobs.queue import QUEUE_NAME, ArqQueue
from app.processes import working
from app.telemetry import TICKS
from bot.errors import FencingLostError, ForgeUnavailableError
from tests.app.jobs.parts import WAIT, Workshop, at_work, workshop


class Bite:
    """What Python's pickle runs when it is read."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return Path.touch, (self.canary,)  # type: ignore[return-value]


async def plant(shop: Workshop, content: bytes, *, job_id: str = "planted") -> None:
    """Put something into the queue as whoever reaches Redis could."""
    await shop.instance.redis.set(f"arq:job:{job_id}", content, ex=60)
    await shop.instance.redis.zadd(QUEUE_NAME, {job_id: int(time.time() * 1000)})


def ticks_of(kind: str, result: str) -> float:
    return TICKS.labels(kind=kind, result=result)._value.get()  # type: ignore[no-any-return]  # no other way to ask


async def emptied(shop: Workshop) -> None:
    """Wait until nothing is in the queue any more: what was there is done, and nobody wants it done again."""
    async with asyncio.timeout(WAIT):
        while await shop.instance.redis.zcard(QUEUE_NAME):  # noqa: ASYNC110 - Redis has no event for it
            await asyncio.sleep(0.02)


async def test_a_ring_is_answered_by_one_tick(shop: Workshop) -> None:
    async with at_work(shop):
        await ArqQueue(shop.instance.redis).ring("probe", "a key")
        assert await shop.next() == "a key"
        await emptied(shop)
    assert shop.seen.empty()


# --- what others plant


async def test_a_pickle_in_redis_is_not_run(shop: Workshop, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    payload = pickle.dumps({"t": None, "f": "tick", "a": (Bite(canary),), "k": {}, "et": 0})
    pickle.loads(payload)  # noqa: S301 - to show that it bites
    assert canary.exists()
    canary.unlink()
    async with at_work(shop):
        await plant(shop, payload)
        await ArqQueue(shop.instance.redis).ring("probe", "still at work")
        assert await shop.next() == "still at work"
        await emptied(shop)
    assert not canary.exists()


@pytest.mark.parametrize(
    "planted",
    [
        b"",
        b"null",
        b"[]",
        b'{"f": "tick"}',
        json.dumps({"t": 1, "f": "os.system", "a": ["id"], "k": {}, "et": 0}).encode(),
        json.dumps({"t": 1, "f": "tick", "a": [["probe"], 5, "no"], "k": {}, "et": 0}).encode(),
        json.dumps({"t": 1, "f": "tick", "a": ["probe", {"a": 1}, None], "k": {}, "et": 0}).encode(),
        json.dumps({"t": 1, "f": "tick", "a": ["probe"], "k": {"key": "k"}, "et": 0}).encode(),
        json.dumps({"t": 1, "f": "tick", "a": ["nobody knows this kind", "k", {}], "k": {}, "et": 0}).encode(),
        json.dumps({"t": 1, "f": "tick", "a": "a text", "k": [], "et": "0"}).encode(),
    ],
)
async def test_rubbish_in_redis_is_dropped(shop: Workshop, planted: bytes) -> None:
    async with at_work(shop):
        await plant(shop, planted)
        await ArqQueue(shop.instance.redis).ring("probe", "still at work")
        assert await shop.next() == "still at work"
        await emptied(shop)
    assert shop.seen.empty()


async def test_a_hostile_trace_is_not_believed(shop: Workshop) -> None:
    trace = {"traceparent": "rubbish", "baggage": "job_id=" + "x" * 5000, "tracestate": 5}
    body = json.dumps({"t": 1, "f": "tick", "a": ["probe", "k", trace], "k": {}, "et": 0}).encode()
    async with at_work(shop):
        await plant(shop, body)
        assert await shop.next() == "k"
        await emptied(shop)


async def test_a_queue_that_cannot_be_read_is_thrown_away_and_swept_for(shop: Workshop) -> None:
    async with at_work(shop):
        await shop.instance.redis.zadd(QUEUE_NAME, {b"\xff\xfe": 1})
        await shop.next_sweep()
        await ArqQueue(shop.instance.redis).ring("probe", "at work again")
        assert await shop.next() == "at work again"


# --- errors


@pytest.mark.parametrize(
    "error",
    [
        ForgeUnavailableError("away"),
        FencingLostError("somebody else's"),
        ValueError("a fault of ours"),
        TimeoutError(),
        KeyError("x"),
    ],
)
async def test_an_error_in_a_tick_ends_there(shop: Workshop, error: Exception) -> None:
    async def fail(key: str) -> None:
        if key == "bad":
            raise error

    shop.does = fail
    before = ticks_of("probe", "error")
    async with at_work(shop):
        queue = ArqQueue(shop.instance.redis)
        await queue.ring("probe", "bad")
        assert await shop.next() == "bad"
        await queue.ring("probe", "good")
        assert await shop.next() == "good"
        await emptied(shop)
        assert shop.seen.empty(), "arq was not asked to do it again"
    assert ticks_of("probe", "error") == before + 1


async def test_an_error_in_the_sweep_ends_there_too(shop: Workshop) -> None:
    begun = 0  # one at the start, and as many as the clock asks for while the test lasts

    async def fail() -> None:
        nonlocal begun
        begun += 1
        raise ValueError("a fault of ours")

    shop.sweeps = fail
    before = ticks_of("sweep_probe", "error")
    async with at_work(shop):
        await ArqQueue(shop.instance.redis).ring("probe", "a key")
        assert await shop.next() == "a key"
        await emptied(shop)
    assert ticks_of("sweep_probe", "error") == before + begun


# --- Redis comes and goes


async def test_the_worker_outlives_redis_and_sweeps_for_what_was_lost(tmp_path: Path, redis_directory: Path) -> None:
    async with embedded_redis(redis_directory) as url, workshop(tmp_path, url) as shop:
        going_on, may_end = asyncio.Event(), asyncio.Event()

        async def long(key: str) -> None:
            if key == "long":
                going_on.set()
                await may_end.wait()
                shop.seen.put_nowait("ended well")

        shop.does = long
        async with at_work(shop):
            await ArqQueue(shop.instance.redis).ring("probe", "long")
            await asyncio.wait_for(going_on.wait(), WAIT)
            assert await shop.next() == "long"
            await shut_down(shop)
            may_end.set()
            assert await shop.next() == "ended well", "a tick needs no Redis to come to its end"
            async with embedded_redis(redis_directory):
                await shop.next_sweep()
                await ArqQueue(shop.instance.redis).ring("probe", "after the restart")
                while await shop.next() != "after the restart":
                    pass  # what was in progress may be done again


async def shut_down(shop: Workshop) -> None:
    """Shut down the Redis that serves ``shop``."""
    with contextlib.suppress(RedisError, OSError):
        await shop.instance.redis.shutdown(nosave=True)


async def test_the_worker_waits_for_a_redis_that_is_not_there_yet(tmp_path: Path, redis_directory: Path) -> None:
    url = f"unix://{redis_directory / 'redis.sock'}"
    async with workshop(tmp_path, url) as shop, working(shop.instance), embedded_redis(redis_directory):
        await shop.next_sweep()
        await ArqQueue(shop.instance.redis).ring("probe", "a key")
        assert await shop.next() == "a key"


async def test_stopping_ends_also_a_tick_that_does_not_want_to(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.processes._DRAIN_SECONDS", 0.05)
    cut_off = asyncio.Event()

    async def stubborn(_: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cut_off.set()

    shop.does = stubborn
    async with at_work(shop):
        await ArqQueue(shop.instance.redis).ring("probe", "long")
        await shop.next()
    assert cut_off.is_set()


async def test_stopping_lets_a_tick_finish_that_is_about_to(shop: Workshop) -> None:
    done = asyncio.Event()

    async def quick(_: str) -> None:
        await asyncio.sleep(0.1)
        done.set()

    shop.does = quick
    async with at_work(shop):
        await ArqQueue(shop.instance.redis).ring("probe", "quick")
        await shop.next()
    assert done.is_set()


async def test_the_worker_stops_at_any_moment(shop: Workshop) -> None:
    """A cancellation that asyncio loses while a command is being sent would make this wait for ever."""
    for _ in range(30):
        async with asyncio.timeout(WAIT), at_work(shop):
            await ArqQueue(shop.instance.redis).ring("probe", "k")
