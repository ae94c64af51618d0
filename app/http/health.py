"""Liveness, readiness and metrics."""

from collections.abc import Awaitable, Callable, Mapping

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.telemetry import METRICS_CONTENT_TYPE, render_metrics

Probe = Callable[[], Awaitable[str | None]]
"""Looks at one thing the service cannot do without: None when it is well, else a sentence."""


def health_endpoints(probes: Mapping[str, Probe]) -> list[HTTPRouteHandler]:
    """``/health/live`` (the loop turns), ``/health/ready`` (every probe is well) and ``/metrics``."""

    @get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @get("/health/ready")
    async def ready() -> Response[dict[str, str]]:
        found = {name: await probe() for name, probe in probes.items()}
        well = all(problem is None for problem in found.values())
        body = {name: problem or "ok" for name, problem in found.items()}
        return Response(body, status_code=200 if well else 503)

    @get("/metrics")
    async def metrics() -> Response[bytes]:
        return Response(render_metrics(), headers={"content-type": METRICS_CONTENT_TYPE})

    return [live, ready, metrics]
