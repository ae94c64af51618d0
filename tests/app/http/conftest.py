"""Fixtures: one service a test, on a copy of a migrated database."""

from collections.abc import AsyncIterator

import pytest

from tests.app.http.web import Web, running
from tests.app.store.backends import SqliteBackend


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> SqliteBackend:
    return SqliteBackend(tmp_path_factory.mktemp("databases"))


@pytest.fixture
async def web(databases: SqliteBackend) -> AsyncIterator[Web]:
    async with running(await databases.fresh()) as web:
        yield web
