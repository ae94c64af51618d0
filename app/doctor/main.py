"""Look an installation over: settings, database, Redis, GitHub, gateway, backend, and whether sandboxes are sealed."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable
from typing import Final

from app.doctor import forge, sandboxes, stores
from app.doctor.model import Check, failed, ok, skipped
from app.isolation import Prove, prover_of
from app.jobs.queue import open_pool
from app.settings import ServiceSettings
from app.store.database import SqlStore
from app.system import SystemClock, SystemIds
from app.wiring_sandboxes import open_runner
from bot.errors import SettingsError, StoreError
from bot.forges.github.client import GitHubClient
from bot.forges.github.transport import open_http
from bot.ports.system import Clock

SETTINGS: Final = "settings"

_STORE: Final = (stores.DATABASE, stores.MIGRATIONS, stores.DATABASE_CLOCK)
_REDIS: Final = (stores.REDIS, stores.PERSISTENCE)
_FORGE: Final = (forge.CLOCK, forge.APP, forge.PERMISSIONS, forge.EVENTS, forge.INSTALLATIONS)
_BACKEND: Final = (sandboxes.BACKEND, sandboxes.RIGHTS, sandboxes.CLAUDE_CODE, sandboxes.ISOLATION)
NAMES: Final = (SETTINGS, *_STORE, *_REDIS, *_FORGE, sandboxes.GATEWAY, sandboxes.IMAGE, *_BACKEND)
"""Every check, in the order of the report."""

Settings = Callable[[], ServiceSettings]


async def examine(load: Settings, *, probe: bool, clock: Clock | None = None) -> list[Check]:
    """Every check, in the order of ``NAMES``.

    Args:
        load: reads the settings.
        probe: whether a probe sandbox is started.
        clock: the machine's, unless given.
    """
    try:
        settings = load()
    except SettingsError as error:
        return [_wrong(SETTINGS, error), *(skipped(name, "the settings are wrong") for name in NAMES[1:])]
    known = clock or SystemClock()
    groups = await asyncio.gather(
        _group(_STORE, lambda: _database(settings, known)),
        _group(_REDIS, lambda: _redis(settings)),
        _group(_FORGE, lambda: _forge(settings, known)),
        sandboxes.gateway_check(settings),
        _group(_BACKEND, lambda: _backend(settings, known, probe=probe)),
    )
    database, redis, app, gateway, backend = groups
    image = sandboxes.image_check(settings)
    return [ok(SETTINGS, "the settings can be read"), *database, *redis, *app, gateway, image, *backend]


def _wrong(name: str, error: SettingsError) -> Check:
    return failed(name, str(error), "Correct what is named; docs/settings.md has every setting.")


async def _group(names: tuple[str, ...], look: Callable[[], Awaitable[list[Check]]]) -> list[Check]:
    """The checks of one part; where it cannot even be opened, the first one says why."""
    try:
        return await look()
    except SettingsError as error:
        return [_wrong(names[0], error), *(skipped(name, "it cannot be opened") for name in names[1:])]


async def _database(settings: ServiceSettings, clock: Clock) -> list[Check]:
    store = SqlStore.open(settings.database_url.get_secret_value(), clock, SystemIds(), limits=settings.database_limits)
    try:
        return await stores.database_checks(store, clock)
    finally:
        await store.close()


async def _redis(settings: ServiceSettings) -> list[Check]:
    redis = open_pool(settings.redis_url.get_secret_value())
    try:
        return await stores.redis_checks(redis)
    finally:
        await redis.aclose()


async def _forge(settings: ServiceSettings, clock: Clock) -> list[Check]:
    async with open_http(settings.github_api_url) as http:
        client = GitHubClient(
            http,
            base_url=settings.github_api_url,
            app_id=settings.github_app_id,
            private_key_pem=settings.github_private_key.get_secret_value(),
            clock=clock,
        )
        return await forge.forge_checks(settings, http, client, clock)


async def _instance(store: SqlStore) -> str:
    """The installation's name. Without its database, which another check is about, the probe's sandbox has its own."""
    try:
        return await store.instance_id()
    except StoreError:
        return SystemIds().new_id()


async def _backend(settings: ServiceSettings, clock: Clock, *, probe: bool) -> list[Check]:
    async with contextlib.AsyncExitStack() as stack:
        store = SqlStore.open(
            settings.database_url.get_secret_value(), clock, SystemIds(), limits=settings.database_limits
        )
        stack.push_async_callback(store.close)
        runner = await open_runner(settings, stack, instance=functools.partial(_instance, store))
        there = await sandboxes.backend_checks(runner)
        prove: Prove | None = prover_of(settings, runner, store=store, clock=clock, ids=SystemIds()) if probe else None
        return [*there, *await sandboxes.isolation_checks(settings, runner, prove)]
