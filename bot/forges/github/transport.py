"""One HTTP exchange with GitHub's API: where it may go, how long it may take, and when it is tried again."""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx
from gidgethub import GitHubException, sansio

from bot.errors import ForgeError, ForgeRefusedError, ForgeUnavailableError, SettingsError
from bot.forges.github.conditional import AnswerKey, KeptAnswers
from bot.forges.github.failures import OUTAGE_WAIT, LimitedError, PassingError, failure
from bot.forges.github.gate import Gate
from bot.forges.github.pacing import GRAPHQL, Sleep
from bot.forges.meter import Meter, result_of
from bot.ports.system import Clock

API_VERSION: Final = "2022-11-28"
"""Supported until 2028 at least, and the only version that older GitHub Enterprise Servers know; what the bot uses is
the same in 2026-03-10. https://docs.github.com/en/rest/about-the-rest-api/api-versions"""

USER_AGENT: Final = "FlowForge"

TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0, pool=60.0)
"""Seconds; the pool's share is long because waiting for a free connection is no failure of GitHub's."""

MOST_CONNECTIONS: Final = 80
"""Of all processes together: below the 100 concurrent requests that GitHub allows.

https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits
"""

BACKOFF: Final = (0.5, 1.0, 2.0)
"""Seconds between the tries of a request that may be repeated."""

_ACCEPT: Final = sansio.accept_format(version="v3")
_SUCCESS: Final = frozenset({200, 201, 202, 204})
_OK: Final = 200
_NOT_MODIFIED: Final = 304
_GONE: Final = frozenset({404, 410})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A success: the decoded JSON (None for an empty body), and whether a list goes on after this page.

    ``cursor`` is where it goes on, for those lists that have one in place of numbered pages.
    """

    data: object
    has_more: bool
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """As whom GitHub is asked: an installation with a token, the App with a JWT, or nobody.

    ``act`` says what the token is for; answers and limits of one installation are never another's.
    """

    installation_id: int | None = None
    act: str = ""
    token: str | None = field(default=None, repr=False)
    jwt: str | None = field(default=None, repr=False)


NOBODY: Final = Asker()


class _Received(NamedTuple):
    """A success as it came, or as it was kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes


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


def graphql_url(base_url: str) -> str:
    """Where GraphQL is: beside version 3 of the API on an Enterprise Server, below the API's root elsewhere.

    https://docs.github.com/en/graphql/guides/forming-calls-with-graphql#the-graphql-endpoint
    https://docs.github.com/en/enterprise-server@3.20/graphql/guides/forming-calls-with-graphql#the-graphql-endpoint
    """
    return f"{base_url.removesuffix('/v3')}/graphql"


