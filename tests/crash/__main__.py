"""``python -m tests.crash``: try every crash point on every database, one JSON line each, and the counts at last."""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from app.telemetry import configure_logging
from tests.app.store.backends import NAMES, Backend, PostgresBackend, SqliteBackend
from tests.crash.matrix import Recording, Verdict, missed, names_to_try, record, spread, try_points
from tests.crash.stories import STORIES, Story
from tests.crash.world import Host, open_host
from tests.postgres import server_url

T = TypeVar("T")
Trial = tuple[str, Story, tuple[str, ...]]


@contextlib.asynccontextmanager
async def _backends(names: list[str]) -> AsyncIterator[dict[str, Backend]]:
    with contextlib.ExitStack() as stack:
        found: dict[str, Backend] = {}
        if "sqlite" in names:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="flowforge-crash-"))
            found["sqlite"] = SqliteBackend(Path(directory))
        if "postgresql" in names:
            postgres = PostgresBackend(stack.enter_context(server_url()))
            found["postgresql"] = postgres
        try:
            yield found
        finally:
            if "postgresql" in names:
                await postgres.close()


async def _run(options: argparse.Namespace) -> int:
    configure_logging("CRITICAL", sys.stderr)
    async with contextlib.AsyncExitStack() as stack:
        backends = await stack.enter_async_context(_backends(options.database or list(NAMES)))
        hosts = [await stack.enter_async_context(open_host()) for _ in range(options.jobs)]
        wanted = [STORIES[name] for name in options.story or STORIES]
        needed = dict.fromkeys(name for story in wanted for name in (*story.after, story.name))
        recordings: dict[tuple[str, str], Recording] = {}

        async def undisturbed(host: Host, one: tuple[str, str]) -> None:
            recordings[one] = await record(host, backends[one[0]], STORIES[one[1]])

        verdicts: list[Verdict] = []

        async def disturbed(host: Host, trial: Trial) -> None:
            database, story, points = trial
            recording = recordings[database, story.name]
            for verdict in await try_points(host, backends[database], story, recording, points):
                verdicts.append(verdict)
                _print(options, database, story, verdict)

        await _each(hosts, [(database, name) for database in backends for name in needed], undisturbed)
        trials = [
            (database, story, points)
            for story in wanted
            for database in backends
            for points in _trials(options, story, {name: recordings[database, name] for name in needed})
        ]
        _say(options, f"{len(trials)} trials")
        await _each(hosts, trials, disturbed)
    counts = Counter(verdict.outcome for verdict in verdicts)
    outcomes = {outcome: counts[outcome] for outcome in ("same", "lost", "double", "stuck", "unreached")}
    print(json.dumps({"points": counts.total(), **outcomes}), flush=True)  # noqa: T201 - this is what it is for
    for point in missed(verdicts):
        _say(options, f"not reached: {point}")
    return 0 if counts.total() == counts["same"] + counts["unreached"] and not missed(verdicts) else 1


async def _each(hosts: Sequence[Host], items: Iterable[T], work: Callable[[Host, T], Awaitable[None]]) -> None:
    """Do all of it, with one item at a time on each host."""
    left = iter(items)

    async def on(host: Host) -> None:
        for item in left:
            await work(host, item)

    async with asyncio.TaskGroup() as group:
        for host in hosts:
            group.create_task(on(host))


def _trials(options: argparse.Namespace, story: Story, recordings: Mapping[str, Recording]) -> list[tuple[str, ...]]:
    """The points of each trial of a story."""
    names = names_to_try(story, recordings)
    points = names if options.together > 1 else recordings[story.name].ends(names)
    if options.every:
        points = recordings[story.name].points
    return spread([point for point in points if options.match in point], together=options.together)


def _print(options: argparse.Namespace, database: str, story: Story, verdict: Verdict) -> None:
    line = {"point": f"{story.name}: {verdict.point}", "database": database, "outcome": verdict.outcome}
    print(json.dumps(line), flush=True)  # noqa: T201 - this is what it is for
    for fact in verdict.difference:
        _say(options, f"  {fact[:300]}")
    if options.logs and verdict.outcome != "same":
        _say(options, verdict.said)


def _say(options: argparse.Namespace, text: str) -> None:
    if not options.quiet:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def main() -> int:
    """Parse the command line and try the points; 0 when all came to the same."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--story", action="append", choices=list(STORIES), help="only this one; may be repeated")
    parser.add_argument("--database", action="append", choices=list(NAMES), help="only this one")
    parser.add_argument("--match", default="", help="only points whose names contain this")
    parser.add_argument("--every", action="store_true", help="every occurrence, not the first and last of each name")
    parser.add_argument("--together", type=int, default=1, help="so many deaths in one trial: quicker, and harder")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="trials at the same time")
    parser.add_argument("--quiet", action="store_true", help="say nothing but the JSON lines")
    parser.add_argument("--logs", action="store_true", help="show what the service logged where it went wrong")
    return asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
