"""The simulator: a forge on loopback, in the asyncio loop of whoever starts it. ``Simulator`` is a GitHub.

::

    async with Simulator.serve(directory, webhook_secret=secret, webhook_url=url) as sim:
        ada = sim.people.user("ada")
        payments = await sim.people.repository("acme/payments", files={"fee.py": "rate = 1"}, roles={ada: Role.WRITE})

``sim.people`` is what people do, ``sim.webhooks`` and ``sim.faults`` disturb it, ``sim.record`` is what was said.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import uvicorn

from app.demo.simulator.app_auth import Credentials
from app.demo.simulator.asgi import ENTERPRISE_PATH, Application, GitHubApplication
from app.demo.simulator.faults import Faults
from app.demo.simulator.git import Git
from app.demo.simulator.git_http import write_hooks
from app.demo.simulator.github_people import GitHubPeople
from app.demo.simulator.github_voice import GitHubVoice
from app.demo.simulator.limits import RateLimits
from app.demo.simulator.people import People
from app.demo.simulator.record import Record
from app.demo.simulator.settings import AppSpec
from app.demo.simulator.site import GitHubSite, Site
from app.demo.simulator.state import Account, AccountKind, CheckRun, Comment, GitHubWorld, Issue, Repository
from app.demo.simulator.webhooks import AppWebhooks
from app.demo.simulator.wire import HangUpProtocol
from bot.ports.system import Clock

T = TypeVar("T")
HOST = "127.0.0.1"
SHUTDOWN_SECONDS = 2
KEEP_ALIVE_SECONDS = 75
"""Longer than any client keeps a connection for its next request, so that the two never meet on a closing one."""


class SystemClock:
    """The time of the machine."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        return datetime.now(UTC)


class _Server(uvicorn.Server):
    """uvicorn, without its hold on signals and its clock, telling when it listens and stopping when it is told."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self.stopping = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait for the end; uvicorn itself would look ten times a second."""
        await self.stopping.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to whoever owns the process."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let what is under way end, and cancel what does not end soon; nothing outlives this."""
        del sockets
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        running = set(self.server_state.tasks)
        if running:
            _, running = await asyncio.wait(running, timeout=SHUTDOWN_SECONDS)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for server in self.servers:
            await server.wait_closed()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets=sockets)
        self.listening.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What every simulator stands on: a directory, an open port and a clock."""

    directory: Path
    listener: socket.socket
    base_url: str
    clock: Clock


def open_ground(directory: Path, clock: Clock | None, port: int) -> Ground:
    """Make a place for the repositories and take a port of 127.0.0.1; 0 means a free one."""
    directory = directory.resolve()
    (directory / "repositories").mkdir(parents=True, exist_ok=True)
    write_hooks(directory / "hooks")
    listener = socket.create_server((HOST, port))
    return Ground(
        directory=directory,
        listener=listener,
        base_url=f"http://{HOST}:{listener.getsockname()[1]}",
        clock=clock or SystemClock(),
    )


class ForgeSimulator:
    """What the simulators of all forges have in common."""

    def __init__(self, site: Site, application: Application, listener: socket.socket) -> None:
        self.site = site
        self.world = site.world
        self.people = People(site)
        self.webhooks = site.webhooks
        self.faults = site.faults
        self.record = site.record
        self._listener = listener
        config = uvicorn.Config(
            application,
            http=HangUpProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="simulator-http")

    async def listening(self) -> None:
        """Wait until requests are answered."""
        await self._server.listening.wait()

    @property
    def base_url(self) -> str:
        """The forge's URL: git, pages and the API live under it. Without a slash at the end."""
        return self.world.base_url

    @property
    def errors(self) -> list[BaseException]:
        """Faults of the simulator itself; a test that finds any has found a bug here."""
        return self.site.errors

    @property
    def bot(self) -> Account:
        """FlowForge's account: its comments and pushes appear under it."""
        return self.world.bot

    def repository(self, full_name: str) -> Repository:
        """A repository by ``owner/name``. Raises ``KeyError``."""
        repository = self.world.repository(full_name)
        if repository is None:
            raise KeyError(full_name)
        return repository

    def comments(self, issue: Issue, author: Account | None = None) -> list[Comment]:
        """The comments of an issue or pull request, all or one author's, oldest first."""
        return [comment for comment in issue.comments.values() if author in {None, comment.author}]

    async def git(self, repository: Repository, *arguments: str) -> str:
        """The output of a git command in the bare repository, for looking at what is there."""
        return await self.site.git.text(repository.directory, *arguments)

    async def read_file(self, repository: Repository, ref: str, path: str) -> bytes | None:
        """A file at a branch or commit, None where there is none."""
        commit = await self.site.git.resolve(repository, ref)
        found = None if commit is None else await self.site.git.entry(repository.directory, commit, path)
        return None if found is None else await self.site.git.blob(repository.directory, found[2])

    def clone_url(self, repository: Repository) -> str:
        """Where git finds a repository."""
        return f"{self.base_url}/{repository.full_name}.git"

    async def wait_for(
        self,
        predicate: Callable[[], T | None],
        *,
        timeout: float = 30.0,  # noqa: ASYNC109 - the caller's deadline
        what: str = "a change",
    ) -> T:
        """The first truthy answer of ``predicate``, which is asked now and after every change of state.

        Raises:
            TimeoutError: with ``what`` in its message.
        """
        return await self.world.wait_for(predicate, timeout=timeout, what=what)

    async def close(self) -> None:
        """Stop serving and sending."""
        self.faults.clear()
        self._server.stopping.set()
        await self._serving
        await self.site.close()
        self._listener.close()


