"""What operators see of a job: one trace from the delivery to the run, and log lines that name what they are about."""

import io
import json
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.demo.model.resolver import HonestResolver
from app.telemetry import configure_logging, configure_tracing
from tests.scenarios.play import ANSWER, playing


@pytest.fixture(scope="module")
def spans() -> InMemorySpanExporter:
    """OpenTelemetry takes a provider once per process."""
    exporter = InMemorySpanExporter()
    configure_tracing("flowforge-tests", None, SimpleSpanProcessor(exporter))
    return exporter


async def test_one_trace_leads_from_the_delivery_to_the_run(tmp_path: Path, spans: InMemorySpanExporter) -> None:
    async with playing(tmp_path, HonestResolver(answers={"fees.py": ANSWER})) as play:
        spans.clear()
        play.say("/flowforge resolve")
        await play.until_conclusion("action_required")
        job = await play.job()
    finished = spans.get_finished_spans()
    job_spans = [one for one in finished if (one.attributes or {}).get("flowforge.job_id") == job.id]
    assert job_spans
    traces = {one.context.trace_id for one in job_spans if one.context is not None}
    (trace,) = traces
    names = {one.name for one in finished if one.context is not None and one.context.trace_id == trace}
    assert {"delivery", "tick delivery", "tick job", "run"} <= names


async def test_every_log_line_is_one_json_object_that_names_its_subject(tmp_path: Path) -> None:
    stream = io.StringIO()
    configure_logging("INFO", stream)
    async with playing(tmp_path, HonestResolver(answers={"fees.py": ANSWER})) as play:
        play.say('/flowforge resolve\n\x1b[2J{"event": "job moved", "to": "published"}')
        await play.until_conclusion("action_required")
        job = await play.job()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    about = [line for line in lines if line.get("job_id") == job.id]
    assert {"job moved", "report written", "run ended", "model call"} <= {line["event"] for line in about}
    moved = [line for line in about if line["event"] == "job moved"]
    assert [line["to"] for line in moved] == ["preparing", "running", "validating", "awaiting_approval"]
    assert all(line.get("delivery_id") for line in moved)
    assert "\x1b" not in stream.getvalue()
