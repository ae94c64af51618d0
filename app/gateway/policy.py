"""What of a request may pass: few paths, known hosts, one credential, a bounded body."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from app.gateway.refusals import CallRefusedError, forbidden

LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})

_MAX_TOKEN: Final = 512

Headers = Sequence[tuple[bytes, bytes]]


class Endpoint(StrEnum):
    """What of the model API is open: the path and query, as they must come over the wire and as they go on.

    ``CALL_BETA`` is how Claude Code calls, ``CALL`` and ``COUNT`` how Anthropic's SDK does.
    """

    CALL = "/v1/messages"
    CALL_BETA = "/v1/messages?beta=true"
    COUNT = "/v1/messages/count_tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPolicy:
    """The gateway's limits.

    Attributes:
        hosts: names, without port, by which sandboxes may address the gateway.
        max_body_bytes: largest request body.
        min_output_tokens: where the money left buys fewer tokens of output than this, a call is refused.
        max_calls_at_once: how many calls one run may have under way.
        max_counts: how often one run may have tokens counted, which costs nothing.
        stop_poll_seconds: how often a call under way looks whether its run was asked to stop.
        connect_seconds: longest wait for a connection to the model API.
        read_seconds: longest silence of the model API. Claude Code's own watchdog is shorter.
        patience_seconds: how long a call waits for a database that is away. Told to come again, Claude Code does so a
            few times within seconds and then ends its run.
    """

    hosts: frozenset[str] = LOOPBACK_HOSTS
    max_body_bytes: int = 8 * 2**20
    min_output_tokens: int = 1024
    max_calls_at_once: int = 16
    max_counts: int = 64
    stop_poll_seconds: float = 1.0
    connect_seconds: float = 10.0
    read_seconds: float = 600.0
    patience_seconds: float = 0.0


def hosts_of(*urls: str) -> frozenset[str]:
    """The host names of URLs, as ``GatewayPolicy.hosts`` wants them: those by which sandboxes reach the gateway."""
    names = (urlsplit(url).hostname or "" for url in urls)
    return frozenset(f"[{name}]" if ":" in name else name for name in names if name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a request goes, exactly as it came over the wire."""

    method: str
    path: bytes
    query: bytes


def check_target(target: Target, headers: Headers, policy: GatewayPolicy) -> Endpoint | None:
    """Let the requests pass that Claude Code and the direct resolver make; None for ``HEAD /``.

    The comparison is with the bytes of the request line: nothing is decoded or normalised that a later reader could
    read differently. Where a call goes to is never taken from it.

    Raises:
        CallRefusedError: anything else.
    """
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1 or _without_port(hosts[0]) not in policy.hosts:
        raise forbidden("this host is not served here", reason="host")
    if (target.method, target.path, target.query) == ("HEAD", b"/", b""):
        return None
    asked = target.path + (b"?" + target.query if target.query else b"")
    endpoint = next((endpoint for endpoint in Endpoint if endpoint.value.encode() == asked), None)
    if endpoint is None:
        raise forbidden("this path is not open", reason="path")
    if target.method != "POST":
        raise forbidden("this method is not open", reason="method")
    return endpoint


def token_sha256(headers: Headers) -> str:
    """The hash of the run token in ``x-api-key`` or ``Authorization: Bearer``.

    Raises:
        CallRefusedError: there is none, or more than one.
    """
    tokens = {token for token in _tokens(headers) if token}
    if len(tokens) != 1 or len(token := tokens.pop()) > _MAX_TOKEN:
        raise unknown_token()
    return hashlib.sha256(token).hexdigest()


def unknown_token() -> CallRefusedError:
    """401, with nothing in it to learn from."""
    return CallRefusedError(401, "authentication_error", "invalid x-api-key", reason="token")


def check_encoding(headers: Headers) -> None:
    """A body is readable JSON or it does not pass: what cannot be looked into is not forwarded."""
    encodings = [value for name, value in headers if name == b"content-encoding"]
    if any(value.strip().lower() not in {b"", b"identity"} for value in encodings):
        raise forbidden("compressed bodies do not pass", reason="encoding")


def declared_length(headers: Headers) -> int:
    """The Content-Length, 0 where there is none."""
    values = [value for name, value in headers if name == b"content-length"]
    return max((int(value) for value in values if value.isdigit()), default=0)


def _tokens(headers: Headers) -> Iterable[bytes]:
    for name, value in headers:
        if name == b"x-api-key":
            yield value.strip()
        elif name == b"authorization":
            scheme, _, token = value.partition(b" ")
            yield token.strip() if scheme.lower() == b"bearer" else b""


def _without_port(host: bytes) -> str:
    name = host.decode("latin-1").lower()
    end = name.find("]") if name.startswith("[") else -1
    colon = name.find(":", end + 1)
    if colon != -1 and name[colon + 1 :].isascii() and name[colon + 1 :].isdigit():
        return name[:colon]
    return name
