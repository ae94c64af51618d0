"""What time it is in the database."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store.engine import translated


async def database_time(engine: AsyncEngine) -> datetime | None:
    """The database server's time; None where it has no clock of its own, as SQLite has none.

    Raises:
        StoreUnavailableError: the database did not answer.
        StoreError: it refused.
    """
    if engine.dialect.name != "postgresql":
        return None
    with translated():
        async with engine.connect() as connection:
            found = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return found if isinstance(found, datetime) else None
