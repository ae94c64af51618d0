"""Registering the GitHub App: a page on this machine, the way to GitHub and back, the secrets to where they stay."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from app.http.server import bind, serving, url_of
from app.http.setup import BACK_PATH, OPEN_PATH, create_setup
from app.setup import page
from app.setup.keeping import Keeper, Kept
from app.setup.manifest import manifest
from app.setup.session import SetupSession
from bot.errors import FlowForgeError, SettingsError
from bot.forges.github.registration import DOT_COM, Registration, api_url, register
from bot.model.forge import ForgeKind, ForgeName
from bot.ports.system import Clock

HOST: Final = "127.0.0.1"
"""The page is for this machine alone."""

APP: Final = ("flowforge_github_app_id", "flowforge_github_app_slug", "flowforge_github_oauth_client_id")
SERVER: Final = ("flowforge_github_api_url", "flowforge_github_git_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be registered.

    Attributes:
        host: the GitHub, ``https://github.com`` or an Enterprise Server's address.
        organization: whose App it will be, None for the person's own.
        service: the address at which GitHub reaches our web service.
        name: the App's name, None for the usual one.
        forge: the name of its GitHub with us, ``github`` for the first.
    """

    host: str
    organization: str | None
    service: str
    name: str | None
    forge: ForgeName = ForgeKind.GITHUB.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """The App, and where to install it."""

    id: int
    slug: str
    client_id: str
    install: str


class GitHubSetup:
    """The desk of one set-up; ``done`` is how it ended."""

    def __init__(self, plan: Plan, *, back: str, keeper: Keeper, http: httpx.AsyncClient, clock: Clock) -> None:
        """Begin; ``back`` is the address that GitHub sends the browser to."""
        self.session = SetupSession(clock)
        self.done: asyncio.Future[Registered] = asyncio.get_running_loop().create_future()
        self._plan = plan
        self._manifest = manifest(service=plan.service, back=back, forge=plan.forge, name=plan.name)
        self._keeper = keeper
        self._http = http
        self._clock = clock

    def open(self, token: str) -> str:
        """See ``Desk``."""
        return self.session.open(token)

    def form(self, cookie: str | None) -> page.Form:
        """See ``Desk``."""
        state = self.session.state(cookie)
        return page.Form(
            action=f"{new_app_page(self._plan)}?state={quote(state)}",
            manifest=json.dumps(self._manifest),
            facts=_facts(self._plan, self._manifest, self._keeper.place),
        )

    async def answer(self, cookie: str | None, *, state: str | None, code: str | None) -> str:
        """See ``Desk``."""
        self.session.answer(cookie, state)
        try:
            registered = await self._register(code or "")
        except FlowForgeError as error:
            self.done.set_exception(error)
            raise
        except BaseException:
            self.done.set_exception(SettingsError("the set-up broke off"))
            raise
        self.done.set_result(registered)
        return page.done_page(slug=registered.slug, install=registered.install, place=self._keeper.place)

    async def _register(self, code: str) -> Registered:
        made = await register(self._http, base_url=api_url(self._plan.host), code=code, clock=self._clock)
        try:
            await self._keeper.keep(kept(made, self._plan))
        except SettingsError as error:
            raise SettingsError(
                f"GitHub made the App {made.slug}, but its secrets could not be kept: {error}. They are lost: delete "
                f"the App at {made.page} and start again"
            ) from None
        return Registered(
            id=made.id, slug=made.slug, client_id=made.client_id, install=_install_page(self._plan.host, made)
        )


async def set_up(
    plan: Plan, *, keeper: Keeper, http: httpx.AsyncClient, clock: Clock, say_link: Callable[[str], None], port: int = 0
) -> Registered:
    """Serve the page until the App is registered.

    Args:
        plan: what is to be registered.
        keeper: takes the secrets.
        http: the connections to GitHub.
        clock: the time.
        say_link: is told the one link that opens the page.
        port: of the page; 0 takes a free one.

    Raises:
        SettingsError: the secrets could not be kept, the port is taken, or nobody came in time.
        ForgeError: GitHub gave no secrets.
    """
    await keeper.check(names(plan))
    try:
        listener = bind(HOST, port)
    except OSError as error:
        raise SettingsError(f"port {port} cannot be used: {error.strerror}") from None
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(listener.close)
        address = url_of(listener)
        setup = GitHubSetup(plan, back=f"{address}{BACK_PATH}", keeper=keeper, http=http, clock=clock)
        await stack.enter_async_context(serving(create_setup(setup, address=address), listener))
        say_link(f"{address}{OPEN_PATH}/{setup.session.token}")
        while left := setup.session.seconds_left:
            await asyncio.wait({setup.done}, timeout=left)
            if setup.done.done():
                return setup.done.result()
    raise SettingsError("nobody came back from GitHub in time; start again, and delete the App if one was made")


