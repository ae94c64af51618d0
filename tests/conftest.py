"""Options and fixtures for all tests."""

import asyncio
import logging
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog

from tests.app.store.backends import NAMES, Backend, PostgresBackend, SqliteBackend
from tests.postgres import server_url

# How long an example takes says more of what else the machine does than of the code.
hypothesis.settings.register_profile("flowforge", deadline=None)
hypothesis.settings.load_profile("flowforge")

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite the golden files with what the code says now"
    )


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """A report goes to another process as UTF-8, which cannot hold the lone surrogates of hostile texts."""
    return _as_utf8((yield))


def _as_utf8(data: Any) -> Any:
    match data:
        case str():
            return data.encode(errors="backslashreplace").decode()
        case dict():
            return {_as_utf8(key): _as_utf8(value) for key, value in data.items()}
        case list() | tuple():
            return type(data)(map(_as_utf8, data))
        case _:
            return data


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A command that is called in this process sets logging up for all of it; the next test must not inherit that."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    if structlog.is_configured():
        root.handlers = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()


class Golden:
    """Compares a text with the file that holds what people are shown."""

    def __init__(self, *, update: bool) -> None:
        self._update = update

    def check(self, name: str, text: str) -> None:
        """``text`` must equal ``tests/golden/<name>``, to the letter."""
        path = GOLDEN / name
        if self._update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        assert path.exists(), f"no golden file {path}; run pytest --update-golden and read it"
        assert text == path.read_bytes().decode("utf-8")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(update=bool(request.config.getoption("--update-golden")))


@pytest.fixture(scope="session")
def sqlite_backend(tmp_path_factory: pytest.TempPathFactory) -> SqliteBackend:
    return SqliteBackend(tmp_path_factory.mktemp("databases"))


@pytest.fixture(scope="session")
def postgres_backend() -> Iterator[PostgresBackend]:
    """Databases on one PostgreSQL for all tests of this process; nobody may stop it."""
    with server_url() as url:
        backend = PostgresBackend(url)
        yield backend
        asyncio.run(backend.close())


@pytest.fixture(scope="session", params=NAMES)
def database_backend(request: pytest.FixtureRequest) -> Backend:
    """Both products, one after the other."""
    backend: Backend = request.getfixturevalue(
        "postgres_backend" if request.param == "postgresql" else "sqlite_backend"
    )
    return backend


@pytest.fixture
async def database_url(database_backend: Backend) -> AsyncIterator[str]:
    """A migrated database without rows for this test alone, on both products."""
    url = await database_backend.fresh()
    yield url
    await database_backend.drop(url)


@pytest.fixture
async def postgres_url(postgres_backend: PostgresBackend) -> AsyncIterator[str]:
    """A migrated database without rows for this test alone, on PostgreSQL."""
    url = await postgres_backend.fresh()
    yield url
    await postgres_backend.drop(url)
