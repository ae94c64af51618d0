"""FlowForge as it runs in a cluster: two web processes, three workers and a gateway, each with a directory of its own.

They share a database, a Redis and the forge. Every delivery reaches both web processes at the same moment.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import select, update

from app.demo.model.resolver import HonestResolver
from app.demo.model.server import ScriptedModel
from app.demo.redis_server import embedded_redis
from app.demo.simulator.server import Simulator
from app.demo.simulator.state import Role
from app.http.server import serving_loopback
from app.store.database import SqlStore
from app.store.migrate import upgrade
from app.store.tables import deliveries, runs
from app.system import SystemClock, SystemIds
from bot.model.runs import RunOutcome, RunState
from tests.contracts.github import validate_record
from tests.outages.service import Service, free_port
from tests.outages.world import LONG_AGO, SECRET, World
from tests.scenarios.play import ANSWER, BASE, OURS, THEIRS, Gated, claude_processes

START = 240.0
"""Seconds for six processes that start at once, on a machine that has two processors and much else to do."""

WEBS = 2
WORKERS = 3
ACCEPTED = 202
KEY = "sk-of-these-many-processes"


class Member(Service):
    """One of the processes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        super().__init__(process)
        self.pid = process.pid

    async def started(self) -> dict[str, Any]:
        """What it said when it had started."""
        async with asyncio.timeout(START):
            # The base class waits on a condition, but no longer than its own deadline.
            while self.alive and not any('"started"' in line for line in self.said):  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.1)
        return await self.until("started")


@dataclass(slots=True, kw_only=True)
class Fleet:
    """The world, who serves it, and what both web processes said to each delivery."""

    world: World
    gateway: Member
    webs: list[Member]
    workers: dict[str, Member]
    answers: list[list[dict[str, str]]]

    async def supervisor(self) -> str:
        """Which worker looks after the run that was started."""
        async with self.store() as store, store.engine.begin() as connection:
            query = select(runs.c.supervisor).where(runs.c.state == RunState.STARTED)
            return str((await connection.execute(query)).scalar_one()).rpartition(":")[2]

    async def kill(self, pid: str) -> None:
        """SIGKILL a worker, all that it had started, and let what it held be free at once, not half a minute later."""
        family = psutil.Process(int(pid)).children(recursive=True)
        os.kill(int(pid), signal.SIGKILL)
        await self.workers.pop(pid).close()
        psutil.wait_procs(family, timeout=60)
        async with self.store() as store, store.engine.begin() as connection:
            await connection.execute(update(runs).where(runs.c.state == RunState.STARTED).values(lease_until=LONG_AGO))

    async def delivered(self) -> list[str]:
        """The ids in the inbox."""
        async with self.store() as store, store.engine.begin() as connection:
            return [row.delivery_id for row in await connection.execute(select(deliveries.c.delivery_id))]

    async def runs_ended(self) -> list[RunOutcome]:
        """How each run ended, in their order."""
        async with self.store() as store, store.engine.begin() as connection:
            query = select(runs.c.outcome).order_by(runs.c.serial)
            return [row.outcome for row in await connection.execute(query)]

    @contextlib.asynccontextmanager
    async def store(self) -> AsyncIterator[SqlStore]:
        store = SqlStore.open(self.world.database_url, SystemClock(), SystemIds())
        try:
            yield store
        finally:
            await store.close()


def both(webs: list[Member], answers: list[list[dict[str, str]]], http: httpx.AsyncClient) -> Any:
    """An ASGI application that hands every delivery to all web processes at once, and answers as the first does."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event["body"], event["more_body"]
        headers = [(name, value) for name, value in scope["headers"] if name not in {b"host", b"content-length"}]
        posts = (http.post(f"{web.web}/webhooks/github", content=body, headers=headers) for web in webs)
        got = await asyncio.gather(*posts)
        answers.append([one.json() for one in got])
        status = got[0].status_code if len({one.status_code for one in got}) == 1 else 500
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return application


@contextlib.asynccontextmanager
async def playing_role(role: str, directory: Path, environment: dict[str, str]) -> AsyncIterator[Member]:
    """A process of FlowForge's until the context ends; it ends well unless it was killed."""
    (directory / "data").mkdir(parents=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", role),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.defpath, "HOME": str(directory), "FLOWFORGE_DATA_DIR": str(directory / "data"), **environment},
    )
    service = Member(process)
    try:
        service.web = (await service.started()).get("web", "")
        yield service
        if service.alive:
            assert await service.stop() == 0
    finally:
        await service.close()
        sys.stderr.writelines(f"{role} {process.pid}: {line}" for line in service.said)


