"""Ring again for everything that waits: what a lost ring or a dead worker left behind."""

from dataclasses import dataclass
from typing import Final

from bot.ports.store import Store
from bot.ports.system import Clock, Queue

_BATCH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Compare rows with what should be under way, and ring for the difference."""

    store: Store
    queue: Queue
    clock: Clock

    async def __call__(self) -> int:
        """Ring for deliveries, jobs and reports that are due; how many there were."""
        now = self.clock.now()
        deliveries = [f"{forge}:{key}" for forge, key in await self.store.deliveries.waiting(limit=_BATCH)]
        due = await self.store.jobs.due(now, limit=_BATCH)
        jobs = [*dict.fromkeys([*due, *await self.store.jobs.unconcluded(now, limit=_BATCH)])]
        reports = await self.store.reports.unreported(now, limit=_BATCH)
        for kind, keys in (("delivery", deliveries), ("job", jobs), ("report", reports)):
            for key in keys:
                await self.queue.ring(kind, key)
        return len(deliveries) + len(jobs) + len(reports)
