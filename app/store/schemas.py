"""A schema of one's own in somebody's PostgreSQL, for what must not touch their tables."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

from sqlalchemy import text

from app.store.engine import Database, create_engine, parse_url
from bot.errors import SettingsError, StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSchema:
    """Where the tables go: ``url`` leads there, ``said`` names server, database and schema without a password."""

    url: str
    name: str
    said: str


@contextlib.asynccontextmanager
async def own_schema(url: str, *, prefix: str, keep: bool = False) -> AsyncIterator[OwnSchema]:
    """Make a schema that nobody else has, and drop it with all that is in it in the end unless it is to be kept.

    Every connection of the URL that this gives sees this schema alone, so what else the database holds is neither read
    nor written.

    Raises:
        SettingsError: the URL names no PostgreSQL.
        StoreUnavailableError: it does not answer.
        StoreError: its user may make no schema, or what stands before the server does not pass the choice of it on.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() != "postgresql":
        raise SettingsError("this is no PostgreSQL; write postgresql://user:password@host/database")
    name = f"{prefix}_{secrets.token_hex(6)}"
    options = parsed.query.get("options", "")
    inside = parsed.update_query_dict({"options": f"{options} -c search_path={name}".strip()})
    owner = Database(create_engine(url))
    try:
        async with owner.writing() as connection:
            version = (await connection.execute(text("SHOW server_version"))).scalar_one()
            await connection.execute(text(f"CREATE SCHEMA {name}"))
        try:
            inner = inside.render_as_string(hide_password=False)
            await _must_be_inside(inner, name)
            # A socket's directory stands in the query; of the rest of the query nothing is told.
            host = parsed.host or parsed.query.get("host") or "a local socket"
            where = f"{host}:{parsed.port}" if parsed.port is not None else str(host)
            said = f"PostgreSQL {str(version).split(' ', 1)[0]} at {where}, database {parsed.database}, schema {name}"
            yield OwnSchema(url=inner, name=name, said=said)
        finally:
            if not keep:
                async with owner.writing() as connection:
                    await connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    finally:
        await owner.close()


async def _must_be_inside(url: str, name: str) -> None:
    inside = Database(create_engine(url))
    try:
        async with inside.reading() as connection:
            found = (await connection.execute(text("SELECT current_schema()"))).scalar_one()
    finally:
        await inside.close()
    if found != name:
        raise StoreError(
            "what stands before PostgreSQL does not pass the choice of a schema on; connect to it directly"
        )
