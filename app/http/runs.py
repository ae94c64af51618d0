"""The two endpoints a sandbox may call: its workspace in, its result out, each once, with the run's own token."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, TypeVar

import structlog
from litestar import Request, Response, get, put
from litestar.exceptions import InternalServerException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from app.patience import patiently
from bot.errors import StoreUnavailableError
from bot.ports.runs import Runs

_RUN_ID: Final = re.compile(r"[0-9a-f]{32}")
_LOGGED: Final = 64

T = TypeVar("T")

log = structlog.get_logger(__name__)


def token_sha256(authorization: str | None) -> str | None:
    """The hash under which a run's bearer token is kept, None when the header holds none."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return None
    return hashlib.sha256(token.strip().encode("utf-8", "replace")).hexdigest()


def _token_for(request: Request[Any, Any, Any], run_id: str) -> str | None:
    """The token's hash, None also when no run can have this id."""
    return token_sha256(request.headers.get("authorization")) if _RUN_ID.fullmatch(run_id) else None


def _shown(run_id: str) -> str:
    return run_id[:_LOGGED]


class Uploads:
    """The places for results on their way in, so that all sandboxes together cannot use up the memory.

    A result is held in memory until the database has it, up to three times meanwhile: in pieces, whole, and as the
    database's driver sends it.
    """

    def __init__(self, *, at_once: int = 2, wait_seconds: float = 45.0, upload_seconds: float = 60.0) -> None:
        """Receive ``at_once`` results, one of a run.

        Args:
            at_once: how many.
            wait_seconds: how long a sandbox waits for a place, less than the guest's patience of 60 s.
            upload_seconds: how long a result may take to come in.
        """
        self.upload_seconds = upload_seconds
        self._wait_seconds = wait_seconds
        self._places = asyncio.Semaphore(at_once)
        self._runs: set[str] = set()

    @property
    def runs(self) -> frozenset[str]:
        """The runs whose results are received, or wait for their turn."""
        return frozenset(self._runs)

    @contextlib.asynccontextmanager
    async def place(self, run_id: str) -> AsyncIterator[bool]:
        """Keep a place while the context lasts; False when there is none, or the run waits for one or has one."""
        if run_id in self._runs:
            yield False
            return
        self._runs.add(run_id)
        try:
            free = await self._wait()
            try:
                yield free
            finally:
                if free:
                    self._places.release()
        finally:
            self._runs.discard(run_id)

    async def _wait(self) -> bool:
        try:
            async with asyncio.timeout(self._wait_seconds):
                return await self._places.acquire()
        except TimeoutError:
            return False


def runner_endpoints(
    runs: Runs, *, max_result_bytes: int, uploads: Uploads | None = None, patience_seconds: float = 0.0
) -> list[HTTPRouteHandler]:
    """``GET /runs/{id}/workspace`` and ``PUT /runs/{id}/result`` (paths of ``runners.protocol``).

    A wrong token, an unknown or ended run and a second use get the same 403: a sandbox learns nothing from it. While
    the database is away for longer than ``patience_seconds``, and while there is no place for a result, the answer is
    503, after which the guest asks again.
    """
    places = uploads or Uploads()

    def waiting(ask: Callable[[], Awaitable[T]]) -> Awaitable[T]:
        return patiently(ask, seconds=patience_seconds)

    @get("/runs/{run_id:str}/workspace", media_type="application/x-tar")
    async def workspace(request: Request[Any, Any, Any], run_id: FromPath[str]) -> Response[bytes]:
        token = _token_for(request, run_id)
        try:
            archive = await waiting(lambda: runs.take_workspace(run_id, token)) if token else None
        except StoreUnavailableError as error:
            log.warning("workspace not handed out", run_id=_shown(run_id), error=str(error))
            return Response(b"", status_code=503, media_type="application/x-tar")
        if archive is None:
            log.warning("workspace refused", run_id=_shown(run_id))
            return Response(b"", status_code=403, media_type="application/x-tar")
        return Response(archive, media_type="application/x-tar")

    @put("/runs/{run_id:str}/result", request_max_body_size=max_result_bytes, status_code=204)
    async def result(request: Request[Any, Any, Any], run_id: FromPath[str]) -> Response[None]:
        token = _token_for(request, run_id)
        try:
            status = HTTPStatus.FORBIDDEN
            # Nothing of what a stranger sends is read: a result is large, and tokens can be made up.
            if token is not None and await waiting(lambda: runs.awaits_result(run_id, token)):
                status = await _take_result(runs, places, request, run_id, token)
        except StoreUnavailableError as error:
            log.warning("result not taken", run_id=_shown(run_id), error=str(error))
            status = HTTPStatus.SERVICE_UNAVAILABLE
        if status is HTTPStatus.FORBIDDEN:
            log.warning("result refused", run_id=_shown(run_id))
        return Response(None, status_code=status)

    return [workspace, result]


async def _take_result(
    runs: Runs, uploads: Uploads, request: Request[Any, Any, Any], run_id: str, token: str
) -> HTTPStatus:
    """Receive a result that is waited for; the answer to it. Raises ``StoreUnavailableError``."""
    async with uploads.place(run_id) as free:
        if not free:
            log.warning("result not taken", run_id=_shown(run_id), error="no place to receive it")
            return HTTPStatus.SERVICE_UNAVAILABLE
        try:
            body = await _body(request, seconds=uploads.upload_seconds)
        except TimeoutError:
            log.warning("result not taken", run_id=_shown(run_id), error="it comes too slowly")
            return HTTPStatus.REQUEST_TIMEOUT
        if body is None:
            log.warning("result not taken", run_id=_shown(run_id), error="the sandbox broke off")
            return HTTPStatus.BAD_REQUEST
        return HTTPStatus.NO_CONTENT if await runs.accept_result(run_id, token, body) else HTTPStatus.FORBIDDEN


async def _body(request: Request[Any, Any, Any], *, seconds: float) -> bytes | None:
    """The body, None when the sandbox breaks off. Raises ``TimeoutError``."""
    try:
        async with asyncio.timeout(seconds):
            return b"".join([chunk async for chunk in request.stream()])
    except InternalServerException:  # Litestar's word for a client that is gone
        return None
