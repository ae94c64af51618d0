"""How long a run takes to start, by backend: ``python -m benchmarks.startup [--rounds 10] [--only process …]``.

From the launch to two moments: the guest has its workspace (the sandbox is up), and Claude Code calls the model for
the first time (it is at work). Medians, the ratio to a child process, and the part that the sandbox itself takes.
All is real but the model; rounds of the backends take turns, so that a busy machine is busy for all of them.
"""

import argparse
import asyncio
import contextlib
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sqlalchemy import select

from app.demo.model.failures import HeldBack
from app.demo.model.resolver import HonestResolver
from app.store.tables import run_archives
from app.system import SystemClock
from bot.model.runs import RunOutcome, RunTask
from runners.image.build import build_offline
from runners.supervise import Supervisor
from tests.app.store.backends import SqliteBackend
from tests.cluster.bench import SPEC, open_cluster_bench, open_gateway
from tests.cluster.node import GVISOR, node_obstacle, running_cluster
from tests.cluster.plane import plane_obstacle
from tests.image.engine import close_engine, make_engine, why_no_engine
from tests.runners.bench import Bench, open_bench
from tests.runners.container.bench import open_containers, spec

PROCESS: Final = "process"
CONTAINER: Final = "container"
CONTAINER_GVISOR: Final = "container + gVisor"
JOB: Final = "Job"
JOB_GVISOR: Final = "Job + gVisor"
NAMES: Final = (PROCESS, CONTAINER, CONTAINER_GVISOR, JOB, JOB_GVISOR)


@dataclass(slots=True, kw_only=True)
class Contender:
    """One backend, and what was measured of it: seconds from the launch."""

    supervisor: Supervisor
    prepare: Callable[[], Awaitable[tuple[RunTask, str]]]
    up: list[float] = field(default_factory=list)
    at_work: list[float] = field(default_factory=list)


async def measure(bench: Bench, contender: Contender) -> None:
    """One run, from its launch to Claude Code's first call; then it is stopped."""
    before = len(bench.model.calls)
    task, job_id = await contender.prepare()
    bench.ends[task.run_id] = asyncio.Event()
    began, clock = time.monotonic(), SystemClock().now()
    await contender.supervisor.launch(task, job_id=job_id)
    await bench.asked(before + 1)
    contender.at_work.append(time.monotonic() - began)
    query = select(run_archives.c.taken_at).where(run_archives.c.run_id == task.run_id)
    async with bench.store.engine.connect() as connection:
        taken = (await connection.execute(query)).scalar_one()
    contender.up.append((taken - clock).total_seconds())
    await bench.store.runs.request_stop(task.run_id, RunOutcome.CANCELLED)
    await bench.ended(task.run_id)


@contextlib.asynccontextmanager
async def contenders(bench: Bench, names: list[str], directory: Path) -> AsyncIterator[dict[str, Contender]]:
    """The backends that were asked for and can run here."""

    async def plain() -> tuple[RunTask, str]:
        return await bench.prepare(HeldBack(script=HonestResolver(), events=2))

    found = {PROCESS: Contender(supervisor=bench.supervisor, prepare=plain)} if PROCESS in names else {}
    async with contextlib.AsyncExitStack() as stack:
        if {CONTAINER, CONTAINER_GVISOR} & set(names) and (why := why_no_engine("runc", "runsc")) is None:
            engine = make_engine(directory)
            stack.callback(close_engine, engine)
            image = build_offline()
            engine.run("load", "--input", str(image.archive))
            for name, runtime in ((CONTAINER, "runc"), (CONTAINER_GVISOR, "runsc")):
                if name in names:
                    places = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ff-")))
                    opened = open_containers(bench, engine, spec(image.reference), places, runtime=runtime)
                    made = await stack.enter_async_context(opened)
                    found[name] = Contender(supervisor=made.supervisor, prepare=plain)
        elif {CONTAINER, CONTAINER_GVISOR} & set(names):
            print(f"no containers: {why}")
        if {JOB, JOB_GVISOR} & set(names):
            found |= await _jobs(bench, names, stack)
        yield found


async def _jobs(bench: Bench, names: list[str], stack: contextlib.AsyncExitStack) -> dict[str, Contender]:
    if why := plane_obstacle() or node_obstacle():
        print(f"no Jobs: {why}")
        return {}
    image = build_offline()
    cluster = stack.enter_context(running_cluster())
    cluster.node.import_image(image.archive)
    namespace = cluster.plane.namespace(f"runs-{secrets.token_hex(4)}")
    gateway = await stack.enter_async_context(open_gateway(bench, cluster.node.network.host))
    opened = open_cluster_bench(
        bench, cluster.plane, namespace, spec=replace(SPEC, image=image.reference), gateway=gateway
    )
    made = await stack.enter_async_context(opened)

    async def job() -> tuple[RunTask, str]:
        return await made.prepare(HeldBack(script=HonestResolver(), events=2))

    classes = {JOB: None, JOB_GVISOR: GVISOR}
    return {
        name: Contender(supervisor=made.worker(made.runner(runtime_class=classes[name])).supervisor, prepare=job)
        for name in (JOB, JOB_GVISOR)
        if name in names
    }


def report(found: dict[str, Contender]) -> None:
    """Print a row for each backend."""
    first = next(iter(found.values()))
    base = statistics.median(first.at_work)
    print("| backend | sandbox up, s | Claude Code's first call, s | slowest | ratio | part of the sandbox |")
    print("|---|---|---|---|---|---|")
    for name, contender in found.items():
        up, at_work = statistics.median(contender.up), statistics.median(contender.at_work)
        print(
            f"| {name} | {up:.2f} | {at_work:.2f} | {max(contender.at_work):.2f} | {at_work / base:.1f} "
            f"| {up / at_work:.0%} |"
        )


async def run(names: list[str], rounds: int) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory(prefix="ff-startup-") as name:
        directory = Path(name)
        (directory / "runs").mkdir()
        database = await SqliteBackend(directory).fresh()
        async with (
            open_bench(database, directory / "runs", HonestResolver()) as bench,
            contenders(bench, names, directory) as found,
        ):
            for contender in found.values():  # once, so that every file was read before
                await measure(bench, contender)
                contender.up.clear()
                contender.at_work.clear()
            for _ in range(rounds):
                for contender in found.values():
                    await measure(bench, contender)
            report(found)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES))
    asked = parser.parse_args()
    asyncio.run(run(asked.only, asked.rounds))


if __name__ == "__main__":
    main()
