"""How long a delivery waits for a worker: ``python -m benchmarks.pickup [--json] [--deliveries 200]``.

From the moment in which whoever delivers has the 202 to the moment in which a worker begins with it. ``flowforge web``
and each worker are processes of their own, over SQLite and a Redis; only what the worker does with the delivery is
replaced by a look at the clock. FlowForge's worker, which is woken, is compared with arq's at its default of two looks
a second and with arq's at 200 looks a second. They take turns, a few deliveries each, at random moments. A negative
time is a worker that began before the answer had been read: the service rings before it answers.

Last, what each worker takes of a processor while nothing happens.
"""

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
from arq.connections import ArqRedis
from arq.worker import Worker, func

from app.demo.redis_server import embedded_redis
from app.jobs.queue import QUEUE_NAME, deserialize, open_pool, serialize
from app.jobs.waking import WokenWorker
from app.store.migrate import upgrade
from benchmarks.load import Order, percentile, requests_of, whole_answer
from benchmarks.serving import SECRET, Server, python_server, settings, write_payloads

WOKEN: Final = "FlowForge, woken"
DEFAULT: Final = "arq, looks every 500 ms (its default)"
SHORT: Final = "arq, looks every 5 ms"
WORKERS: Final = (WOKEN, DEFAULT, SHORT)
GOAL_P50_MS: Final = 5.0
GOAL_P99_MS: Final = 10.0
_PAUSE_SECONDS: Final = (0.05, 0.55)
"""Between two deliveries: random over more than arq's period, so that none of its phases is preferred."""

_WAIT_SECONDS: Final = 15.0


# --- the worker's process


def make_worker(name: str, pool: ArqRedis) -> Worker:
    """One of ``WORKERS``, whose ticks say when they began."""

    async def tick(_: dict[str, Any], __: str, key: str, ___: object) -> None:
        print(json.dumps([key.rpartition(":")[2], time.monotonic()]), flush=True)

    common: dict[str, Any] = {
        "functions": [func(tick, name="tick", keep_result=0)],  # type: ignore[arg-type]  # it wants a __qualname__
        "redis_pool": pool,
        "queue_name": QUEUE_NAME,
        "job_serializer": serialize,
        "job_deserializer": deserialize,
        "handle_signals": False,
        "max_jobs": 20,
        "keep_result": 0,
    }
    if name == WOKEN:
        return WokenWorker(**common)
    return Worker(**common) if name == DEFAULT else Worker(**common, poll_delay=0.005)


async def work(name: str, redis_url: str) -> None:
    """Be a worker until killed."""
    pool = open_pool(redis_url)
    worker = make_worker(name, pool)
    print(json.dumps(["ready", time.monotonic()]), flush=True)
    await worker.main()


@dataclass(slots=True, kw_only=True)
class AtWork:
    """A worker's process, and when it began with what."""

    process: asyncio.subprocess.Process

    async def begun(self, delivery_id: str) -> float:
        """The moment of the monotonic clock, which all processes of a machine share."""
        assert self.process.stdout is not None  # noqa: S101 - it has a pipe
        async with asyncio.timeout(_WAIT_SECONDS):
            while True:
                found, moment = json.loads(await self.process.stdout.readline())
                if found == delivery_id:
                    return float(moment)


@contextlib.asynccontextmanager
async def at_work(name: str, redis_url: str) -> AsyncIterator[AtWork]:
    """A worker in a process of its own while the context lasts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *("-m", "benchmarks.pickup", "--worker", name, redis_url), stdout=subprocess.PIPE
    )
    try:
        made = AtWork(process=process)
        await made.begun("ready")
        yield made
    finally:
        process.kill()
        await process.communicate()


# --- the measurement


@dataclass(slots=True, kw_only=True)
class Measured:
    """Milliseconds from the answer, and from the request, to the worker; and a part of a processor while idle."""

    from_answer: list[float] = field(default_factory=list)
    from_request: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Percentiles."""
        return {
            "deliveries": len(self.from_answer),
            "p50_ms": round(percentile(self.from_answer, 0.5), 2),
            "p99_ms": round(percentile(self.from_answer, 0.99), 2),
            "from_request_p50_ms": round(percentile(self.from_request, 0.5), 2),
            "from_request_p99_ms": round(percentile(self.from_request, 0.99), 2),
            "idle_processor": round(statistics.median(self.idle), 4) if self.idle else None,
        }


async def deliver(server: Server, requests: Iterator[tuple[str, bytes]]) -> tuple[str, float, float]:
    """Deliver one: its id, when it was sent, and when its answer was there. Raises ``RuntimeError`` when refused."""
    delivery_id, request = next(requests)
    host, port = server.url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    began = time.monotonic()
    writer.write(request)
    got = b""
    while (status := whole_answer(got)) is None:
        got += await reader.read(65_536)
    answered = time.monotonic()
    writer.close()
    await writer.wait_closed()
    if status != 202:  # noqa: PLR2004 - accepted
        raise RuntimeError(f"the delivery was answered with {status}")
    return delivery_id, began, answered


