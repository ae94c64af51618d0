"""Fixtures: every test gets a migrated database of its own, on each product at hand."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from app.store.database import SqlStore
from tests.app.store.backends import NAMES, POSTGRES, Backend, PostgresBackend, SqliteBackend
from tests.app.store.words import CountedIds, HandClock


@pytest.fixture(scope="session", params=NAMES)
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    if request.param == "sqlite":
        yield SqliteBackend(tmp_path_factory.mktemp("databases"))
        return
    assert POSTGRES is not None
    server = PostgresBackend(POSTGRES)
    yield server
    asyncio.run(server.close())


@pytest.fixture
async def url(backend: Backend) -> AsyncIterator[str]:
    url = await backend.fresh()
    yield url
    await backend.drop(url)


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
