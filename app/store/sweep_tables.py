"""The tables of the sweeps, in the same metadata as all the others."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Integer, Table

from app.store.tables import metadata
from app.store.types import AnyText, UtcDateTime, forge_name

sweeps: Final = Table(
    "sweeps",
    metadata,
    Column("name", AnyText, primary_key=True),
    # who is at it; counted up each time a sweep is taken
    Column("fencing", BigInteger, nullable=False),
    Column("owner", AnyText),
    Column("taken_until", UtcDateTime),
    # when the last pass began, and when the last one that came to its end did
    Column("began_at", UtcDateTime, nullable=False),
    Column("succeeded_at", UtcDateTime),
    # passes that failed since
    Column("failures", Integer, nullable=False),
    Column("error", AnyText, nullable=False),
    # what the next pass has to know of this one, in the sweep's own words
    Column("bookmark", AnyText, nullable=False),
)

repository_sweeps: Final = Table(
    "repository_sweeps",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("forge", forge_name(), primary_key=True),
    Column("repository_id", BigInteger, primary_key=True, autoincrement=False),
    # the repository is not looked at again before
    Column("due_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["forge", "repository_id"], ["repositories.forge", "repositories.id"]),
)

redeliveries: Final = Table(
    "redeliveries",
    metadata,
    Column("forge", forge_name(), primary_key=True),
    Column("delivery_id", AnyText, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
)
