"""Serve an ASGI application on a free loopback port inside the running event loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn

_GRACE_SECONDS = 2


class _InProcessServer(uvicorn.Server):
    """uvicorn without its signal handlers, and with an event for 'listening' instead of a flag to poll."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serve_loopback(app: Any) -> AsyncIterator[str]:
    """Serve ``app`` on 127.0.0.1 and give its base URL, without a slash at the end.

    h11 is named on purpose: unlike httptools it shows the application the request target as it was sent.
    """
    # asyncio switches Nagle's algorithm off for sockets that say they are TCP only; with it, every answer in several
    # pieces takes 40 ms longer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        interface="asgi3",
        proxy_headers=False,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = _InProcessServer(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        waiting = asyncio.create_task(server.listening.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()
