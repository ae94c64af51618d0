"""Fixtures: every test gets a migrated database of its own, on each product."""

from collections.abc import AsyncIterator

import pytest

from app.store.database import SqlStore
from tests.app.store.backends import Backend
from tests.app.store.words import CountedIds, HandClock


@pytest.fixture(scope="session")
def backend(database_backend: Backend) -> Backend:
    return database_backend


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def store(url: str, clock: HandClock) -> AsyncIterator[SqlStore]:
    store = SqlStore.open(url, clock, CountedIds())
    yield store
    await store.close()


@pytest.fixture
async def neighbour(url: str, clock: HandClock) -> AsyncIterator[SqlStore]:
    """Another user of the same database, as another process would be."""
    store = SqlStore.open(url, clock, CountedIds())
    yield store
    await store.close()
