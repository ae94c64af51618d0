"""A database with many rows: mostly history, and among it the few that the queries are for."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.engine import create_engine
from app.store.limits import DEFAULT
from bot.model.forge import RepositoryRef
from tests.app.store.words import CONFIG, LIMITS, REPOSITORY, START

EVERY: Final = 1_000
"""One row in so many is still to be worked on."""

FEWER: Final = ("job_executions", "audit_events")
"""These get a tenth of the rows."""

_NOW: Final = f"CAST('{START.isoformat()}' AS timestamptz)"
_AT: Final = f"({_NOW} - interval '30 seconds' * i)"
_OPEN: Final = f"(i % {EVERY} = 0)"

_KEY: Final = "md5(i::text)"
_SHA: Final = "repeat('a', 40)"
_LIMITS: Final = json.dumps(msgspec.to_builtins(LIMITS))

ROWS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "jobs": f"""
            (serial, id, kind, origin_key, forge, repository_id, number, requested_by_id, requested_by_login,
             requested_by_kind, instructions, strategy, budget_usd, model, dry_run, config_version, head_ref,
             requested_head_sha, base_ref, state, attempt, head_sha, progress, created_at, updated_at, finished_at,
             fencing, conclude_at)
            SELECT i, {_KEY}, 'resolve', 'o' || i, 'github', i % 997 + 1, i, 1, 'a', 'user', '', 'merge', 1, 'm', false,
             '{CONFIG}', 'h', {_SHA}, 'b',
             CASE WHEN {_OPEN} THEN (ARRAY['queued', 'running', 'awaiting_approval', 'queued'])[i / {EVERY} % 4 + 1]
              ELSE 'published' END,
             1, {_SHA}, '', {_AT}, {_AT}, CASE WHEN {_OPEN} THEN NULL ELSE {_AT} END, 0,
             CASE WHEN i % {EVERY} = 1 THEN {_AT} END
        """,
        "runs": f"""
            (serial, id, job_id, attempt, kind, state, model, limits, token_sha256, detail, lease_until, created_at)
            SELECT i, md5('run' || i), {_KEY}, 1, 'agent',
             CASE WHEN {_OPEN} THEN (ARRAY['started', 'created'])[i / {EVERY} % 2 + 1] ELSE 'ended' END, 'm',
             '{_LIMITS}', 'token' || i, '', CASE WHEN {_OPEN} THEN {_AT} END, {_AT}
        """,
        "delivery_keys": f"(serial, forge, delivery_id, received_at) SELECT i, 'github', 'd-' || i, {_AT}",
        "deliveries": f"""
            (serial, forge, delivery_id, event, headers, body, received_at, state, attempts, error)
            SELECT i, 'github', 'd-' || i, 'push', '{{}}', '', {_AT}, CASE WHEN {_OPEN} THEN 'new' ELSE 'routed' END, 0,
             ''
        """,
        "levels": f"""
            (kind, key, generation, done, fencing, attempts, raised_at, error)
            SELECT 'pr_sync', 'github:' || i, 2, CASE WHEN {_OPEN} THEN 1 ELSE 2 END, 1, 0, {_AT}, ''
        """,
        "report_targets": f"""
            (serial, id, forge, repository_id, number, owner, surface, desired, desired_hash, reported_hash, attempts,
             error, wanted_at)
            SELECT i, {_KEY}, 'github', i % 997 + 1, i, {_KEY}, 'reply', '{{"type": "comment", "content":
              {{"marker": "m", "body": "b"}}}}', 'h', CASE WHEN {_OPEN} THEN NULL ELSE 'h' END, 0, '', {_AT}
        """,
        "model_usage": f"""
            (serial, run_id, job_id, forge, repository_id, installation_id, requested_by_id, model, status,
             request_bytes, input_tokens, output_tokens, cache_write_tokens, cache_read_tokens, cost_usd, started_at,
             duration_ms)
            SELECT i, md5('run' || i), {_KEY}, 'github', 1, 77, 1, 'm', 200, 1, 1, 1, 1, 1, 0.1, {_AT}, 1
        """,
        "job_executions": f"""
            (serial, job_id, attempt, worker, started_at, completed_at, status, error_class, error)
            SELECT i, {_KEY}, 1, 'w', {_AT}, CASE WHEN {_OPEN} THEN NULL ELSE {_AT} END, 'open', '', ''
        """,
        "audit_events": f"""
            (id, at, actor, verb, subject, data, previous, hash)
            SELECT i, {_AT}, 'a', 'v', 's', '{{}}', repeat('0', 64), repeat('0', 64)
        """,
    }
)
"""What goes into each table for the numbers ``i``, as PostgreSQL has it."""


def md5(name: object) -> str:
    """The key of job ``i`` is ``md5(i)``, that of its run ``md5("run" + i)``."""
    return hashlib.md5(str(name).encode(), usedforsecurity=False).hexdigest()


def repository_of(number: int) -> RepositoryRef:
    """The repository of a job."""
    return replace(REPOSITORY, id=number % 997 + 1)


async def fill(url: str, rows: int) -> None:
    """Put that many rows into each table. Keys and indexes are built afterwards, foreign keys not at all."""
    engine = create_engine(url, limits=replace(DEFAULT, statement_seconds=None))
    async with engine.begin() as connection:
        repositories = "SELECT 'github', i, 'acme', 'r' || i, 77, now() FROM generate_series(1, 997) AS i"
        columns = "forge, id, owner, name, installation_id, updated_at"
        await _run(connection, f"INSERT INTO repositories ({columns}) {repositories}")
        config = f"VALUES ('{CONFIG}', '', 'github', 1, now())"
        await _run(
            connection, f"INSERT INTO job_config_versions (version, text, forge, repository_id, created_at) {config}"
        )
        constraints = (await connection.execute(text(_CONSTRAINTS))).all()
        for row in constraints:
            await _run(connection, f"ALTER TABLE {row.table} DROP CONSTRAINT {row.name}")
        indexes = (await connection.execute(text(_INDEXES))).all()
        for row in indexes:
            await _run(connection, f"DROP INDEX {row.name}")
        for table, values in ROWS.items():
            last = rows // 10 if table in FEWER else rows
            await _run(connection, f"INSERT INTO {table} {values} FROM generate_series(1, {last}) AS i")
        for row in (await connection.execute(text(_SEQUENCES))).all():
            await _run(connection, f"SELECT setval('{row.name}', {rows})")
        for row in indexes:
            await _run(connection, row.definition.replace(" ON ONLY ", " ON "))
        for row in constraints:
            if not row.definition.startswith("FOREIGN KEY"):
                await _run(connection, f"ALTER TABLE {row.table} ADD CONSTRAINT {row.name} {row.definition}")
        await _run(connection, "ANALYZE")
    await engine.dispose()


_CONSTRAINTS: Final = """
    SELECT conrelid::regclass AS table, conname AS name, pg_get_constraintdef(oid) AS definition
    FROM pg_constraint
    WHERE contype IN ('f', 'p', 'u') AND conparentid = 0 AND connamespace = 'public'::regnamespace
    ORDER BY contype = 'f' DESC, oid
"""
_INDEXES: Final = """
    SELECT indexname AS name, indexdef AS definition
    FROM pg_indexes JOIN pg_class ON pg_class.oid = indexname::regclass
    WHERE schemaname = 'public' AND NOT relispartition
"""
_SEQUENCES: Final = "SELECT oid::regclass AS name FROM pg_class WHERE relkind = 'S'"


async def _run(connection: AsyncConnection, statement: str) -> None:
    await connection.exec_driver_sql(statement)
