"""Ringing, with arq."""

import asyncio
import json
from typing import Any, Final
from uuid import uuid4

import structlog
from arq.connections import ArqRedis, RedisSettings
from redis.exceptions import RedisError

from app.telemetry import LOST_RINGS, current_trace_headers
from bot.errors import SettingsError

QUEUE_NAME: Final = "flowforge:1"
"""Carries a version: workers of two releases never take each other's calls."""

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
    """The ``Queue`` port."""

    def __init__(self, pool: ArqRedis) -> None:
        self._pool = pool

    async def ring(self, kind: str, key: str) -> None:
        """Enqueue one ``tick``. Every ring has an id of its own: arq drops a second one with the same id."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._pool.enqueue_job("tick", kind, key, current_trace_headers(), _job_id=uuid4().hex)
        except (RedisError, OSError) as error:
            LOST_RINGS.inc()
            log.warning("ring lost", kind=kind, key=key, error=str(error) or type(error).__name__)
