"""The web service, the sandboxes' desk and the watch over a process, each as one ASGI application."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from litestar import Litestar, Request, Response
from litestar.handlers import ASGIRouteHandler, HTTPRouteHandler
from litestar.openapi import OpenAPIConfig

from app import __version__
from app.http.api import api_endpoints
from app.http.health import Probe, health_endpoints
from app.http.proposals import Pages, page_endpoints
from app.http.runs import runner_endpoints
from app.http.webhooks import Intake, webhooks
from bot.ports.runs import Runs

_Handler = HTTPRouteHandler | ASGIRouteHandler

log = structlog.get_logger(__name__)


def _unexpected(_: Request[Any, Any, Any], error: Exception) -> Response[dict[str, str]]:
    """No traceback reaches anybody outside; the log has it."""
    log.error("request failed", exc_info=error)
    return Response({"detail": "internal error"}, status_code=500)


def create_service(*, intake: Intake, probes: Mapping[str, Probe], pages: Pages | None = None) -> Litestar:
    """The web service: what the Internet, a proxy and an operator reach; without ``pages``, nobody can sign in."""
    handlers: list[_Handler] = [
        *webhooks(intake),
        *health_endpoints(probes),
        *api_endpoints(),
        *page_endpoints(pages),
    ]
    return _application(handlers, OpenAPIConfig(title="FlowForge", version=__version__))


def create_desk(runs: Runs, *, max_result_bytes: int, patience_seconds: float = 0.0) -> Litestar:
    """Where sandboxes fetch their workspaces and leave their results; so long a database that is away is waited for."""
    return _application(runner_endpoints(runs, max_result_bytes=max_result_bytes, patience_seconds=patience_seconds))


def create_watch(probes: Mapping[str, Probe]) -> Litestar:
    """Health and metrics of a process that serves nothing else to an operator."""
    return _application(health_endpoints(probes))


def _application(handlers: Sequence[_Handler], openapi: OpenAPIConfig | None = None) -> Litestar:
    return Litestar(
        route_handlers=handlers,
        openapi_config=openapi,
        exception_handlers={500: _unexpected},
        logging_config=None,
        # Given here, since an environment variable could switch on pages with tracebacks.
        debug=False,
    )
