"""The two endpoints a sandbox may call: its workspace in, its result out, each once, with the run's own token."""

import hashlib
import re
from typing import Any, Final

import structlog
from litestar import Request, Response, get, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from bot.errors import StoreUnavailableError
from bot.ports.runs import Runs

_RUN_ID: Final = re.compile(r"[0-9a-f]{32}")
_LOGGED: Final = 64

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


def runner_endpoints(runs: Runs, *, max_result_bytes: int) -> list[HTTPRouteHandler]:
    """``GET /runs/{id}/workspace`` and ``PUT /runs/{id}/result`` (paths of ``runners.protocol``).

    A wrong token, an unknown or ended run and a second use get the same 403: a sandbox learns nothing from it. While
    the database is away the answer is 503, after which the guest asks again.
    """

    @get("/runs/{run_id:str}/workspace", media_type="application/x-tar")
    async def workspace(request: Request[Any, Any, Any], run_id: FromPath[str]) -> Response[bytes]:
        token = _token_for(request, run_id)
        try:
            archive = await runs.take_workspace(run_id, token) if token else None
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
        body = await request.body()
        try:
            accepted = token is not None and await runs.accept_result(run_id, token, body)
        except StoreUnavailableError as error:
            log.warning("result not taken", run_id=_shown(run_id), error=str(error))
            return Response(None, status_code=503)
        if not accepted:
            log.warning("result refused", run_id=_shown(run_id), bytes=len(body))
        return Response(None, status_code=204 if accepted else 403)

    return [workspace, result]
