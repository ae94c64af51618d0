"""One HTTP exchange with GitHub's API: where it may go, how long it may take, and when it is tried again."""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from gidgethub import GitHubException
from gidgethub.abc import GitHubAPI
from gidgethub.sansio import accept_format

from bot.errors import ForgeError, ForgeUnavailableError, SettingsError
from bot.forges.github.failures import OUTAGE_WAIT, PassingError, failure
from bot.ports.system import Clock

API_VERSION: Final = "2022-11-28"
"""Supported until 2028 at least, and the only version that older GitHub Enterprise Servers know; what the bot uses is
the same in 2026-03-10. https://docs.github.com/en/rest/about-the-rest-api/api-versions"""

USER_AGENT: Final = "FlowForge"

TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0, pool=60.0)
"""Seconds; the pool's share is long because waiting for a free connection is no failure of GitHub's."""

LIMITS: Final = httpx.Limits(max_connections=50)
"""Well below the 100 concurrent requests that GitHub allows.

https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits
"""

BACKOFF: Final = (0.5, 1.0, 2.0)
"""Seconds between the tries of a request that may be repeated."""

_ACCEPT: Final = accept_format(version="v3")
_SUCCESS: Final = frozenset({200, 201, 202, 204})

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A success: the decoded JSON (None for an empty body), and whether a list goes on after this page."""

    data: object
    has_more: bool


def check_base_url(url: str) -> str:
    """The base URL of an API or of git without a trailing slash.

    Raises:
        SettingsError: it is no plain https URL; http will do for the loopback interface only.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it is what checks it
    except ValueError:
        raise SettingsError("GitHub's base URL is not a URL") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise SettingsError("GitHub's base URL must begin with https:// (http:// only on the loopback interface)")
    if not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment or "{" in url:
        raise SettingsError("GitHub's base URL must be a host and a path, without user, query or fragment")
    return url.rstrip("/")


def open_http(base_url: str) -> httpx.AsyncClient:
    """The HTTP client to give to ``GitHubClient``; whoever opens it closes it.

    Proxies of the environment are used as far as the API is not on this machine.
    """
    on_this_machine = _is_loopback(urlsplit(base_url).hostname)
    return httpx.AsyncClient(timeout=TIMEOUT, limits=LIMITS, follow_redirects=False, trust_env=not on_this_machine)


class Transport(GitHubAPI):
    """gidgethub's view of GitHub over one ``httpx.AsyncClient``.

    gidgethub fills URL templates, writes headers and reads answers. What to do about failures is decided here: its own
    rules know neither ``Retry-After`` nor secondary limits, and it would follow any URL.
    """

    def __init__(self, http: httpx.AsyncClient, *, base_url: str, clock: Clock, sleep: Sleep) -> None:
        super().__init__(USER_AGENT, base_url=check_base_url(base_url))
        self._http = http
        self._clock = clock
        self._sleep = sleep

    async def call(
        self,
        method: str,
        url: str,
        url_vars: Mapping[str, Any],
        *,
        data: object = b"",
        jwt: str | None = None,
        token: str | None = None,
        idempotent: bool,
    ) -> Answer:
        """Make a request and return its answer.

        Args:
            method: the HTTP method.
            url: a path below the base URL, an RFC 6570 template.
            url_vars: what to put into the template; every value is percent-encoded.
            data: the body, to be encoded as JSON; ``b""`` for none.
            jwt: the App's own credential, or
            token: an installation's; neither for what everybody may read.
            idempotent: True when doing it twice is doing it once. Only then it is tried again after a passing failure.

        Raises:
            ForgeUnavailableError: GitHub is away, limits us, or answers what is not JSON.
            ForgeRefusedError: GitHub says no.
            ForgeNotFoundError: there is no such thing.
        """
        for pause in BACKOFF if idempotent else ():
            try:
                return await self._once(method, url, url_vars, data=data, jwt=jwt, token=token)
            except PassingError:
                await self.sleep(pause)
        return await self._once(method, url, url_vars, data=data, jwt=jwt, token=token)

    async def _once(
        self,
        method: str,
        url: str,
        url_vars: Mapping[str, Any],
        *,
        data: object,
        jwt: str | None,
        token: str | None,
    ) -> Answer:
        try:
            answer, more, _ = await self._make_request(
                method,
                url,
                url_vars,
                data,
                _ACCEPT,
                jwt=jwt,
                oauth_token=token,
                extra_headers={"x-github-api-version": API_VERSION},
            )
        except ForgeError:
            raise
        except (GitHubException, ValueError, LookupError, RecursionError):
            # A success whose body gidgethub cannot read: some proxy's page, or half an answer.
            raise ForgeUnavailableError(
                f"GitHub's answer to {method} {url} is not JSON", retry_after=OUTAGE_WAIT
            ) from None
        return Answer(data=answer, has_more=more is not None)

    async def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes = b"",
    ) -> tuple[int, Mapping[str, str], bytes]:
        what = f"{method} {urlsplit(url).path}"
        if not url.startswith(f"{self.base_url}/"):
            raise ForgeUnavailableError(f"{what} lies outside the API's base URL")
        try:
            response = await self._http.request(
                method,
                url,
                headers=dict(headers),
                content=body,
                follow_redirects=False,
                timeout=TIMEOUT,
            )
        except (httpx.RequestError, httpx.InvalidURL) as error:
            # The exception itself carries the request with its credential: only its name goes on.
            name = type(error).__name__
            raise PassingError(f"GitHub did not answer {what}: {name}", retry_after=OUTAGE_WAIT) from None
        if response.status_code not in _SUCCESS:
            raise failure(what, response.status_code, response.headers, response.content, now=self._clock.now())
        # gidgethub would read rate limits into one number for all installations, and fail where they are malformed.
        kept = {name: response.headers[name] for name in ("content-type", "link") if name in response.headers}
        return response.status_code, kept, response.content

    async def sleep(self, seconds: float) -> None:
        """Wait, by the sleep that was given at construction."""
        await self._sleep(seconds)


def _is_loopback(host: str | None) -> bool:
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
