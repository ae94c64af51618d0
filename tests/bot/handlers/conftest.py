"""Fixtures: one bench a test, on a copy of a migrated database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.store.backends import SqliteBackend
from tests.bot.handlers.bench import Bench, open_bench


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> SqliteBackend:
    return SqliteBackend(tmp_path_factory.mktemp("databases"))


@pytest.fixture
async def bench(databases: SqliteBackend, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path, await databases.fresh()) as bench:
        yield bench
