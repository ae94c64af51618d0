"""The configured forges, opened: adapters behind one router for the workers, doors for what they deliver."""

import contextlib
from dataclasses import dataclass
from typing import assert_never

from app.forge_meter import ForgeMeter
from app.forge_settings import ForgeSettings, GitHubApp, GitLabHost
from app.grants import gitlab_tokens
from app.http.webhooks import Door
from app.settings import ServiceSettings
from app.store.database import SqlStore
from bot.forges.github import deliveries as github_deliveries
from bot.forges.github.client import GitHubClient
from bot.forges.github.forge import GitHubForge
from bot.forges.github.transport import open_http
from bot.forges.gitlab import deliveries as gitlab_deliveries
from bot.forges.gitlab.client import GitLabClient
from bot.forges.gitlab.forge import GitLabForge
from bot.forges.router import ForgeRouter
from bot.ports.forge import Forge
from bot.ports.system import Clock, Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opening:
    """What adapters are opened with, and ``stack``, which closes them."""

    settings: ServiceSettings
    store: SqlStore
    clock: Clock
    timer: Timer
    stack: contextlib.AsyncExitStack


async def open_forges(
    settings: ServiceSettings, store: SqlStore, clock: Clock, timer: Timer, stack: contextlib.AsyncExitStack
) -> ForgeRouter:
    """Every configured forge behind one door; ``stack`` closes their connections. ``store`` has the OAuth grants.

    Raises:
        SettingsError: one cannot be reached with what the settings say.
    """
    opening = _Opening(settings=settings, store=store, clock=clock, timer=timer, stack=stack)
    return ForgeRouter([await _open(forge, opening) for forge in settings.configured_forges])


async def _open(forge: ForgeSettings, opening: _Opening) -> Forge:
    match forge:
        case GitHubApp():
            return await _github(forge, opening)
        case GitLabHost():
            return _gitlab(forge, opening)
        case _:
            assert_never(forge)


async def _github(app: GitHubApp, opening: _Opening) -> GitHubForge:
    processes, clock, timer = opening.settings.forge_processes, opening.clock, opening.timer
    http = await opening.stack.enter_async_context(open_http(app.api_url, processes=processes))
    client = GitHubClient(
        http,
        base_url=app.api_url,
        app_id=app.app_id,
        private_key_pem=app.private_key.get_secret_value(),
        clock=clock,
        sleep=timer.sleep,
        monotonic=timer.monotonic,
        processes=processes,
        meter=ForgeMeter(app.name),
    )
    return GitHubForge(client, app_id=app.app_id, app_slug=app.app_slug, git_base_url=app.git_url, name=app.name)


def _gitlab(host: GitLabHost, opening: _Opening) -> GitLabForge:
    clock, timer, public_url = opening.clock, opening.timer, opening.settings.public_url
    tokens = gitlab_tokens(host, opening.store, clock, timer)
    opening.stack.push_async_callback(tokens.settled)
    client = GitLabClient(base_url=host.url, token=tokens, clock=clock, sleep=timer.sleep, meter=ForgeMeter(host.name))
    opening.stack.callback(client.close)
    hooks = None if public_url is None else f"{public_url}/webhooks/{host.name}"
    return GitLabForge(client, name=host.name, webhook_url=hooks, clock=clock, sleep=timer.sleep)


def doors(settings: ServiceSettings, clock: Clock) -> tuple[Door, ...]:
    """A door for each configured forge, which opens to its own secrets alone.

    Raises:
        SettingsError: a webhook secret will not do.
    """
    return tuple(_door(forge, clock) for forge in settings.configured_forges)


def _door(forge: ForgeSettings, clock: Clock) -> Door:
    secrets = [secret.get_secret_value().encode() for secret in forge.webhook_secrets]
    match forge:
        case GitHubApp():
            return Door(
                forge=forge.name,
                verify=github_deliveries.SignatureVerifier(secrets).verify,
                identify=github_deliveries.identify,
                events=github_deliveries.DECODED_EVENTS,
            )
        case GitLabHost():
            return Door(
                forge=forge.name,
                verify=gitlab_deliveries.SignatureVerifier(secrets, clock=clock).verify,
                identify=gitlab_deliveries.identify,
                events=gitlab_deliveries.DECODED_EVENTS,
                always_well=True,
            )
        case _:
            assert_never(forge)
