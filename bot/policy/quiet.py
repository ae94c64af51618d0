"""Quiet hours: when the bot begins nothing by itself. What people ask for is done at any hour."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from bot.config_keys import DAYS, QuietHours, RepositoryConfig

_LONGEST: Final = timedelta(days=8)
"""Hours that follow on each other are looked at no further: longer than that, somebody wants to look again."""


def quiet_until(config: RepositoryConfig, now: datetime) -> datetime | None:
    """The end of the quiet hours that ``now`` lies in, in UTC; None outside of them.

    Hours that overlap or follow on each other count as one stretch. They are those of the wall clock: in the night in
    which clocks are turned back they last an hour longer, also where they end in the hour that comes twice.
    """
    end = now.astimezone(UTC)
    while (later := max((end, *_ends(config, end)))) > end and end - now < _LONGEST:
        end = later
    return end if end > now else None


def _ends(config: RepositoryConfig, at: datetime) -> Iterator[datetime]:
    """The ends of all quiet hours that cover a moment."""
    for entry in config.quiet_hours:
        yield from (end for begin, end in _around(entry, at) if begin <= at < end)


def _around(entry: QuietHours, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The quiet hours that begin on the day of a moment or the day before, in UTC."""
    zone = ZoneInfo(entry.timezone)
    begins, ends = (time.fromisoformat(part) for part in entry.hours.split("-"))
    today = at.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        if entry.days and DAYS[day.weekday()] not in entry.days:
            continue
        last = day if begins < ends else day + timedelta(days=1)
        begin, end = datetime.combine(day, begins, zone), datetime.combine(last, ends, zone)
        # In an hour that comes twice ``fold`` tells which one is meant; in one that does not come it goes backwards.
        yield begin.astimezone(UTC), max(end.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
