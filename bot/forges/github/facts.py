"""What GitHub says of the App itself, held against what the bot needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from bot.errors import ForgeUnavailableError
from bot.forges.github import answers
from bot.forges.github.app_auth import OPTIONAL_PERMISSIONS, PERMISSIONS
from bot.forges.github.client import GitHubClient
from bot.forges.github.deliveries import DECODED_EVENTS, UNSUBSCRIBED_EVENTS
from bot.forges.github.transport import TIMEOUT, USER_AGENT, check_base_url

_LEVELS: Final = {"read": 1, "write": 2, "admin": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What somebody was given: permissions by name, and the events that are sent."""

    permissions: Mapping[str, str]
    events: frozenset[str]

    def missing_permissions(self) -> list[str]:
        """What the bot needs and was not given, such as ``contents: write``."""
        return [f"{name}: {level}" for name, level in _wanted() if _rank(self.permissions.get(name)) < _rank(level)]

    def needless_permissions(self) -> list[str]:
        """What was given and the bot does not need."""
        wanted = {name: level for may in OPTIONAL_PERMISSIONS.values() for name, level in may.items()} | dict(_wanted())
        given = sorted(self.permissions.items())
        return [f"{name}: {level}" for name, level in given if _rank(level) > _rank(wanted.get(name))]

    def missing_events(self) -> list[str]:
        """Events that the bot works by and that are not sent."""
        return sorted(DECODED_EVENTS - UNSUBSCRIBED_EVENTS - self.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppFacts:
    """The App as GitHub knows it."""

    id: int
    slug: str
    grants: Grants


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationFacts:
    """One installation of the App: an account may be behind in accepting what the App asks for by now."""

    id: int
    account: str
    suspended: bool
    grants: Grants


async def app_facts(client: GitHubClient) -> AppFacts:
    """https://docs.github.com/en/rest/apps/apps#get-the-authenticated-app . Raises as the client does."""
    app = await client.app("/app", answers.OwnApp)
    return AppFacts(id=app.id, slug=app.slug, grants=_grants(app.permissions, app.events))


async def installation_facts(client: GitHubClient) -> list[InstallationFacts]:
    """https://docs.github.com/en/rest/apps/apps#list-installations-for-the-authenticated-app . Raises likewise."""
    found: list[InstallationFacts] = []
    async for page in client.app_pages("/app/installations{?per_page,page}", list[answers.Installation]):
        found += [
            InstallationFacts(
                id=one.id,
                account=str(one.id) if one.account is None else one.account.login,
                suspended=one.suspended_at is not None,
                grants=_grants(one.permissions, one.events),
            )
            for one in page
        ]
    return found


async def server_time(http: httpx.AsyncClient, base_url: str) -> datetime:
    """GitHub's time, to the second, from the ``Date`` of an answer; which answer does not matter.

    Raises:
        ForgeUnavailableError: none came, or it tells no time.
        SettingsError: the base URL will not do.
    """
    try:
        answer = await http.get(
            f"{check_base_url(base_url)}/", headers={"user-agent": USER_AGENT}, timeout=TIMEOUT, follow_redirects=False
        )
        time = parsedate_to_datetime(answer.headers.get("date", ""))
    except httpx.RequestError as error:
        raise ForgeUnavailableError(f"GitHub did not answer: {type(error).__name__}") from None
    except ValueError:
        raise ForgeUnavailableError("GitHub's answer does not tell the time") from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _grants(permissions: Mapping[str, str], events: list[str]) -> Grants:
    return Grants(permissions=dict(permissions), events=frozenset(events))


def _wanted() -> list[tuple[str, str]]:
    """Every permission of any act, at the highest level that one of them needs."""
    wanted: dict[str, str] = {}
    for permissions in PERMISSIONS.values():
        for name, level in permissions.items():
            if _rank(level) > _rank(wanted.get(name)):
                wanted[name] = level
    return sorted(wanted.items())


def _rank(level: str | None) -> int:
    return _LEVELS.get(level or "", 0)
