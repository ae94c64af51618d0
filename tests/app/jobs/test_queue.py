"""The doorbell: every ring its own, nothing in it but data, and lost without harm."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.demo.redis_server import embedded_redis
from app.jobs.queue import QUEUE_NAME, ArqQueue, deserialize, open_pool, serialize
from app.telemetry import LOST_RINGS
from bot.errors import SettingsError
from tests.app.jobs.parts import WAIT


def lost() -> float:
    return LOST_RINGS._value.get()  # type: ignore[no-any-return]  # the client has no other way to ask


def redis_process(directory: Path) -> psutil.Process:
    children = psutil.Process().children(recursive=True)
    return next(one for one in children if one.name() == "redis-server" and one.cwd() == str(directory.resolve()))


async def test_two_rings_for_one_key_are_two(redis_url: str) -> None:
    pool = open_pool(redis_url)
    queue = ArqQueue(pool)
    await queue.ring("job", "the same")
    await queue.ring("job", "the same")
    rung = await pool.queued_jobs(queue_name=QUEUE_NAME)
    assert [(job.function, list(job.args[:2])) for job in rung] == [("tick", ["job", "the same"])] * 2
    assert len({job.job_id for job in rung}) == 2
    await pool.aclose()


async def test_what_lies_in_redis_is_json(redis_url: str) -> None:
    pool = open_pool(redis_url)
    await ArqQueue(pool).ring("report", "a key")
    (key,) = await pool.keys("arq:job:*")
    found = json.loads(await pool.get(key))
    assert (found["f"], found["a"][:2]) == ("tick", ["report", "a key"])
    await pool.aclose()


def test_serializing_is_plain_json_and_back() -> None:
    data: dict[str, Any] = {"f": "tick", "a": ["job", "k", {"traceparent": "00-…"}], "k": {}, "t": None, "et": 5}
    assert deserialize(serialize(data)) == data


async def test_a_ring_without_redis_is_lost_at_once_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = open_pool(f"unix://{tmp_path / 'nothing-here'}")
    before = lost()
    async with asyncio.timeout(WAIT):
        await ArqQueue(pool).ring("job", "a-lost-key")
    assert lost() == before + 1
    assert "ring lost" in (said := capsys.readouterr().out)
    assert "a-lost-key" in said
    await pool.aclose()


async def test_a_ring_to_a_redis_that_hangs_is_lost_in_a_moment(redis_url: str, redis_directory: Path) -> None:
    pool = open_pool(redis_url)
    queue = ArqQueue(pool)
    await queue.ring("job", "heard")
    process = redis_process(redis_directory)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        before = lost()
        async with asyncio.timeout(WAIT):
            await queue.ring("job", "not heard")
        assert lost() == before + 1
    finally:
        os.kill(process.pid, signal.SIGCONT)
    await queue.ring("job", "heard again")
    await pool.aclose()


async def test_a_redis_that_came_back_is_rung_again(redis_directory: Path) -> None:
    async with embedded_redis(redis_directory) as url:
        pool = open_pool(url)
        await ArqQueue(pool).ring("job", "first")
    before = lost()
    await ArqQueue(pool).ring("job", "lost")
    assert lost() == before + 1
    async with embedded_redis(redis_directory):
        await ArqQueue(pool).ring("job", "second")
        rung = await pool.queued_jobs(queue_name=QUEUE_NAME)
        assert sorted(job.args[1] for job in rung) == ["first", "second"], "what Redis took it keeps"
        await pool.aclose()


async def test_many_rings_at_once(redis_url: str) -> None:
    pool = open_pool(redis_url)
    queue = ArqQueue(pool)
    await asyncio.gather(*(queue.ring("job", str(number)) for number in range(100)))
    assert await pool.zcard(QUEUE_NAME) == 100
    await pool.aclose()


@pytest.mark.parametrize("url", ["", "http://127.0.0.1", "a-secret", "redis://host/a-secret", "redis://host:a-secret"])
def test_other_addresses_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(SettingsError, match="FLOWFORGE_REDIS_URL") as caught:
        open_pool(url)
    assert "a-secret" not in str(caught.value)


async def test_address_password_and_number_are_those_of_the_url() -> None:
    pool = open_pool("redis://me:secret@127.0.0.1:7777/5")
    kwargs = pool.connection_pool.connection_kwargs
    assert (kwargs["host"], kwargs["port"], kwargs["db"]) == ("127.0.0.1", 7777, 5)
    assert (kwargs["username"], kwargs["password"]) == ("me", "secret")
    await pool.aclose()
