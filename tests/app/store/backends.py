"""Fresh databases for tests: copies of one that was migrated once."""

import os
import shutil
from pathlib import Path
from typing import Protocol

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.store.engine import parse_url
from app.store.migrate import upgrade
from tests.app.store.words import new_id

NAMES = ("sqlite", "postgresql")


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
    """Databases on one server; each is a copy of one that was migrated."""

    def __init__(self, server: str) -> None:
        self._server = parse_url(server)
        self._template: str | None = None
        self._made: set[str] = set()

    async def empty(self) -> str:
        return await self._make("template0")

    async def fresh(self) -> str:
        if self._template is None:
            url = await self.empty()
            await upgrade(url)
            self._template = str(make_url(url).database)
        return await self._make(self._template)

    async def drop(self, url: str) -> None:
        await self._run(f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')
        self._made.discard(url)

    async def close(self) -> None:
        """Remove all that was made and not dropped."""
        for url in list(self._made):
            await self.drop(url)

    async def _make(self, template: str) -> str:
        name = f"flowforge_test_{os.getpid()}_{new_id()}"
        await self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        url = self._server.set(database=name).render_as_string(hide_password=False)
        self._made.add(url)
        return url

    async def _run(self, statement: str) -> None:
        engine = create_async_engine(self._server, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(text(statement))
        await engine.dispose()


class Lender:
    """Databases of one backend for one test; they are removed with it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lent: list[str] = []

    async def fresh(self) -> str:
        """The URL of a migrated database without rows."""
        url = await self._backend.fresh()
        self._lent.append(url)
        return url

    async def close(self) -> None:
        """Remove them."""
        for url in self._lent:
            await self._backend.drop(url)
