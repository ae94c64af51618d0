"""How many webhooks the intake takes: ``python -m benchmarks.intake [--json] [--rounds 3] [--seconds 4]``.

GitHub's own example payloads, signed, go over loopback through 1, 16 and 64 connections to one server process at a
time: ``flowforge web`` on SQLite and on PostgreSQL, the same with one INSERT per request, a Probot application that
keeps everything in memory, and a bare ASGI handler that keeps nothing. The servers take turns in every round, so that a
busy machine is busy for all of them; read the ratios. The load comes from a process of its own, whose part of a
processor is printed, as are those of the server and of what works for it: they say what limits each.

Then ``flowforge web`` is killed with SIGKILL under load, and what it had answered with 202 is looked for in the
database. Last, 1,000 comments are delivered at once, each of them twice.

Needs Node and npm for Probot and the payloads; ``--payloads FILE`` (one ``[event, body]`` a line) and
``--without-probot`` do without.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
from sqlalchemy import text

from app.demo.postgres_server import PostgresServer
from app.demo.redis_server import embedded_redis
from app.store.engine import create_engine
from app.store.migrate import upgrade
from benchmarks.load import LOST_ANSWER, Order, Outcome, percentile
from benchmarks.serving import (
    SECRET,
    Server,
    example_payloads,
    install_npm,
    load,
    loading,
    probot,
    python_server,
    settings,
    write_payloads,
)

BARE: Final = "bare ASGI"
PROBOT: Final = "Probot"
PATH: Final = "/webhooks/github"
COMMENTS: Final = 1000
_WAIT_SECONDS: Final = 60.0

Start = Callable[[], AbstractAsyncContextManager[Server]]


@dataclass(slots=True, kw_only=True)
class Measured:
    """One server at one number of connections, over all rounds. Times in milliseconds, rates per second."""

    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    busy: dict[str, list[float]] = field(default_factory=dict)

    def add(self, outcome: Outcome, busy: Mapping[str, float], megabytes: float) -> None:
        """One round. ``busy`` are parts of a processor."""
        self.rates.append(len(outcome.latencies_ms) / outcome.seconds)
        self.p50.append(percentile(outcome.latencies_ms, 0.5))
        self.p99.append(percentile(outcome.latencies_ms, 0.99))
        self.megabytes.append(megabytes)
        for name, share in busy.items():
            self.busy.setdefault(name, []).append(share)

    def document(self) -> dict[str, Any]:
        """Medians."""
        return {
            "per_second": round(statistics.median(self.rates), 1),
            "p50_ms": round(statistics.median(self.p50), 2),
            "p99_ms": round(statistics.median(self.p99), 2),
            "memory_mb": round(statistics.median(self.megabytes), 1),
            "processors": {name: round(statistics.median(shares), 2) for name, shares in self.busy.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all servers share, and which databases there are, by name."""

    directory: Path
    payloads: Path
    redis_url: str
    databases: Mapping[str, str]
    helpers: Mapping[str, Mapping[str, psutil.Process]]
    modules: Path | None
    seconds: float

    def environment(self, database: str) -> dict[str, str]:
        """The settings of a server on one of the databases."""
        return settings(self.directory, database_url=self.databases[database], redis_url=self.redis_url)

    def ours(self, database: str, *command: str) -> Start:
        """A server of ours on one of the databases."""
        return lambda: python_server(
            *command, environment=self.environment(database), path=PATH, helpers=self.helpers[database]
        )

    def servers(self) -> dict[str, Start]:
        """All that are compared."""
        found: dict[str, Start] = {}
        for database in self.databases:
            found[f"FlowForge, {database}"] = self.ours(database, "app.cli", "web")
            found[f"one INSERT per request, {database}"] = self.ours(
                database, "benchmarks.intake_servers", "one-insert"
            )
        first = next(iter(self.databases))
        found[BARE] = self.ours(first, "benchmarks.intake_servers", "bare")
        modules = self.modules
        if modules is not None:
            found[PROBOT] = lambda: probot(modules)
        return found

    def order(self, server: Server, connections: int, **changes: Any) -> Order:
        """A load on a server."""
        accepted = str(self.directory / "accepted")
        values: dict[str, Any] = {"payloads": str(self.payloads), "seconds": self.seconds, "accepted": accepted}
        return Order(url=server.url, secret=SECRET, connections=connections, **values | changes)

    def accepted(self) -> list[str]:
        """The ids that the last load was told are kept, as far as it has written them."""
        return (self.directory / "accepted").read_text("ascii").splitlines()

    async def accepting(self) -> None:
        """Return when the load that was begun has been told so of something."""
        async with asyncio.timeout(_WAIT_SECONDS):
            while not self.accepted():  # noqa: ASYNC110 - files have no event
                await asyncio.sleep(0.01)

    async def kept(self, database: str) -> list[str]:
        """The ids in a database's inbox."""
        engine = create_engine(self.databases[database])
        try:
            async with engine.connect() as connection:
                rows = await connection.execute(text("SELECT delivery_id FROM deliveries"))
                return [row.delivery_id for row in rows]
        finally:
            await engine.dispose()


