"""What is old goes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bot.model.sweeps import Swept
from bot.ports.log import Log
from bot.ports.store import Store
from bot.ports.system import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveOld:
    """Remove what is older than it is kept, and make room for what comes.

    What came out of a job's sandboxes is kept for ``keep_results`` after its end, for whoever wants to know why.
    ``on_removed`` is told how many rows of a table went.
    """

    store: Store
    log: Log
    clock: Clock
    keep_results: timedelta
    on_removed: Callable[[str, int], None]

    async def __call__(self, bookmark: str) -> Swept:
        """Do one pass; what it had no time for is for the next one."""
        del bookmark
        now = self.clock.now()
        retained = await self.store.retention.retain(now)
        results = await self.store.runs.drop_results(now - self.keep_results)
        removed = {**retained.removed, "run_archives": results, **await self.store.leftovers.remove(now)}
        for table, rows in removed.items():
            if rows:
                self.log.info("old rows removed", table=table, rows=rows)
                self.on_removed(table, rows)
        return Swept()
