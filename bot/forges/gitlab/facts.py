"""What GitLab says of the token itself, and of what it reaches."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import parsedate_to_datetime
from typing import Final

from msgspec import Struct

from bot.errors import ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError
from bot.forges.gitlab import answers
from bot.forges.gitlab.client import GitLabClient

_DEVELOPER: Final = 30
"""https://docs.gitlab.com/api/access_requests/#valid-access-levels ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """Whose token it is, and what it may do; ``scopes`` is None where GitLab does not tell, as of OAuth tokens."""

    login: str
    scopes: frozenset[str] | None
    expires_at: datetime | None


class _Token(Struct, frozen=True):
    """https://docs.gitlab.com/api/personal_access_tokens/#retrieve-details-on-a-personal-access-token ."""

    scopes: list[str]
    expires_at: date | None = None


class _Project(Struct, frozen=True):
    id: int


async def server_time(client: GitLabClient) -> datetime:
    """What GitLab's clock says. Raises ``ForgeError``."""
    sent = (await client.head("/user")).get("date", "")
    try:
        return parsedate_to_datetime(sent).astimezone(UTC)
    except ValueError:
        raise ForgeUnavailableError("GitLab's answer does not say what time it is") from None


async def token_facts(client: GitLabClient) -> TokenFacts:
    """What the token is. Raises ``ForgeError``; a refusal says that the token will not do."""
    user = await client.get("/user", answers.User)
    try:
        token = await client.get("/personal_access_tokens/self", _Token)
    except (ForgeRefusedError, ForgeNotFoundError):
        return TokenFacts(login=user.username, scopes=None, expires_at=None)
    # The token ends at midnight UTC of that day.
    ends = None if token.expires_at is None else datetime.combine(token.expires_at, time(), UTC)
    return TokenFacts(login=user.username, scopes=frozenset(token.scopes), expires_at=ends)


async def reaches_projects(client: GitLabClient) -> bool:
    """Whether the token's user may push to any project. Raises ``ForgeError``.

    https://docs.gitlab.com/api/projects/#list-all-projects
    """
    found = await client.get(
        "/projects", list[_Project], membership=True, min_access_level=_DEVELOPER, simple=True, per_page=1
    )
    return bool(found)
