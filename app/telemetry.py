"""Logs, traces and metrics. Only the spine: every line carries the ids of delivery, job and run."""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TextIO

import structlog
from bot.redact import redact
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest

REGISTRY: Final = CollectorRegistry()
METRICS_CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

DELIVERIES: Final = Counter(
    "flowforge_deliveries_total",
    "Webhook requests by what became of them",
    ["outcome"],
    registry=REGISTRY,
)
JOBS_ENDED: Final = Counter("flowforge_jobs_ended_total", "Jobs by final state", ["kind", "state"], registry=REGISTRY)
RUNS_ENDED: Final = Counter("flowforge_runs_ended_total", "Agent runs by outcome", ["outcome"], registry=REGISTRY)
TICKS: Final = Counter(
    "flowforge_ticks_total", "Worker calls by kind and result", ["kind", "result"], registry=REGISTRY
)
TICK_SECONDS: Final = Histogram("flowforge_tick_seconds", "Time of one worker call", ["kind"], registry=REGISTRY)
LOST_RINGS: Final = Counter("flowforge_lost_rings_total", "Doorbell calls that Redis did not take", registry=REGISTRY)

_TRACER: Final = trace.get_tracer("flowforge")


def render_metrics() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)


def _redact_event(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: redact(value) if isinstance(value, str) else value for key, value in event.items()}


def _add_trace(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
        event["span_id"] = format(context.span_id, "016x")
    return event


def configure_logging(level: str = "INFO", stream: TextIO | None = None) -> None:
    """One JSON object a line on ``stream`` (standard error by default), secrets redacted, for our and libraries' logs.

    JSON escapes control characters, so that text from a repository can neither forge a line nor drive a terminal.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _redact_event,
                structlog.processors.JSONRenderer(ensure_ascii=True),
            ],
        ),
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "uvicorn.access", "arq.worker", "aiosqlite"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def configure_tracing(service: str, otlp_endpoint: str | None, processor: SpanProcessor | None = None) -> None:
    """Send traces to an OTLP/HTTP endpoint, or to ``processor``; without either, spans cost nothing and go nowhere."""
    if otlp_endpoint is None and processor is None:
        return
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if processor is not None:
        provider.add_span_processor(processor)
    if otlp_endpoint is not None:
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_endpoint)))
    trace.set_tracer_provider(provider)


def current_trace_headers() -> dict[str, str]:
    """The present trace context as headers, to be kept with a row or sent with a ring."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers


@contextmanager
def span(name: str, parent: Mapping[str, str] | None = None, **ids: str) -> Iterator[None]:
    """A span that continues the trace of ``parent``; ``ids`` go on the span and on every log line inside it."""
    context = propagate.extract(dict(parent)) if parent else None
    attributes = {f"flowforge.{key}": value for key, value in ids.items()}
    with (
        _TRACER.start_as_current_span(name, context=context, attributes=attributes),
        structlog.contextvars.bound_contextvars(**ids),
    ):
        yield
