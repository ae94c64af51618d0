"""How Alembic runs the migrations: in the transaction of the connection that it is given."""

from alembic import context
from sqlalchemy import Connection, text

from app.store.tables import metadata

_LOCK = 0x464C4F57_4D494752

_PATIENCE = "5s"
"""How long a migration waits for a table: all who come after it wait as long behind it."""


def _run() -> None:
    connection: Connection = context.config.attributes["connection"]
    if connection.dialect.name == "postgresql":
        # Several replicas may start at once. SQLite's transaction holds the only lock already.
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE}'"))
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


_run()
