"""Quiet hours: when they hold, and when they end."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config_keys import DAYS, DEFAULT_CONFIG, QuietHours, RepositoryConfig
from bot.policy.quiet import quiet_until

NIGHT = QuietHours(timezone="Europe/Berlin", hours="18:00-08:00")
EARLY = QuietHours(timezone="Europe/Berlin", hours="22:00-02:30")
WEEKEND = QuietHours(timezone="Europe/Berlin", hours="08:00-18:00", days=("sat", "sun"))


def quiet(*hours: QuietHours) -> RepositoryConfig:
    return RepositoryConfig(version=1, quiet_hours=hours)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("hours", "now", "ends"),
    [
        ((), "2026-11-25T03:00+01:00", None),
        ((NIGHT,), "2026-11-25T17:59:59+01:00", None),
        ((NIGHT,), "2026-11-25T18:00+01:00", "2026-11-26T08:00+01:00"),
        ((NIGHT,), "2026-11-26T07:59:59+01:00", "2026-11-26T08:00+01:00"),
        ((NIGHT,), "2026-11-26T08:00+01:00", None),
        # from Friday evening on, one stretch follows on the other
        ((NIGHT, WEEKEND), "2026-11-27T20:00+01:00", "2026-11-30T08:00+01:00"),
        ((WEEKEND,), "2026-11-27T12:00+01:00", None),
        # the night in which clocks are turned back
        ((NIGHT,), "2026-10-24T22:00+02:00", "2026-10-25T08:00+01:00"),
        # and their end comes twice: the later one counts
        ((EARLY,), "2026-10-25T02:45+02:00", "2026-10-25T02:30+01:00"),
        ((EARLY,), "2026-10-25T02:29+01:00", "2026-10-25T02:30+01:00"),
        ((EARLY,), "2026-10-25T02:30+01:00", None),
        # and the night in which it does not come at all
        ((EARLY,), "2026-03-29T01:59+01:00", "2026-03-29T03:30+02:00"),
        # a whole day
        ((QuietHours(hours="00:00-00:00", days=("thu",)),), "2026-11-26T11:00+00:00", "2026-11-27T00:00+00:00"),
        ((QuietHours(hours="12:00-12:00", days=("thu",)),), "2026-11-27T11:59+00:00", "2026-11-27T12:00+00:00"),
    ],
)
def test_when_they_end(hours: tuple[QuietHours, ...], now: str, ends: str | None) -> None:
    assert quiet_until(quiet(*hours), at(now)) == (None if ends is None else at(ends))


def test_hours_without_an_end_are_looked_at_for_a_week_or_so() -> None:
    now = at("2026-11-26T11:00+00:00")
    until = quiet_until(quiet(QuietHours(hours="00:00-00:00")), now)
    assert until is not None
    assert timedelta(days=7) < until - now < timedelta(days=10)


_HOURS = st.builds(
    QuietHours,
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
    hours=st.builds("{:02}:{:02}-{:02}:{:02}".format, *(st.integers(0, most) for most in (23, 59, 23, 59))),
    days=st.lists(st.sampled_from(DAYS), unique=True).map(tuple),
)
_MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone


@given(st.lists(_HOURS, max_size=4), _MOMENTS)
def test_the_end_is_later_and_nothing_is_quiet_then(hours: list[QuietHours], now: datetime) -> None:
    until = quiet_until(quiet(*hours), now)
    assert until is None or until > now
    if until is not None and until - now < timedelta(days=8):
        assert quiet_until(quiet(*hours), until) is None


def test_by_default_no_hour_is_quiet() -> None:
    assert quiet_until(DEFAULT_CONFIG, at("2026-11-26T03:00+00:00")) is None
