"""The table of what the approval page shows, in the same metadata as all the others."""

from typing import Final

from sqlalchemy import Column, ForeignKey, LargeBinary, Table

from app.store.tables import metadata
from app.store.types import UtcDateTime, key

shown_diffs: Final = Table(
    "shown_diffs",
    metadata,
    Column("proposal_id", key(), ForeignKey("proposals.id"), primary_key=True),
    # packed with zlib; empty where the diff is larger than what is kept
    Column("against_head", LargeBinary, nullable=False),
    Column("against_base", LargeBinary, nullable=False),
    Column("kept_at", UtcDateTime, nullable=False),
)
