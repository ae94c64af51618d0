"""Runs on a control plane without a node: the tests play the kubelet and the guest."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from app.demo.model.resolver import HonestResolver
from app.system import SystemClock
from bot.model.runs import RunState, RunTask
from runners.backends.cluster import ClusterRunner
from runners.backends.cluster.api import Object
from runners.manifests import make_job
from tests.app.store.backends import SqliteBackend
from tests.cluster.bench import ClusterBench, Worker, eventually, open_cluster_bench
from tests.cluster.plane import Plane
from tests.runners.bench import open_bench
from tests.runners.streams import init, result
from tests.runners.test_ending import archive

RESULT: Final = archive(init(), result())


@pytest.fixture(scope="session")
def run_databases(tmp_path_factory: pytest.TempPathFactory) -> SqliteBackend:
    return SqliteBackend(tmp_path_factory.mktemp("databases"))


@pytest.fixture
async def bench(
    run_databases: SqliteBackend, tmp_path: Path, plane: Plane, plane_namespace: str
) -> AsyncIterator[ClusterBench]:
    """Workers on the control plane without a node."""
    directory = tmp_path / "runs"
    directory.mkdir()
    async with (
        open_bench(await run_databases.fresh(), directory, HonestResolver()) as parts,
        open_cluster_bench(parts, plane, plane_namespace) as bench,
    ):
        yield bench


async def state_of(bench: ClusterBench, run_id: str) -> RunState:
    run = await bench.bench.store.runs.get(run_id)
    assert run is not None
    return run.state


async def finish(bench: ClusterBench, task: RunTask) -> None:
    """The guest brings its result and ends."""
    await bench.play_result(task, RESULT)
    await bench.play_ended(task.run_id)


async def launched(bench: ClusterBench, worker: Worker, **limits: Any) -> RunTask:
    task, job_id = await bench.prepare(**limits)
    await worker.supervisor.launch(task, job_id=job_id)
    return task


async def seen(runner: ClusterRunner, run_id: str, kind: type) -> Any:
    """What the runner says of a run, once that is of this kind."""

    async def look() -> Any:
        found = await runner.observe(run_id)
        return found if isinstance(found, kind) else None

    return await eventually(look, kind.__name__)


async def record_start(bench: ClusterBench, task: RunTask) -> None:
    """A worker's last deed: the row says that it starts the sandbox."""
    now = SystemClock().now()
    await bench.bench.store.runs.started(task.run_id, owner="killed", deadline=now, lease_until=now)


def json_job(bench: ClusterBench, like: RunTask, run_id: str, instance: str) -> Object:
    """A Job as of another run, perhaps of another installation."""
    text = json.dumps(make_job(like, bench.spec, bench.placement)).replace(like.run_id, run_id)
    job: Object = json.loads(
        text.replace('"flowforge.dev/instance": "test"', f'"flowforge.dev/instance": "{instance}"')
    )
    return job
