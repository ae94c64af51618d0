"""How long rows are kept that only tell what was."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How old rows become.

    ``deliveries`` must be longer than a forge may send one again, or a second one would not be known: GitHub does so
    for three days, GitHub Enterprise Server for seven.
    Source: https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks

    ``history_months`` is for executions, pushes and calls of the model, ``audit_months`` for audit events; zero months
    are for ever. Where there are partitions a whole one goes at a time, so that rows become up to a month older.
    """

    deliveries: timedelta = timedelta(days=14)
    history_months: int = 13
    audit_months: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """What one pass of the retention did.

    ``removed`` has the number of rows by table, where there were any. ``postponed`` are tables that were in use for so
    long that the pass did not wait for them; the next one tries again.
    """

    removed: Mapping[str, int]
    postponed: tuple[str, ...] = ()
