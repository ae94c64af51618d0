"""Bring a database's tables up to date, and say whether they are."""

import asyncio
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection

from app.store.engine import Database, create_engine, parse_url, translated
from app.store.limits import DEFAULT

_MIGRATIONS: Final = Path(__file__).parent / "migrations"

_MIGRATE_SECONDS: Final = 300.0
"""How long one process waits for another one that is migrating the same database."""

_one_at_a_time: Final = threading.Lock()
"""Alembic's context belongs to the whole process."""


async def upgrade(url: str, *, revision: str = "head") -> None:
    """Migrate to the newest tables (or those of ``revision``), in one transaction; several processes wait in turn.

    Raises:
        SettingsError: the URL names no database that can be used.
        StoreUnavailableError: the database did not answer.
    """
    await asyncio.to_thread(_migrate, url, revision, up=True)


async def downgrade(url: str, *, revision: str = "base") -> None:
    """Take the migrations after ``revision`` back, with all that they made room for. Raises as ``upgrade``."""
    await asyncio.to_thread(_migrate, url, revision, up=False)


async def is_current(database: str | Database) -> bool:
    """Whether every migration was applied. Raises as ``upgrade``."""
    wanted = set(ScriptDirectory.from_config(_config()).get_heads())
    if isinstance(database, Database):
        return await _heads(database) == wanted
    opened = Database(create_engine(database))
    try:
        return await _heads(opened) == wanted
    finally:
        await opened.close()


async def _heads(database: Database) -> set[str]:
    async with database.reading() as connection:
        return set(await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_heads()))


def _migrate(url: str, revision: str, *, up: bool) -> None:
    """In a thread with a loop of its own, since Alembic reads files and runs code of its own."""
    with _one_at_a_time:
        asyncio.run(_migrate_alone(url, revision, up=up))


async def _migrate_alone(url: str, revision: str, *, up: bool) -> None:
    parsed = parse_url(url)
    with translated():
        _make_private(parsed)
    # An index on a large table takes the time that it takes.
    engine = create_engine(url, busy_seconds=_MIGRATE_SECONDS, limits=replace(DEFAULT, statement_seconds=None))
    database = Database(engine, busy_seconds=_MIGRATE_SECONDS)
    try:
        async with database.writing() as connection:
            await connection.run_sync(run_migrations, revision, up=up)
    finally:
        await database.close()


def run_migrations(connection: Connection, revision: str, *, up: bool) -> None:
    """Migrate in the transaction of a connection; nobody else in this process may do so at the same time."""
    config = _config()
    config.attributes["connection"] = connection
    if up:
        command.upgrade(config, revision)
    else:
        command.downgrade(config, revision)


def _make_private(url: URL) -> None:
    """Let nobody else read a SQLite file that is about to be made; its journal gets the same permissions."""
    if url.get_backend_name() == "sqlite" and url.database is not None:
        os.close(os.open(url.database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _config() -> Config:
    config = Config()
    # ConfigParser would take a percent sign for the start of an interpolation.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
