"""Migrations: up, down, up again, on tables with rows in them."""

import asyncio
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, func, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store import migrate
from app.store.audit_drop import drop_audit
from app.store.database import SqlStore
from app.store.engine import Database, create_engine
from app.store.history_tables import PARTITIONED
from app.store.migrate import downgrade, is_current, upgrade
from app.store.tables import metadata
from bot.model.forks import ForkOk
from bot.model.levels import LevelKind
from bot.model.proposals import Publication
from bot.model.reports import CommentContent, ShownDiffs, Surface
from bot.model.resolutions import GateResult, GateVerdict
from bot.model.runs import RunKind
from tests.app.store.backends import Backend
from tests.app.store.test_proposals import RECORD, TESTED, approval_of, proposed, push_of
from tests.app.store.test_recorded import APPROVED, KEY
from tests.app.store.test_watch import FOOTPRINT, SEEN, VERDICT, WATCHED
from tests.app.store.words import (
    ALICE,
    REPOSITORY,
    START,
    CountedIds,
    HandClock,
    claimed,
    delivery,
    model_call,
    new_job,
    new_run,
    sha256,
)

LATER = START + timedelta(days=70)
"""When the events of ``START`` are dropped."""


async def fill(store: SqlStore) -> Publication:
    """At least one row in every table; the audit log lost its beginning."""
    await store.instance_id()
    await store.deliveries.add(delivery())
    await store.intents.begin("k", delivery_id="d-1", name="resolve", actor=ALICE)
    await store.registry.installation(REPOSITORY.forge, 77, "acme", active=True)
    job, made = await proposed(store)
    await store.jobs.begin_execution(await claimed(store, job.id), worker="w")
    run = await new_run(store, job)
    await store.runs.put_workspace(run.id, b"tar")
    await store.ledger.record(model_call(run.id))
    await store.proposals.save_conflicts(job.id, 1, [RECORD])
    await store.proposals.save_tests(job.id, replace(TESTED, run_id=run.id))
    await store.proposals.save_gate(job.id, 1, GateResult(verdict=GateVerdict.PASS, findings=(), checks=()))
    await store.proposals.approve(approval_of(made))
    await store.shown_diffs.keep(made.id, ShownDiffs(against_head="diff", against_base=None))
    push = push_of(job, made)
    await store.proposals.begin_push(push)
    assert await store.grants.take_turn("gitlab", "an authorization", version=0, until=START)
    await store.pauses.begin(None, by=None, reason="release")
    await store.forks.ok(
        ForkOk(key="i", repository=REPOSITORY, number=1, head_sha="c" * 40, actor=ALICE, permission="write")
    )
    assert await store.grants.take_turn("gitlab", "authorization", version=0, until=LATER)
    await store.grants.keep("gitlab", "authorization", version=0, sealed=b"both tokens")
    await store.recorded.remember(REPOSITORY, {KEY: APPROVED}, job_id=job.id)
    await store.recorded.import_hunks(REPOSITORY, {sha256("hunk"): b"text"}, source="a cache")
    await store.reports.want(REPOSITORY, 7, job.id, Surface.REPLY, CommentContent(marker="m", body="b"))
    await store.levels.raise_(LevelKind.BASE_SYNC, "github:1:main")
    await store.watch.seen(REPOSITORY, SEEN)
    await store.watch.keep(REPOSITORY, [VERDICT])
    await store.watch.judged(REPOSITORY, [WATCHED], [FOOTPRINT])
    assert await store.sweeps.take("s", owner="w", before=START, until=START) is not None
    await store.sweeps.put_off("s", REPOSITORY, until=START)
    await store.sweeps.asked(REPOSITORY.forge, "d-2")
    await drop_audit(Database(store.engine), before=LATER, now=LATER)
    await store.proposals.end_push(push, status="done")
    return push


async def counts(engine: AsyncEngine) -> dict[str, int]:
    async with engine.connect() as connection:
        return {
            table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in metadata.sorted_tables
        }


