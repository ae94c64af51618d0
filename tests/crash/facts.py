"""The final state of a trial as a bag of facts, each a line that is the same in every trial that came to the same."""

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.crash.rest import lost_deliveries
from tests.crash.rows import facts_of_rows
from tests.crash.world import World

Facts = Counter[str]

_PATIENCE = 5.0


async def facts_of(world: World) -> Facts:
    """What there is on the forge, in the database and on this machine."""
    found = Counter(await _forge(world))
    async with world.store.database.reading() as connection:
        found.update(await facts_of_rows(world, connection))
    broken = await world.store.audit.first_broken()
    found.update([] if broken is None else [f"the audit trail is broken at {broken}"])
    found.update(_files(world))
    found.update([f"process left: {name}" for name in await _processes(world)])
    return found


# The forge.


async def _forge(world: World) -> list[str]:
    forge, repository, pull = world.forge, world.repository, world.pull
    await _name_commits(world)
    facts = [f"ref {world.plain(ref)} at {world.labels.get(sha, sha)}" for ref, sha in repository.refs.items()]
    if world.fork is not None:
        facts += [f"fork's {ref} at {world.labels.get(sha, sha)}" for ref, sha in world.fork.refs.items()]
    facts.append(f"pull request {'open' if pull.open else 'closed'} at {world.labels.get(pull.head_sha)}")
    for other in repository.pull_requests():
        if other is not pull:
            state = f"{'open' if other.open else 'closed'}{' draft' if other.draft else ''}"
            facts.append(f"{state} by {other.author.login}: {world.plain(f'{other.title} | {other.body}')}")
    for comment in (comment for issue in repository.threads.values() for comment in issue.comments.values()):
        facts.append(f"comment by {comment.author.login}: {world.plain(comment.body)}")
        facts += [
            f"{one.content} by {one.account.login} under {world.plain(comment.body)[:40]!r}"
            for one in comment.reactions
        ]
    for check in forge.check_runs(repository):
        buttons = ",".join(str(action["identifier"]) for action in check.actions)
        facts.append(
            f"check run on {world.labels.get(check.head_sha)}: {check.status} {check.conclusion} [{buttons}] "
            f"{world.plain(check.title or '')} | {world.plain(check.summary or '')}"
        )
    for delivery in forge.webhooks.deliveries:
        if delivery.event == "push" and _sender(delivery.payload) == forge.bot.login:
            before, after = (world.labels.get(str(delivery.payload[end]), "nothing") for end in ("before", "after"))
            facts.append(f"push of {world.plain(str(delivery.payload['ref']))} from {before} to {after}")
    lost = await lost_deliveries(world)
    return [*facts, *(f"delivery never arrived: {delivery.event} {delivery.action}" for delivery in lost)]


def _sender(payload: object) -> str:
    sender = payload.get("sender") if isinstance(payload, dict) else None
    return str(sender.get("login")) if isinstance(sender, dict) else ""


async def _name_commits(world: World) -> None:
    """Give every other commit of a ref a name by what is in it: times make ids differ."""
    for repository in (world.repository, *(() if world.fork is None else (world.fork,))):
        for sha in repository.refs.values():
            if sha not in world.labels:
                said = await world.forge.git(repository, "log", "-1", "--format=%T %P %s", sha)
                tree, *rest = said.split()
                world.labels[sha] = f"{tree[:8]} {' '.join(world.labels.get(word, word) for word in rest)}"


# This machine.


def _files(world: World) -> Iterator[str]:
    """Files that nobody needs any more."""
    for place in (world.data, world.directory / "tmp"):
        for directory, _, names in os.walk(place):
            inside = Path(directory).relative_to(world.directory)
            for name in names:
                in_mirror = any(part.endswith(".git") for part in inside.parts)
                unfinished = name.startswith("tmp_") or name.endswith(".new") or (in_mirror and name.endswith(".lock"))
                if unfinished or inside.parts[:2] == ("data", "runs") or inside.parts[0] == "tmp":
                    yield f"file left: {world.plain(str(inside / name))}"


async def _processes(world: World) -> list[str]:
    """What still runs of the services' children; they get a moment to end, since some end with their parent only."""
    deadline = time.monotonic() + _PATIENCE
    while (left := await asyncio.to_thread(_children, world)) and time.monotonic() < deadline:  # noqa: ASYNC110 - they tell nobody
        await asyncio.sleep(0.05)
    return left


def _children(world: World) -> list[str]:
    ours = {os.getpid(), *(service.pid for service in (*world.services, *world.gateways))}
    simulators = {child.pid for child in psutil.Process().children(recursive=True)} - _family(world)
    place = str(world.data)
    left = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid in ours or process.pid in simulators or process.status() == psutil.STATUS_ZOMBIE:
                continue
            where = [process.cwd(), *process.environ().values(), *process.cmdline()]
            if any(text.startswith(place) for text in where):
                left.append(process.name())
    return left


def _family(world: World) -> set[int]:
    """Everything that descends from the services."""
    family: set[int] = set()
    for service in (*world.services, *world.gateways):
        with contextlib.suppress(psutil.Error):
            family |= {child.pid for child in psutil.Process(service.pid).children(recursive=True)}
    return family
