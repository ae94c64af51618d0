"""The parts of the simulator in one place, for the endpoints and the people."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.demo.simulator.app_auth import Credentials
from app.demo.simulator.faults import Faults
from app.demo.simulator.git import Git
from app.demo.simulator.limits import RateLimits
from app.demo.simulator.oauth import OAuthDesk
from app.demo.simulator.record import Record
from app.demo.simulator.state import GitHubWorld, World
from app.demo.simulator.voice import Voice
from app.demo.simulator.webhooks import AppWebhooks, Webhooks

PullNumbers = tuple[int, int, int, int]


@dataclass(slots=True, kw_only=True)
class Site:
    """What an act needs on any forge. ``numbers`` caches the sizes of pull requests by base and head.

    ``voice`` is set right after the making: it speaks of the site it belongs to.
    """

    directory: Path
    world: World
    git: Git
    webhooks: Webhooks
    record: Record
    faults: Faults
    voice: Voice = field(init=False)
    oauth: OAuthDesk = field(init=False)
    numbers: dict[tuple[str, str], PullNumbers] = field(default_factory=dict)
    errors: list[BaseException] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.oauth = OAuthDesk(world=self.world)

    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> None:
        """Run something in the background; a failure is kept in ``errors``."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.errors.append(error)

    async def close(self) -> None:
        """End what runs in the background."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.webhooks.close()


@dataclass(slots=True, kw_only=True)
class GitHubSite(Site):
    """Everything an endpoint of GitHub may need.

    ``pending_apps`` are manifests that a person has confirmed, by the code that is worth the App's secrets.
    """

    world: GitHubWorld
    webhooks: AppWebhooks
    credentials: Credentials
    limits: RateLimits
    pending_apps: dict[str, dict[str, Any]] = field(default_factory=dict)
