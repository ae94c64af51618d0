"""How the databases answer the hot queries: by an index, and by touching few rows, however many there are.

The statements are those that the methods of the ports send.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store.database import SqlStore
from app.store.engine import Database, create_engine
from app.store.migrate import upgrade
from app.store.partitions import SqlPartitions
from app.store.tables import metadata
from bot.errors import StoreError
from bot.model.deliveries import DeliveryState
from bot.model.forge import ForgeKind
from bot.model.levels import LevelKind
from bot.model.turns import JobCaps
from tests.app.store.backends import PostgresBackend, SqliteBackend
from tests.app.store.million import EVERY, ROWS, fill, md5, repository_of
from tests.app.store.test_migrate import fill as one_row_each
from tests.app.store.words import START, CountedIds, HandClock, model_call

# The rows are made once, and the machine may have other work.
pytestmark = [pytest.mark.xdist_group("million"), pytest.mark.timeout(900)]

MILLION = 1_000_000
GITHUB = ForgeKind.GITHUB
NUMBER = 4 * EVERY
JOB = md5(NUMBER)
RUN = md5(f"run{NUMBER}")
CAPS = JobCaps(per_repository=2, per_installation=50, overall=100)


@dataclass(frozen=True)
class Hot:
    """A question, and how many pages of 8 KiB each of its statements may touch."""

    ask: Callable[[SqlStore], Awaitable[object]]
    pages: int = 100


async def _claim(store: SqlStore) -> None:
    await store.jobs.claim(JOB, owner="w", seconds=60)


async def _execute(store: SqlStore) -> None:
    lease = await store.jobs.claim(md5(8 * EVERY), owner="w", seconds=1e6)
    if lease is not None:
        await store.jobs.begin_execution(lease, worker="w")


SWEPT = 4_000
"""Pages for what looks at each of the thousand rows that are to be worked on."""

HOT: dict[str, Hot] = {
    "deliveries.get": Hot(lambda store: store.deliveries.get(GITHUB, "d-500")),
    "deliveries.settle": Hot(lambda store: store.deliveries.settle(GITHUB, "d-500", DeliveryState.ROUTED)),
    "deliveries.failed_attempt": Hot(lambda store: store.deliveries.failed_attempt(GITHUB, "d-500", error="e")),
    "deliveries.waiting": Hot(lambda store: store.deliveries.waiting(limit=200), pages=500),
    "sweeps.missing": Hot(
        lambda store: store.sweeps.missing(GITHUB, ["d-1", "d-2", "x"], attempts=3, asked_before=START)
    ),
    "jobs.due": Hot(lambda store: store.jobs.due(START, limit=200), pages=SWEPT),
    "jobs.waiting": Hot(lambda store: store.jobs.waiting(START), pages=SWEPT),
    "jobs.claim": Hot(_claim, pages=SWEPT),
    "jobs.begin_execution": Hot(_execute, pages=SWEPT),
    "jobs.get": Hot(lambda store: store.jobs.get(JOB)),
    "jobs.active": Hot(lambda store: store.jobs.active(repository_of(NUMBER), NUMBER)),
    "jobs.latest": Hot(lambda store: store.jobs.latest(repository_of(NUMBER), NUMBER)),
    "jobs.unconcluded": Hot(lambda store: store.jobs.unconcluded(START, limit=200), pages=500),
    "repairs.take_back_jobs": Hot(lambda store: store.repairs.take_back_jobs(START, limit=200), pages=SWEPT),
    "repairs.take_back_levels": Hot(lambda store: store.repairs.take_back_levels(START, limit=200), pages=SWEPT),
    "levels.due": Hot(lambda store: store.levels.due(START, limit=200), pages=SWEPT),
    "levels.take": Hot(lambda store: store.levels.take(LevelKind.PR_SYNC, f"github:{NUMBER}", until=START)),
    "reports.unreported": Hot(lambda store: store.reports.unreported(START, limit=200), pages=500),
    "reports.begin": Hot(lambda store: store.reports.begin(JOB, until=START)),
    "runs.abandoned": Hot(lambda store: store.runs.abandoned(START), pages=SWEPT),
    "runs.end_unstarted": Hot(lambda store: store.runs.end_unstarted(START), pages=20_000),
    "runs.latest": Hot(lambda store: store.runs.latest(JOB)),
    "runs.usage": Hot(lambda store: store.runs.usage(JOB)),
    "runs.model_calls": Hot(lambda store: store.runs.model_calls(RUN)),
    "ledger.grant": Hot(lambda store: store.ledger.grant(f"token{NUMBER}")),
    "ledger.record": Hot(lambda store: store.ledger.record(model_call(RUN))),
    "proposals.publication": Hot(lambda store: store.proposals.publication(JOB)),
    "audit.append": Hot(lambda store: store.audit.append(actor="a", verb="v", subject="s", data={})),
}

Sent = list[tuple[str, Any]]


@contextmanager
def listening(engine: AsyncEngine) -> Iterator[Sent]:
    """What is sent to the database meanwhile."""
    sent: Sent = []

    def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        sent.append((statement, parameters[0] if many else parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", keep)
    yield sent
    event.remove(engine.sync_engine, "before_cursor_execute", keep)


async def explained(engine: AsyncEngine, explain: str, sent: Sent) -> list[tuple[str, Any]]:
    """Each question, and what the database says about it; a row that is put in asks nothing. Nothing done is kept."""
    found = []
    for statement, parameters in sent:
        if re.match(r"\s*(SELECT|UPDATE|DELETE|WITH)\b", statement) or "ON CONFLICT" in statement:
            async with engine.connect() as connection:
                rows = (await connection.exec_driver_sql(f"{explain} {statement}", parameters)).all()
                await connection.rollback()
            found.append((statement, rows))
    assert found, "nothing was sent"
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


@pytest.fixture(scope="module")
def million(postgres_backend: PostgresBackend) -> Iterator[str]:
    """A database with a million rows in each table that grows."""

    async def make() -> str:
        url = await postgres_backend.empty()
        await upgrade(url)
        database = Database(create_engine(url))
        # a year and more of months, as a server has them
        for months in range(14):
            await SqlPartitions(database).ensure(START - timedelta(days=30 * months))
        await database.close()
        await fill(url, MILLION)
        return url

    url = asyncio.run(make())
    yield url
    asyncio.run(postgres_backend.drop(url))


@pytest.fixture
async def old_store(million: str) -> AsyncIterator[SqlStore]:
    store = SqlStore.open(million, HandClock(), CountedIds(), caps=CAPS)
    yield store
    await store.close()


@pytest.mark.parametrize("name", HOT)
async def test_a_hot_query_touches_few_of_a_million_rows(old_store: SqlStore, name: str) -> None:
    with listening(old_store.engine) as sent:
        await HOT[name].ask(old_store)
    for statement, rows in await explained(old_store.engine, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)", sent):
        plan = rows[0][0][0]["Plan"]
        read = [
            each
            for each in nodes(plan)
            if each["Node Type"] == "Seq Scan"
            and _large(each["Relation Name"])
            and each["Actual Rows"] + each.get("Rows Removed by Filter", 0) > 0
        ]
        assert read == [], statement
        pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        assert pages <= HOT[name].pages, f"{pages} pages for {statement}"


def _large(relation: str) -> bool:
    """A table with many rows, or a partition of one."""
    return re.sub(r"_(\d{4}_\d\d|default)$", "", relation) in ROWS


PARTIAL = {
    index.name
    for table in metadata.tables.values()
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None
}


@pytest.mark.parametrize("name", HOT)
async def test_a_hot_query_goes_by_an_index_on_sqlite(sqlite_backend: SqliteBackend, name: str) -> None:
    """SQLite plans without looking at the rows, unless it is told to: https://www.sqlite.org/optoverview.html."""
    url = await sqlite_backend.fresh()
    store = SqlStore.open(url, HandClock(), CountedIds(), caps=CAPS)
    await one_row_each(store)
    with listening(store.engine) as sent, suppress(StoreError):  # what is not there is asked for all the same
        await HOT[name].ask(store)
    answers = await explained(store.engine, "EXPLAIN QUERY PLAN", sent)
    await store.close()
    for statement, rows in answers:
        assert _scans(statement, [row[3] for row in rows]) == [], statement
    await sqlite_backend.drop(url)


def _scans(statement: str, steps: Sequence[str]) -> list[str]:
    """The steps that go through all of a large table.

    All of an index over few rows is no such thing, nor are the first rows of any index.
    """
    first = "LIMIT" in statement and "WHERE" not in statement
    found = []
    for step in steps:
        scan = re.fullmatch(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", step)
        if scan is not None and scan[1] in ROWS and scan[2] not in PARTIAL and not (first and scan[2]):
            found.append(step)
    return found


def test_a_scan_is_seen() -> None:
    steps = ["SCAN jobs", "SCAN runs USING INDEX ix_runs_job", "SCAN levels USING INDEX ix_levels_due", "SEARCH jobs"]
    assert _scans("SELECT 1 WHERE x LIMIT 1", steps) == steps[:2]
    assert _scans("SELECT 1 LIMIT 1", steps) == steps[:1]
    assert _large("deliveries_2026_03")
    assert _large("jobs")
    assert not _large("repositories")
