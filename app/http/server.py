"""Serve ASGI applications inside a running event loop, on sockets bound beforehand."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr

_GRACE_SECONDS: Final = 2
"""How long requests have to come to their end when the server ends; then they are cut off."""

_CUT_OFF_SECONDS: Final = 5.0
"""How long what was cut off has to give back what it holds, such as its connection to the database."""

_MAX_HEAD_BYTES: Final = 64 * 1024
"""What a request line and its headers may take; h11 has the same bound."""


def bind(host: str, port: int) -> socket.socket:
    """A socket to listen on; port 0 takes a free one. Raises ``OSError`` when the address is taken.

    asyncio switches Nagle's algorithm off for sockets that say they are TCP only; with it, every answer in several
    pieces takes 40 ms longer.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def url_of(listener: socket.socket) -> str:
    """``http://host:port`` of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the program that embeds it decides what a signal means."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind_socket(path: Path) -> socket.socket:
    """A unix socket to listen on, which whoever reaches its directory may connect to. Raises ``OSError``."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o666)
    return listener


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What those who connect may hold: each connection costs a file and some memory.

    Attributes:
        connections: how many there may be; whoever comes then is hung up on.
        of_one_address: how many of these from one address, so that one sandbox cannot keep all others out.
        request_seconds: how long a request may be in coming, and what is left of one that was answered before its end.
    """

    connections: int
    of_one_address: int | None = None
    request_seconds: float | None = None


class _BoundedProtocol(H11Protocol):
    """uvicorn's protocol within bounds."""

    bounds: ClassVar[Bounds]
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        if self._is_full(transport):
            transport.abort()
            return
        super().connection_made(transport)
        self._mind_the_time()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._mind_the_time()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._mind_the_time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        if self in self.connections:  # it is not where there was no room
            super().connection_lost(exc)

    def _is_full(self, transport: asyncio.Transport) -> bool:
        if len(self.connections) >= self.bounds.connections:
            return True
        peer = get_remote_addr(transport)
        if self.bounds.of_one_address is None or peer is None:
            return False
        clients = (one.client for one in self.connections if isinstance(one, H11Protocol))
        return sum(client is not None and client[0] == peer[0] for client in clients) >= self.bounds.of_one_address

    def _mind_the_time(self) -> None:
        """See to it that a connection on which nothing is being answered does not stay so."""
        if self.bounds.request_seconds is None:
            return
        # uvicorn says that there always is a cycle; at first there is none.
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]
            self._in_time()
        elif self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(self.bounds.request_seconds, self.transport.abort)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class _FastProtocol(HttpToolsProtocol):
    """uvicorn's protocol over a parser in C, which by itself keeps a head of any length."""

    _head_bytes: int | None = None

    def data_received(self, data: bytes) -> None:
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes is not None and self._head_bytes > _MAX_HEAD_BYTES:
            self.transport.abort()

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        super().on_headers_complete()


def _protocol_of(bounds: Bounds) -> type[H11Protocol]:
    """A class with its bounds: uvicorn makes the protocols itself and hands them nothing of ours."""
    return type("Bounded", (_BoundedProtocol,), {"bounds": bounds})


@contextlib.asynccontextmanager
async def serving(
    application: Any,
    listener: socket.socket,
    *,
    max_connections: int | None = None,
    bounds: Bounds | None = None,
    fast: bool = False,
) -> AsyncIterator[str]:
    """Serve ``application`` on ``listener`` while the context lasts; the URL it answers at, empty for a unix socket.

    With ``bounds``, whoever connects can hold no more than they allow; ``max_connections`` is short for that number.

    h11 is named on purpose: unlike httptools it shows the application the request target as it was sent, which the
    gateway's policy looks at. ``fast`` takes httptools, without bounds, for whom that does not matter.
    """
    protocol: Any = _FastProtocol if fast else "h11"
    if bounds is None and max_connections is not None:
        bounds = Bounds(connections=max_connections)
    config = uvicorn.Config(
        application,
        interface="asgi3",
        http=protocol if bounds is None else _protocol_of(bounds),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        # So many connections are taken at once before anybody looks how many there are.
        backlog=2048 if bounds is None else bounds.connections,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    up = asyncio.create_task(server.up.wait())
    try:
        await asyncio.wait({task, up}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield "" if listener.family is socket.AF_UNIX else url_of(listener)
    finally:
        up.cancel()
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if cut_off := server.server_state.tasks:  # cancelled by uvicorn, which does not wait until that took
            await asyncio.wait(cut_off, timeout=_CUT_OFF_SECONDS)
        listener.close()


@contextlib.asynccontextmanager
async def serving_loopback(application: Any) -> AsyncIterator[str]:
    """``serving`` on a free port of 127.0.0.1."""
    async with serving(application, bind("127.0.0.1", 0)) as url:
        yield url