def new_app_page(plan: Plan) -> str:
    """Where GitHub takes a manifest.

    https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
    """
    whose = "" if plan.organization is None else f"organizations/{quote(plan.organization, safe='')}/"
    return f"{plan.host}/{whose}settings/apps/new"


def names(plan: Plan) -> list[str]:
    """The names of all that a registered App makes."""
    if plan.forge != ForgeKind.GITHUB:
        return secret_names(plan.forge)
    return [*secret_names(plan.forge), *APP, *(SERVER if plan.host != DOT_COM else ())]


def secret_names(forge: ForgeName) -> list[str]:
    """The names of an App's secrets."""
    return [key_name(forge), secrets_name(forge), client_name(forge)]


def client_name(forge: ForgeName) -> str:
    """The name of the client secret; that of the first App is a setting's."""
    return f"flowforge_{forge.replace('-', '_')}_oauth_client_secret"


def key_name(forge: ForgeName) -> str:
    """The name of the private key; that of the first App is a setting's."""
    return f"flowforge_{forge.replace('-', '_')}_private_key"


def secrets_name(forge: ForgeName) -> str:
    """The name of the webhook secret; that of the first App is a setting's."""
    return f"flowforge_{forge.replace('-', '_')}_webhook_secrets"


def kept(made: Registration, plan: Plan) -> Kept:
    """The settings that a registered App makes. What is no secret of a further App stands in ``entry``."""
    secret = {
        key_name(plan.forge): made.private_key,
        secrets_name(plan.forge): made.webhook_secret,
        client_name(plan.forge): made.client_secret,
    }
    if plan.forge != ForgeKind.GITHUB:
        return Kept(plain={}, secret=secret)
    plain = {
        "flowforge_github_app_id": str(made.id),
        "flowforge_github_app_slug": made.slug,
        "flowforge_github_oauth_client_id": made.client_id,
        # People sign in there; it is no App's own, so one that is there already is written over.
        "flowforge_public_url": plan.service,
    }
    if plan.host != DOT_COM:
        plain |= {"flowforge_github_api_url": api_url(plan.host), "flowforge_github_git_url": plan.host}
    return Kept(plain=plain, secret=secret)


def chart_values(plan: Plan, registered: Registered, secret: str) -> dict[str, Any]:
    """What the chart has to be told of the first App, whose secrets are in the Secret of that name."""
    known: dict[str, Any] = {
        "appId": registered.id,
        "appSlug": registered.slug,
        "oauthClientId": registered.client_id,
    }
    if plan.host != DOT_COM:
        known |= {"apiUrl": api_url(plan.host), "gitUrl": plan.host}
    return {"publicUrl": plan.service, "github": known, "secrets": {"existingSecret": secret}}


def entry(plan: Plan, registered: Registered, directory: Path, suffix: str) -> dict[str, Any]:
    """A further App as an entry of ``FLOWFORGE_FORGES``: its secrets are files of ``directory``."""
    return {
        "name": plan.forge,
        "kind": ForgeKind.GITHUB.value,
        "url": plan.host,
        "app_id": registered.id,
        "app_slug": registered.slug,
        "private_key_file": str(directory / f"{key_name(plan.forge)}{suffix}"),
        "webhook_secrets_file": str(directory / f"{secrets_name(plan.forge)}{suffix}"),
        "oauth_client_id": registered.client_id,
        "oauth_client_secret_file": str(directory / f"{client_name(plan.forge)}{suffix}"),
    }


def _install_page(host: str, made: Registration) -> str:
    # The link is shown to a person who trusts it: it leads to that GitHub, whatever an answer says.
    return f"{made.page}/installations/new" if made.page.startswith(f"{host}/") else f"{host}/settings/apps"


def _facts(plan: Plan, told: dict[str, Any], place: str) -> list[tuple[str, str]]:
    return [
        ("Name", told["name"]),
        ("GitHub", plan.host),
        ("Owner", plan.organization or "your own account"),
        ("Deliveries go to", told["hook_attributes"]["url"]),
        ("Permissions", ", ".join(f"{name}: {level}" for name, level in told["default_permissions"].items())),
        ("Events", ", ".join(told["default_events"])),
        ("Secrets are kept as", place),
    ]
