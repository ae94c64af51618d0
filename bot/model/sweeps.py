"""Sweeps: loops that compare what is with what should be, one worker at a time each."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepLease:
    """The right to do one pass of a sweep for a while; ``fencing`` grows each time a sweep is taken.

    ``bookmark`` is what the last pass left for this one. ``succeeded_at`` is when a pass last came to its end, None
    before the first.
    """

    name: str
    owner: str
    fencing: int
    began_at: datetime
    succeeded_at: datetime | None
    bookmark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepBeat:
    """How a sweep fares: when a pass last came to its end, and how many have failed since, with what."""

    name: str
    succeeded_at: datetime | None
    failures: int
    error: str
