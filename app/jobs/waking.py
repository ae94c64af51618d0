"""A worker that is woken: whoever rings says so on a channel, and the worker looks at its queue at once.

The channel carries nothing but that. What is said while nobody listens is lost, and found by the next look: the worker
looks twice a second anyway. All workers hear every ring; arq sees to it that one of them gets the call.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import structlog
from arq.connections import ArqRedis
from arq.worker import Worker
from redis.exceptions import RedisError

from app.jobs.queue import RUNG_CHANNEL

_IDLE_SECONDS: Final = 0.5
"""Between two looks when nobody rings. A lost ring costs half a minute at most anyway: the sweep rings again."""

_BUSY_SECONDS: Final = 0.02
"""Between two looks while the last one found something: calls may wait because too many are in progress."""

_LISTEN_SECONDS: Final = 30.0
_AGAIN_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class WokenWorker(Worker):
    """arq's worker, which looks at its queue when it is rung for.

    arq has no setting for that: its worker only polls, and a poll that a person does not feel keeps an idle processor
    at work. So this takes the place of arq's pause between two looks. The methods are inner ones of arq, whose version
    is pinned and which is no longer developed.
    """

    def __init__(
        self, *, idle_seconds: float = _IDLE_SECONDS, busy_seconds: float = _BUSY_SECONDS, **settings: Any
    ) -> None:
        """Take arq's settings, but for ``poll_delay``.

        The pause is ``idle_seconds`` when nobody rings, and ``busy_seconds`` while the last look found something.
        """
        super().__init__(**settings, poll_delay=0)
        self._idle_seconds = idle_seconds
        self._busy_seconds = busy_seconds
        self._rung = asyncio.Event()
        self._found = False

    async def main(self) -> None:
        """Listen and work until cancelled, or until Redis goes away."""
        async with _listening(self.pool, self._rung):
            await super().main()

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Start what a look has found."""
        self._found = bool(job_ids)
        await super().start_jobs(job_ids)

    async def run_job(self, job_id: str, score: int) -> None:
        """Run one, and look again afterwards if it took the last place."""
        try:
            await super().run_job(job_id, score)
        finally:
            if self.job_counter >= self.max_jobs:
                # Not yet: arq gives the place back when this task is done, which is the loop's next step.
                self.loop.call_soon(self._rung.set)

    async def _poll_iteration(self) -> None:
        """One look, and the pause after it."""
        self._rung.clear()
        await super()._poll_iteration()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._busy_seconds if self._found else self._idle_seconds):
                await self._rung.wait()


@contextlib.asynccontextmanager
async def _listening(pool: ArqRedis, rung: asyncio.Event) -> AsyncIterator[None]:
    """Set ``rung`` for every ring while the context lasts."""
    task = asyncio.create_task(_listen(pool, rung))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _listen(pool: ArqRedis, rung: asyncio.Event) -> None:
    """Hear rings, on a connection of its own and on a new one when that breaks. Without, rings are only found later."""
    deaf = False
    while True:
        try:
            async with pool.pubsub(ignore_subscribe_messages=True) as channel:
                await channel.subscribe(RUNG_CHANNEL)
                deaf = False
                rung.set()  # by those who rang before
                while True:
                    if await channel.get_message(timeout=_LISTEN_SECONDS) is not None:
                        rung.set()
        except (RedisError, OSError) as error:
            if not deaf:
                log.warning("rings are not heard, only found", error=str(error) or type(error).__name__)
            deaf = True
        await asyncio.sleep(_AGAIN_SECONDS)
