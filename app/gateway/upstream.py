"""The model API: one fixed address, one credential, a few headers each way."""

from typing import Final

import httpx

from app.gateway.policy import Endpoint, GatewayPolicy, Headers

_UP: Final = frozenset({"accept", "anthropic-beta", "anthropic-version", "user-agent", "x-app"})
_DOWN: Final = frozenset({"content-type", "request-id", "retry-after", "retry-after-ms", "x-should-retry"})
_MAX_ERROR: Final = 64 * 1024
_HIDDEN: Final = b"<hidden>"


class ModelApi:
    """Makes calls of the model API. Holds the only copy of the model key, and never shows it."""

    def __init__(self, *, http: httpx.AsyncClient, base_url: str, api_key: str, policy: GatewayPolicy) -> None:
        self._http = http
        self._key = api_key
        # The addresses are fixed here once; no part of a request ever gets into them.
        self._urls = {endpoint: httpx.URL(base_url.rstrip("/") + endpoint.value) for endpoint in Endpoint}
        timeout = httpx.Timeout(policy.read_seconds, connect=policy.connect_seconds, pool=policy.connect_seconds)
        self._timeout = timeout.as_dict()

    def __repr__(self) -> str:
        return f"ModelApi({self._urls[Endpoint.CALL].host!r}, api_key=<hidden>)"

    async def call(self, content: bytes, headers: Headers, endpoint: Endpoint) -> httpx.Response:
        """Send a body; the answer's head has come when this returns, its body has not.

        Built without the client's defaults: no cookie of one run's answer goes along with another's call.

        Raises:
            httpx.HTTPError: the model API was not reached.
        """
        request = httpx.Request(
            "POST",
            self._urls[endpoint],
            headers=self._headers_up(headers),
            content=content,
            extensions={"timeout": self._timeout},
        )
        return await self._http.send(request, stream=True, auth=None, follow_redirects=False)

    async def error_body(self, response: httpx.Response) -> bytes:
        """The body of an error, bounded, and without the key should it say it."""
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) >= _MAX_ERROR:
                break
        return bytes(body[:_MAX_ERROR]).replace(self._key.encode(), _HIDDEN)

    def _headers_up(self, headers: Headers) -> list[tuple[str, str]]:
        kept = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in headers
            if name.decode("latin-1") in _UP
        ]
        return [*kept, ("content-type", "application/json"), ("accept-encoding", "identity"), ("x-api-key", self._key)]


def headers_down(response: httpx.Response) -> dict[str, str]:
    """The headers of an answer that the sandbox gets; none that tells of the account behind the key."""
    return {name: value for name, value in response.headers.items() if name in _DOWN}
