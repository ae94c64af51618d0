"""Logs, traces and metrics. Only the spine: every line carries the ids of delivery, job and run."""

import json
import logging
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TextIO

import structlog
from opentelemetry import baggage, propagate, trace
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bot.redact import redact

REGISTRY: Final = CollectorRegistry()
METRICS_CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

DELIVERIES: Final = Counter(
    "flowforge_deliveries_total",
    "Webhook requests by what became of them",
    ["outcome"],
    registry=REGISTRY,
)
JOBS_ENDED: Final = Counter("flowforge_jobs_ended_total", "Jobs by final state", ["kind", "state"], registry=REGISTRY)
RUNS_ENDED: Final = Counter(
    "flowforge_runs_ended_total", "Runs by outcome and class of failure", ["outcome", "failure"], registry=REGISTRY
)
JOBS_WAITING: Final = Gauge(
    "flowforge_jobs_waiting", "Jobs that wait for a worker or for their turn, as a sweep saw them", registry=REGISTRY
)
PAUSED: Final = Gauge(
    "flowforge_paused",
    "What commands have paused, as a sweep saw it: 1 while everything is (scope `everywhere`), and how many single "
    "repositories are (scope `repositories`)",
    ["scope"],
    registry=REGISTRY,
)
SANDBOXES_SUNK: Final = Counter(
    "flowforge_sandboxes_sunk_total", "Sandboxes removed because no live run was theirs", registry=REGISTRY
)
ISOLATION_PROVED: Final = Gauge(
    "flowforge_isolation_proved", "1 while it is proved that sandboxes are sealed, else 0", registry=REGISTRY
)
ISOLATION_VIOLATIONS: Final = Counter(
    "flowforge_isolation_violations_total",
    "What probe sandboxes did that no sandbox may, by kind",
    ["kind"],
    registry=REGISTRY,
)
TICKS: Final = Counter(
    "flowforge_ticks_total", "Worker calls by kind and result", ["kind", "result"], registry=REGISTRY
)
TICK_SECONDS: Final = Histogram("flowforge_tick_seconds", "Time of one worker call", ["kind"], registry=REGISTRY)
LOST_RINGS: Final = Counter("flowforge_lost_rings_total", "Doorbell calls that Redis did not take", registry=REGISTRY)
REPAIRS: Final = Counter(
    "flowforge_repairs_total",
    "What sweeps put right: each stands for an event that was missed, or for a process that died",
    ["kind"],
    registry=REGISTRY,
)
SWEPT: Final = Gauge(
    "flowforge_sweep_last_success_timestamp_seconds",
    "When a sweep last came to its end, in seconds since 1970, whichever worker did it",
    ["sweep"],
    registry=REGISTRY,
)
ROWS_REMOVED: Final = Counter(
    "flowforge_rows_removed_total", "Rows that were removed for their age, by table", ["table"], registry=REGISTRY
)
FORGE_REQUESTS: Final = Counter(
    "flowforge_forge_requests_total",
    "Requests to the forge's API by method and by what came of them: 2xx, 304 (which is free), 3xx, 4xx, 5xx, limited, "
    "none",
    ["forge", "method", "result"],
    registry=REGISTRY,
)
FORGE_BUDGET_LEFT: Final = Gauge(
    "flowforge_forge_budget_left",
    "Share of the API's hourly budget that is left to the installation with the least, 0 to 1, by resource",
    ["forge", "resource"],
    registry=REGISTRY,
)
FORGE_PACED_SECONDS: Final = Counter(
    "flowforge_forge_paced_seconds_total",
    "Time that requests to the forge's API waited for their turn",
    ["forge"],
    registry=REGISTRY,
)
REPORTS_GIVEN_UP: Final = Counter(
    "flowforge_reports_given_up_total",
    "Reports that will not be written unless there is something new to say, by where they were to appear",
    ["surface"],
    registry=REGISTRY,
)

_TRACER: Final = trace.get_tracer("flowforge")

_CARRIED: Final = frozenset({"delivery_id", "job_id", "report_id", "run_id"})
"""The ids that go with the work from one call to the next."""

