"""The table of OAuth grants, in the same metadata as all the others."""

from typing import Final

from sqlalchemy import BigInteger, Column, LargeBinary, Table

from app.store.tables import metadata
from app.store.types import AnyText, UtcDateTime, forge_name

grants: Final = Table(
    "grants",
    metadata,
    Column("forge", forge_name(), primary_key=True),
    # which authorization: a digest of what the settings say of it
    Column("authorization_id", AnyText, primary_key=True),
    # how often it was renewed
    Column("version", BigInteger, nullable=False),
    # both tokens, encrypted
    Column("sealed", LargeBinary),
    # nobody else renews it before
    Column("turn_until", UtcDateTime),
    Column("fault", AnyText, nullable=False),
    Column("again_at", UtcDateTime),
)
