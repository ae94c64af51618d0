"""The arq worker: one function for every kind of work, short and idempotent; it asks the database what to do."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from arq.connections import ArqRedis
from arq.cron import cron
from arq.worker import Worker, func

from app.jobs.queue import QUEUE_NAME, deserialize, serialize
from app.telemetry import TICK_SECONDS, TICKS, span
from bot.errors import FlowForgeError

TICK_TIMEOUT_SECONDS: Final = 120
"""A tick that takes longer is cut off; its lease and the sweep bring the work back."""

_POLL_SECONDS: Final = 0.02
_NEVER_GIVE_UP: Final = 1_000_000
_SWEEP_SECONDS: Final = frozenset({0, 15, 30, 45})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """What each kind of ring leads to, and the sweep."""

    on: Mapping[str, Callable[[str], Awaitable[None]]]
    sweep: Callable[[], Awaitable[None]]


async def tick(ctx: dict[str, Any], kind: str, key: str, trace: dict[str, str]) -> None:
    """Look at one row. Errors end here: the sweep rings again, arq is never asked to retry."""
    ticks: Ticks = ctx["ticks"]
    handler = ticks.on.get(kind)
    if handler is None:
        log.warning("ring of an unknown kind", kind=kind)
        return
    started = time.monotonic()
    result = "error"
    with span(f"tick {kind}", parent=trace, **{f"{kind}_id": key}):
        try:
            await handler(key)
            result = "ok"
        except FlowForgeError as error:
            log.warning("tick failed", error=str(error), error_class=type(error).__name__)
        except Exception:
            log.exception("tick failed unexpectedly")
        finally:
            TICKS.labels(kind=kind, result=result).inc()
            TICK_SECONDS.labels(kind=kind).observe(time.monotonic() - started)


async def sweep(ctx: dict[str, Any]) -> None:
    """Ring again for what was missed."""
    ticks: Ticks = ctx["ticks"]
    await ticks.sweep()


def create_worker(pool: ArqRedis, ticks: Ticks) -> Worker:
    """A worker over ``pool``. Its settings answer arq's traps; see docs/adr/0003-arq-is-a-doorbell.md."""
    return Worker(
        functions=[func(tick, name="tick", timeout=TICK_TIMEOUT_SECONDS, keep_result=0, max_tries=_NEVER_GIVE_UP)],
        cron_jobs=[
            cron(
                sweep,
                name="sweep",
                second=set(_SWEEP_SECONDS),
                run_at_startup=True,
                timeout=TICK_TIMEOUT_SECONDS,
                keep_result=0,
                max_tries=_NEVER_GIVE_UP,
            ),
        ],
        redis_pool=pool,
        queue_name=QUEUE_NAME,
        job_serializer=serialize,
        job_deserializer=deserialize,
        handle_signals=False,
        poll_delay=_POLL_SECONDS,
        max_jobs=20,
        keep_result=0,
        job_timeout=TICK_TIMEOUT_SECONDS,
        max_tries=_NEVER_GIVE_UP,
        ctx={"ticks": ticks},
    )
