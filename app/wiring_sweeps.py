"""The sweeps, bound."""

import contextlib
import functools
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

from app.jobs.worker import BoundSweep
from app.telemetry import JOBS_WAITING, PAUSED, REPAIRS, ROWS_REMOVED, SANDBOXES_SUNK, SWEPT
from app.wiring_parts import Parts
from bot.errors import SandboxError
from bot.handlers.conclude import Conclude
from bot.handlers.expire import ExpireProposals
from bot.handlers.notice import NoticeChanges
from bot.handlers.reconcile import Reconcile
from bot.handlers.redeliver import Redeliver
from bot.handlers.retention import RemoveOld
from bot.handlers.stale_branches import RemoveBranches
from bot.handlers.sweep import RingAgain, TakeBack
from bot.handlers.sweeping import RunSweep, SweepWork
from bot.model.sweeps import (
    BRANCHES,
    EXPIRE,
    LEASES,
    RECONCILE,
    REDELIVER,
    RETENTION,
    RING,
    SANDBOXES,
    SWEEPS,
    RepairKind,
    Swept,
)
from bot.ports.log import Log
from runners.supervise import Supervisor

LOG: Final[Log] = structlog.get_logger("sweeps")


def bind_sweeps(
    parts: Parts, supervisor: Supervisor, conclude: Conclude, notice: NoticeChanges, *, worker: str
) -> tuple[BoundSweep, ...]:
    """Every sweep with what does it, in the order of the table."""
    run = RunSweep(store=parts.store, log=LOG, clock=parts.clock, worker=worker, on_repair=_repaired, on_beat=_beat)
    works = {**_own_works(parts, supervisor, run), **_forge_works(parts, conclude, notice)}
    return tuple(
        BoundSweep(
            name=spec.name, every=spec.every, run=functools.partial(run, spec, works[spec.name]), alone=spec.alone
        )
        for spec in SWEEPS
    )


def _own_works(parts: Parts, supervisor: Supervisor, run: RunSweep) -> Mapping[str, SweepWork]:
    """Those that look at rows and sandboxes alone."""
    store, clock = parts.store, parts.clock
    take_back = TakeBack(store=store, clock=clock)
    ring = RingAgain(store=store, queue=parts.queue, clock=clock)

    async def on_leases(_: str) -> Swept:
        return await take_back()

    async def on_sandboxes(_: str) -> Swept:
        reaped = await supervisor.reap(clock.now())
        # What is left of ended runs goes with the next sweep where it cannot go now.
        with contextlib.suppress(SandboxError):
            SANDBOXES_SUNK.inc(await supervisor.sink())
        return Swept(repairs={RepairKind.RUN_LEASE: reaped})

    async def on_ring(_: str) -> Swept:
        await ring()
        await run.beats()
        JOBS_WAITING.set(await store.jobs.waiting(clock.now()))
        paused = await store.pauses.count()
        PAUSED.labels(scope="everywhere").set(int(paused.everywhere))
        PAUSED.labels(scope="repositories").set(paused.repositories)
        return Swept()

    return {
        LEASES.name: on_leases,
        SANDBOXES.name: on_sandboxes,
        RING.name: on_ring,
        RETENTION.name: RemoveOld(
            store=store,
            log=LOG,
            clock=clock,
            keep_results=timedelta(days=parts.settings.result_days),
            on_removed=_removed,
        ),
    }


def _forge_works(parts: Parts, conclude: Conclude, notice: NoticeChanges) -> Mapping[str, SweepWork]:
    """Those that ask the forge."""
    store, forge, clock, days = parts.store, parts.forge, parts.clock, parts.settings.proposal_days
    return {
        RECONCILE.name: Reconcile(
            store=store, log=LOG, forge=forge, git=parts.git, queue=parts.queue, clock=clock, notice=notice
        ),
        REDELIVER.name: Redeliver(store=store, log=LOG, forge=forge, clock=clock),
        EXPIRE.name: ExpireProposals(store=store, log=LOG, clock=clock, conclude=conclude, days=days),
        BRANCHES.name: RemoveBranches(
            store=store,
            log=LOG,
            forge=forge,
            git=parts.git,
            clock=clock,
            drop=conclude.drop_branch,
            keep=timedelta(days=days),
        ),
    }


def _repaired(kind: RepairKind, count: int) -> None:
    REPAIRS.labels(kind=kind.value).inc(count)


def _removed(table: str, rows: int) -> None:
    ROWS_REMOVED.labels(table=table).inc(rows)


def _beat(sweep: str, at: datetime) -> None:
    SWEPT.labels(sweep=sweep).set(at.timestamp())
