"""Sweeps: loops that compare what is with what should be, one worker at a time each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from bot.model.forge import Thread
from bot.model.reports import ReportContent


class RepairKind(StrEnum):
    """What a sweep put right. Each repair stands for an event that we missed, or for a process that died."""

    DELIVERY = "delivery"
    PULL_REQUEST = "pull_request"
    REPORT = "report"
    HOOK = "hook"
    BRANCH = "branch"
    JOB_LEASE = "job_lease"
    RUN_LEASE = "run_lease"
    LEVEL_LEASE = "level_lease"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSpec:
    """One sweep: what it is called, how often it is done, and what it compares.

    A pass that takes longer than ``lease`` is taken for dead. A worker that starts has a sweep done at once, if the
    last pass began ``rest`` ago; where that is nothing, passes begin whenever a timer rings. A sweep that is not
    ``alone`` is each worker's own.
    """

    name: str
    every: timedelta
    says: str
    lease: timedelta = timedelta(seconds=130)
    rest: timedelta = timedelta(seconds=30)
    alone: bool = True

    def pause(self, *, first: bool) -> timedelta:
        """How long ago the last pass has to have begun; ``first``: this process has not asked before.

        A pass may begin a little early, for timers ring now a little sooner, now a little later.
        """
        return self.rest if first or not self.rest else self.every - _EARLY


_EARLY: Final = timedelta(seconds=5)
_OFTEN: Final = timedelta(seconds=15)
_SOON: Final = timedelta(seconds=20)

RING: Final = SweepSpec(
    name="ring",
    every=_OFTEN,
    lease=_SOON,
    rest=timedelta(0),
    says="rings again for deliveries, jobs, reports and levels that are due: a ring may be lost",
)
LEASES: Final = SweepSpec(
    name="leases",
    every=_OFTEN,
    lease=_SOON,
    rest=timedelta(0),
    says="takes jobs and levels back from workers that died, and ends runs that nobody came to start",
)
SANDBOXES: Final = SweepSpec(
    name="sandboxes",
    every=_OFTEN,
    alone=False,
    rest=timedelta(0),
    says="takes over runs whose supervisor died, and removes sandboxes that are no run's",
)
RECONCILE: Final = SweepSpec(
    name="reconcile",
    every=_OFTEN,
    rest=timedelta(0),
    says="a few repositories at a time, each every 10 to 12 minutes: compares the open pull requests, and our check "
    "runs and comments, with the rows; leaves 30 % of the API budget",
)
REDELIVER: Final = SweepSpec(
    name="redeliver",
    every=timedelta(minutes=5),
    says="also at start: has GitHub send again what it could not deliver and what is not in the inbox, up to 3 days "
    "old, 3 times each, one a second",
)
EXPIRE: Final = SweepSpec(
    name="expire",
    every=timedelta(minutes=10),
    says="ends proposals that nobody decided on for `FLOWFORGE_PROPOSAL_DAYS`",
)
BRANCHES: Final = SweepSpec(
    name="branches",
    every=timedelta(minutes=5),
    says="a few repositories at a time, each once a day: deletes branches of ours whose job ended",
)
RETENTION: Final = SweepSpec(
    name="retention",
    every=timedelta(hours=1),
    says="makes the partitions of the months to come, and removes what is older than it is kept",
)

SWEEPS: Final = (LEASES, SANDBOXES, RING, RECONCILE, REDELIVER, EXPIRE, BRANCHES, RETENTION)
"""Every sweep, in the order in which those of one moment are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a pass came to.

    ``bookmark`` is for the next pass, None leaves it as it is. ``again`` says that there is more to do at once.
    """

    repairs: Mapping[RepairKind, int] = field(default_factory=lambda: MappingProxyType({}))
    bookmark: str | None = None
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenReport:
    """A report that the forge shows, or should: what was written last, and where it is."""

    id: str
    thread: Thread
    content: ReportContent
    content_hash: str
    remote_id: int


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
