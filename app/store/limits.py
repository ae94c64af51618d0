"""How much of the database one process may use."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one pool of connections.

    Attributes:
        pool_size: connections that are kept open.
        max_overflow: connections that are opened beyond these when all are in use, and closed after it.
        recycle_seconds: age at which a connection is replaced: firewalls and balancers forget idle ones.
        statement_seconds: longest time PostgreSQL works at one statement; None does not bound it.
        pgbouncer: whether PgBouncer in transaction mode stands in between.
    """

    pool_size: int = 5
    max_overflow: int = 10
    recycle_seconds: float = 1800.0
    statement_seconds: float | None = 30.0
    pgbouncer: bool = False


DEFAULT = Limits()
