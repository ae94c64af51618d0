"""The two endpoints a sandbox may call: its workspace in, its result out, each once, with the run's own token."""

import hashlib
from typing import Any

import structlog
from litestar import Request, Response, get, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from bot.ports.store import Runs

log = structlog.get_logger(__name__)


def token_sha256(authorization: str | None) -> str | None:
    """The hash under which a run's bearer token is kept, None when the header holds none."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return None
    return hashlib.sha256(token.strip().encode("utf-8", "replace")).hexdigest()


def runner_endpoints(runs: Runs, *, max_result_bytes: int) -> list[HTTPRouteHandler]:
    """``GET /runs/{id}/workspace`` and ``PUT /runs/{id}/result`` (paths of ``runners.protocol``).

    A wrong token, an unknown or ended run and a second use get the same 403: a sandbox learns nothing from it.
    """

    @get("/runs/{run_id:str}/workspace", media_type="application/x-tar")
    async def workspace(request: Request[Any, Any, Any], run_id: FromPath[str]) -> Response[bytes]:
        token = token_sha256(request.headers.get("authorization"))
        archive = await runs.take_workspace(run_id, token) if token else None
        if archive is None:
            log.warning("workspace refused", run_id=run_id)
            return Response(b"", status_code=403, media_type="application/x-tar")
        return Response(archive, media_type="application/x-tar")

    @put("/runs/{run_id:str}/result", request_max_body_size=max_result_bytes, status_code=204)
    async def result(request: Request[Any, Any, Any], run_id: FromPath[str]) -> Response[None]:
        token = token_sha256(request.headers.get("authorization"))
        body = await request.body()
        if token is None or not await runs.accept_result(run_id, token, body):
            log.warning("result refused", run_id=run_id, bytes=len(body))
            return Response(None, status_code=403)
        return Response(None, status_code=204)

    return [workspace, result]