async def tables_of(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


async def partitions_of(engine: AsyncEngine) -> set[str]:
    if engine.dialect.name != "postgresql":
        return set()
    async with engine.connect() as connection:
        found = await connection.exec_driver_sql("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")
        return set(found.scalars())


async def indexes_of(engine: AsyncEngine) -> set[str]:
    """The definitions of all indexes, as the database itself writes them down; of those of partitions only once."""
    query = {
        "sqlite": "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
        "postgresql": "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    }[engine.dialect.name]
    others = await partitions_of(engine) | {"alembic_version"}
    async with engine.connect() as connection:
        found = await connection.exec_driver_sql(query)
        return {
            re.sub(r"\s+", " ", definition.replace('"', "").replace(" ON ONLY ", " ON "))
            for table, definition in found
            if table not in others
        }


Rows = dict[str, list[dict[str, Any]]]


async def rows_of(engine: AsyncEngine) -> Rows:
    """All rows of all tables, as the database itself gives them."""
    tables = await tables_of(engine) - await partitions_of(engine) - {"alembic_version"}
    async with engine.connect() as connection:
        return {
            table: [dict(row) for row in (await connection.exec_driver_sql(f"SELECT * FROM {table}")).mappings()]  # noqa: S608
            for table in tables
        }


def common(one: Rows, other: Rows) -> tuple[Rows, Rows]:
    """Both without the tables and columns that the other one has not."""

    def part(of: Rows, like: Rows) -> Rows:
        return {
            table: sorted(
                ({name: value for name, value in row.items() if name in like[table][0]} for row in rows), key=repr
            )
            for table, rows in of.items()
            if like.get(table) and rows
        }

    return part(one, other), part(other, one)


REVISIONS = [
    script.revision
    for script in reversed([*ScriptDirectory(str(Path(migrate.__file__).parent / "migrations")).walk_revisions()])
]


async def test_up_down_and_up_again_on_tables_with_rows(backend: Backend, clock: HandClock) -> None:
    url = await backend.empty()
    assert not await is_current(url)
    await upgrade(url)
    assert await is_current(url)
    store = SqlStore.open(url, clock, CountedIds())
    push = await fill(store)
    assert min((await counts(store.engine)).values()) > 0, "every table has rows"
    await upgrade(url)
    assert await store.proposals.approvals(push.proposal_id or ""), "upgrading again changes nothing"
    await store.close()

    await downgrade(url)
    assert not await is_current(url)
    engine = create_engine(url)
    assert await tables_of(engine) == {"alembic_version"}
    await engine.dispose()

    await upgrade(url)
    store = SqlStore.open(url, clock, CountedIds())
    assert await is_current(store.database)
    assert set((await counts(store.engine)).values()) == {0}
    await fill(store)
    await store.close()
    await backend.drop(url)


async def test_each_step_down_and_up_leaves_the_rows_that_both_sides_have(backend: Backend, clock: HandClock) -> None:
    """A step down forgets the tables and columns that its step up brought, and nothing else."""
    url = await backend.empty()
    await upgrade(url)
    store = SqlStore.open(url, clock, CountedIds())
    await fill(store)
    rows = await rows_of(store.engine)
    await store.close()
    assert all(rows.values()), "every table has rows"
    engine = create_engine(url)
    for revision in reversed(REVISIONS[:-1]):
        await downgrade(url, revision=revision)
        before, rows = rows, await rows_of(engine)
        await engine.dispose()  # with the plans of statements for other columns
        left, kept = common(before, rows)
        assert left == kept
        assert set(kept) == {table for table, each in rows.items() if each} == set(rows), "no table lost all its rows"
        assert not any(table.endswith(("_whole", "_before")) for table in await tables_of(engine))
    for revision in REVISIONS[1:]:
        await upgrade(url, revision=revision)
        before, rows = rows, await rows_of(engine)
        await engine.dispose()  # with the plans of statements for other columns
        left, kept = common(before, rows)
        assert left == kept
        assert set(kept) == {table for table, each in before.items() if each}
    await engine.dispose()
    assert await is_current(url)
    await backend.drop(url)


async def test_row_numbers_go_on_after_each_step(backend: Backend, clock: HandClock) -> None:
    url = await backend.empty()
    await upgrade(url)
    for time in range(3):
        store = SqlStore.open(url, clock, CountedIds())
        for number in range(4):
            await store.deliveries.add(delivery(f"d-{time}-{number}"))
        job = await new_job(store, number=time + 1)
        run = await new_run(store, job)
        await store.ledger.record(model_call(run.id))
        assert len(await store.deliveries.waiting(limit=99)) == 4 * (time + 1)
        assert await store.audit.first_broken() is None
        rows = await rows_of(store.engine)
        await store.close()
        for table in ("deliveries", "delivery_keys", "model_usage", "jobs"):
            numbers = [row["serial"] for row in rows[table]]
            assert len(set(numbers)) == len(numbers)
        if time < 2:
            await downgrade(url, revision="0006")
            await upgrade(url)
    await backend.drop(url)


async def test_rows_of_the_first_tables_get_what_the_resolvers_add(backend: Backend, clock: HandClock) -> None:
    url = await backend.empty()
    await upgrade(url)
    store = SqlStore.open(url, clock, CountedIds())
    push = await fill(store)
    await store.close()

    await downgrade(url, revision="0001")
    assert not await is_current(url)
    engine = create_engine(url)
    assert not {"recorded_resolutions", "recorded_hunks"} & await tables_of(engine)
    await engine.dispose()

    await upgrade(url)
    store = SqlStore.open(url, clock, CountedIds())
    job = await store.jobs.get(push.job_id)
    assert job is not None
    assert job.request.takes == ()
    run = await store.runs.latest(job.id)
    assert run is not None
    assert run.kind is RunKind.AGENT
    plain = replace(RECORD, stages={}, answers=(), candidates=(), provenance=(), taken=None, suggestion=None)
    assert await store.proposals.conflicts(job.id) == (plain,)
    assert await store.recorded.export(REPOSITORY) == []
    await store.close()
    await backend.drop(url)


async def test_the_conflict_watch_comes_and_goes_and_leaves_the_other_rows_alone(
    backend: Backend, clock: HandClock
) -> None:
    url = await backend.empty()
    await upgrade(url)
    store = SqlStore.open(url, clock, CountedIds())
    push = await fill(store)
    assert await store.watch.open_pulls(REPOSITORY, "main") == [WATCHED]
    await store.close()

    await downgrade(url, revision="0002")
    engine = create_engine(url)
    tables = {"levels", "watched_repositories", "watched_pulls", "head_footprints", "merge_verdicts"}
    assert not tables & await tables_of(engine)
    await engine.dispose()

    await upgrade(url)
    store = SqlStore.open(url, clock, CountedIds())
    assert await store.jobs.get(push.job_id) is not None
    assert await store.watch.open_pulls(REPOSITORY, "main") == []
    assert await store.levels.due(clock.now(), limit=9) == []
    await store.close()
    await backend.drop(url)


async def test_what_tests_said_comes_and_goes_and_leaves_the_other_rows_alone(
    backend: Backend, clock: HandClock
) -> None:
    url = await backend.empty()
    await upgrade(url)
    store = SqlStore.open(url, clock, CountedIds())
    push = await fill(store)
    assert await store.proposals.tests(push.job_id, TESTED.tree) is not None
    await store.close()

    await downgrade(url, revision="0003")
    assert not await is_current(url)
    engine = create_engine(url)
    assert "tested_trees" not in await tables_of(engine)
    await engine.dispose()

    await upgrade(url)
    store = SqlStore.open(url, clock, CountedIds())
    assert await is_current(store.database)
    assert await store.proposals.tests(push.job_id, TESTED.tree) is None
    assert await store.proposals.approvals(push.proposal_id or "")
    await store.close()
    await backend.drop(url)


async def test_the_installations_name_comes_and_goes_and_leaves_the_other_rows_alone(
    backend: Backend, clock: HandClock
) -> None:
    url = await backend.empty()
    await upgrade(url)
    store = SqlStore.open(url, clock, CountedIds())
    push = await fill(store)
    name = await store.instance_id()
    await store.close()

    await downgrade(url, revision="0004")
    assert not await is_current(url)
    engine = create_engine(url)
    assert "instance" not in await tables_of(engine)
    assert not any("ix_runs_unstarted" in index for index in await indexes_of(engine))
    await engine.dispose()

    await upgrade(url)
    store = SqlStore.open(url, clock, CountedIds())
    assert await is_current(store.database)
    assert await store.instance_id() != name
    assert await store.runs.latest(push.job_id) is not None
    assert await store.proposals.approvals(push.proposal_id or "")
    await store.close()
    await backend.drop(url)


async def test_several_processes_may_migrate_at_once(backend: Backend) -> None:
    url = await backend.empty()
    code = f"import asyncio; from app.store.migrate import upgrade; asyncio.run(upgrade({url!r}))"
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    await asyncio.gather(upgrade(url), upgrade(url))
    assert await program.wait() == 0
    assert await is_current(url)
    await backend.drop(url)


async def test_who_comes_during_a_migration_waits_for_it(backend: Backend) -> None:
    url = await backend.empty()
    engine = create_engine(url)
    if engine.dialect.name != "postgresql":
        await engine.dispose()
        pytest.skip("SQLite's transactions that write are one at a time; PostgreSQL needs a lock")
    async with engine.begin() as connection, engine.connect() as observer:
        await connection.run_sync(migrate.run_migrations, "head", up=True)
        second = asyncio.create_task(upgrade(url))
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        async with asyncio.timeout(60):
            while (await observer.execute(waiting)).scalar_one() == 0:
                assert not second.done()
                await observer.rollback()
    await second
    await engine.dispose()
    assert await is_current(url)
    await backend.drop(url)


async def test_the_migrations_make_the_tables_of_the_code(backend: Backend, url: str) -> None:
    migrated = create_engine(url)
    partitions = await partitions_of(migrated)

    def differences(connection: Connection) -> list[object]:
        named = {"include_name": lambda name, kind, _: kind != "table" or name not in partitions}
        return list(compare_metadata(MigrationContext.configure(connection, opts=named), metadata))

    async with migrated.connect() as connection:
        assert await connection.run_sync(differences) == []
    # what the comparison does not see: the conditions of partial indexes
    scratch_url = await backend.empty()
    scratch = create_engine(scratch_url)
    async with scratch.begin() as connection:
        await connection.run_sync(metadata.create_all)
    wanted = {_with_moment(definition) for definition in await indexes_of(scratch)}
    assert await indexes_of(migrated) >= wanted
    assert len(wanted) >= 14
    await scratch.dispose()
    await migrated.dispose()
    await backend.drop(scratch_url)


def _with_moment(definition: str) -> str:
    """A primary key of PostgreSQL's as it is on a table with partitions."""
    found = re.fullmatch(r"CREATE UNIQUE INDEX pk_(\w+) ON .*\)", definition)
    moment = None if found is None else PARTITIONED.get(found[1])
    return definition if moment is None else definition.replace(")", f", {moment})")


BREAKING = re.compile(
    r"\bDROP (TABLE|COLUMN)\b|\bRENAME\b|\bALTER (COLUMN )?\w+ (TYPE|SET NOT NULL|SET DATA TYPE)\b|^UPDATE\b",
    re.IGNORECASE,
)
"""What the release before would not survive, or what writes a table anew while nobody gets at it."""

EXCEPTIONS = {"0007": "came before the first release: its page says what it does to older code"}


@pytest.mark.parametrize(
    ("statement", "breaks"),
    [
        ("ALTER TABLE jobs DROP COLUMN rule", True),
        ("DROP TABLE jobs", True),
        ("ALTER TABLE jobs RENAME COLUMN rule TO law", True),
        ("ALTER TABLE jobs ALTER COLUMN rule SET NOT NULL", True),
        ("ALTER TABLE jobs ALTER COLUMN number TYPE BIGINT", True),
        ("UPDATE jobs SET rule = 'x'", True),
        ("ALTER TABLE jobs ADD COLUMN rule TEXT", False),
        ("CREATE INDEX ix_jobs_rule ON jobs (rule)", False),
        ("UPDATE alembic_version SET version_num='0002'", False),
        ("DROP INDEX ix_jobs_rule", False),
    ],
)
def test_what_the_release_before_would_not_survive(statement: str, breaks: bool) -> None:
    assert bool(broken_by([statement])) is breaks


def broken_by(statements: Sequence[str]) -> list[str]:
    return [each for each in statements if BREAKING.search(each) and "alembic_version" not in each]


@pytest.mark.parametrize("revision", [each for each in REVISIONS if each not in EXCEPTIONS])
async def test_a_migration_leaves_the_release_before_at_work(backend: Backend, revision: str) -> None:
    """CONTRIBUTING.md says why. What takes something away comes a release after the code that stopped using it."""
    url = await backend.empty()
    if revision != REVISIONS[0]:
        await upgrade(url, revision=REVISIONS[REVISIONS.index(revision) - 1])
    sent: list[str] = []
    engine = create_engine(url)
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *given: sent.append(given[2].strip()))
    async with engine.begin() as connection:
        await connection.run_sync(migrate.run_migrations, revision, up=True)
    await engine.dispose()
    assert broken_by(sent) == []
    changes = [number for number, each in enumerate(sent) if each.startswith(("ALTER", "CREATE", "DROP"))]
    assert changes
    if url.startswith("postgresql"):
        (patience,) = [number for number, each in enumerate(sent) if each.startswith("SET LOCAL lock_timeout")]
        assert patience < changes[0], "all who come after a migration wait behind it, so it must not wait for long"
    await backend.drop(url)


async def test_a_path_with_odd_characters(tmp_path: Path) -> None:
    odd = tmp_path / "100% ours ü"
    odd.mkdir()
    url = f"sqlite:///{odd}/x.db"
    await upgrade(url)
    assert await is_current(url)
