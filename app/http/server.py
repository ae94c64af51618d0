"""Serve ASGI applications inside a running event loop, on sockets bound beforehand."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol


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


def _at_most(connections: int) -> type[H11Protocol]:
    """A protocol that hangs up on whoever comes when there are so many connections already."""

    class Limited(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
            if len(self.connections) >= connections:
                transport.abort()
            else:
                super().connection_made(transport)

    return Limited


@contextlib.asynccontextmanager
async def serving(
    application: Any, listener: socket.socket, *, max_connections: int | None = None
) -> AsyncIterator[str]:
    """Serve ``application`` on ``listener`` while the context lasts; the URL it answers at, empty for a unix socket.

    With ``max_connections``, no more than so many files are ever open for whoever connects: one more is hung up on.

    h11 is named on purpose: unlike httptools it shows the application the request target as it was sent, which the
    gateway's policy looks at.
    """
    config = uvicorn.Config(
        application,
        interface="asgi3",
        http="h11" if max_connections is None else _at_most(max_connections),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        # So many connections are taken at once before anybody looks how many there are.
        backlog=2048 if max_connections is None else max_connections,
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
        listener.close()


@contextlib.asynccontextmanager
async def serving_loopback(application: Any) -> AsyncIterator[str]:
    """``serving`` on a free port of 127.0.0.1."""
    async with serving(application, bind("127.0.0.1", 0)) as url:
        yield url
