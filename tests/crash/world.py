"""What stays when the service dies: forge, model, gateway, Redis, database and disk."""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import uuid4

from arq.connections import ArqRedis
from arq.constants import job_key_prefix

from app.demo.model.messages import ModelRequest
from app.demo.model.replies import Reply, Script
from app.demo.model.server import ScriptedModel
from app.demo.redis_server import embedded_redis
from app.demo.simulator.server import Simulator
from app.demo.simulator.state import Account, PullRequest, Repository, Role
from app.http.server import bind, url_of
from app.jobs.queue import RUNG_CHANNEL, open_pool
from app.processes import running_gateway
from app.settings import GatewaySettings
from app.store.database import SqlStore
from app.system import SystemIds
from bot.model.sweeps import SWEEPS
from tests.app.store.backends import Backend
from tests.crash.clock import SharedClock
from tests.crash.zygote import Service, Zygote

HOST = "127.0.0.1"
ROOM = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""In memory, where there is such a place: processes die here, machines do not, and nothing has to reach a disk."""
_POLL = 0.02
_ROUND = 20.0
"""Seconds after which sweeps that are not done are taken for those of a service that died."""

_HEX = re.compile(r"\b[0-9a-f]{7,64}\b")
_TIME = re.compile(r"(under )?\d+(\.\d+)? (h|min|s)\b( \d+ (min|s)\b)*")
_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What trials share that follow each other: nothing of a trial is left in it."""

    zygote: Zygote
    redis_url: str
    pool: ArqRedis


@contextlib.asynccontextmanager
async def open_host() -> AsyncIterator[Host]:
    """Redis and the zygote."""
    async with contextlib.AsyncExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="flowforge-crash-", dir=ROOM))
        stack.callback(shutil.rmtree, directory)
        redis_url = await stack.enter_async_context(embedded_redis(directory))
        pool = open_pool(redis_url)
        stack.push_async_callback(pool.aclose)
        zygote = await stack.enter_async_context(Zygote.open())
        yield Host(zygote=zygote, redis_url=redis_url, pool=pool)


@dataclass(slots=True, kw_only=True)
class Told:
    """A script that tells somebody of each call before it is answered."""

    script: Script
    tell: Callable[[], None] = lambda: None

    def reply(self, request: ModelRequest) -> Reply:
        self.tell()
        return self.script.reply(request)

    def direct(self, question: Any) -> Reply:
        self.tell()
        answer: Reply = self.script.direct(question)  # type: ignore[attr-defined]  # the honest resolver's
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files that a repository begins with, and what each side changes; without ``theirs`` the base stays."""

    base: Mapping[str, str]
    ours: Mapping[str, str]
    theirs: Mapping[str, str]


class Fork(Enum):
    """What becomes of a push into a fork whose author lets maintainers change it."""

    OPEN = "it is taken"
    HIDDEN = "the forge says that there is no such repository"


@dataclass(slots=True, kw_only=True)
class World:
    """One trial's world, and what people did in it; ``rounds`` of all sweeps came to their end so far."""

    host: Host
    directory: Path
    clock: SharedClock
    forge: Simulator
    script: Told
    store: SqlStore
    settings: dict[str, Any]
    gateway_settings: dict[str, Any]
    repository: Repository = field(init=False)
    fork: Repository | None = None
    pull: PullRequest = field(init=False)
    author: Account = field(init=False)
    maintainer: Account = field(init=False)
    labels: dict[str, str] = field(default_factory=dict)
    services: list[Service] = field(default_factory=list)
    gateways: list[Service] = field(default_factory=list)
    rounds: int = 0
    _sweeping: list[str] = field(default_factory=list)
    _swept_at: float = 0.0

    @property
    def data(self) -> Path:
        """The service's directory."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """Where the first service writes the points that it reaches."""
        return self.directory / "points" / "reached"

    @property
    def said(self) -> str:
        """What the services logged."""
        return (self.directory / "said").read_text(encoding="utf-8", errors="replace")

    def points(self) -> list[str]:
        """The points that were reached so far."""
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []

    async def start(self, *, point: str | None = None, witnessed: bool = False, flaw: str | None = None) -> Service:
        """Start the service."""
        self._sweeping = []  # what was asked of one that died is no longer waited for
        self.services.append(await self._start(self.settings, point=point, witnessed=witnessed, flaw=flaw))
        return self.services[-1]

    async def start_gateway(self, *, point: str | None = None, witnessed: bool = False) -> Service:
        """Start a gateway in a process of its own."""
        gateway = await self._start(self.gateway_settings, point=point, witnessed=witnessed, gateway=True)
        self.gateways.append(gateway)
        return gateway

    async def _start(
        self,
        settings: Mapping[str, Any],
        *,
        point: str | None,
        witnessed: bool,
        flaw: str | None = None,
        gateway: bool = False,
    ) -> Service:
        order = {
            "gateway": gateway,
            "settings": settings,
            "clock": str(self.directory / "clock"),
            "said": str(self.directory / "said"),
            "tmp": str(self.directory / "tmp"),
            "log": str(self.log) if witnessed else None,
            "point": point,
            "flaw": flaw,
        }
        return await self.host.zygote.start(order)

    async def until_up(self) -> None:
        """Wait until the web service answers: the first one, or one that came after it."""
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(HOST, self.settings["port"])
                writer.close()
                return
            await asyncio.sleep(_POLL)

    async def sweep(self) -> bool:
        """Have the service's sweeps run now; False while those of the last time are not done."""
        if not await self._is_swept():
            return False
        ids = [uuid4().hex for _ in SWEEPS]
        for sweep, job_id in zip(SWEEPS, ids, strict=True):
            await self.host.pool.enqueue_job(f"sweep_{sweep.name}", _job_id=job_id)
        await self.host.pool.publish(RUNG_CHANNEL, b"")
        self._sweeping, self._swept_at = [f"{job_key_prefix}{job_id}" for job_id in ids], time.monotonic()
        return True

    async def until_swept(self) -> None:
        """Have the service's sweeps run from now on, and wait for their end."""
        while not await self.sweep():  # noqa: ASYNC110 - the event is in another process
            await asyncio.sleep(_POLL)
        while not await self._is_swept():  # noqa: ASYNC110 - the same
            await asyncio.sleep(_POLL)

    async def _is_swept(self) -> bool:
        if not self._sweeping or time.monotonic() - self._swept_at > _ROUND:
            return True
        if await self.host.pool.exists(*self._sweeping):
            return False
        self._sweeping, self.rounds = [], self.rounds + 1
        return True

    async def set_up(self, files: Files, *, fork: Fork | None) -> None:
        """A repository with a pull request, from a fork of its author's if there is to be one."""
        people = self.forge.people
        self.author, self.maintainer = people.user("robin"), people.user("maintainer")
        roles = {self.maintainer: Role.MAINTAIN} | ({self.author: Role.WRITE} if fork is None else {})
        self.repository = await people.repository("acme/fees", files=files.base, roles=roles)
        if fork is not None:
            self.fork = await people.fork(self.repository, self.author)
            self.fork.private = fork is Fork.HIDDEN
        await people.commit(self.fork or self.repository, "feature", files.ours, author=self.author)
        if files.theirs:
            await people.commit(self.repository, "main", files.theirs, author=self.maintainer)
        self.pull = await people.open_pull_request(
            self.repository, author=self.author, head="feature", head_repository=self.fork, title="Another rate"
        )
        self.label("head", self.pull.head_sha)
        self.label("base", self.repository.refs["refs/heads/main"])

    def plain(self, text: str) -> str:
        """A text without what differs from trial to trial: ids, times, numbers of all kinds."""
        for sha, label in self.labels.items():
            for length in (40, 12, 8, 7):
                text = text.replace(sha[:length], f"<{label}>")
        # A call that was answered to a dead worker is made again: what it costs is told, and more.
        words = " ".join(_TIME.sub("<time>", text).replace("model calls", "model call").split())
        return _NUMBER.sub("N", _HEX.sub("<id>", words))

    def age(self) -> None:
        """Make what lies on the disk as old as the clock says."""
        old = time.time() - self.clock.ahead
        for place in (self.data / "runs").glob("*"):
            os.utime(place, (old, old))

    def label(self, name: str, sha: str) -> None:
        """Call a commit by a name that is the same in every trial."""
        self.labels[sha] = name


