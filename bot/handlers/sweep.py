"""Ring again for everything that waits, and take back what died with its worker."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from bot.model.sweeps import RepairKind, Swept
from bot.ports.store import Store
from bot.ports.system import Clock, Queue

_BATCH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RingAgain:
    """Compare rows with what should be under way, and ring for the difference."""

    store: Store
    queue: Queue
    clock: Clock

    async def __call__(self) -> int:
        """Ring for deliveries, jobs, reports and levels that are due; how many there were."""
        now = self.clock.now()
        deliveries = [f"{forge}:{key}" for forge, key in await self.store.deliveries.waiting(limit=_BATCH)]
        due = await self.store.jobs.due(now, limit=_BATCH)
        jobs = [*dict.fromkeys([*due, *await self.store.jobs.unconcluded(now, limit=_BATCH)])]
        reports = await self.store.reports.unreported(now, limit=_BATCH)
        levels = await self.store.levels.due(now, limit=_BATCH)
        for kind, keys in (("delivery", deliveries), ("job", jobs), ("report", reports)):
            for key in keys:
                await self.queue.ring(kind, key)
        for level, key in levels:
            await self.queue.ring(level, key)
        return len(deliveries) + len(jobs) + len(reports) + len(levels)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBack:
    """Take jobs and levels back from workers that died over them, and end runs that nobody came to start.

    All of them are due as soon as their time has run out; here they are counted, and the log says who had them.
    """

    store: Store
    clock: Clock

    async def __call__(self) -> Swept:
        """Take back what nobody holds any more."""
        now = self.clock.now()
        repairs = Counter(
            {
                RepairKind.JOB_LEASE: await self.store.repairs.take_back_jobs(now, limit=_BATCH),
                RepairKind.LEVEL_LEASE: await self.store.repairs.take_back_levels(now, limit=_BATCH),
                RepairKind.RUN_LEASE: await self.store.runs.end_unstarted(now),
            }
        )
        return Swept(repairs=repairs)
