"""Values come back whole, whatever they hold."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from app.store.database import SqlStore
from app.store.types import AnyText, UtcDateTime
from bot.errors import StoreError
from tests.app.store.words import REPOSITORY, delivery

TEXT = st.text(st.characters(codec=None, exclude_categories=()))
DIALECT = sqlite.dialect()


@given(TEXT)
def test_any_text_survives_and_can_be_stored(value: str) -> None:
    stored = AnyText().process_bind_param(value, DIALECT)
    assert stored is not None
    stored.encode("utf-8")
    assert "\x00" not in stored
    assert AnyText().process_result_value(stored, DIALECT) == value


@given(TEXT, TEXT)
def test_different_texts_stay_different(one: str, other: str) -> None:
    same = AnyText().process_bind_param(one, DIALECT) == AnyText().process_bind_param(other, DIALECT)
    assert same == (one == other)


@pytest.mark.parametrize(
    "value", ["", "ü", "\x00", "\x10", "\x100000", "\ud83d", "a\udcffb", "🦊", "'; DROP TABLE jobs;"]
)
async def test_hostile_texts_go_through_the_database(store: SqlStore, value: str) -> None:
    await store.registry.config_version(REPOSITORY, f"v{value}", value)
    assert await store.registry.config_text(f"v{value}") == value


@given(st.datetimes(timezones=st.timezones() | st.none()))
def test_a_moment_stays_the_same_moment(value: datetime) -> None:
    if value.tzinfo is None:
        with pytest.raises(ValueError, match="without time zone"):
            UtcDateTime().process_bind_param(value, DIALECT)
        return
    stored = UtcDateTime().process_bind_param(value, DIALECT)
    assert stored is not None
    for read in (stored, stored.replace(tzinfo=None)):
        back = UtcDateTime().process_result_value(read, DIALECT)
        assert back is not None
        assert back.tzinfo is UTC
        assert back == value.astimezone(UTC)


async def test_moments_go_through_the_database(store: SqlStore) -> None:
    east = timezone(timedelta(hours=5, minutes=45))
    received = datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=east)
    await store.deliveries.add(delivery("d-1", received_at=received))
    kept = await store.deliveries.get(delivery().forge, "d-1")
    assert kept is not None
    assert kept.received_at == received
    assert kept.received_at.utcoffset() == timedelta(0)


async def test_a_moment_without_zone_is_refused(store: SqlStore) -> None:
    with pytest.raises(StoreError):
        await store.jobs.due(datetime(2026, 3, 1), limit=1)  # noqa: DTZ001 - that is the mistake
