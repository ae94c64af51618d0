"""The doors of sandboxes without a network: a unix socket a run, which leads to the gateway and nowhere else.

What may go through is decided by the bytes of the request line, and for one run only: its workspace, its result and,
where an agent is at work, calls of the model. Everything else is answered here, and never sent on. Nor is another
credential than the run's own: a token that left its sandbox is worth nothing behind another's door. The gateway then
checks the run's token as it does for everybody.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx
import structlog
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from app.http.server import bind_socket, serving
from bot.model.runs import MODEL_KINDS, RunTask
from runners.protocol import RESULT_PATH, WORKSPACE_PATH
from runners.sandbox import DOOR_NAME

_HOP_BY_HOP: Final = frozenset(
    {b"connection", b"host", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
"""What is between two neighbours only: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1"""

_MODEL_CALLS: Final = frozenset(
    {
        (b"HEAD", b"/", b""),
        (b"POST", b"/v1/messages", b""),
        (b"POST", b"/v1/messages", b"beta=true"),
        (b"POST", b"/v1/messages/count_tokens", b""),
        (b"POST", b"/v1/messages/count_tokens", b"beta=true"),
    }
)

_CREDENTIALS: Final = frozenset({b"authorization", b"x-api-key", b"cookie"})

_MAX_CONNECTIONS: Final = 32
"""Of one run. Without a bound, a sandbox could use up the files that this process may open."""

Target = tuple[bytes, bytes, bytes]
"""Method, path and query, as they came over the wire."""

log = structlog.get_logger(__name__)


class _GoneError(Exception):
    """The sandbox broke off in the middle of its request."""


def targets_of(task: RunTask) -> frozenset[Target]:
    """What a run may ask for."""
    own = {
        (b"GET", WORKSPACE_PATH.format(run_id=task.run_id).encode(), b""),
        (b"PUT", RESULT_PATH.format(run_id=task.run_id).encode(), b""),
    }
    return frozenset(own | (_MODEL_CALLS if task.kind in MODEL_KINDS else set()))


def door(task: RunTask, http: httpx.AsyncClient) -> ASGIApp:
    """One run's door as an ASGI application over ``http``, a client without defaults of its own."""
    allowed = targets_of(task)
    own = {task.token.encode(), b"Bearer " + task.token.encode()}
    gateway = task.gateway_url.rstrip("/")

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) != "http":
            return
        asked: HTTPScope = scope  # type: ignore[assignment]  # the only other kind was turned away
        target = (asked["method"].encode("latin-1"), asked["raw_path"], asked["query_string"])
        if target not in allowed:
            log.warning("a sandbox asked for what it may not", run_id=task.run_id, method=asked["method"][:16])
            await _answer(send, HTTPStatus.NOT_FOUND)
        elif {value for name, value in asked["headers"] if name in _CREDENTIALS} - own:
            log.warning("a sandbox showed a credential that is not its own", run_id=task.run_id)
            await _answer(send, HTTPStatus.UNAUTHORIZED)
        else:
            await _relay(_Call(gateway, target, asked["headers"]), http, receive, send)

    return application


@dataclass(frozen=True, slots=True)
class _Call:
    """One request of a sandbox."""

    gateway: str
    target: Target
    headers: Iterable[tuple[bytes, bytes]]

    @property
    def has_body(self) -> bool:
        """Whether a body follows, see https://www.rfc-editor.org/rfc/rfc9112#section-6-4 ."""
        return any(name in {b"content-length", b"transfer-encoding"} for name, _ in self.headers)

    def request(self, http: httpx.AsyncClient, body: AsyncIterator[bytes]) -> httpx.Request:
        method, path, query = (part.decode("ascii") for part in self.target)
        url = f"{self.gateway}{path}" + (f"?{query}" if query else "")
        return http.build_request(method, url, headers=_kept(self.headers), content=body if self.has_body else None)


async def _relay(call: _Call, http: httpx.AsyncClient, receive: Receive, send: Send) -> None:
    """Send the request on and the answer back, chunk by chunk, until either is whole or the sandbox breaks off."""
    asked_all = asyncio.Event()
    if not call.has_body:
        asked_all.set()
    work = asyncio.create_task(_exchange(call, http, _body(receive, asked_all), send))
    gone = asyncio.create_task(_gone(receive, asked_all))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (work, gone):
            task.cancel()
        await asyncio.wait({work, gone})
    if not work.cancelled():
        work.result()


async def _exchange(call: _Call, http: httpx.AsyncClient, body: AsyncIterator[bytes], send: Send) -> None:
    try:
        answer = await http.send(call.request(http, body), stream=True)
    except httpx.HTTPError as error:
        log.warning("the gateway was not reached", error=type(error).__name__)
        await _answer(send, HTTPStatus.BAD_GATEWAY)
        return
    except _GoneError:
        return
    async with contextlib.aclosing(answer):
        await send(
            {
                "type": "http.response.start",
                "status": answer.status_code,
                "headers": _kept((name.lower(), value) for name, value in answer.headers.raw),
            }
        )
        # An answer that breaks off is not ended here either: the sandbox must not take it for a whole one.
        async for chunk in answer.aiter_raw():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _body(receive: Receive, asked_all: asyncio.Event) -> AsyncIterator[bytes]:
    while not asked_all.is_set():
        event = await receive()
        if event["type"] != "http.request":
            raise _GoneError
        if not event["more_body"]:
            asked_all.set()
        if event["body"]:
            yield event["body"]


async def _gone(receive: Receive, asked_all: asyncio.Event) -> None:
    """Return when the sandbox broke off; only one at a time may ask, so the request is waited for first."""
    await asked_all.wait()
    while (await receive())["type"] != "http.disconnect":
        pass


def _kept(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name not in _HOP_BY_HOP]


async def _answer(send: Send, status: HTTPStatus) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


class Doors:
    """``RunDoors``: each a server of its own on a socket of its own."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._open: dict[str, contextlib.AsyncExitStack] = {}

    async def open(self, task: RunTask, directory: Path) -> Path:
        """Open the run's door in an existing directory; the socket's path. Opening it again does nothing.

        Raises:
            OSError: the socket cannot be made, for example since its path has more than 107 bytes.
        """
        path = directory / DOOR_NAME
        if task.run_id not in self._open:
            listener = bind_socket(path)
            stack = contextlib.AsyncExitStack()
            await stack.enter_async_context(serving(door(task, self._http), listener, max_connections=_MAX_CONNECTIONS))
            self._open[task.run_id] = stack
        return path

    async def close(self, run_id: str) -> None:
        """Close the door and whatever goes through it; of a run without a door, nothing happens."""
        stack = self._open.pop(run_id, None)
        if stack is not None:
            await stack.aclose()


@contextlib.asynccontextmanager
async def open_doors() -> AsyncIterator[Doors]:
    """Doors over a client of their own, which takes nothing from the environment; all are closed in the end."""
    # Neither a timeout nor a number of connections: a run's deadline and the number of runs bound the calls.
    async with httpx.AsyncClient(timeout=None, limits=httpx.Limits(), trust_env=False, headers={}) as http:  # noqa: S113
        http.headers.clear()
        doors = Doors(http)
        try:
            yield doors
        finally:
            for run_id in list(doors._open):  # noqa: SLF001 - of this module
                await doors.close(run_id)