_LONGEST_ID: Final = 100

_RUNS_AT_ONCE: Final = 1000
"""More than a worker supervises at once."""


def render_metrics() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)


def _redact_event(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: _plain(value) for key, value in event.items()}


def _plain(value: object) -> object:
    """``value`` as JSON knows it, with the secrets taken out of every text in it."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return {redact(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return redact(value if isinstance(value, str) else str(value))


def _to_json(_: Any, __: str, event: structlog.typing.EventDict) -> str:
    """One line of ASCII. JSON leaves DEL as it is, which terminals obey."""
    return json.dumps(event, ensure_ascii=True).replace("\x7f", "\\u007f")


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
                _to_json,
            ],
        ),
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
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


def is_traced() -> bool:
    """Whether spans go anywhere."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def current_trace_headers() -> dict[str, str]:
    """The present trace context as headers, to be kept with a row or sent with a ring."""
    headers: dict[str, str] = {}
    if get_current():
        propagate.inject(headers)
    return headers


@contextmanager
def span(name: str, parent: Mapping[str, str] | None = None, **ids: str) -> Iterator[None]:
    """A span that continues the trace of ``parent``, and is inside of the present span when that belongs to it.

    ``ids`` go on the span, on every log line inside it, and with ``current_trace_headers`` to wherever the work goes
    on; so do the ids that came with ``parent``.
    """
    context = _context_of(parent)
    carried = {key: value for key in sorted(_CARRIED) if isinstance(value := baggage.get_baggage(key, context), str)}
    carried = {key: value for key, value in carried.items() if len(value) <= _LONGEST_ID} | ids
    for key, value in carried.items():
        context = baggage.set_baggage(key, value, context)
    attributes = {f"flowforge.{key}": value for key, value in carried.items()}
    token = attach(context)
    try:
        with (
            _TRACER.start_as_current_span(name, attributes=attributes),
            structlog.contextvars.bound_contextvars(**carried),
        ):
            yield
    finally:
        detach(token)


def _context_of(parent: Mapping[str, str] | None) -> Context:
    """The present context, unless ``parent`` belongs to another trace."""
    here = get_current()
    if not parent:
        return here
    there = propagate.extract(dict(parent), Context())
    ours, theirs = (trace.get_current_span(context).get_span_context() for context in (here, there))
    return here if ours.is_valid and (ours.trace_id == theirs.trace_id or not theirs.is_valid) else there


class RunSpans:
    """A span for each run, from its start to its end, which other tasks see to.

    Of a run that another process went on with, no end is told here. So the oldest span is ended where a new one would
    be too many.
    """

    def __init__(self, *, at_once: int = _RUNS_AT_ONCE) -> None:
        """Keep ``at_once`` spans open at most."""
        self._at_once = at_once
        self._open: dict[str, trace.Span] = {}

    @contextmanager
    def starting(self, *, run_id: str, job_id: str) -> Iterator[None]:
        """Begin the span of a run. The ids go on every log line of what is started inside, tasks included."""
        span = _TRACER.start_span("run", attributes={"flowforge.run_id": run_id, "flowforge.job_id": job_id})
        while len(self._open) >= self._at_once:
            self.ended(next(iter(self._open)), "left")
        # Here already: a sandbox that cannot be started ends its run before the start is over.
        self._open[run_id] = span
        token = attach(baggage.set_baggage("run_id", run_id))
        try:
            with (
                trace.use_span(span, end_on_exit=False),
                structlog.contextvars.bound_contextvars(run_id=run_id, job_id=job_id),
            ):
                yield
        except BaseException:
            if self._open.pop(run_id, None) is not None:
                span.end()
            raise
        finally:
            detach(token)

    def ended(self, run_id: str, outcome: str) -> None:
        """End the span of a run, if it began in this process."""
        span = self._open.pop(run_id, None)
        if span is not None:
            span.set_attribute("flowforge.outcome", outcome)
            span.end()

    def close(self) -> None:
        """End what is left: runs that were stopped because this process ends."""
        for run_id in list(self._open):
            self.ended(run_id, "stopped")
