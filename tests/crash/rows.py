"""What the database says in the end, as facts: rows without ids, times and numbers of attempts."""

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from sqlalchemy import Row, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store import tables as t
from app.store.watch_tables import levels, watched_pulls
from tests.crash.world import World

_ENDS: Final = frozenset({"published", "rejected", "failed", "refused", "superseded", "cancelled", "unresolved"})
_Tell = Callable[[World, Row[Any]], str | None]


async def facts_of_rows(world: World, connection: AsyncConnection) -> list[str]:
    """The facts of all tables."""
    facts = [fact async for fact in _read(world, connection)]
    newest = t.conflict_resolutions.c.attempt == t.jobs.c.conflicts_attempt
    joined = t.conflict_resolutions.join(t.jobs, (t.jobs.c.id == t.conflict_resolutions.c.job_id) & newest)
    resolved = await connection.execute(select(t.conflict_resolutions).select_from(joined))
    return [*facts, *(f"conflict {row.path} {row.method} {row.status}" for row in resolved)]


async def _read(world: World, connection: AsyncConnection) -> AsyncIterator[str]:
    for table, tell in _TOLD:
        for row in (await connection.execute(select(table))).all():
            told = tell(world, row)
            if told is not None:
                yield told


def _job(world: World, row: Row[Any]) -> str:
    held = "" if row.lease_owner is None and row.conclude_at is None else ", held or not concluded"
    return f"job {row.kind} {row.state} rule={row.rule} {world.plain(row.message or '')}{held}"


def _execution(_: World, row: Row[Any]) -> str | None:
    return "execution left open" if row.completed_at is None else None


def _run(_: World, row: Row[Any]) -> str | None:
    if row.outcome == "succeeded":
        return f"run {row.kind} succeeded"
    return None if row.state == "ended" else f"run {row.kind} left {row.state}"


def _archive(_: World, row: Row[Any]) -> str | None:
    return None if row.kind == "result" else f"archive left: {row.kind}"


def _proposal(world: World, row: Row[Any]) -> str:
    return f"proposal {row.kind} {row.state} {world.labels.get(row.commit)}"


def _approval(_: World, row: Row[Any]) -> str:
    return f"approval {row.actor_login} {row.via}"


def _operation(world: World, row: Row[Any]) -> str:
    return f"operation {row.operation} {row.status} {world.plain(row.ref)}"


def _report(_: World, row: Row[Any]) -> str:
    return f"report {row.surface} shown={row.reported_hash == row.desired_hash} given_up={row.gave_up_at is not None}"


def _delivery(_: World, row: Row[Any]) -> str | None:
    return None if row.state in {"routed", "ignored"} else f"delivery {row.event} left {row.state}"


def _intent(_: World, row: Row[Any]) -> str:
    return f"intent {row.name} {row.decision} {row.rule}"


def _recorded(_: World, row: Row[Any]) -> str:
    return f"recorded {row.path}"


def _level(_: World, row: Row[Any]) -> str | None:
    done = row.generation == row.done and row.taken_until is None
    return None if done else f"level {row.kind} left"


def _watched(world: World, row: Row[Any]) -> str:
    told = None if row.told_head is None else world.labels.get(row.told_head)
    return f"watched pull {row.number} open={row.is_open} {row.state} told={told}"


def _audited(_: World, row: Row[Any]) -> str | None:
    told = row.verb.startswith(("proposal.", "push.")) or row.data.get("to") in _ENDS
    return f"audit {row.verb} {row.data.get('to', '')}" if told else None


_TOLD: Final[tuple[tuple[Table, _Tell], ...]] = (
    (t.jobs, _job),
    (t.job_executions, _execution),
    (t.runs, _run),
    (t.run_archives, _archive),
    (t.proposals, _proposal),
    (t.approvals, _approval),
    (t.git_operations, _operation),
    (t.report_targets, _report),
    (t.deliveries, _delivery),
    (t.intents, _intent),
    (t.recorded_resolutions, _recorded),
    (levels, _level),
    (watched_pulls, _watched),
    (t.audit_events, _audited),
)