@contextlib.asynccontextmanager
async def open_world(
    host: Host, backend: Backend, script: Script, *, overrides: Mapping[str, Any], with_gateway: bool = True
) -> AsyncIterator[World]:
    """A fresh world without a service; without a gateway, one has to be started in it."""
    async with contextlib.AsyncExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="flowforge-crash-", dir=ROOM))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        for name in ("data", "tmp", "points"):
            (directory / name).mkdir()
        await host.pool.flushall()
        database_url = await backend.fresh()
        stack.push_async_callback(backend.drop, database_url)
        clock = SharedClock(directory / "clock")
        # Held, and never listened on: the port stays ours while no service lives.
        web, gateway = bind(HOST, 0), bind(HOST, 0)
        stack.callback(web.close)
        stack.callback(gateway.close)
        secret, key = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        forge = await stack.enter_async_context(
            Simulator.serve(
                directory / "forge",
                webhook_secret=secret,
                webhook_url=f"{url_of(web)}/webhooks/github",
                clock=clock,
            )
        )
        told = Told(script=script)
        model = await stack.enter_async_context(ScriptedModel.serve(told, api_key=key))
        common: dict[str, Any] = {
            "database_url": database_url,
            "gateway_url": url_of(gateway),
        }
        settings = {
            **common,
            "environment": "development",
            "data_dir": str(directory / "data"),
            "redis_url": host.redis_url,
            "host": HOST,
            "port": web.getsockname()[1],
            "github_api_url": forge.base_url,
            "github_git_url": forge.base_url,
            "github_app_id": forge.app.id,
            "github_app_slug": forge.app.slug,
            "github_private_key": forge.app.private_key_pem,
            "github_webhook_secrets": [secret],
            **overrides,
        }
        gateway_settings = {
            **common,
            "gateway_host": HOST,
            "gateway_port": gateway.getsockname()[1],
            "anthropic_api_key": key,
            "anthropic_base_url": model.base_url,
        }
        if with_gateway:
            await stack.enter_async_context(running_gateway(GatewaySettings.model_validate(gateway_settings), gateway))
        store = SqlStore.open(database_url, clock, SystemIds())
        stack.push_async_callback(store.close)
        world = World(
            host=host,
            directory=directory,
            clock=clock,
            forge=forge,
            script=told,
            store=store,
            settings=settings,
            gateway_settings=gateway_settings,
        )
        stack.push_async_callback(_end_services, world)
        yield world


async def _end_services(world: World) -> None:
    everything = [*world.services, *world.gateways]
    for service in everything:
        service.signal(signal.SIGKILL)
    await asyncio.gather(*(service.wait() for service in everything))
