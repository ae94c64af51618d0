"""The demo's database: a file, a PostgreSQL that the demo starts, or a schema of its own in one that is there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.demo.postgres_server import embedded_postgres
from app.settings_of_tools import DemoSettings
from app.store.schemas import own_schema
from bot.errors import BadInputError, SettingsError, StoreError


class DatabaseKind(StrEnum):
    """The products."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoDatabase:
    """Where the rows are. ``said`` tells people, without a password; ``left`` what remains of it, empty for nothing."""

    kind: DatabaseKind
    url: str
    said: str
    left: str = ""


@contextlib.asynccontextmanager
async def open_database(kind: DatabaseKind, directory: Path, *, keep: bool) -> AsyncIterator[DemoDatabase]:
    """Open the database, empty and without tables; with ``keep``, what was written is left in the end.

    A PostgreSQL is the one that ``DATABASE_URL`` names, in a schema that the demo makes and drops; without that
    variable the demo starts one. Of that, ``flowforge.sql`` is left in ``directory``.

    Raises:
        BadInputError: it cannot be used; the message says why.
    """
    if kind is DatabaseKind.SQLITE:
        file = directory / "flowforge.db"
        yield DemoDatabase(kind=kind, url=f"sqlite+aiosqlite:///{file}", said="SQLite")
        return
    given = DemoSettings().database_url
    opened = _embedded(directory, keep=keep) if given is None else _given(given.get_secret_value(), keep=keep)
    async with opened as database:
        yield database


@contextlib.asynccontextmanager
async def _embedded(directory: Path, *, keep: bool) -> AsyncIterator[DemoDatabase]:
    async with contextlib.AsyncExitStack() as stack:
        try:
            server = await stack.enter_async_context(embedded_postgres())
        except SettingsError as error:
            raise BadInputError(f"{error}; or name a PostgreSQL in DATABASE_URL") from None
        version = await asyncio.to_thread(server.version)
        yield DemoDatabase(
            kind=DatabaseKind.POSTGRESQL, url=server.url(), said=f"PostgreSQL {version}, started by the demo"
        )
        if keep:
            await asyncio.to_thread(server.dump, directory / "flowforge.sql")


@contextlib.asynccontextmanager
async def _given(url: str, *, keep: bool) -> AsyncIterator[DemoDatabase]:
    async with contextlib.AsyncExitStack() as stack:
        try:
            schema = await stack.enter_async_context(own_schema(url, prefix="flowforge_demo", keep=keep))
        except (SettingsError, StoreError) as error:
            raise BadInputError(f"the database that DATABASE_URL names cannot be used: {error}") from None
        yield DemoDatabase(
            kind=DatabaseKind.POSTGRESQL,
            url=schema.url,
            said=f"{schema.said}, as DATABASE_URL says",
            left=f"The rows are left in the schema {schema.name}." if keep else "",
        )
