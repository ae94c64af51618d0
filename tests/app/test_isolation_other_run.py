"""Another run's workspace is really there when a probe asks for it, and whether it was handed out is known."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select

from app.http.server import serving_loopback
from app.http.service import create_desk
from app.isolation import prove_with_decoy, prover_of
from app.store.database import SqlStore
from app.store.engine import Database
from app.store.runs import SqlRuns
from app.store.tables import runs
from app.system import SystemClock, SystemIds
from bot.model.jobs import JobState
from runners.guest.probe_words import Outcome, ProbeTargets
from runners.isolation import OTHER_WORKSPACE, IsolationReport, expected
from tests.app.store.words import ALICE, new_job
from tests.app.test_isolation import WALL, databases, service, store
from tests.app.test_isolation_walls import Relay
from tests.runners.guest.test_probe import as_root
from tests.runners.sealed_backend import SealedRunner

__all__ = ["databases", "store"]


class GenerousRuns(SqlRuns):
    """Runs without a wall: whoever asks for a workspace gets it, whatever the token."""

    async def take_workspace(self, run_id: str, token_sha256: str) -> bytes | None:
        async with self._database.reading() as connection:
            own = (await connection.execute(select(runs.c.token_sha256).where(runs.c.id == run_id))).scalar()
        return await super().take_workspace(run_id, own or token_sha256)


Desk = Callable[[SqlRuns], Awaitable[SealedRunner]]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Opens a gateway's desk over some runs; sandboxes whose door leads there."""
    place = tmp_path / "door"
    place.mkdir()
    for parent in (place, tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    async with contextlib.AsyncExitStack() as stack:

        async def opened(over: SqlRuns) -> SealedRunner:
            parts = urlsplit(await stack.enter_async_context(serving_loopback(create_desk(over, max_result_bytes=1))))
            relay = Relay(str(parts.hostname), int(parts.port or 0))
            await stack.enter_async_context(await asyncio.start_unix_server(relay.serve, place / "door.sock"))
            (place / "door.sock").chmod(0o666)
            return SealedRunner(place / "door.sock")

        yield opened


async def ended_job(store: SqlStore) -> str:
    job = await new_job(store)
    await store.jobs.request_end(job.id, JobState.CANCELLED, actor=ALICE, message="")
    return job.id


async def rows(store: SqlStore) -> int:
    async with store.engine.connect() as connection:
        return int((await connection.execute(select(func.count()).select_from(runs))).scalar_one())


@as_root
async def test_another_runs_workspace_that_is_handed_out_is_a_violation(
    tmp_path: Path, store: SqlStore, desk: Desk
) -> None:
    await ended_job(store)
    database = Database(store.engine, busy_seconds=5.0)
    runner = await desk(GenerousRuns(database, SystemClock()))
    prove = prover_of(service(tmp_path), runner, store=store, clock=SystemClock(), ids=SystemIds(), outside=())
    report = await prove()
    assert [(one.kind, one.name) for one in report.violations] == [("runs", OTHER_WORKSPACE)]
    assert await rows(store) == 0


@as_root
async def test_another_runs_workspace_that_was_there_and_refused_is_proved(
    tmp_path: Path, store: SqlStore, desk: Desk
) -> None:
    await ended_job(store)
    runner = await desk(store.runs)
    prove = prover_of(service(tmp_path), runner, store=store, clock=SystemClock(), ids=SystemIds(), outside=())
    report = await prove()
    assert (report.reason(), report.untried) == (None, ())
    assert [one.outcome for one in report.attempts if one.name == OTHER_WORKSPACE] == [Outcome.HELD]
    assert await rows(store) == 0


@as_root
async def test_where_no_job_has_ended_the_report_says_that_it_was_not_asked(
    tmp_path: Path, store: SqlStore, desk: Desk
) -> None:
    await new_job(store)
    runner = await desk(store.runs)
    prove = prover_of(service(tmp_path), runner, store=store, clock=SystemClock(), ids=SystemIds(), outside=())
    report = await prove()
    assert (report.reason(), report.untried) == (None, (f"{OTHER_WORKSPACE}: no other run existed",))
    assert OTHER_WORKSPACE not in {one.name for one in report.attempts}


async def test_a_probe_that_lies_about_the_workspace_is_found_out(store: SqlStore) -> None:
    """That it was fetched stands in the database."""
    await ended_job(store)

    async def lies(other_run: str) -> IsolationReport:
        assert await GenerousRuns(Database(store.engine, busy_seconds=5.0), SystemClock()).take_workspace(other_run, "")
        return IsolationReport(at=SystemClock().now(), attempts=(WALL,))

    report = await prove_with_decoy(lies, store=store, ids=SystemIds())
    assert [one.name for one in report.violations] == [OTHER_WORKSPACE]


async def test_a_workspace_that_was_not_there_to_be_had_proves_nothing(store: SqlStore) -> None:
    await ended_job(store)

    async def without(other_run: str) -> IsolationReport:
        await store.decoys.remove(other_run)
        return IsolationReport(at=SystemClock().now(), attempts=(WALL,))

    report = await prove_with_decoy(without, store=store, ids=SystemIds())
    assert "could not be asked for: it went before the probe ended" in (report.reason() or "")


async def test_without_the_database_the_rest_is_tried_and_the_whole_is_not_proved() -> None:
    away = SqlStore.open("postgresql://u:pw@127.0.0.1:1/x", SystemClock(), SystemIds())
    asked_for: list[str] = []

    async def rest(other_run: str) -> IsolationReport:
        asked_for.append(other_run)
        return IsolationReport(at=SystemClock().now(), attempts=(WALL,))

    try:
        report = await prove_with_decoy(rest, store=away, ids=SystemIds())
    finally:
        await away.close()
    assert asked_for == [""]
    assert "could not be asked for" in (report.reason() or "")


def test_the_probe_calls_the_attempt_so() -> None:
    assert ("runs", OTHER_WORKSPACE) in expected(ProbeTargets(nonce="", other_run="f" * 32))
    assert OTHER_WORKSPACE not in {name for _, name in expected(ProbeTargets(nonce=""))}