def open_http(base_url: str, *, processes: int = 1) -> httpx.AsyncClient:
    """The HTTP client to give to ``GitHubClient``; whoever opens it closes it.

    Proxies of the environment are used as far as the API is not on this machine. One of ``processes`` has its part of
    the connections.
    """
    on_this_machine = _is_loopback(urlsplit(base_url).hostname)
    limits = httpx.Limits(max_connections=max(MOST_CONNECTIONS // processes, 1))
    return httpx.AsyncClient(timeout=TIMEOUT, limits=limits, follow_redirects=False, trust_env=not on_this_machine)


class Transport:
    """GitHub over one ``httpx.AsyncClient``.

    gidgethub fills URL templates, writes headers and reads answers. When to ask and what to do about failures is
    decided here: its own rules know neither ``Retry-After`` nor secondary limits, and it would follow any URL.
    """

    def __init__(
        self, http: httpx.AsyncClient, *, base_url: str, gate: Gate, clock: Clock, sleep: Sleep, meter: Meter
    ) -> None:
        self._base_url = check_base_url(base_url)
        self._http = http
        self._gate = gate
        self._clock = clock
        self._sleep = sleep
        self._meter = meter
        self._kept = KeptAnswers()

    async def call(
        self,
        asker: Asker,
        method: str,
        url: str,
        url_vars: Mapping[str, Any],
        *,
        data: object = b"",
        idempotent: bool,
    ) -> Answer:
        """Make a request and return its answer.

        Args:
            asker: as whom.
            method: the HTTP method.
            url: a path below the base URL, an RFC 6570 template.
            url_vars: what to put into the template; every value is percent-encoded.
            data: the body, to be encoded as JSON; ``b""`` for none.
            idempotent: True when doing it twice is doing it once. Only then it is tried again after a passing failure.

        Raises:
            ForgeUnavailableError: GitHub is away, or answers what is not JSON.
            ForgeLimitedError: GitHub limits us, or we ourselves.
            ForgeRefusedError: GitHub says no.
            ForgeNotFoundError: there is no such thing.
        """
        body = b"" if data == b"" else json.dumps(data).encode("utf-8")
        filled = sansio.format_url(url, url_vars, base_url=self._base_url)
        if not filled.startswith(f"{self._base_url}/"):
            raise ForgeUnavailableError(f"{method} {url} lies outside the API's base URL")
        received = await self._until_answered(asker, method, filled, body, idempotent=idempotent)
        return _read(received, f"{method} {url}")

    async def query(self, asker: Asker, query: str, variables: Mapping[str, object]) -> object:
        """Ask GraphQL, and return the ``data`` of its answer. For what REST does not tell, and for reading only.

        GitHub answers 200 to a query that it refuses, and says why in ``errors``:
        https://docs.github.com/en/graphql/guides/using-graphql-clients

        Raises what ``call`` raises, and ``ForgeRefusedError`` for a query that GitHub refuses in whole or in part.
        """
        body = json.dumps({"query": query, "variables": dict(variables)}).encode("utf-8")
        received = await self._until_answered(asker, GRAPHQL, graphql_url(self._base_url), body, idempotent=True)
        answer = _read(received, GRAPHQL).data
        if not isinstance(answer, dict) or answer.get("errors") or "data" not in answer:
            raise ForgeRefusedError("GitHub refuses the query in GraphQL", status=received.status)
        return answer["data"]

    async def _until_answered(
        self, asker: Asker, method: str, url: str, body: bytes, *, idempotent: bool
    ) -> "_Received":
        for pause in BACKOFF if idempotent else ():
            try:
                return await self._once(asker, method, url, body)
            except PassingError:
                await self._sleep(pause)
        return await self._once(asker, method, url, body)

    async def _once(self, asker: Asker, method: str, url: str, body: bytes) -> _Received:
        headers = sansio.create_headers(USER_AGENT, accept=_ACCEPT, oauth_token=asker.token, jwt=asker.jwt)
        headers["x-github-api-version"] = API_VERSION
        headers["content-length"] = str(len(body))
        if body:
            headers["content-type"] = "application/json; charset=utf-8"
        key = AnswerKey(installation_id=asker.installation_id, act=asker.act, method=method, url=url, accept=_ACCEPT)
        kept = self._kept.find(key) if method == "GET" else None
        if kept is not None:
            headers["if-none-match"] = kept.etag
        async with self._gate.admitted(asker.installation_id, method):
            response = await self._exchange(method, url, headers, body)
        self._gate.learn(asker.installation_id, response.headers)
        if response.status_code == _NOT_MODIFIED and kept is not None:
            self._count(asker, method, response.status_code)
            return _Received(200, kept.headers, kept.body)
        if response.status_code not in _SUCCESS:
            if response.status_code in _GONE:
                self._kept.drop(key)
            raise self._failed(asker, method, url, response)
        self._count(asker, method, response.status_code)
        # gidgethub would read rate limits into one number for all installations, and fail where they are malformed.
        told = {name: response.headers[name] for name in ("content-type", "link") if name in response.headers}
        if method == "GET" and response.status_code == _OK:
            self._kept.keep(key, etag=response.headers.get("etag"), headers=told, body=response.content)
        return _Received(response.status_code, told, response.content)

    async def _exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> httpx.Response:
        try:
            return await self._http.request(
                "POST" if method == GRAPHQL else method,
                url,
                headers=dict(headers),
                content=body,
                follow_redirects=False,
                timeout=TIMEOUT,
            )
        except (httpx.RequestError, httpx.InvalidURL) as error:
            self._meter.answered(method, "none")
            # The exception itself carries the request with its credential: only its name goes on.
            what, name = f"{method} {urlsplit(url).path}", type(error).__name__
            raise PassingError(f"GitHub did not answer {what}: {name}", retry_after=OUTAGE_WAIT) from None

    def _count(self, asker: Asker, method: str, status: int) -> None:
        self._gate.answered(asker.installation_id)
        self._meter.answered(method, result_of(status))

    def _failed(self, asker: Asker, method: str, url: str, response: httpx.Response) -> ForgeError:
        what = f"{method} {urlsplit(url).path}"
        error = failure(what, response.status_code, response.headers, response.content, now=self._clock.now())
        if isinstance(error, LimitedError):
            self._meter.answered(method, "limited")
            return self._gate.close(asker.installation_id, error)
        self._count(asker, method, response.status_code)
        return error


def _read(received: _Received, what: str) -> Answer:
    try:
        data, _, more = sansio.decipher_response(received.status, received.headers, received.body)
    except (GitHubException, ValueError, LookupError, RecursionError):
        # A success whose body gidgethub cannot read: some proxy's page, or half an answer.
        raise ForgeUnavailableError(f"GitHub's answer to {what} is not JSON", retry_after=OUTAGE_WAIT) from None
    return Answer(data=data, has_more=more is not None, cursor=_cursor(more))


def _cursor(url: str | None) -> str | None:
    """The cursor in a link to the next page; the link itself is never dialled."""
    if url is None:
        return None
    try:
        found = parse_qs(urlsplit(url).query).get("cursor")
    except ValueError:
        return None
    return found[0] if found else None


def _is_loopback(host: str | None) -> bool:
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