async def measure(server: Server, redis_url: str, payloads: Path, *, deliveries: int, turn: int) -> dict[str, Measured]:
    """All workers in turns of ``turn`` deliveries each."""
    order = Order(url=server.url, secret=SECRET, payloads=str(payloads), connections=1, seconds=0, accepted="")
    requests = requests_of(order)
    found = {name: Measured() for name in WORKERS}
    for _ in range(max(1, deliveries // turn)):
        for name, one in found.items():
            async with at_work(name, redis_url) as worker:
                await worker.begun((await deliver(server, requests))[0])  # warm
                for _ in range(turn):
                    await asyncio.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 - no secret
                    delivery_id, began, answered = await deliver(server, requests)
                    begun = await worker.begun(delivery_id)
                    one.from_answer.append((begun - answered) * 1000)
                    one.from_request.append((begun - began) * 1000)
                one.idle.append(await idle(worker.process.pid))
    return found


async def idle(pid: int, seconds: float = 2.0) -> float:
    """The part of a processor that a process takes while nothing happens."""
    process = psutil.Process(pid)
    before, began = process.cpu_times(), time.monotonic()
    await asyncio.sleep(seconds)
    after = process.cpu_times()
    # The differences of two sums may be a hair below nothing.
    return max(0.0, after.user + after.system - before.user - before.system) / (time.monotonic() - began)


def document(found: dict[str, Measured]) -> dict[str, Any]:
    """Everything, for ``--json``."""
    workers = {name: one.document() for name, one in found.items()}
    mine = workers[WOKEN]
    return {
        "machine": {"processors": psutil.cpu_count(), "load_average": list(psutil.getloadavg())},
        "workers": workers,
        "times_sooner": {
            name: {
                key: round(workers[name][f"from_request_{key}_ms"] / mine[f"from_request_{key}_ms"], 1)
                for key in ("p50", "p99")
            }
            for name in (DEFAULT, SHORT)
        },
        "reached": {"p50": mine["p50_ms"] <= GOAL_P50_MS, "p99": mine["p99_ms"] <= GOAL_P99_MS},
    }


def lines(shown: dict[str, Any]) -> list[str]:
    """The document for people."""
    machine = shown["machine"]
    load_average = ", ".join(f"{value:.1f}" for value in machine["load_average"])
    said = [
        f"{machine['processors']} processors, load average {load_average}; milliseconds",
        "| worker | deliveries | from the 202: p50 | p99 | from the request: p50 | p99 | processor while idle |",
        "|---|---|---|---|---|---|---|",
    ]
    said += [
        f"| {name} | {one['deliveries']} | {one['p50_ms']:.1f} | {one['p99_ms']:.1f} "
        f"| {one['from_request_p50_ms']:.1f} | {one['from_request_p99_ms']:.1f} | {one['idle_processor']:.1%} |"
        for name, one in shown["workers"].items()
    ]
    said += [
        f"{name}: a delivery waits {times['p50']:.1f} times as long from its request (p99 {times['p99']:.1f})"
        for name, times in shown["times_sooner"].items()
    ]
    said.append(
        f"goals from the 202: p50 at most {GOAL_P50_MS:.0f} ms {_reached(shown['reached']['p50'])}, "
        f"p99 at most {GOAL_P99_MS:.0f} ms {_reached(shown['reached']['p99'])}; what is left are arq's five turns to "
        "Redis before it begins"
    )
    return said


def _reached(goal: bool) -> str:
    return "reached" if goal else "MISSED"


async def run(*, deliveries: int, turn: int) -> dict[str, Any]:
    """Measure everything."""
    with tempfile.TemporaryDirectory(prefix="ff-pickup-") as name:
        directory = Path(name)
        (directory / "redis").mkdir()
        # What is in it does not matter here: nobody decodes it.
        write_payloads(directory / "payloads", [("issue_comment", json.dumps({"padding": "x" * 13_000}))])
        database_url = f"sqlite:///{directory / 'flowforge.db'}"
        await upgrade(database_url)
        async with embedded_redis(directory / "redis") as redis_url:
            environment = settings(directory, database_url=database_url, redis_url=redis_url)
            async with python_server("app.cli", "web", environment=environment, path="/webhooks/github") as server:
                found = await measure(server, redis_url, directory / "payloads", deliveries=deliveries, turn=turn)
    return document(found)


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="how long a delivery waits for a worker")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--deliveries", type=int, default=200, help="of each worker")
    parser.add_argument("--turn", type=int, default=50, help="deliveries in a row")
    parser.add_argument("--worker", nargs=2, metavar=("NAME", "REDIS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        asyncio.run(work(*arguments.worker))
        return
    shown = asyncio.run(run(deliveries=arguments.deliveries, turn=arguments.turn))
    print(json.dumps(shown) if arguments.json else "\n".join(lines(shown)))


if __name__ == "__main__":
    main()
