"""Look an installation over: settings, database, Redis, forges, gateway, backend, and whether sandboxes are sealed."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, assert_never

from app.doctor import forge, gitlab, sandboxes, stores
from app.doctor.model import Check, failed, ok, skipped
from app.forge_settings import ForgeSettings, GitHubApp, GitLabHost
from app.grants import gitlab_tokens
from app.isolation import Prove, prover_of
from app.jobs.queue import open_pool
from app.settings import ServiceSettings
from app.store.database import SqlStore
from app.system import SystemClock, SystemIds, SystemTimer
from app.wiring_sandboxes import open_runner
from bot.errors import SettingsError, StoreError
from bot.forges.github.client import GitHubClient
from bot.forges.github.transport import open_http
from bot.forges.gitlab.client import GitLabClient
from bot.ports.system import Clock

SETTINGS: Final = "settings"

_STORE: Final = (stores.DATABASE, stores.MIGRATIONS, stores.DATABASE_CLOCK, stores.PAUSES)
_REDIS: Final = (stores.REDIS, stores.PERSISTENCE)
_GITHUB: Final = (forge.CLOCK, forge.APP, forge.PERMISSIONS, forge.EVENTS, forge.INSTALLATIONS, forge.ORGANISATIONS)
_GITLAB: Final = (forge.CLOCK, gitlab.TOKEN, gitlab.PROJECTS)
_BACKEND: Final = (sandboxes.BACKEND, sandboxes.RIGHTS, sandboxes.CLAUDE_CODE, sandboxes.ISOLATION)
ALWAYS: Final = (SETTINGS, *_STORE, *_REDIS, sandboxes.GATEWAY, sandboxes.IMAGE, *_BACKEND)
"""The checks of every installation, in the order of the report; those of each forge come behind Redis'."""

NAMES: Final = tuple(dict.fromkeys((*ALWAYS, *_GITHUB, *_GITLAB)))
"""Every check there is."""

Settings = Callable[[], ServiceSettings]


async def examine(load: Settings, *, probe: bool, clock: Clock | None = None) -> list[Check]:
    """Every check, those of one forge after those of the other.

    Args:
        load: reads the settings.
        probe: whether a probe sandbox is started.
        clock: the machine's, unless given.
    """
    try:
        settings = load()
    except SettingsError as error:
        return [_wrong(SETTINGS, error), *(skipped(name, "the settings are wrong") for name in ALWAYS[1:])]
    known = clock or SystemClock()
    groups = await asyncio.gather(
        _group(_STORE, lambda: _database(settings, known)),
        _group(_REDIS, lambda: _redis(settings)),
        _forges(settings, known),
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


async def _forges(settings: ServiceSettings, clock: Clock) -> list[Check]:
    groups = await asyncio.gather(*(_forge(ours, settings, clock) for ours in settings.configured_forges))
    return [check for group in groups for check in group]


async def _forge(ours: ForgeSettings, settings: ServiceSettings, clock: Clock) -> list[Check]:
    match ours:
        case GitHubApp():
            checks = await _group(_GITHUB, lambda: _github(ours, settings, clock))
        case GitLabHost():
            checks = await _group(_GITLAB, lambda: _gitlab(ours, settings, clock))
        case _:
            assert_never(ours)
    return [replace(check, forge=ours.name) for check in checks]


async def _github(ours: GitHubApp, settings: ServiceSettings, clock: Clock) -> list[Check]:
    async with open_http(ours.api_url) as http:
        client = GitHubClient(
            http,
            base_url=ours.api_url,
            app_id=ours.app_id,
            private_key_pem=ours.private_key.get_secret_value(),
            clock=clock,
        )
        return await forge.forge_checks(ours, http, client, clock, required=settings.require_organisation_config)


async def _gitlab(ours: GitLabHost, settings: ServiceSettings, clock: Clock) -> list[Check]:
    store = SqlStore.open(settings.database_url.get_secret_value(), clock, SystemIds(), limits=settings.database_limits)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        tokens = gitlab_tokens(ours, store, clock, SystemTimer())
        stack.push_async_callback(tokens.settled)
        client = stack.enter_context(contextlib.closing(GitLabClient(base_url=ours.url, token=tokens, clock=clock)))
        return await gitlab.gitlab_checks(ours, client, clock)


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
