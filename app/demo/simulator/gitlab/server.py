"""The simulated GitLab, on loopback, in the asyncio loop of whoever starts it.

::

    async with GitLabSimulator.serve(directory, webhook_secret=secret, webhook_url=url) as sim:
        ada = sim.people.user("ada")
        payments = await sim.people.repository("acme/pay/core", files={"fee.py": "rate = 1"}, roles={ada: Role.WRITE})

``sim.token`` is the bot's, ``sim.people`` is what people do; the rest is as in ``app.demo.simulator.server``.
"""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.demo.simulator.faults import Faults
from app.demo.simulator.git import Git
from app.demo.simulator.gitlab.asgi import GitLabApplication
from app.demo.simulator.gitlab.auth import Tokens
from app.demo.simulator.gitlab.limits import RateLimits
from app.demo.simulator.gitlab.people import GitLabPeople
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.gitlab.state import CommitStatus, GitLabWorld
from app.demo.simulator.gitlab.voice import GitLabVoice
from app.demo.simulator.gitlab.webhooks import ProjectWebhooks
from app.demo.simulator.record import Record
from app.demo.simulator.server import ForgeSimulator, open_ground
from app.demo.simulator.state import Repository
from bot.ports.system import Clock

BOT = "flowforge"


class GitLabSimulator(ForgeSimulator):
    """A running GitLab. Make one with ``start`` or ``serve``."""

    site: GitLabSite
    world: GitLabWorld
    people: GitLabPeople
    webhooks: ProjectWebhooks

    def __init__(self, site: GitLabSite, listener: socket.socket) -> None:
        super().__init__(site, GitLabApplication(site), listener)
        self.people = GitLabPeople(site)
        self.limits = site.limits
        self.token = self.people.token(self.people.account(site.world.bot_login))

    @classmethod
    async def start(
        cls,
        directory: Path,
        *,
        webhook_secret: str,
        webhook_url: str | None = None,
        signing_token: str = "",
        clock: Clock | None = None,
        port: int = 0,
    ) -> "GitLabSimulator":
        """Start on 127.0.0.1. ``directory`` gets the bare repositories, as ``repositories/<group>/<name>.git``.

        ``webhook_secret``, ``webhook_url`` and ``signing_token`` are those of the hooks of projects in which FlowForge
        is set up. With ``webhook_url`` None nothing is sent to them until ``webhooks.url`` is set.
        """
        ground = open_ground(directory, clock, port)
        world = GitLabWorld(bot_login=BOT, clock=ground.clock, base_url=ground.base_url)
        record = Record()
        site = GitLabSite(
            directory=ground.directory,
            world=world,
            git=Git(ground.directory, pull_refs="refs/merge-requests"),
            webhooks=ProjectWebhooks(
                world=world, record=record, secret=webhook_secret, url=webhook_url, signing_token=signing_token
            ),
            tokens=Tokens(world),
            record=record,
            faults=Faults(),
            limits=RateLimits(),
        )
        site.voice = GitLabVoice(site)
        simulator = cls(site, ground.listener)
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
        signing_token: str = "",
        clock: Clock | None = None,
        port: int = 0,
    ) -> "AsyncIterator[GitLabSimulator]":
        """``start`` and ``close`` as a context."""
        simulator = await cls.start(
            directory,
            webhook_secret=webhook_secret,
            webhook_url=webhook_url,
            signing_token=signing_token,
            clock=clock,
            port=port,
        )
        try:
            yield simulator
        finally:
            await simulator.close()

    def statuses(self, repository: Repository, *, sha: str | None = None) -> list[CommitStatus]:
        """The commit statuses of a project, oldest first, also those that no longer count."""
        return self.world.statuses_of(repository, sha)
