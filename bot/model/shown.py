"""What a forge says of what it sent and of what it shows, for the sweeps that compare it with the rows."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SentAttempt:
    """An attempt of the forge to deliver an event.

    ``delivery_id`` is the same for every attempt at one event, ``attempt_id`` is this attempt's own. ``arrived`` says
    that we answered it with a success.
    """

    attempt_id: int
    delivery_id: str
    arrived: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPage:
    """Some attempts, newest first, and the cursor of the older ones.

    ``oldest`` is the time of the oldest attempt on the page, of whatever kind; None where there was none.
    """

    attempts: tuple[SentAttempt, ...]
    oldest: datetime | None
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCheckRun:
    """A check run of ours as people see it.

    ``title`` and ``summary`` are None where the forge keeps none. ``replaced`` says that a later job's check run took
    its place: nobody is to write it again.
    """

    id: int
    external_id: str
    status: str
    conclusion: str | None
    title: str | None
    summary: str | None
    replaced: bool = False
