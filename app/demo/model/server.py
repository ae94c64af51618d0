"""The scripted model's server: the Messages API on a loopback port."""

import asyncio
import contextlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

from app.demo.model.direct import reply_of
from app.demo.model.messages import JsonObject, ModelRequest, parse_request
from app.demo.model.replies import Failure, Held, Message, Raw, Reply, Script, Slow, Truncated
from app.demo.model.wire import failure_json, message_events, message_json
from app.http.server import serving_loopback
from bot.errors import BadInputError

SERVER_NAME: Final = "FlowForge scripted model"

_CALL: Final = ("POST", "/v1/messages")
_COUNT: Final = ("POST", "/v1/messages/count_tokens")
_BYTES_PER_TOKEN: Final = 4

_SECRET_HEADERS: Final = frozenset({"x-api-key", "authorization", "cookie", "proxy-authorization"})

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """A request as it arrived: headers without credentials, ``body`` decoded, None when there was none."""

    method: str
    path: str
    query: str
    headers: JsonObject
    body: JsonObject | None
    size: int


class ConnectionCutError(Exception):
    """Raised inside the server to make it drop a connection in the middle of an answer."""


@contextlib.contextmanager
def _quiet_cuts() -> Iterator[None]:
    """Keep uvicorn from logging connections that were cut on purpose as errors."""

    def wanted(record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], ConnectionCutError))

    logger = logging.getLogger("uvicorn.error")
    logger.addFilter(wanted)
    try:
        yield
    finally:
        logger.removeFilter(wanted)


@dataclass(slots=True)
class ScriptedModel:
    """A running scripted model. ``requests`` grows as requests arrive; ``changed`` is notified each time.

    ``counts`` says whether tokens can be counted here.
    """

    script: Script
    base_url: str = ""
    api_key: str | None = field(default=None, repr=False)
    counts: bool = True
    requests: list[RecordedRequest] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition, repr=False)
    _played: int = 0
    _closing: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @classmethod
    @contextlib.asynccontextmanager
    async def serve(
        cls, script: Script, *, api_key: str | None = None, counts: bool = True
    ) -> AsyncIterator["ScriptedModel"]:
        """Serve ``script`` on loopback until the block ends.

        With ``api_key``, requests that do not carry exactly this key get 401.
        """
        model = cls(script=script, api_key=api_key, counts=counts)
        with _quiet_cuts():
            async with serving_loopback(model.asgi) as base_url:
                model.base_url = base_url
                try:
                    yield model
                finally:
                    model._closing.set()

    @property
    def calls(self) -> list[RecordedRequest]:
        """The calls of the Messages API among the requests."""
        return [request for request in self.requests if (request.method, request.path) == _CALL]

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        body = await _read(receive)
        await self._record(scope, headers, body)
        if (scope["method"], scope["path"]) == ("HEAD", "/"):
            await _send_whole(send, 200, "text/plain", b"")
            return
        reply, request = self._reply(scope, headers, body)
        disconnected = asyncio.create_task(_disconnected(receive))
        try:
            await self._answer(send, reply, request, disconnected)
        finally:
            disconnected.cancel()

    def _reply(self, scope: Scope, headers: dict[str, str], body: bytes) -> tuple[Reply, ModelRequest | None]:
        asked = (scope["method"], scope["path"])
        if asked not in ({_CALL, _COUNT} if self.counts else {_CALL}):
            return Failure(status=404, kind="not_found_error", message="the scripted model does not have this"), None
        if not self._authorized(headers):
            return Failure(status=401, kind="authentication_error", message="invalid x-api-key"), None
        if asked == _COUNT:
            tokens = json.dumps({"input_tokens": max(1, len(body) // _BYTES_PER_TOKEN)})
            return Raw(status=200, content_type="application/json", body=tokens.encode()), None
        try:
            request = parse_request(body, index=self._played)
        except BadInputError as error:
            return Failure(status=400, kind="invalid_request_error", message=str(error)), None
        self._played += 1
        return reply_of(self.script, request), request

    def _authorized(self, headers: dict[str, str]) -> bool:
        if self.api_key is None:
            return True
        # Anthropic's SDK sends the key as a bearer token, Claude Code in a header of its own.
        shown = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(shown.encode(), self.api_key.encode())

    async def _record(self, scope: Scope, headers: dict[str, str], body: bytes) -> None:
        recorded = RecordedRequest(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers={key: value for key, value in headers.items() if key not in _SECRET_HEADERS},
            body=_decoded(body),
            size=len(body),
        )
        async with self.changed:
            self.requests.append(recorded)
            self.changed.notify_all()

    async def _answer(
        self, send: Send, reply: Reply, request: ModelRequest | None, disconnected: asyncio.Task[None]
    ) -> None:
        match reply:
            case Failure():
                body = json.dumps(failure_json(reply)).encode()
                await _send_whole(send, reply.status, "application/json", body, reply.headers)
            case Raw():
                await _send_whole(send, reply.status, reply.content_type, reply.body)
            case Message() | Truncated() | Held() | Slow():
                if request is not None:
                    await self._deliver(send, reply, request, disconnected)
            case _:
                assert_never(reply)

    async def _deliver(
        self,
        send: Send,
        reply: Message | Truncated | Held | Slow,
        request: ModelRequest,
        disconnected: asyncio.Task[None],
    ) -> None:
        message = reply if isinstance(reply, Message) else reply.message
        if request.stream:
            content_type, chunks = "text/event-stream", list(message_events(message, request))
        else:
            content_type, chunks = (
                "application/json",
                list(_halves(json.dumps(message_json(message, request)).encode())),
            )
        await _send_start(send, 200, content_type)
        for number, chunk in enumerate(chunks):
            match reply:
                case Truncated(events=events) if number >= min(events, len(chunks) - 1):
                    raise ConnectionCutError
                case Held(events=events) if number == min(events, len(chunks) - 1):
                    await self._wait(reply.release, disconnected)
                case Slow():
                    await asyncio.sleep(reply.seconds)
                case _:
                    pass
            if disconnected.done():
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _wait(self, release: asyncio.Event, disconnected: asyncio.Task[None]) -> None:
        """Until released, until the client is gone, or until this server closes."""
        waits = {asyncio.create_task(release.wait()), asyncio.create_task(self._closing.wait())}
        try:
            await asyncio.wait({*waits, disconnected}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self._closing.is_set() and not release.is_set():
            raise ConnectionCutError


def _halves(body: bytes) -> Iterator[bytes]:
    middle = len(body) // 2
    yield body[:middle]
    yield body[middle:]


def _decoded(body: bytes) -> JsonObject | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        event = await receive()
        parts.append(event.get("body", b""))
        if not event.get("more_body", False):
            return b"".join(parts)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_start(send: Send, status: int, content_type: str, headers: JsonObject | None = None) -> None:
    pairs = {"content-type": content_type, "server": SERVER_NAME, **(headers or {})}
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


async def _send_whole(
    send: Send, status: int, content_type: str, body: bytes, headers: JsonObject | None = None
) -> None:
    await _send_start(send, status, content_type, {"content-length": str(len(body)), **(headers or {})})
    await send({"type": "http.response.body", "body": body})
