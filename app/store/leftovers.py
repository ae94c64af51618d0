"""Rows that only the past needed: verdicts of pull requests that closed, decisions, levels and reports long done."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Table, and_, delete, exists, or_, select, tuple_

from app.store.engine import Database
from app.store.sweep_tables import redeliveries
from app.store.tables import intents, jobs, report_targets
from app.store.watch_tables import head_footprints, levels, merge_verdicts, watched_pulls

KEPT: Final = timedelta(days=30)
"""So long what the conflict watch knew of a closed pull request is kept, and what was decided about a comment.

Longer than a forge sends a delivery again, which is seven days at most: what was decided once is known until then.
"""

REPORTS_KEPT: Final = timedelta(days=90)
"""A report that is forgotten is found again on the forge, by what stands in it, before another one is made."""

_BATCH: Final = 1000
"""Rows in one transaction: SQLite's other writers wait for its end."""


class SqlLeftovers:
    """Removes what nobody asks for any more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remove(self, now: datetime) -> dict[str, int]:
        """Remove what is old at ``now``; how many rows, by table, where there were any."""
        removed: dict[str, int] = {}
        for table, old in _old(now):
            count = await self._remove(table, old)
            if count:
                removed[table.name] = count
        return removed

    async def _remove(self, table: Table, old: ColumnElement[bool]) -> int:
        key = tuple_(*table.primary_key.columns)
        rows = 0
        while True:
            batch = select(*table.primary_key.columns).where(old).limit(_BATCH)
            async with self._database.writing() as connection:
                count = (await connection.execute(delete(table).where(key.in_(batch), old))).rowcount
            rows += count
            if count < _BATCH:
                return rows


def _old(now: datetime) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """What is old of each table, those first that others are asked about with."""
    before = now - KEPT
    for table in (merge_verdicts, head_footprints):
        yield table, and_(table.c.created_at < before, ~_of_open_pull(table, before))
    yield watched_pulls, and_(~watched_pulls.c.is_open, watched_pulls.c.updated_at < before)
    yield intents, intents.c.finished_at < before
    done = and_(levels.c.done >= levels.c.generation, levels.c.taken_until.is_(None))
    yield levels, and_(done, levels.c.raised_at < before)
    yield redeliveries, redeliveries.c.asked_at < before
    settled = or_(
        report_targets.c.gave_up_at.is_not(None), report_targets.c.reported_hash == report_targets.c.desired_hash
    )
    yield report_targets, and_(settled, report_targets.c.wanted_at < now - REPORTS_KEPT, ~_of_active_job())


def _of_open_pull(table: Table, before: datetime) -> ColumnElement[bool]:
    """A head of a pull request that is open, or closed not long ago."""
    return exists().where(
        watched_pulls.c.forge == table.c.forge,
        watched_pulls.c.repository_id == table.c.repository_id,
        watched_pulls.c.head_sha == table.c.head_sha,
        or_(watched_pulls.c.is_open, watched_pulls.c.updated_at >= before),
    )


def _of_active_job() -> ColumnElement[bool]:
    return exists().where(
        jobs.c.forge == report_targets.c.forge,
        jobs.c.repository_id == report_targets.c.repository_id,
        jobs.c.number == report_targets.c.number,
        jobs.c.finished_at.is_(None),
    )
