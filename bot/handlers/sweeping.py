"""One pass of a sweep: by one worker at a time, on record, its repairs counted."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from bot.model.sweeps import RepairKind, SweepSpec, Swept
from bot.ports.log import Log
from bot.ports.store import Store
from bot.ports.system import Clock

SweepWork = Callable[[str], Awaitable[Swept]]
"""What a pass does; it is given what the last one left to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSweep:
    """Do a sweep when it is due and nobody else is at it.

    The right to do it is a row, so it outlives Redis; a worker that dies leaves it to the next one. ``on_repair`` is
    told what was put right and how often, ``on_beat`` when a pass last came to its end.
    """

    store: Store
    log: Log
    clock: Clock
    worker: str
    on_repair: Callable[[RepairKind, int], None]
    on_beat: Callable[[str, datetime], None]
    _asked: set[str] = field(default_factory=set)

    async def __call__(self, spec: SweepSpec, work: SweepWork) -> None:
        """Do one pass. What it raises is raised, once it is on record."""
        swept = await (self._alone(spec, work) if spec.alone else work(""))
        if swept is None:
            return
        for kind, count in swept.repairs.items():
            if count:
                self.log.warning("what was missed is repaired", sweep=spec.name, kind=kind.value, count=count)
                self.on_repair(kind, count)
        self.on_beat(spec.name, self.clock.now())

    async def _alone(self, spec: SweepSpec, work: SweepWork) -> Swept | None:
        """Do the pass under its lease; None when it is not due, or somebody else is at it."""
        now = self.clock.now()
        pause = spec.pause(first=spec.name not in self._asked)
        self._asked.add(spec.name)
        sweeps = self.store.sweeps
        lease = await sweeps.take(spec.name, owner=self.worker, before=now - pause, until=now + spec.lease)
        if lease is None:
            return None
        try:
            swept = await work(lease.bookmark)
        except Exception as error:
            await sweeps.failed(lease, error=f"{type(error).__name__}: {error}")
            raise
        except BaseException:
            # Cut off: kept, the lease would keep everybody from it.
            await sweeps.failed(lease, error="it was cut off")
            raise
        await sweeps.finish(lease, bookmark=swept.bookmark, again=swept.again)
        return swept

    async def beats(self) -> None:
        """Tell when each sweep last came to its end, whoever did it."""
        for beat in await self.store.sweeps.beats():
            if beat.succeeded_at is not None:
                self.on_beat(beat.name, beat.succeeded_at)
