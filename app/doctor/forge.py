"""A GitHub: its clock, and what the App was given."""

from typing import Final

import httpx

from app.doctor.model import Check, State, clocks, failed, ok, skipped, warning
from app.forge_settings import GitHubApp, place
from bot.config_keys import SHARED_PATH, SHARED_REPOSITORY
from bot.errors import ForgeError, ForgeRefusedError
from bot.forges.github.app_auth import UNKNOWN_ID
from bot.forges.github.client import GitHubClient
from bot.forges.github.facts import AppFacts, InstallationFacts, app_facts, installation_facts, server_time
from bot.forges.github.forge import GitHubForge
from bot.model.forge import RepositoryRef
from bot.ports.system import Clock

CLOCK: Final = "forge_clock"
APP: Final = "app"
PERMISSIONS: Final = "permissions"
EVENTS: Final = "events"
INSTALLATIONS: Final = "installations"
ORGANISATIONS: Final = "organisations"

_SHOWN: Final = 5
_SETTINGS: Final = "the App's settings on GitHub (Developer settings, GitHub Apps, Permissions & events)"
_UNAUTHORIZED: Final = 401
_AFTER_APP: Final = (PERMISSIONS, EVENTS, INSTALLATIONS, ORGANISATIONS)

_MOST_ACCOUNTS: Final = 50
"""So many accounts are asked for their configuration: each costs two requests."""


async def forge_checks(
    ours: GitHubApp, http: httpx.AsyncClient, client: GitHubClient, clock: Clock, *, required: bool
) -> list[Check]:
    """The clocks first: where they differ, GitHub refuses all else.

    ``required`` says that no job begins where no organisation's configuration can be read.
    """
    time = await _clock(ours, http, clock)
    try:
        app = await app_facts(client)
    except ForgeError as error:
        return [time, _no_app(ours, error, time), *(skipped(name, "the App is not known") for name in _AFTER_APP)]
    installed = await _installations(client)
    if isinstance(installed, Check):
        return [time, _app(ours, app), _permissions(app), _events(app), installed, _unknown()]
    organisations = await _organisations(_forge(ours, client), installed, required=required)
    return [time, _app(ours, app), _permissions(app), _events(app), _accepted(installed), organisations]


def _forge(ours: GitHubApp, client: GitHubClient) -> GitHubForge:
    return GitHubForge(client, app_id=ours.app_id, app_slug=ours.app_slug, git_base_url=ours.git_url, name=ours.name)


async def _clock(ours: GitHubApp, http: httpx.AsyncClient, clock: Clock) -> Check:
    before = clock.now()
    try:
        theirs = await server_time(http, ours.api_url)
    except ForgeError as error:
        return failed(CLOCK, str(error), f"See that this machine reaches {place(ours, 'api_url')}.")
    after = clock.now()
    return clocks(CLOCK, theirs - (before + (after - before) / 2), whose="GitHub's")


def _no_app(ours: GitHubApp, error: ForgeError, time: Check) -> Check:
    if not isinstance(error, ForgeRefusedError):
        return failed(APP, str(error), f"See that this machine reaches {place(ours, 'api_url')}, and try again.")
    if time.state is State.FAILED and error.status == _UNAUTHORIZED:
        return failed(APP, str(error), "Set the clock first: GitHub refuses credentials from another time.")
    return failed(
        APP,
        str(error),
        f"See that {place(ours, 'app_id')} and {place(ours, 'private_key', file=True)} belong to the same App, and "
        "that the key was not removed from the App's settings.",
    )


def _app(ours: GitHubApp, app: AppFacts) -> Check:
    if app.id != ours.app_id:
        return failed(APP, f"the key belongs to App {app.id}", f"Set {place(ours, 'app_id')} to {app.id}.")
    if app.slug != ours.app_slug:
        return failed(
            APP,
            f"the App is called {app.slug!r}, so nobody is understood who says /{ours.app_slug}",
            f"Set {place(ours, 'app_slug')} to {app.slug}.",
        )
    return ok(APP, f"the App is {app.slug}, id {app.id}")


def _permissions(app: AppFacts) -> Check:
    missing, needless = app.grants.missing_permissions(), app.grants.needless_permissions()
    if missing:
        return failed(
            PERMISSIONS,
            f"the App lacks {_listed(missing)}",
            f"Give it {_listed(missing)} in {_SETTINGS}; each account then has to accept that.",
        )
    if needless:
        return warning(
            PERMISSIONS, f"the App has more than it needs: {_listed(needless)}", f"Take that away in {_SETTINGS}."
        )
    return ok(PERMISSIONS, "the App has what it needs, and no more")


def _events(app: AppFacts) -> Check:
    missing = app.grants.missing_events()
    if missing:
        return failed(
            EVENTS, f"GitHub does not send {_listed(missing)}", f"Subscribe to {_listed(missing)} in {_SETTINGS}."
        )
    return ok(EVENTS, "GitHub sends every event that is needed")


async def _installations(client: GitHubClient) -> list[InstallationFacts] | Check:
    try:
        return await installation_facts(client)
    except ForgeError as error:
        return failed(INSTALLATIONS, str(error), "Try again.")


def _unknown() -> Check:
    return skipped(ORGANISATIONS, "the installations are not known")


async def _organisations(forge: GitHubForge, installed: list[InstallationFacts], *, required: bool) -> Check:
    """Whose configuration binds its repositories: an absent file and a hidden one look the same to us."""
    accounts = sorted((one for one in installed if not one.suspended), key=lambda one: one.account)
    bound: list[str] = []
    unbound: list[str] = []
    try:
        for one in accounts[:_MOST_ACCOUNTS]:
            anywhere = RepositoryRef(
                forge=next(iter(forge.names)), id=UNKNOWN_ID, owner=one.account, name="", installation_id=one.id
            )
            (bound if await forge.shared_config(anywhere) else unbound).append(one.account)
    except ForgeError as error:
        return failed(ORGANISATIONS, str(error), "Try again.")
    more = f"; {len(accounts) - _MOST_ACCOUNTS} more were not asked" if len(accounts) > _MOST_ACCOUNTS else ""
    read = f"the configuration of {_listed(bound)} was read" if bound else "no account's configuration was read"
    if not unbound:
        return ok(ORGANISATIONS, f"{read}{more}")
    says = (
        f"{read}; none binds the repositories of {_listed(unbound)}: there is none, or the App may not see it, and "
        f"GitHub does not tell which{more}"
    )
    if not required:
        return ok(ORGANISATIONS, says)
    todo = f"Nothing begins there. Make {SHARED_PATH} in the account's repository {SHARED_REPOSITORY}, and install the "
    return failed(ORGANISATIONS, says, f"{todo}App on that repository too.")


def _accepted(found: list[InstallationFacts]) -> Check:
    behind = sorted(one.account for one in found if _is_behind(one))
    if behind:
        return warning(
            INSTALLATIONS,
            f"not all permissions or events were accepted yet by {_listed(behind)}",
            "An owner of the account accepts them under its settings, Applications, Installed GitHub Apps.",
        )
    if not found:
        return warning(INSTALLATIONS, "the App is installed nowhere", "Install it on an account or organization.")
    return ok(INSTALLATIONS, f"{len(found)} installations have accepted what the App asks for")


def _is_behind(installation: InstallationFacts) -> bool:
    grants = installation.grants
    return not installation.suspended and bool(grants.missing_permissions() or grants.missing_events())


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
