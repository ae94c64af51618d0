"""What the gateway counts for Prometheus."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from app.gateway.usage import TokenUsage
from app.telemetry import REGISTRY

_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class GatewayMetrics:
    """Counters and times; one instance per registry. Models are those of grants, so there are few."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "flowforge_model_calls_total",
            "Forwarded calls by the model API's answer",
            ["model", "status"],
            registry=registry,
        )
        self._refused = Counter(
            "flowforge_model_calls_refused_total", "Calls not forwarded, by reason", ["reason"], registry=registry
        )
        self._tokens = Counter("flowforge_model_tokens_total", "Metered tokens", ["model", "kind"], registry=registry)
        self._cost = Counter("flowforge_model_cost_dollars_total", "Metered cost", ["model"], registry=registry)
        self._first_byte = Histogram(
            "flowforge_model_first_byte_seconds",
            "Time from a call's arrival to the answer's head",
            ["model"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._whole = Histogram(
            "flowforge_model_call_seconds", "Time of a whole call", ["model"], buckets=_SECONDS, registry=registry
        )

    def refused(self, reason: str) -> None:
        """A call was not forwarded."""
        self._refused.labels(reason).inc()

    def answered(self, model: str, seconds: float) -> None:
        """The model API began to answer."""
        self._first_byte.labels(model).observe(seconds)

    def called(self, model: str, status: int, usage: TokenUsage, *, cost_usd: float, seconds: float) -> None:
        """A forwarded call is over."""
        self._calls.labels(model, str(status)).inc()
        self._cost.labels(model).inc(cost_usd)
        self._whole.labels(model).observe(seconds)
        for kind, count in (
            ("input", usage.input),
            ("output", usage.output),
            ("cache_write", usage.cache_write),
            ("cache_read", usage.cache_read),
        ):
            self._tokens.labels(model, kind).inc(count)


METRICS: Final = GatewayMetrics(REGISTRY)
"""The program's own."""
