"""The table of pauses, in the same metadata as all the others."""

from typing import Final

from sqlalchemy import Column, Table

from app.store.tables import metadata
from app.store.types import AnyText, UtcDateTime

pauses: Final = Table(
    "pauses",
    metadata,
    # "<forge>:<repository id>", or empty for the whole instance
    Column("scope", AnyText, primary_key=True),
    Column("by", AnyText, nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)
