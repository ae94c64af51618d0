"""Ringing, with arq."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import structlog
from arq.connections import ArqRedis, RedisSettings
from arq.constants import expires_extra_ms, job_key_prefix
from arq.jobs import serialize_job
from redis.exceptions import RedisError

from app.telemetry import LOST_RINGS, current_trace_headers
from bot.errors import SettingsError

QUEUE_NAME: Final = "flowforge:1"
"""Carries a version: workers of two releases never take each other's calls."""

RUNG_CHANNEL: Final = f"{QUEUE_NAME}:rung"
"""Where whoever rings says so; see ``app.jobs.waking``."""

_BATCH: Final = 128
"""Rings in one turn to Redis and back."""

_ANSWER_SECONDS: Final = 2.0
"""Whoever rings holds a request or a lease: a Redis that answers no sooner counts as away."""

_CALL: Final = {"f": str, "a": list, "k": dict, "et": int, "t": int | None}
"""The keys of a call: function, arguments, keyword arguments, when it was enqueued, and which try it is."""

log = structlog.get_logger(__name__)


def serialize(data: dict[str, Any]) -> bytes:
    """Arq's default is pickle, by which whoever writes to Redis runs code in a worker; JSON is only data."""
    return json.dumps(data, default=str).encode()


def deserialize(data: bytes) -> dict[str, Any]:
    """The reverse of ``serialize``, for calls of the form that arq itself writes.

    arq looks no further once it has the fields: an enqueueing time that is no number would end the worker.

    Raises:
        ValueError: it is none; arq drops it.
    """
    call = json.loads(data)
    if not isinstance(call, dict) or not all(isinstance(call.get(key), kind) for key, kind in _CALL.items()):
        raise ValueError("this is no call of arq's")
    return call


def open_pool(url: str) -> ArqRedis:
    """A pool for ``redis://``, ``rediss://`` or ``unix://`` URLs; it connects when it is used.

    arq's own ``create_pool`` insists on a Redis that answers, and never gives up on one that fell silent.

    Raises:
        SettingsError: the URL is none of these.
    """
    try:
        settings = RedisSettings.from_dsn(url)
    except (RuntimeError, ValueError):
        raise SettingsError("FLOWFORGE_REDIS_URL: write redis://host:port/0, rediss://… or unix:///path") from None
    return ArqRedis(
        host=settings.host,
        port=settings.port,
        unix_socket_path=settings.unix_socket_path,
        username=settings.username,
        password=settings.password,
        db=settings.database,
        ssl=settings.ssl,
        socket_connect_timeout=_ANSWER_SECONDS,
        socket_timeout=_ANSWER_SECONDS,
        job_serializer=serialize,
        job_deserializer=deserialize,
        default_queue_name=QUEUE_NAME,
    )


class ArqQueue:
    """The ``Queue`` port, for one event loop.

    Rings share a turn to Redis and back: whoever rings while one is under way goes with the next. arq's own
    ``enqueue_job`` takes four turns for each call, to see that its id is in no use; ours are made for one ring each.
    """

    def __init__(self, pool: ArqRedis) -> None:
        self._pool = pool
        self._waiting: list[_Waiting] = []
        self._ringer: asyncio.Task[None] | None = None

    async def ring(self, kind: str, key: str) -> None:
        """Enqueue one ``tick`` and wake the workers; return when Redis has it, or when it is lost."""
        rung: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((_Ring(kind, key, current_trace_headers()), rung))
        if self._ringer is None:
            self._ringer = asyncio.create_task(self._ring_all())
        await rung

    async def _ring_all(self) -> None:
        """Ring until nobody waits."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                try:
                    async with asyncio.timeout(_ANSWER_SECONDS):
                        await self._send([ring for ring, _ in batch])
                except (RedisError, OSError) as error:
                    # Those who came meanwhile would only wait for the same.
                    batch, self._waiting = [*batch, *self._waiting], []
                    _lost([ring for ring, _ in batch], error)
                finally:
                    _answer(batch)
        finally:
            self._ringer = None
            _answer(self._waiting)

    async def _send(self, rings: Sequence["_Ring"]) -> None:
        """Write what arq's ``enqueue_job`` writes, then say so: whoever is woken finds all of it."""
        now = time.time_ns() // 1_000_000
        ids = [uuid4().hex for _ in rings]
        async with self._pool.pipeline(transaction=False) as pipe:
            for job_id, ring in zip(ids, rings, strict=True):
                call = serialize_job("tick", (ring.kind, ring.key, ring.trace), {}, None, now, serializer=serialize)
                pipe.psetex(job_key_prefix + job_id, expires_extra_ms, call)
            pipe.zadd(QUEUE_NAME, dict.fromkeys(ids, now))
            pipe.publish(RUNG_CHANNEL, b"")
            await pipe.execute()


@dataclass(frozen=True, slots=True)
class _Ring:
    """What to look at, and the trace that it belongs to."""

    kind: str
    key: str
    trace: dict[str, str]


_Waiting = tuple[_Ring, "asyncio.Future[None]"]


def _answer(batch: Sequence[_Waiting]) -> None:
    for _, rung in batch:
        if not rung.done():
            rung.set_result(None)


def _lost(rings: Sequence[_Ring], error: Exception) -> None:
    """Say so once: a burst that is lost would be as many lines."""
    LOST_RINGS.inc(len(rings))
    first = rings[0]
    said = str(error) or type(error).__name__
    log.warning("ring lost", kind=first.kind, key=first.key, rings=len(rings), error=said)
