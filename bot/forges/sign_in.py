"""Who somebody is, by the OAuth authorization code flow: what is the same on every forge.

https://www.rfc-editor.org/rfc/rfc6749#section-4.1, with PKCE: https://www.rfc-editor.org/rfc/rfc7636 . Codes, tokens
and the client's secret are in bodies and headers only, and in no error: what a failed request held is never told.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx

from bot.errors import ForgeRefusedError, ForgeUnavailableError
from bot.model.forge import Actor, ForgeName

TIMEOUT: Final = httpx.Timeout(8.0)
"""A person waits for it."""

_MOST: Final = 256 * 1024
"""An answer that is larger is none of these."""

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What a forge knows our sign-in by: its name may be seen, its secret not."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where one forge has what the flow needs.

    Attributes:
        authorize: the page in the browser.
        token: where a code becomes a token.
        user: who the token belongs to.
        login: the name of the field with a person's login.
        scope: what is asked for; None where the App's registration says it.
    """

    authorize: str
    token: str
    user: str
    login: str
    scope: str | None


Forget = Callable[[httpx.AsyncClient, str], Awaitable[object]]
"""Asks the forge to forget a token."""


class CodeFlow:
    """``SignIn`` on one forge."""

    def __init__(
        self, forge: ForgeName, *, places: Places, client: Client, http: httpx.AsyncClient, forget: Forget
    ) -> None:
        """Ask by ``http``, which follows no redirects; ``forget`` tells the forge to forget the token."""
        self.forge = forge
        self._places = places
        self._client = client
        self._http = http
        self._forget = forget

    def address(self, *, state: str, challenge: str, back: str) -> str:
        """See ``SignIn``."""
        query = {
            "client_id": self._client.id,
            "redirect_uri": back,
            "response_type": "code",
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({} if self._places.scope is None else {"scope": self._places.scope}),
        }
        return f"{self._places.authorize}?{urlencode(query)}"

    async def person(self, *, code: str, verifier: str, back: str) -> Actor:
        """See ``SignIn``."""
        token = await self._token(code, verifier, back)
        try:
            told = await self._asked("GET", self._places.user, headers={"authorization": f"Bearer {token}"})
        finally:
            await self._forgotten(token)
        id_, login = told.get("id"), told.get(self._places.login)
        if not isinstance(id_, int) or isinstance(id_, bool) or id_ < 1 or not isinstance(login, str) or not login:
            raise ForgeUnavailableError(f"{self.forge} did not say who signed in")
        return Actor(id=id_, login=login)

    async def _token(self, code: str, verifier: str, back: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "client_id": self._client.id,
            "client_secret": self._client.secret,
            "code": code,
            "redirect_uri": back,
            "code_verifier": verifier,
        }
        told = await self._asked("POST", self._places.token, data=form)
        token = told.get("access_token")
        if isinstance(token, str) and token:
            return token
        # GitHub says so with status 200.
        raise ForgeRefusedError(f"{self.forge} does not take this sign-in", status=HTTPStatus.BAD_REQUEST)

    async def _asked(
        self, method: str, url: str, *, headers: dict[str, str] | None = None, data: dict[str, str] | None = None
    ) -> dict[str, Any]:
        sent = {"accept": "application/json", **(headers or {})}
        try:
            answer = await self._http.request(method, url, headers=sent, data=data)
        except httpx.HTTPError as error:
            raise ForgeUnavailableError(f"{self.forge} did not answer: {type(error).__name__}") from None
        if answer.status_code in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise ForgeRefusedError(f"{self.forge} does not take this sign-in", status=answer.status_code)
        try:
            told = answer.json() if answer.is_success and len(answer.content) <= _MOST else None
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise ForgeUnavailableError(f"{self.forge} answered the sign-in with status {answer.status_code}")
        return told

    async def _forgotten(self, token: str) -> None:
        """As far as the forge does it: the token is kept nowhere, and ends by itself."""
        try:
            await self._forget(self._http, token)
        except httpx.HTTPError:
            return


def open_sign_in_http(url: str) -> httpx.AsyncClient:
    """The client for a sign-in at ``url``; whoever opens it closes it.

    Proxies of the environment are used as far as the forge is not on this machine.
    """
    limits = httpx.Limits(max_connections=8)
    return httpx.AsyncClient(
        timeout=TIMEOUT, limits=limits, follow_redirects=False, trust_env=urlsplit(url).hostname not in _LOOPBACK
    )