@contextlib.asynccontextmanager
async def open_fleet(directory: Path, *, database_url: str) -> AsyncIterator[Fleet]:
    """A pull request in conflict and the processes that serve it.

    Afterwards, what was said on the wire must be what GitHub describes, and no process is left.
    """
    await upgrade(database_url)
    gate = Gated(script=HonestResolver(answers={"fees.py": ANSWER}))
    answers: list[list[dict[str, str]]] = []
    async with contextlib.AsyncExitStack() as stack:
        (directory / "redis").mkdir()
        redis_url = await stack.enter_async_context(embedded_redis(directory / "redis"))
        model = await stack.enter_async_context(ScriptedModel.serve(gate, api_key=KEY))
        sim = await stack.enter_async_context(Simulator.serve(directory / "forge", webhook_secret=SECRET))
        environment = _environment(sim, model, database_url, redis_url)
        names = ["gateway", *(f"web-{number}" for number in range(WEBS)), *(f"worker-{n}" for n in range(WORKERS))]
        started = await asyncio.gather(
            *(
                stack.enter_async_context(playing_role(name.partition("-")[0], directory / name, environment))
                for name in names
            )
        )
        webs, workers = started[1 : 1 + WEBS], started[1 + WEBS :]
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=30))
        front = await stack.enter_async_context(serving_loopback(both(webs, answers, http)))
        sim.webhooks.url = f"{front}/webhooks/github"
        people = sim.people
        author, maintainer = people.user("robin"), people.user("maintainer")
        repository = await people.repository(
            "acme/fees", files=BASE, roles={author: Role.WRITE, maintainer: Role.MAINTAIN}
        )
        await people.commit(repository, "feature", OURS, author=author)
        await people.commit(repository, "main", THEIRS, author=maintainer)
        pull = await people.open_pull_request(repository, author=author, head="feature", title="Another rate")
        await sim.webhooks.settled()
        world = World(
            sim=sim,
            model=model,
            gate=gate,
            service=webs[0],
            database_url=database_url,
            repository=repository,
            pull=pull,
            maintainer=maintainer,
            before=pull.head_sha,
        )
        yield Fleet(
            world=world,
            gateway=started[0],
            webs=webs,
            workers={str(one.pid): one for one in workers},
            answers=answers,
        )
        assert sim.errors == []
    assert list(validate_record(sim.record)) == []
    assert claude_processes() == []


def _environment(sim: Simulator, model: ScriptedModel, database_url: str, redis_url: str) -> dict[str, str]:
    gateway = free_port()
    return {
        "FLOWFORGE_ENVIRONMENT": "development",
        "FLOWFORGE_DATABASE_URL": database_url,
        "FLOWFORGE_REDIS_URL": redis_url,
        "FLOWFORGE_PORT": "0",
        "FLOWFORGE_WORKER_PORT": "0",
        "FLOWFORGE_GATEWAY_PORT": str(gateway),
        "FLOWFORGE_GATEWAY_ADMIN_PORT": "0",
        "FLOWFORGE_GATEWAY_URL": f"http://127.0.0.1:{gateway}",
        "FLOWFORGE_GITHUB_API_URL": sim.base_url,
        "FLOWFORGE_GITHUB_GIT_URL": sim.base_url,
        "FLOWFORGE_GITHUB_APP_ID": str(sim.app.id),
        "FLOWFORGE_GITHUB_APP_SLUG": sim.app.slug,
        "FLOWFORGE_GITHUB_PRIVATE_KEY": sim.app.private_key_pem,
        "FLOWFORGE_GITHUB_WEBHOOK_SECRETS": SECRET,
        "FLOWFORGE_ANTHROPIC_API_KEY": KEY,
        "FLOWFORGE_ANTHROPIC_BASE_URL": model.base_url,
        "FLOWFORGE_DIRECT_CALLS": "false",
    }
