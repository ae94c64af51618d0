"""Ringing, with arq."""

import json
from typing import Any, Final
from uuid import uuid4

import structlog
from arq.connections import ArqRedis, RedisSettings, create_pool
from redis.exceptions import RedisError

from app.telemetry import LOST_RINGS, current_trace_headers

QUEUE_NAME: Final = "flowforge:1"
"""Carries a version: workers of two releases never take each other's calls."""

log = structlog.get_logger(__name__)


def serialize(data: dict[str, Any]) -> bytes:
    """Arq's default is pickle, by which whoever writes to Redis runs code in a worker; JSON is only data."""
    return json.dumps(data, default=str).encode()


def deserialize(data: bytes) -> dict[str, Any]:
    """The reverse of ``serialize``."""
    loaded: dict[str, Any] = json.loads(data)
    return loaded


async def connect(url: str) -> ArqRedis:
    """A pool for ``redis://`` or ``unix://`` URLs. Raises ``redis`` or ``OSError`` errors when Redis is away."""
    return await create_pool(
        settings_of(url),
        job_serializer=serialize,
        job_deserializer=deserialize,
        default_queue_name=QUEUE_NAME,
    )


def settings_of(url: str) -> RedisSettings:
    """Arq's settings for a URL."""
    return RedisSettings.from_dsn(url)


class ArqQueue:
    """The ``Queue`` port."""

    def __init__(self, pool: ArqRedis) -> None:
        self._pool = pool

    async def ring(self, kind: str, key: str) -> None:
        """Enqueue one ``tick``. Every ring has an id of its own: arq drops a second one with the same id."""
        try:
            await self._pool.enqueue_job("tick", kind, key, current_trace_headers(), _job_id=uuid4().hex)
        except (RedisError, OSError) as error:
            LOST_RINGS.inc()
            log.warning("ring lost", kind=kind, key=key, error=str(error))
