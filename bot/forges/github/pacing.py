"""How fast we ask: below the secondary limits, so that nobody has to be turned away.

GitHub allows 100 requests at the same time, 900 points a minute (a read is one, a write five), and 80 requests a minute
and 500 an hour that create something; and it wants writes one after the other:
https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits
https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#pause-between-mutative-requests

Each limit is kept by a bucket per installation: a burst goes out at once, so that nobody's first answer waits, and what
comes after it goes out evenly. A bucket lets through no more than its burst and what flows into it meanwhile, in any
stretch of time, and the two together stay below GitHub's number.

Every process has buckets of its own and knows nothing of the others'. So each gets an equal part of the limits; the
processes have to be told how many they are.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from bot.errors import ForgeLimitedError
from bot.forges.meter import Meter

Sleep = Callable[[float], Awaitable[None]]
Monotonic = Callable[[], float]

LONGEST_WAIT: Final = 10.0
"""Seconds that a request waits for its turn. After that whoever wants it is told when to come back."""

MOST_PROCESSES: Final = 16
"""With more, a process' part of a burst would be smaller than a single request."""

GRAPHQL: Final = "GRAPHQL"
"""Stands for the HTTP method of a query in GraphQL: a POST that reads, and counts as one."""

READS: Final = frozenset({"GET", "HEAD", "OPTIONS", GRAPHQL})
READ_POINTS: Final = 1
WRITE_POINTS: Final = 5


@dataclass(frozen=True, slots=True)
class Rate:
    """So much at once, and so much a second."""

    burst: float
    per_second: float

    def part(self, processes: int) -> "Rate":
        """What one of so many processes may use."""
        return Rate(self.burst / processes, self.per_second / processes)


POINTS: Final = Rate(burst=200, per_second=600 / 60)
"""At most 800 in a minute, of 900."""

CREATIONS: Final = Rate(burst=30, per_second=40 / 60)
"""At most 70 in a minute, of 80; after a burst, one every 1.5 s."""

HOURLY_CREATIONS: Final = Rate(burst=200, per_second=250 / 3600)
"""At most 450 in an hour, of 500."""


class Bucket:
    """What may be spent of one limit now."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._level = rate.burst
        self._at = now

    def wait(self, cost: float, now: float, *, leave: float = 0.0) -> float:
        """Seconds until ``cost`` may be spent with the share ``leave`` of the burst left after it; 0 for now."""
        self._fill(now)
        missing = min(cost + leave * self._rate.burst, self._rate.burst) - self._level
        return missing / self._rate.per_second if missing > _ROUNDING else 0.0

    def spend(self, cost: float, now: float) -> None:
        """Take ``cost`` out."""
        self._fill(now)
        self._level -= cost

    def _fill(self, now: float) -> None:
        self._level = min(self._level + max(now - self._at, 0.0) * self._rate.per_second, self._rate.burst)
        self._at = max(now, self._at)


_ROUNDING: Final = 1e-6
"""What repeated adding may be off by."""


@dataclass(slots=True)
class _Lane:
    """One installation's buckets, and the turn to write."""

    points: Bucket
    creations: tuple[Bucket, ...]
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def costs(self, method: str) -> list[tuple[Bucket, float]]:
        if method in READS:
            return [(self.points, READ_POINTS)]
        created = self.creations if method == "POST" else ()
        return [(self.points, WRITE_POINTS), *((bucket, 1) for bucket in created)]


class Pace:
    """Gives every request its turn."""

    def __init__(
        self,
        *,
        processes: int,
        monotonic: Monotonic,
        sleep: Sleep,
        meter: Meter,
        longest_wait: float = LONGEST_WAIT,
    ) -> None:
        """Pace one of ``processes`` that ask for the same App; ``longest_wait`` is in seconds."""
        self._processes = processes
        self._monotonic = monotonic
        self._sleep = sleep
        self._meter = meter
        self._longest_wait = longest_wait
        self._lanes: dict[int | None, _Lane] = {}

    @asynccontextmanager
    async def turn(self, installation_id: int | None, method: str, *, leave: float) -> AsyncIterator[None]:
        """Wait for the turn of a request, and have it while the context is open.

        Args:
            installation_id: whose limits; None for the App's own requests, which create nothing that people see.
            method: the HTTP method, or ``GRAPHQL``.
            leave: the share of each burst that must be left, so that what goes on in the background makes no person
                wait.

        Raises:
            ForgeLimitedError: it would take too long.
        """
        lane = self._lane(installation_id)
        began = self._monotonic()
        alone = installation_id is not None and method not in READS
        while True:
            await self._until_full(lane, method, leave=leave, began=began)
            if alone:
                await self._until_alone(lane)
            try:
                if self._wait(lane, method, leave=leave) > 0:
                    continue  # others went before: nobody sleeps while holding the turn
                for bucket, cost in lane.costs(method):
                    bucket.spend(cost, self._monotonic())
                if (waited := self._monotonic() - began) > 0:
                    self._meter.paced(waited)
                yield
                return
            finally:
                if alone:
                    lane.writing.release()

    async def _until_full(self, lane: _Lane, method: str, *, leave: float, began: float) -> None:
        while (wait := self._wait(lane, method, leave=leave)) > 0:
            if self._monotonic() - began + wait > self._longest_wait:
                raise ForgeLimitedError("too much is asked of GitHub for this installation", retry_after=wait)
            await self._sleep(wait)

    async def _until_alone(self, lane: _Lane) -> None:
        try:
            async with asyncio.timeout(self._longest_wait):
                await lane.writing.acquire()
        except TimeoutError:
            message = "others write to GitHub for this installation, and it takes long"
            raise ForgeLimitedError(message, retry_after=self._longest_wait) from None

    def _wait(self, lane: _Lane, method: str, *, leave: float) -> float:
        now = self._monotonic()
        return max(bucket.wait(cost, now, leave=leave) for bucket, cost in lane.costs(method))

    def _lane(self, installation_id: int | None) -> _Lane:
        lane = self._lanes.get(installation_id)
        if lane is None:
            now = self._monotonic()
            points, *creations = (
                Bucket(rate.part(self._processes), now) for rate in (POINTS, CREATIONS, HOURLY_CREATIONS)
            )
            lane = self._lanes[installation_id] = _Lane(points, () if installation_id is None else tuple(creations))
        return lane
