"""Migrations: up, down, up again, on tables with rows in them."""

import asyncio
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store import migrate
from app.store.database import SqlStore
from app.store.engine import create_engine
from app.store.migrate import downgrade, is_current, upgrade
from app.store.tables import metadata
from bot.model.levels import LevelKind
from bot.model.proposals import Publication
from bot.model.reports import CommentContent, Surface
from bot.model.resolutions import GateResult, GateVerdict
from bot.model.runs import RunKind
from tests.app.store.backends import Backend
from tests.app.store.test_proposals import RECORD, TESTED, approval_of, proposed, push_of
from tests.app.store.test_recorded import APPROVED, KEY
from tests.app.store.test_watch import SEEN, VERDICT, WATCHED
from tests.app.store.words import (
    ALICE,
    REPOSITORY,
    START,
    CountedIds,
    HandClock,
    claimed,
    delivery,
    model_call,
    new_run,
    sha256,
)


async def fill(store: SqlStore) -> Publication:
    """At least one row in every table."""
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
    push = push_of(job, made)
    await store.proposals.begin_push(push)
    await store.recorded.remember(REPOSITORY, {KEY: APPROVED}, job_id=job.id)
    await store.recorded.import_hunks(REPOSITORY, {sha256("hunk"): b"text"}, source="a cache")
    await store.reports.want(REPOSITORY, 7, job.id, Surface.REPLY, CommentContent(marker="m", body="b"))
    await store.levels.raise_(LevelKind.BASE_SYNC, "github:1:main")
    await store.watch.seen(REPOSITORY, SEEN)
    await store.watch.keep(REPOSITORY, [VERDICT])
    await store.watch.judged(REPOSITORY, [WATCHED])
    assert await store.sweeps.take("s", owner="w", before=START, until=START) is not None
    await store.sweeps.put_off("s", REPOSITORY, until=START)
    await store.sweeps.asked(REPOSITORY.forge, "d-2")
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


async def indexes_of(engine: AsyncEngine) -> set[str]:
    """The definitions of all indexes, as the database itself writes them down."""
    query = {
        "sqlite": "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
        "postgresql": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'",
    }[engine.dialect.name]
    async with engine.connect() as connection:
        found = (await connection.exec_driver_sql(query)).scalars()
        return {re.sub(r"\s+", " ", definition.replace('"', "")) for definition in found}


async def test_up_down_and_up_again_on_tables_with_rows(backend: Backend, clock: HandClock) -> None:
    url = await backend.empty()
    assert not await is_current(url)
    await upgrade(url)
    assert await is_current(url)
    store = SqlStore.open(url, clock, CountedIds())
    push = await fill(store)
    assert min((await counts(store.engine)).values()) > 0, "every table has rows"
    await upgrade(url)
    assert await store.proposals.approval(push.proposal_id or "") is not None, "upgrading again changes nothing"
    await store.close()

    await downgrade(url)
    assert not await is_current(url)
    engine = create_engine(url)
    assert await tables_of(engine) == {"alembic_version"}
    await engine.dispose()

    await upgrade(url)
    store = SqlStore.open(url, clock, CountedIds())
    assert await is_current(store.engine)
    assert set((await counts(store.engine)).values()) == {0}
    await fill(store)
    await store.close()
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
    assert await is_current(store.engine)
    assert await store.proposals.tests(push.job_id, TESTED.tree) is None
    assert await store.proposals.approval(push.proposal_id or "") is not None
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
    assert await is_current(store.engine)
    assert await store.instance_id() != name
    assert await store.runs.latest(push.job_id) is not None
    assert await store.proposals.approval(push.proposal_id or "") is not None
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
        async with asyncio.timeout(30):
            while (await observer.execute(waiting)).scalar_one() == 0:
                assert not second.done()
                await observer.rollback()
    await second
    assert await is_current(engine)
    await engine.dispose()
    await backend.drop(url)


async def test_the_migrations_make_the_tables_of_the_code(backend: Backend, url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    migrated = create_engine(url)
    async with migrated.connect() as connection:
        assert await connection.run_sync(differences) == []
    # what the comparison does not see: the conditions of partial indexes
    scratch_url = await backend.empty()
    scratch = create_engine(scratch_url)
    async with scratch.begin() as connection:
        await connection.run_sync(metadata.create_all)
    assert await indexes_of(migrated) >= await indexes_of(scratch)
    assert len(await indexes_of(scratch)) >= 14
    await scratch.dispose()
    await migrated.dispose()
    await backend.drop(scratch_url)


async def test_a_path_with_odd_characters(tmp_path: Path) -> None:
    odd = tmp_path / "100% ours ü"
    odd.mkdir()
    url = f"sqlite:///{odd}/x.db"
    await upgrade(url)
    assert await is_current(url)