@contextlib.asynccontextmanager
async def open_bench(
    directory: Path, payloads: Path, *, modules: Path | None = None, postgres: bool = True, seconds: float = 4.0
) -> AsyncIterator[Bench]:
    """Databases with tables, a Redis, and what is known of them."""
    (directory / "redis").mkdir()
    async with contextlib.AsyncExitStack() as stack:
        redis_url = await stack.enter_async_context(embedded_redis(directory / "redis"))
        redis = next(one for one in psutil.Process().children(recursive=True) if one.name() == "redis-server")
        databases = {"SQLite": f"sqlite:///{directory / 'flowforge.db'}"}
        helpers: dict[str, dict[str, psutil.Process]] = {"SQLite": {"redis": redis}}
        if postgres:
            server = stack.enter_context(PostgresServer())
            databases["PostgreSQL"] = server.url()
            helpers["PostgreSQL"] = {"redis": redis, "postgres": psutil.Process(server.pid)}
        for url in databases.values():
            await upgrade(url)
        yield Bench(
            directory=directory,
            payloads=payloads,
            redis_url=redis_url,
            databases=databases,
            helpers=helpers,
            modules=modules,
            seconds=seconds,
        )


async def measure(bench: Bench, rounds: int, connections: tuple[int, ...]) -> dict[str, dict[int, Measured]]:
    """All servers, in turns."""
    servers = bench.servers()
    found = {name: {count: Measured() for count in connections} for name in servers}
    for _ in range(rounds):
        for name, start in servers.items():
            async with start() as server:
                await load(bench.order(server, 4, seconds=0.5))  # warm: every cache and connection was used
                for count in connections:
                    before = server.cpu_seconds()
                    outcome = await load(bench.order(server, count))
                    busy = {key: (now - before[key]) / outcome.seconds for key, now in server.cpu_seconds().items()}
                    busy["load"] = outcome.cpu_seconds / outcome.seconds
                    refused = {status for status in outcome.statuses if not status.startswith("2")}
                    if refused:
                        raise RuntimeError(f"{name} answered {outcome.statuses}")
                    found[name][count].add(outcome, busy, server.megabytes())
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What was accepted before kills, and what of it the database lacks or has twice."""

    kills: int
    accepted: int
    unanswered: int
    missing: int
    double: int


async def kill_under_load(bench: Bench, database: str, kills: int) -> Loss:
    """Kill ``flowforge web`` while 64 connections deliver everything twice, and look into the database."""
    accepted: list[str] = []
    unanswered = 0
    for _ in range(kills):
        async with bench.ours(database, "app.cli", "web")() as server:
            (bench.directory / "accepted").write_bytes(b"")
            async with loading(bench.order(server, 64, copies=2, seconds=60.0)) as task:
                await bench.accepting()
                await asyncio.sleep(bench.seconds / 2)
                server.process.kill()
            unanswered += task.result().statuses.get(LOST_ANSWER, 0)
            accepted += bench.accepted()
    kept = await bench.kept(database)
    return Loss(
        kills=kills,
        accepted=len(accepted),
        unanswered=unanswered,
        missing=len(set(accepted) - set(kept)),
        double=len(kept) - len(set(kept)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """Comments delivered at once: how many are kept, and how long that took, in seconds."""

    sent: int
    kept: int
    seconds: float
    p99_ms: float
    statuses: Mapping[str, int]


async def burst(bench: Bench, database: str, comments: int) -> Burst:
    """Deliver as many comments at once, each of them twice."""
    before = set(await bench.kept(database))
    own = bench.directory / "comments"
    lines = bench.payloads.read_text("utf-8").splitlines(keepends=True)
    own.write_text("".join(line for line in lines if json.loads(line)[0] == "issue_comment") or lines[0], "utf-8")
    async with bench.ours(database, "app.cli", "web")() as server:
        await load(bench.order(server, 4, seconds=0.5))
        before = set(await bench.kept(database))
        order = bench.order(server, min(comments * 2, 512), payloads=str(own), at_most=comments, copies=2, seconds=60.0)
        outcome = await load(order)
    new = [delivery for delivery in await bench.kept(database) if delivery not in before]
    return Burst(
        sent=comments,
        kept=len(new) if len(new) == len(set(new)) else -1,
        seconds=outcome.seconds,
        p99_ms=percentile(outcome.latencies_ms, 0.99),
        statuses=outcome.statuses,
    )


def ratios(found: Mapping[str, Mapping[int, Measured]], database: str) -> dict[int, dict[str, float]]:
    """FlowForge on a database against the others, by connections: rates, and its p99 by that of one INSERT each."""
    ours, single = found[f"FlowForge, {database}"], found[f"one INSERT per request, {database}"]
    result: dict[int, dict[str, float]] = {}
    for count, mine in ours.items():
        rate, other = statistics.median(mine.rates), single[count]
        result[count] = {
            "to_one_insert": round(rate / statistics.median(other.rates), 2),
            "p99_to_one_insert": round(statistics.median(mine.p99) / statistics.median(other.p99), 2),
            "to_bare": round(rate / statistics.median(found[BARE][count].rates), 2),
        }
        if PROBOT in found:
            result[count]["to_probot"] = round(rate / statistics.median(found[PROBOT][count].rates), 2)
    return result


def limit(busy: Mapping[str, float], processors: int) -> str:
    """What a server has no more of, told from the parts of processors in use."""
    if busy["server"] >= 0.85:  # noqa: PLR2004 - the rest of it went to others on this machine
        return "its one processor"
    if sum(busy.values()) >= 0.85 * processors:
        return "all processors of the machine"
    return "waiting: for commits, or for others on this machine"


def document(
    found: Mapping[str, Mapping[int, Measured]], losses: Mapping[str, Loss], bursts: Mapping[str, Burst]
) -> dict[str, Any]:
    """Everything, for ``--json``."""
    return {
        "machine": {"processors": psutil.cpu_count(), "load_average": list(psutil.getloadavg())},
        "servers": {
            name: {str(count): one.document() for count, one in by_count.items()} for name, by_count in found.items()
        },
        "ratios": {
            database: {str(key): value for key, value in ratios(found, database).items()} for database in losses
        },
        "kills": {database: asdict(loss) for database, loss in losses.items()},
        "burst": {database: asdict(one) for database, one in bursts.items()},
    }


def lines(shown: Mapping[str, Any]) -> list[str]:
    """The document for people."""
    machine = shown["machine"]
    load_average = ", ".join(f"{value:.1f}" for value in machine["load_average"])
    said = [
        f"{machine['processors']} processors, load average {load_average}; medians",
        "| server | connections | requests/s | p50 ms | p99 ms | MB | processors used | limited by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, by_count in shown["servers"].items():
        for count, one in by_count.items():
            busy = one["processors"]
            used = ", ".join(f"{key} {share:.2f}" for key, share in busy.items())
            said.append(
                f"| {name} | {count} | {one['per_second']:,.0f} | {one['p50_ms']:.1f} | {one['p99_ms']:.1f} "
                f"| {one['memory_mb']:.0f} | {used} | {limit(busy, machine['processors'])} |"
            )
    for database, by_count in shown["ratios"].items():
        for count, one in by_count.items():
            to_probot = f"{one['to_probot']:.2f}x Probot (goal 0.7), " if "to_probot" in one else ""
            said.append(
                f"{database}, {count} connections: {to_probot}"
                f"{one['to_one_insert']:.1f}x one INSERT per request (goal 4), "
                f"its p99 {one['p99_to_one_insert']:.2f}x (goal 0.2), {one['to_bare']:.2f}x bare ASGI"
            )
    for database, loss in shown["kills"].items():
        said.append(
            f"{database}: killed {loss['kills']} times under load; of {loss['accepted']:,} accepted deliveries "
            f"{loss['missing']} are missing and {loss['double']} are there twice; {loss['unanswered']} got no answer"
        )
    for database, one in shown["burst"].items():
        said.append(
            f"{database}: {one['sent']:,} comments at once, each twice: {one['kept']:,} kept once, "
            f"in {one['seconds']:.2f} s (p99 {one['p99_ms']:.0f} ms, answers {dict(one['statuses'])})"
        )
    return said


async def run(arguments: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Measure everything. Raises ``RuntimeError`` when a server does not start or refuses what it should take."""
    modules: Path | None = directory / "npm"
    payloads = arguments.payloads or directory / "payloads"
    if not (arguments.without_probot and arguments.payloads):
        (directory / "npm").mkdir()
        why = install_npm(directory / "npm")
        if why is not None:
            raise RuntimeError(f"{why}; --payloads and --without-probot do without")
        if arguments.payloads is None:
            write_payloads(payloads, example_payloads(directory / "npm"))
    if arguments.without_probot:
        modules = None
    opened = open_bench(
        directory, payloads, modules=modules, postgres=not arguments.without_postgres, seconds=arguments.seconds
    )
    async with opened as bench:
        found = await measure(bench, arguments.rounds, tuple(arguments.connections))
        losses = {database: await kill_under_load(bench, database, arguments.rounds) for database in bench.databases}
        bursts = {database: await burst(bench, database, arguments.comments) for database in bench.databases}
    return document(found, losses, bursts)


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="how many webhooks the intake takes")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--comments", type=int, default=COMMENTS, help="delivered at once in the end")
    parser.add_argument("--payloads", type=Path, help="a file with one [event, body] a line")
    parser.add_argument("--without-probot", action="store_true")
    parser.add_argument("--without-postgres", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ff-intake-") as directory:
        shown = asyncio.run(run(arguments, Path(directory)))
    print(json.dumps(shown) if arguments.json else "\n".join(lines(shown)))


if __name__ == "__main__":
    main()
