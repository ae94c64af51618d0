"""Runs in real containers: Podman, the guest image, the door, the gateway, Claude Code. Only the model is scripted."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import psutil

from app.demo.model.replies import Script
from app.http.door import open_doors
from app.system import SystemClock, SystemIds
from bot.model.runs import AgentProgress
from runners.backends.container import ContainerRunner
from runners.sandbox import SandboxSpec, sandbox_name
from runners.supervise import Supervisor
from tests.image.engine import Engine
from tests.runners.bench import Bench, Ended, left_in

INSTANCE: Final = "test"
_WAIT_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.05


@dataclass(slots=True, kw_only=True)
class ContainerBench:
    """``Bench`` with another backend: its runs are containers of ``engine``."""

    bench: Bench
    engine: Engine
    runner: ContainerRunner
    supervisor: Supervisor
    directory: Path
    ids: SystemIds

    async def run(self, script: Script, files: Any = None, **options: Any) -> Ended:
        """Launch a run and wait for its end."""
        return await self.bench.run(script, files, **options)

    async def command(self, program: str, files: Mapping[str, bytes] | None = None, **limits: Any) -> Ended:
        """Run a Python program as a repository's command over some files and wait for its end."""
        given = {"program.py": program.encode(), **(files or {})}
        return await self.bench.command([["python3", "program.py"]], given, **limits)

    def containers(self, run_id: str = "") -> list[str]:
        """The names of the containers that the engine knows, of a run or all."""
        names = self.engine.run("ps", "--all", "--format", "{{.Names}}").stdout.split()
        return [name for name in names if not run_id or name == sandbox_name(run_id)]

    def inspect(self, run_id: str) -> dict[str, Any]:
        """What the engine knows of a run's container."""
        said: dict[str, Any] = json.loads(self.engine.run("inspect", sandbox_name(run_id)).stdout)[0]
        return said

    def processes(self, run_id: str) -> list[psutil.Process]:
        """The living processes in the cgroup of a run's container."""
        found: set[int] = set()
        cgroup = self.inspect(run_id)["State"]["CgroupPath"]
        for tasks in Path("/sys/fs/cgroup").glob(f"*{cgroup}/cgroup.procs"):
            found.update(int(word) for word in tasks.read_text().split())
        return [psutil.Process(pid) for pid in found if psutil.pid_exists(pid)]


async def eventually(look: Callable[[], Any | Awaitable[Any]], what: str, *, seconds: float = _WAIT_SECONDS) -> Any:
    """Look again and again until something true is found, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        await asyncio.sleep(_LOOK_SECONDS)


def spec(image: str, **changes: Any) -> SandboxSpec:
    usual = SandboxSpec(image=image, instance=INSTANCE, cpus=2.0, memory_bytes=2**30, pids=256, disk_bytes=256 * 2**20)
    return replace(usual, **changes)


@contextlib.asynccontextmanager
async def open_containers(
    bench: Bench,
    engine: Engine,
    made_for: SandboxSpec,
    directory: Path,
    *,
    runtime: str | None = None,
    line: str | None = None,
) -> AsyncIterator[ContainerBench]:
    """Another backend under the same bench; in the end nothing of it may be left.

    ``line`` is how the runner calls the engine, where that is not how the test does.
    """

    async def on_progress(run_id: str, said: AgentProgress) -> None:
        bench.progress.setdefault(run_id, []).append(said)

    async def on_end(_job_id: str, run_id: str) -> None:
        bench.ends[run_id].set()

    async with open_doors() as doors:
        runner = ContainerRunner(
            directory, spec=made_for, doors=doors, engine=line or engine.line_for(runtime), runtime=runtime
        )
        supervisor = Supervisor(
            runner=runner,
            runs=bench.store.runs,
            clock=SystemClock(),
            owner=SystemIds().new_id(),
            on_progress=on_progress,
            on_end=on_end,
            poll_seconds=0.05,
        )
        yield ContainerBench(
            bench=replace(bench, supervisor=supervisor),
            engine=engine,
            runner=runner,
            supervisor=supervisor,
            directory=directory,
            ids=SystemIds(),
        )
        await supervisor.close()
    assert left_in(directory) == []


def alive_below(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those of some processes that still live."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
