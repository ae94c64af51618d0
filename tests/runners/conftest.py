"""Fixtures: one bench a test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.demo.model.resolver import HonestResolver
from tests.app.store.backends import SqliteBackend
from tests.runners.bench import Bench, open_bench


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> SqliteBackend:
    return SqliteBackend(tmp_path_factory.mktemp("databases"))


@pytest.fixture
async def bench(databases: SqliteBackend, tmp_path: Path) -> AsyncIterator[Bench]:
    directory = tmp_path / "runs"
    directory.mkdir()
    async with open_bench(await databases.fresh(), directory, HonestResolver()) as bench:
        yield bench
