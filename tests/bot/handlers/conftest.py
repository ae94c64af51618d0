"""Fixtures: one bench a test, on a migrated database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.model.forge import ForgeKind
from tests.app.store.backends import NAMES, Lender
from tests.bot.handlers.bench import Bench, ForgeBench, GitLabBench, open_bench, open_gitlab_bench

ON_BOTH = frozenset({"test_advance", "test_publish", "test_reporting", "test_route", "test_sweep", "test_sync"})
"""Modules whose tests run on SQLite and on PostgreSQL: the ways of a job, and what puts right what was missed."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "databases" in metafunc.fixturenames:
        both = metafunc.module.__name__.rpartition(".")[2] in ON_BOTH
        metafunc.parametrize("databases", NAMES if both else NAMES[:1], indirect=True)


@pytest.fixture
async def databases(request: pytest.FixtureRequest) -> AsyncIterator[Lender]:
    lender = Lender(request.getfixturevalue(f"{request.param}_backend".replace("postgresql", "postgres")))
    yield lender
    await lender.close()


@pytest.fixture
async def bench(databases: Lender, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path, await databases.fresh()) as bench:
        yield bench


@pytest.fixture
async def gitlab(databases: Lender, tmp_path: Path) -> AsyncIterator[GitLabBench]:
    async with open_gitlab_bench(tmp_path, await databases.fresh()) as bench:
        yield bench


@pytest.fixture(params=tuple(ForgeKind), ids=lambda kind: kind.value)
async def either(request: pytest.FixtureRequest, databases: Lender, tmp_path: Path) -> AsyncIterator[ForgeBench]:
    """A bench at one forge, then at the other."""
    opener = {ForgeKind.GITHUB: open_bench, ForgeKind.GITLAB: open_gitlab_bench}[request.param]
    async with opener(tmp_path, await databases.fresh()) as bench:
        yield bench
