"""What time it is in the database."""

from datetime import datetime

from sqlalchemy import text

from app.store.engine import Database


async def database_time(database: Database) -> datetime | None:
    """The database server's time; None where it has no clock of its own, as SQLite has none.

    Raises:
        StoreUnavailableError: the database did not answer.
        StoreError: it refused.
    """
    if database.engine.dialect.name != "postgresql":
        return None
    async with database.reading() as connection:
        found = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return found if isinstance(found, datetime) else None
