"""The web service as one ASGI application."""

from collections.abc import Mapping
from typing import Any

import structlog
from litestar import Litestar, Request, Response
from litestar.openapi import OpenAPIConfig

from app import __version__
from app.http.api import api_endpoints
from app.http.health import Probe, health_endpoints
from app.http.runs import runner_endpoints
from app.http.webhooks import Intake, github_webhook
from bot.ports.store import Runs

log = structlog.get_logger(__name__)


def _unexpected(_: Request[Any, Any, Any], error: Exception) -> Response[dict[str, str]]:
    """No traceback reaches anybody outside; the log has it."""
    log.error("request failed", exc_info=error)
    return Response({"detail": "internal error"}, status_code=500)


def create_service(*, intake: Intake, runs: Runs, max_result_bytes: int, probes: Mapping[str, Probe]) -> Litestar:
    """Put the endpoints together."""
    return Litestar(
        route_handlers=[
            github_webhook(intake),
            *runner_endpoints(runs, max_result_bytes=max_result_bytes),
            *health_endpoints(probes),
            *api_endpoints(),
        ],
        openapi_config=OpenAPIConfig(title="FlowForge", version=__version__),
        exception_handlers={500: _unexpected},
        logging_config=None,
        # Given here, since an environment variable could switch on pages with tracebacks.
        debug=False,
    )
