"""The arq worker: one function for every kind of work, short and idempotent; it asks the database what to do."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from arq.connections import ArqRedis
from arq.cron import CronJob, cron
from arq.worker import Worker, func

from app.jobs.queue import QUEUE_NAME, deserialize, serialize
from app.jobs.waking import WokenWorker
from app.telemetry import TICK_SECONDS, TICKS, span
from bot.errors import FlowForgeError

TICK_TIMEOUT_SECONDS: Final = 120
"""A tick that takes longer is cut off; its lease and the sweep bring the work back."""

_SHOWN: Final = 80
_NEVER_GIVE_UP: Final = 1_000_000
_OFTEN: Final = timedelta(seconds=15)
_OFTEN_AT: Final = frozenset({0, 15, 30, 45})
_SELDOM_AT: Final = frozenset({5, 35})
"""At these seconds of each minute a worker looks whether a sweep is due; when that is, its row tells."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundSweep:
    """A sweep, and what does a pass of it if one is due. Of one that is not ``alone``, each worker has its timer."""

    name: str
    every: timedelta
    run: Callable[[], Awaitable[None]]
    alone: bool = True

    @property
    def seconds(self) -> frozenset[int]:
        """At which seconds of a minute a worker asks whether it is due."""
        return _OFTEN_AT if self.every <= _OFTEN else _SELDOM_AT


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """What each kind of ring leads to, and the sweeps."""

    on: Mapping[str, Callable[[str], Awaitable[None]]]
    sweeps: tuple[BoundSweep, ...]

    async def sweep(self, name: str | None = None) -> None:
        """Do the sweep of that name, or without one all that are done four times a minute."""
        for one in self.sweeps:
            if one.name == name or (name is None and one.every <= _OFTEN):
                await one.run()


async def tick(ctx: dict[str, Any], kind: object, key: object, trace: object) -> None:
    """Look at one row. Errors end here: the sweep rings again, arq is never asked to retry.

    Whoever can write to Redis can ring with anything: it is data, and mostly the id of nothing.
    """
    ticks: Ticks = ctx["ticks"]
    handler = ticks.on.get(kind) if isinstance(kind, str) else None
    if handler is None or not isinstance(kind, str) or not isinstance(key, str):
        log.warning("ring of an unknown kind", kind=repr(kind)[:_SHOWN])
        return
    parent = {name: value for name, value in trace.items() if isinstance(value, str)} if isinstance(trace, dict) else {}
    ids = {f"{kind}_id": key.rpartition(":")[2]}
    with span(f"tick {kind}", parent=parent, **ids):
        await _guarded(kind, handler(key))


def _cron(sweep: BoundSweep) -> CronJob:
    """A timer for a sweep. Errors end here: one that fails stops no other."""
    kind = f"sweep_{sweep.name}"

    async def run(ctx: dict[str, Any]) -> None:
        del ctx
        with span(kind, sweep=sweep.name):
            await _guarded(kind, sweep.run())

    return cron(
        run,
        name=kind,
        second=set(sweep.seconds),
        run_at_startup=True,
        unique=sweep.alone,
        timeout=TICK_TIMEOUT_SECONDS,
        keep_result=0,
        max_tries=_NEVER_GIVE_UP,
    )


async def _guarded(kind: str, work: Awaitable[None]) -> None:
    started = time.monotonic()
    result = "error"
    try:
        await work
        result = "ok"
    except FlowForgeError as error:
        log.warning("tick failed", kind=kind, error=str(error), error_class=type(error).__name__)
    except Exception:
        log.exception("tick failed unexpectedly", kind=kind)
    finally:
        TICKS.labels(kind=kind, result=result).inc()
        TICK_SECONDS.labels(kind=kind).observe(time.monotonic() - started)


def create_worker(pool: ArqRedis, ticks: Ticks) -> Worker:
    """A worker over ``pool``. Its settings answer arq's traps; see docs/adr/0003-arq-is-a-doorbell.md."""
    return WokenWorker(
        functions=[func(tick, name="tick", timeout=TICK_TIMEOUT_SECONDS, keep_result=0, max_tries=_NEVER_GIVE_UP)],
        cron_jobs=[_cron(sweep) for sweep in ticks.sweeps],
        redis_pool=pool,
        queue_name=QUEUE_NAME,
        job_serializer=serialize,
        job_deserializer=deserialize,
        handle_signals=False,
        max_jobs=20,
        keep_result=0,
        job_timeout=TICK_TIMEOUT_SECONDS,
        max_tries=_NEVER_GIVE_UP,
        ctx={"ticks": ticks},
    )
