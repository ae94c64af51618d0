"""The token that requests are made with: one that stays, or an OAuth token, which is renewed before it ends.

GitLab's OAuth tokens end after two hours. Whoever renews one gets another access token and another refresh token, and
both old ones are void at once: https://docs.gitlab.com/api/oauth2/#authorization-code-flow . So only one process renews
at a time, what it gets is kept before anybody uses it, and all others find it there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec
import requests

from bot.errors import ForgeUnavailableError, SettingsError, StoreUnavailableError, TokenLostError
from bot.forges.gitlab.session import Session, check_base_url
from bot.model.grants import Grant, KeptGrant
from bot.ports.grants import Grants
from bot.ports.system import Clock

EARLY: Final = timedelta(minutes=15)
"""A token is renewed when it has less left: git may take its time over a fetch."""

REFUSED_WAIT: Final = timedelta(minutes=5)
AWAY_WAIT: Final = timedelta(seconds=30)
"""No renewal is tried before that is over, by nobody."""

TURN: Final = timedelta(minutes=2)
"""Longer than an exchange may take, with its time-outs."""

_LIFETIME: Final = 7200
"""Seconds, where GitLab does not say it."""

_GLANCE: Final = 0.5
_GLANCES: Final = 240
"""How often, seconds apart, one looks whether another process is done: for as long as its turn may be."""

_KEEP_AGAIN: Final = (1.0, 2.0, 4.0, 8.0, 16.0, *(30.0,) * 20)
"""Seconds between the tries to keep what GitLab gave: without it, somebody would have to authorize us anew."""

_OK: Final = 200
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500

Sleep = Callable[[float], Awaitable[None]]


class TokenSource(Protocol):
    """Where a client has its token from."""

    async def token(self, *, refused: str | None = None) -> str:
        """A token that is good now, another one than ``refused``, which GitLab did not accept.

        Where there is no other one, it is the same again. Raises ``ForgeUnavailableError``.
        """
        ...

    async def fault(self) -> str:
        """Why the forge gives us no token any more, empty while it does. Raises ``StoreError``."""
        ...

    async def settled(self) -> None:
        """Wait for what must not be broken off."""
        ...


class FixedToken:
    """A project, group or personal access token, or any other that nobody renews."""

    def __init__(self, token: str) -> None:
        """Use this token. Raises ``SettingsError`` where it can be none."""
        self._token = checked(token, "the token")

    async def token(self, *, refused: str | None = None) -> str:
        """The token."""
        del refused
        return self._token

    async def fault(self) -> str:
        """None: only requests show it."""
        return ""

    async def settled(self) -> None:
        """There is nothing to wait for."""


class TokenEndpoint:
    """``POST /oauth/token`` of one GitLab, for one application."""

    def __init__(self, *, base_url: str, client_id: str, client_secret: str, clock: Clock) -> None:
        """Speak as this application. Raises ``SettingsError`` where the address will not do."""
        self._url = f"{check_base_url(base_url)}/oauth/token"
        self._application = {"client_id": client_id, "client_secret": client_secret}
        self._clock = clock

    async def renew(self, refresh: str) -> Grant:
        """Exchange a refresh token for a grant; it is void afterwards.

        Raises:
            TokenLostError: GitLab refuses it, or the application.
            ForgeUnavailableError: no answer came that says anything. The refresh token may be void already.
        """
        form = {**self._application, "grant_type": "refresh_token", "refresh_token": refresh}
        began = self._clock.now()
        try:
            status, body = await asyncio.to_thread(self._post, form)
        except requests.RequestException as error:
            name = type(error).__name__
            raise _away(f"GitLab did not answer POST /oauth/token: {name}") from None
        if status in {_TOO_MANY, *range(_SERVER_ERROR, 600)}:
            raise _away(f"GitLab answered {status} to POST /oauth/token")
        if status != _OK:
            raise _lost(status, body)
        try:
            given = msgspec.json.decode(body, type=_Given)
            access = checked(given.access_token, "GitLab's access token")
            refresh = checked(given.refresh_token, "GitLab's refresh token")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, SettingsError):
            raise _away("GitLab's answer to POST /oauth/token is not as documented") from None
        ends = began + timedelta(seconds=given.expires_in or _LIFETIME)
        return Grant(access=access, refresh=refresh, expires_at=ends)

    def _post(self, form: dict[str, str]) -> tuple[int, bytes]:
        """One exchange, in a thread. What the library raises carries the form with its secrets, and ends here."""
        with Session(self._url) as session, session.post(self._url, data=form) as response:
            return response.status_code, response.content


class OAuthTokens:
    """The tokens of one authorization, renewed in time and when GitLab refuses one.

    Each request looks into the store: what another process was given counts at once, since ours is void by then.
    """

    def __init__(
        self, grants: Grants, endpoint: TokenEndpoint, *, first: str, clock: Clock, sleep: Sleep = asyncio.sleep
    ) -> None:
        """Begin with the refresh token ``first``, as long as nothing was got with it. Raises ``SettingsError``."""
        self._grants = grants
        self._endpoint = endpoint
        self._first = checked(first, "the refresh token")
        self._clock = clock
        self._sleep = sleep
        self._renewals: set[asyncio.Task[None]] = set()

    async def token(self, *, refused: str | None = None) -> str:
        """A token that is good now.

        Raises:
            TokenLostError: GitLab refuses to renew it: somebody has to authorize the application anew.
            ForgeUnavailableError: it ended, and GitLab does not answer, or another process is still at it.
            StoreError: the database does not answer.
        """
        good: str | None = None
        for _ in range(_GLANCES):
            kept, now = await self._grants.read(), self._clock.now()
            good = _good(kept.grant, now, refused=refused)
            if good is not None and kept.grant is not None and now + EARLY < kept.grant.expires_at:
                return good
            if kept.again_at is not None and now < kept.again_at:
                return good or _given_up(kept, kept.again_at - now)
            if await self._grants.take_turn(kept, until=now + TURN):
                await self._finish(self._renew(kept))
            else:
                await self._sleep(_GLANCE)
        return good or _given_up(KeptGrant(), AWAY_WAIT)

    async def fault(self) -> str:
        """Why GitLab renews no token any more, empty while it does, or while the last one is good. For probes."""
        kept = await self._grants.read()
        return "" if _good(kept.grant, self._clock.now(), refused=None) else kept.fault

    async def settled(self) -> None:
        """Wait for renewals that are under way: what GitLab gave has to be kept."""
        await asyncio.gather(*self._renewals, return_exceptions=True)

    async def _finish(self, renewal: Awaitable[None]) -> None:
        """Let a renewal come to its end even where nobody waits for it any more."""
        task = asyncio.ensure_future(renewal)
        self._renewals.add(task)
        task.add_done_callback(self._renewals.discard)
        await asyncio.shield(task)

    async def _renew(self, kept: KeptGrant) -> None:
        refresh = self._first if kept.grant is None else kept.grant.refresh
        try:
            grant = await self._endpoint.renew(refresh)
        except TokenLostError as error:
            await self._grants.failed(kept, fault=str(error), again_at=self._clock.now() + REFUSED_WAIT)
            return
        except ForgeUnavailableError:
            await self._grants.failed(kept, fault="", again_at=self._clock.now() + AWAY_WAIT)
            return
        for pause in _KEEP_AGAIN:
            try:
                await self._grants.keep(kept, grant)
            except StoreUnavailableError:
                await self._sleep(pause)
            else:
                return
        await self._grants.keep(kept, grant)


class _Given(msgspec.Struct, frozen=True, kw_only=True):
    """https://docs.gitlab.com/api/oauth2/#authorization-code-flow ."""

    access_token: str
    refresh_token: str
    expires_in: int | None = None