class Simulator(ForgeSimulator):
    """A running GitHub. Make one with ``start`` or ``serve``."""

    site: GitHubSite
    world: GitHubWorld
    people: GitHubPeople
    webhooks: AppWebhooks

    def __init__(self, site: GitHubSite, listener: socket.socket) -> None:
        super().__init__(site, GitHubApplication(site), listener)
        self.people = GitHubPeople(site)
        self.limits = site.limits

    @classmethod
    async def start(
        cls,
        directory: Path,
        *,
        webhook_secret: str,
        webhook_url: str | None = None,
        clock: Clock | None = None,
        app: AppSpec | None = None,
        port: int = 0,
        enterprise: bool = False,
    ) -> "Simulator":
        """Start on 127.0.0.1. ``directory`` gets the bare repositories, as ``repositories/<owner>/<name>.git``.

        With ``webhook_url`` None deliveries wait in ``webhooks.deliveries`` and nothing is sent until ``webhooks.url``
        is set. ``port`` 0 takes a free one. ``enterprise`` makes it a GitHub Enterprise Server.
        """
        ground = open_ground(directory, clock, port)
        app = app or AppSpec()
        world = GitHubWorld(
            app=app,
            bot_login=f"{app.slug}[bot]",
            clock=ground.clock,
            base_url=ground.base_url,
            enterprise=enterprise,
        )
        record = Record()
        site = GitHubSite(
            directory=ground.directory,
            world=world,
            git=Git(ground.directory, pull_refs="refs/pull"),
            webhooks=AppWebhooks(world=world, record=record, secret=webhook_secret, url=webhook_url),
            credentials=Credentials(world),
            record=record,
            faults=Faults(),
            limits=RateLimits(),
        )
        site.voice = GitHubVoice(site)
        simulator = cls(site, ground.listener)
        simulator.people.account(world.bot_login, kind=AccountKind.BOT)
        await simulator.listening()
        return simulator

    @classmethod
    @asynccontextmanager
    async def serve(
        cls,
        directory: Path,
        *,
        webhook_secret: str,
        webhook_url: str | None = None,
        clock: Clock | None = None,
        app: AppSpec | None = None,
        port: int = 0,
        enterprise: bool = False,
    ) -> "AsyncIterator[Simulator]":
        """``start`` and ``close`` as a context."""
        simulator = await cls.start(
            directory,
            webhook_secret=webhook_secret,
            webhook_url=webhook_url,
            clock=clock,
            app=app,
            port=port,
            enterprise=enterprise,
        )
        try:
            yield simulator
        finally:
            await simulator.close()

    @property
    def app(self) -> AppSpec:
        """The App as it is now: who registers one from a manifest makes it another."""
        return self.world.app

    @property
    def api_url(self) -> str:
        """The API's URL: the forge's own, but for an Enterprise Server."""
        return f"{self.base_url}{ENTERPRISE_PATH}" if self.world.enterprise else self.base_url

    def check_runs(
        self, repository: Repository, *, head_sha: str | None = None, name: str | None = None
    ) -> list[CheckRun]:
        """The check runs of our App in a repository, oldest first."""
        return [
            check
            for check in self.world.check_runs.values()
            if not check.foreign
            and check.repository is repository
            and head_sha in {None, check.head_sha}
            and name in {None, check.name}
        ]
