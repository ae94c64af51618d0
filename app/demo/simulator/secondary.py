"""The secondary rate limits: how much in one minute and in one hour, and at the same time.

Source: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits .
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from app.demo.simulator.messages import Refusal

POINTS_A_MINUTE = 900
CREATIONS_A_MINUTE = 80
CREATIONS_AN_HOUR = 500
AT_ONCE = 100
READ_POINTS = 1
WRITE_POINTS = 5
READS = frozenset({"GET", "HEAD", "OPTIONS"})
RETRY_AFTER = "60"
MESSAGE = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


class _Spent:
    """What was spent within a stretch of time, both of its ends included."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._entries: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, cost: int, now: float) -> int:
        """Spend something; how much that makes."""
        while self._entries and self._entries[0][0] < now - self._seconds:
            self._sum -= self._entries.popleft()[1]
        self._entries.append((now, cost))
        self._sum += cost
        return self._sum


@dataclass(slots=True)
class _Counts:
    """One asker's."""

    points: _Spent = field(default_factory=lambda: _Spent(60))
    creations: _Spent = field(default_factory=lambda: _Spent(60))
    hourly: _Spent = field(default_factory=lambda: _Spent(3600))


@dataclass(slots=True, kw_only=True)
class Peaks:
    """The most there ever was of each, of any asker."""

    points: int = 0
    creations: int = 0
    hourly_creations: int = 0
    at_once: int = 0

    def within(self) -> bool:
        """Whether GitHub would have turned nobody away."""
        return (
            self.points <= POINTS_A_MINUTE
            and self.creations <= CREATIONS_A_MINUTE
            and self.hourly_creations <= CREATIONS_AN_HOUR
            and self.at_once <= AT_ONCE
        )


@dataclass(slots=True, kw_only=True)
class SecondaryLimits:
    """Counts always; refuses only where ``enforced``: under a clock that stands still a whole test is one minute."""

    enforced: bool = False
    peaks: Peaks = field(default_factory=Peaks)
    _counts: dict[str, _Counts] = field(default_factory=dict)
    _under_way: int = 0

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """A request is being answered."""
        self._under_way += 1
        self.peaks.at_once = max(self.peaks.at_once, self._under_way)
        try:
            yield
        finally:
            self._under_way -= 1

    def count(self, bucket: str, method: str, *, creates: bool, now: datetime) -> None:
        """Count a request of an asker. Raises ``Refusal`` 403 when it is one too many."""
        counts, seconds = self._counts.setdefault(bucket, _Counts()), now.timestamp()
        points = counts.points.add(READ_POINTS if method in READS else WRITE_POINTS, seconds)
        creations = counts.creations.add(int(creates), seconds)
        hourly = counts.hourly.add(int(creates), seconds)
        self.peaks.points = max(self.peaks.points, points)
        self.peaks.creations = max(self.peaks.creations, creations)
        self.peaks.hourly_creations = max(self.peaks.hourly_creations, hourly)
        too_many = points > POINTS_A_MINUTE
        too_many |= creates and (creations > CREATIONS_A_MINUTE or hourly > CREATIONS_AN_HOUR)
        if self.enforced and (too_many or self._under_way > AT_ONCE):
            raise Refusal(403, MESSAGE, headers={"retry-after": RETRY_AFTER})
