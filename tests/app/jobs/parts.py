"""Instances without a forge: settings that name nothing real but the database and Redis, and ticks of a test's own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from app.demo.simulator.settings import AppSpec
from app.jobs.worker import BoundSweep, Ticks
from app.processes import working
from app.settings import Environment, ServiceSettings
from app.wiring import FlowForge, open_flowforge

KEY = AppSpec().private_key_pem
WEBHOOK_SECRET = "a webhook secret of these tests"
NOWHERE = "http://127.0.0.1:9"
WAIT = 60.0


def settings_of(directory: Path, *, database_url: str, redis_url: str, **changes: Any) -> ServiceSettings:
    values: dict[str, Any] = {
        "environment": Environment.DEVELOPMENT,
        "data_dir": directory / "data",
        "database_url": SecretStr(database_url),
        "redis_url": SecretStr(redis_url),
        "gateway_url": NOWHERE,
        "github_api_url": NOWHERE,
        "github_git_url": NOWHERE,
        "github_app_id": 1,
        "github_app_slug": "flowforge",
        "github_private_key": SecretStr(KEY),
        "github_webhook_secrets": (SecretStr(WEBHOOK_SECRET),),
    }
    return ServiceSettings.model_validate(values | changes)


@dataclass(slots=True, kw_only=True)
class Workshop:
    """A worker at work, whose ticks of the kind ``probe`` do what the test says."""

    instance: FlowForge
    seen: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)
    swept: "asyncio.Queue[None]" = field(default_factory=asyncio.Queue)
    does: Callable[[str], Awaitable[None]] | None = None
    sweeps: Callable[[], Awaitable[None]] | None = None

    async def on_probe(self, key: str) -> None:
        self.seen.put_nowait(key)
        if self.does is not None:
            await self.does(key)

    async def on_sweep(self) -> None:
        self.swept.put_nowait(None)
        if self.sweeps is not None:
            await self.sweeps()

    async def next(self) -> str:
        async with asyncio.timeout(WAIT):
            return await self.seen.get()

    async def next_sweep(self) -> None:
        async with asyncio.timeout(WAIT):
            await self.swept.get()


@contextlib.asynccontextmanager
async def workshop(directory: Path, redis_url: str) -> AsyncIterator[Workshop]:
    """An instance whose worker is not at work yet; ``at_work`` starts it."""
    (directory / "data").mkdir(exist_ok=True)
    settings = settings_of(directory, database_url=f"sqlite:///{directory / 'unused.db'}", redis_url=redis_url)
    async with open_flowforge(settings, worker="test") as instance:
        shop = Workshop(instance=instance)
        sweep = BoundSweep(name="probe", every=timedelta(seconds=15), run=shop.on_sweep)
        shop.instance = replace(instance, ticks=Ticks(on={"probe": shop.on_probe}, sweeps=(sweep,)))
        yield shop


@contextlib.asynccontextmanager
async def at_work(shop: Workshop) -> AsyncIterator[None]:
    """The worker runs, and has swept once."""
    async with working(shop.instance):
        await shop.next_sweep()
        yield