class _Refusal(msgspec.Struct, frozen=True):
    """https://www.rfc-editor.org/rfc/rfc6749#section-5.2 ."""

    error: str = ""


_WHY: Final = {
    "invalid_grant": "GitLab does not accept the refresh token: it was revoked, or used up by somebody else",
    "invalid_client": "GitLab does not accept the OAuth application's id and secret",
}


def _lost(status: int, body: bytes) -> TokenLostError:
    """A refusal. GitLab's own words may quote what was sent, so only what they are known to say is repeated."""
    try:
        said = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        said = ""
    why = _WHY.get(said, f"GitLab answered {status} to POST /oauth/token")
    return TokenLostError(why, retry_after=REFUSED_WAIT.total_seconds())


def _away(message: str) -> ForgeUnavailableError:
    return ForgeUnavailableError(message, retry_after=AWAY_WAIT.total_seconds())


def _good(grant: Grant | None, now: datetime, *, refused: str | None) -> str | None:
    """The access token, where it still is one."""
    if grant is None or grant.access == refused or grant.expires_at <= now:
        return None
    return grant.access


def _given_up(kept: KeptGrant, wait: timedelta) -> str:
    """Raise what became of it."""
    seconds = max(wait.total_seconds(), 1.0)
    if kept.fault:
        raise TokenLostError(kept.fault, retry_after=seconds)
    raise ForgeUnavailableError("GitLab's OAuth token ended and could not be renewed yet", retry_after=seconds)


def checked(token: str, what: str) -> str:
    """The token, if it can be one. Raises ``SettingsError``; nothing of it is shown."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise SettingsError(f"{what} for GitLab must be printable ASCII without blanks")
    return token
