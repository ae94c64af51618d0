"""Time that passes only when everybody sleeps."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
START = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


@dataclass
class VirtualTime:
    """A clock, a monotonic counter and a sleep that agree.

    It stands still while one of the tasks of ``run`` is at work, also while it waits for a real answer. When all of
    them sleep it jumps to where the first wakes up. Whoever waits for another task counts as at work: so nobody may
    sleep while others wait for it.
    """

    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)
    changed: Callable[[], None] = lambda: None
    _alive: int = 0
    _sleepers: list[tuple[float, int, asyncio.Event]] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def move(self, seconds: float) -> None:
        self.seconds += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        woken = asyncio.Event()
        heapq.heappush(self._sleepers, (self.seconds + seconds, next(self._numbers), woken))
        self._wake()
        await woken.wait()

    async def run(self, *work: Coroutine[Any, Any, T]) -> list[T | BaseException]:
        """Do all of it at the same time, to its end."""
        self._alive += len(work)
        return await asyncio.gather(*(self._counted(one) for one in work), return_exceptions=True)

    async def _counted(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await work
        finally:
            self._alive -= 1
            self._wake()

    def _wake(self) -> None:
        if self._sleepers and len(self._sleepers) >= self._alive:
            at, _, woken = heapq.heappop(self._sleepers)
            self.seconds = max(self.seconds, at)
            woken.set()
