"""What holds over all partitions: keys of deliveries, the audit log's anchor; and which tables have partitions.

The tables here are small and have no partitions. On PostgreSQL a unique constraint of a partitioned table has to hold
its partition key, so that it says nothing about rows of other months.
Source: https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-LIMITATIONS
"""

from types import MappingProxyType
from typing import Final

from sqlalchemy import BigInteger, Column, Table, UniqueConstraint

from app.store.tables import metadata
from app.store.types import SERIAL, AnyText, UtcDateTime, digest, forge_name

delivery_keys: Final = Table(
    "delivery_keys",
    metadata,
    # counts for both tables: the row in deliveries has this number and this moment
    Column("serial", SERIAL, primary_key=True),
    Column("forge", forge_name(), nullable=False),
    Column("delivery_id", AnyText, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    # Deliveries.add, get, settle, failed_attempt; Sweeps.missing
    UniqueConstraint("forge", "delivery_id"),
)

audit_anchor: Final = Table(
    "audit_anchor",
    metadata,
    # the last event that was dropped, one row each time; what is left of the chain begins after the newest
    Column("serial", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", digest(), nullable=False),
    Column("dropped_at", UtcDateTime, nullable=False),
)

PARTITIONED: Final = MappingProxyType(
    {
        "deliveries": "received_at",
        "job_executions": "started_at",
        "git_operations": "started_at",
        "model_usage": "started_at",
        "audit_events": "at",
    }
)
"""The tables that have a partition for each month on PostgreSQL, and the moment that decides.

There the moment is part of their primary keys, in the second place.
"""
