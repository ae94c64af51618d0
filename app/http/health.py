"""Liveness, readiness and metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.telemetry import METRICS_CONTENT_TYPE, render_metrics

_PROBE_SECONDS: Final = 3.0

Probe = Callable[[], Awaitable[str | None]]
"""Looks at one thing the service cannot do without: None when it is well, else a sentence."""


async def _ask(probe: Probe) -> str | None:
    """What the probe says; whoever asks about our health does not wait long either."""
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            return await probe()
    except TimeoutError:
        return "it did not answer in time"


def health_endpoints(probes: Mapping[str, Probe]) -> list[HTTPRouteHandler]:
    """``/health/live`` (the loop turns), ``/health/ready`` (every probe is well) and ``/metrics``."""

    @get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @get("/health/ready")
    async def ready() -> Response[dict[str, str]]:
        answers = await asyncio.gather(*(_ask(probe) for probe in probes.values()))
        found = dict(zip(probes, answers, strict=True))
        well = all(problem is None for problem in found.values())
        body = {name: problem or "ok" for name, problem in found.items()}
        return Response(body, status_code=200 if well else 503)

    @get("/metrics")
    async def metrics() -> Response[bytes]:
        return Response(render_metrics(), headers={"content-type": METRICS_CONTENT_TYPE})

    return [live, ready, metrics]
