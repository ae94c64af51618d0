"""Every wall of a sandbox in its turn (P14): without it nothing starts, and everybody is told why."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from app.demo.model.resolver import HonestResolver
from app.http.server import serving_loopback
from app.http.service import create_watch
from app.isolation import (
    Isolation,
    targets_of,
)
from app.system import SystemClock, SystemIds
from runners.isolation import IsolationProbe, IsolationReport
from runners.supervise import Supervisor
from tests.app.jobs.parts import NOWHERE
from tests.app.store.backends import SqliteBackend
from tests.app.test_isolation import HOUR, databases, service
from tests.runners.bench import Bench, open_bench
from tests.runners.guest import sealed
from tests.runners.guest.test_probe import as_root
from tests.runners.sealed_backend import SealedRunner

__all__ = ["databases"]


@dataclass
class Relay:
    """A unix socket that leads to a TCP port, as a sandbox's door does."""

    host: str
    port: int

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self.host, self.port)
        await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
        writer.close()


@dataclass
class Works:
    """A supervisor over sealed sandboxes and a real gateway, guarded by their isolation."""

    bench: Bench
    runner: SealedRunner
    isolation: Isolation
    supervisor: Supervisor
    http: httpx.AsyncClient

    async def launched(self) -> tuple[bool, str]:
        """Launch a run: whether its sandbox was started, and the detail of its end where it was not."""
        task, job_id = await self.bench.prepare(HonestResolver())
        await self.supervisor.launch(task, job_id=job_id)
        run = await self.bench.store.runs.get(task.run_id)
        assert run is not None
        return any(one.run_id == task.run_id for one in self.runner.tasks), run.detail


async def _nobody(_first: str, _second: object) -> None:
    """Nobody is told."""


@pytest.fixture
async def works(databases: SqliteBackend, tmp_path: Path) -> AsyncIterator[Works]:
    directory, place = tmp_path / "runs", tmp_path / "door"
    directory.mkdir()
    place.mkdir()
    for parent in (place, tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    async with contextlib.AsyncExitStack() as stack:
        bench = await stack.enter_async_context(open_bench(await databases.fresh(), directory, HonestResolver()))
        host, port = urlsplit(bench.gateway_url).hostname, urlsplit(bench.gateway_url).port
        assert host is not None
        assert port is not None
        await stack.enter_async_context(await asyncio.start_unix_server(Relay(host, port).serve, place / "door.sock"))
        (place / "door.sock").chmod(0o666)
        runner = SealedRunner(place / "door.sock")
        waiting, _ = await bench.prepare(HonestResolver())
        settings = service(tmp_path, redis_url=f"redis://127.0.0.1:{port}/0")
        clock = SystemClock()
        probe = IsolationProbe(runner, gateway_url=NOWHERE, clock=clock, ids=SystemIds(), poll_seconds=0.02)

        async def prove() -> IsolationReport:
            return await probe.prove(
                await targets_of(settings, {}, other_run=waiting.run_id, outside=(), resolv_conf=Path("/nowhere"))
            )

        isolation = Isolation(prove, clock=clock, every_seconds=HOUR)
        supervisor = Supervisor(
            runner=runner,
            runs=bench.store.runs,
            clock=clock,
            owner="this test",
            on_progress=_nobody,
            on_end=_nobody,
            guard=isolation.reason,
            poll_seconds=0.05,
        )
        stack.push_async_callback(supervisor.close)
        url = await stack.enter_async_context(serving_loopback(create_watch({"isolation": isolation.ready})))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False))
        yield Works(bench=bench, runner=runner, isolation=isolation, supervisor=supervisor, http=http)


@as_root
async def test_a_sealed_installation_is_ready_and_starts_runs(works: Works) -> None:
    assert await works.launched() == (False, "isolation is not proved yet")
    report = await works.isolation.look()
    assert (report.reason(), report.weaknesses) == (None, ())
    ready = await works.http.get("/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"isolation": "ok"})
    assert (await works.launched())[0]


@as_root
@pytest.mark.parametrize(
    ("wall", "word"),
    [
        ("network", "Redis at 127.0.0.1:"),
        ("names", "looking github.com up"),
        ("root", "a root that can be written"),
        ("user", "being root"),
        ("capabilities", "capabilities (CapBnd"),
        ("privileges", "new privileges by a program"),
        ("seccomp", "system calls without a filter"),
        ("processes", "processes of others"),
        ("tmp", "things left in /tmp"),
        ("host", "finding /run/docker.sock"),
    ],
)
async def test_without_one_wall_nothing_starts_and_everybody_is_told_why(works: Works, wall: str, word: str) -> None:
    await works.isolation.look()
    works.runner.walls = sealed.WALLS - {wall}
    report = await works.isolation.look()
    assert [one for one in report.violations if str(one).startswith(word)]
    started, detail = await works.launched()
    assert not started
    assert detail.startswith("sandboxes are not isolated: ")
    ready = await works.http.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json() == {"isolation": report.reason()}
    assert "flowforge_isolation_proved 0.0" in (await works.http.get("/metrics")).text
    works.runner.walls = sealed.WALLS
    await works.isolation.look()
    assert (await works.http.get("/health/ready")).status_code == 200


@as_root
async def test_a_gateway_that_is_away_proves_nothing(works: Works) -> None:
    works.runner.door.unlink()
    works.runner.door.touch()
    report = await works.isolation.look()
    assert (report.problem or "").startswith("some things could not be tried: the gateway answers")
    assert await works.launched() == (False, report.reason())
