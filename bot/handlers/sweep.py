"""Ring again for everything that waits: what a lost ring or a dead worker left behind."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bot.handlers.notice import ALL_BASES, BaseKey
from bot.handlers.watch import LIST_COUNTS
from bot.model.levels import LevelKind
from bot.ports.store import Store
from bot.ports.system import Clock, Queue

_BATCH: Final = 200
_LISTS: Final = 5
"""Repositories whose open pull requests are listed anew after one sweep: at most 1,200 lists an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Compare rows with what should be under way, and ring for the difference; tidy up what nobody needs any more.

    What came out of a job's sandboxes is kept for ``keep_results`` after its end, for whoever wants to know why.
    """

    store: Store
    queue: Queue
    clock: Clock
    keep_results: timedelta

    async def __call__(self) -> int:
        """Ring for deliveries, jobs, reports and levels that are due; how many there were."""
        now = self.clock.now()
        await self._reconcile()
        await self.store.runs.end_unstarted(now)
        await self.store.runs.drop_results(now - self.keep_results)
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

    async def _reconcile(self) -> None:
        """Have repositories looked at that were not listed for a while: events may have been missed."""
        now = self.clock.now()
        for repository in await self.store.watch.take_unlisted(now - LIST_COUNTS, limit=_LISTS):
            key = BaseKey(forge=repository.forge, repository_id=repository.id, base_ref=ALL_BASES)
            await self.store.levels.raise_(LevelKind.BASE_SYNC, str(key))
