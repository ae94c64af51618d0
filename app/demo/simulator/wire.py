"""One HTTP exchange on the wire: reading a request, answering it, or hanging up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from email.utils import formatdate
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from app.demo.simulator.messages import Refusal, Request, Response

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
SERVER = "FlowForge simulator"
LARGEST_BODY = 25 * 1024 * 1024

_transports: dict[tuple[str, int], asyncio.Transport] = {}
"""The open connections by the client's address, so that a fault can close one."""


class HangUpProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, which also lets the simulator close a connection without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Remember the connection."""
        super().connection_made(transport)
        if self.client is not None:
            _transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self.client is not None:
            _transports.pop(self.client, None)
        super().connection_lost(exc)


class DisconnectedError(Exception):
    """The client went away in the middle of its request."""


class Wire:
    """The two directions of one request."""

    def __init__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        self._client: tuple[str, int] = tuple(scope["client"])
        self._receive = receive
        self._send = send
        self.request = Request(
            method=scope["method"],
            path=scope["path"],
            query_string=scope["query_string"].decode("latin-1"),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            body=b"",
            raw_path=scope["raw_path"].decode("latin-1"),
        )

    async def body(self) -> AsyncIterator[bytes]:
        """The request's body as it comes. Raises ``DisconnectedError``."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise DisconnectedError
            if chunk := message.get("body", b""):
                yield chunk
            if not message.get("more_body", False):
                return

    async def read(self) -> bytes:
        """The whole body. Raises ``Refusal`` 413 for one that is too large."""
        parts: list[bytes] = []
        size = 0
        async for chunk in self.body():
            size += len(chunk)
            if size > LARGEST_BODY:
                raise Refusal(413, "Payload too large")
            parts.append(chunk)
        return b"".join(parts)

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head of an answer."""
        named = {"server": SERVER, "date": formatdate(usegmt=True), **headers}
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()],
            }
        )

    async def more(self, chunk: bytes) -> None:
        """Send a part of the answer's body."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self) -> None:
        """End the answer."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send(self, response: Response) -> None:
        """Send a whole answer."""
        length = {} if response.status in {204, 304} else {"content-length": str(len(response.body))}
        await self.begin(response.status, {**response.headers, **length})
        await self._send({"type": "http.response.body", "body": response.body, "more_body": False})

    def abort(self) -> None:
        """Close the connection without an answer."""
        if (transport := _transports.get(self._client)) is not None:
            transport.abort()
