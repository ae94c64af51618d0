"""The table of what people said about heads of forks, in the same metadata as all the others."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Integer, Table

from app.store.tables import metadata
from app.store.types import AnyText, UtcDateTime, forge_name

fork_oks: Final = Table(
    "fork_oks",
    metadata,
    Column("forge", forge_name(), primary_key=True),
    Column("repository_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("head_sha", AnyText, primary_key=True),
    # the last who said so; whoever says it again changes nothing
    Column("key", AnyText, nullable=False),
    Column("actor_id", BigInteger, nullable=False),
    Column("actor_login", AnyText, nullable=False),
    Column("permission", AnyText, nullable=False),
    Column("said_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["forge", "repository_id"], ["repositories.forge", "repositories.id"]),
)
