"""Fresh databases for tests: copies of one that was migrated once."""

import os
import shutil
from pathlib import Path
from typing import Protocol

from sqlalchemy import URL, delete, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

import app.store.sweep_tables
import app.store.watch_tables  # noqa: F401 - its tables are emptied too
from app.store.engine import parse_url
from app.store.migrate import upgrade
from app.store.tables import APPEND_ONLY, metadata
from tests.app.store.words import new_id

POSTGRES = os.environ.get("FLOWFORGE_TEST_POSTGRES")
"""A PostgreSQL database whose user may create others; without it the tests run on SQLite alone."""

NAMES = ("sqlite", "postgresql") if POSTGRES else ("sqlite",)


class Backend(Protocol):
    """Makes databases."""

    async def empty(self) -> str:
        """The URL of a database without tables."""
        ...

    async def fresh(self) -> str:
        """The URL of a migrated database without rows."""
        ...

    async def drop(self, url: str) -> None:
        """Remove a database."""
        ...


class SqliteBackend:
    """Files in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._template: Path | None = None

    async def empty(self) -> str:
        return f"sqlite:///{self._directory / new_id()}.db"

    async def fresh(self) -> str:
        if self._template is None:
            template = self._directory / "template.db"
            await upgrade(f"sqlite:///{template}")
            self._template = template
        url = await self.empty()
        shutil.copy(self._template, str(make_url(url).database))
        return url

    async def drop(self, url: str) -> None:
        _remove(Path(str(make_url(url).database)))


def _remove(file: Path) -> None:
    for end in ("", "-wal", "-shm"):
        file.with_name(file.name + end).unlink(missing_ok=True)


class PostgresBackend:
    """Databases on one server; one that was used is emptied for the next test, which is faster than making one."""

    def __init__(self, server: str) -> None:
        self._server = parse_url(server)
        self._made: list[str] = []
        self._migrated: set[str] = set()
        self._free: list[str] = []

    async def _run(self, server: str | URL, *statements: str) -> None:
        engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
        await engine.dispose()

    async def empty(self) -> str:
        name = f"flowforge_test_{os.getpid()}_{new_id()}"
        await self._run(self._server, f'CREATE DATABASE "{name}" TEMPLATE template0')
        url = self._server.set(database=name).render_as_string(hide_password=False)
        self._made.append(url)
        return url

    async def fresh(self) -> str:
        if self._free:
            return self._free.pop()
        url = await self.empty()
        await upgrade(url)
        self._migrated.add(url)
        return url

    async def drop(self, url: str) -> None:
        if url in self._migrated:
            await self._run(url, *_EMPTYING)
            self._free.append(url)

    async def close(self) -> None:
        for url in self._made:
            await self._run(self._server, f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')


_EMPTYING = [
    *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in APPEND_ONLY),
    *(str(delete(table)) for table in reversed(metadata.sorted_tables)),
    *(f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in APPEND_ONLY),
]
