"""Logs that nobody can forge and that hold no secret, ids that stay with the work, and one trace for all of it."""

import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.demo.model.resolver import HonestResolver
from app.telemetry import RunSpans, configure_logging, configure_tracing, current_trace_headers, span
from bot.redact import MARK
from tests.scenarios.play import ANSWER, Play, playing

TOKEN = "ghs_1234567_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJl"
HOSTILE = (
    "\x1b[2J\x1b]8;;http://evil\x07ok\r\n" + '{"level":"info","event":"approved"}' + "\x00\x7f\x85\u2028\ud800\x9b31m"
)

log = structlog.get_logger("tests")


class Lines(io.StringIO):
    """What was logged."""

    def events(self) -> list[dict[str, Any]]:
        """Every line, which must be one JSON object each and hold printable ASCII only."""
        text = self.getvalue()
        assert text == "" or text.endswith("\n")
        assert all(line.isascii() and line.isprintable() for line in text.removesuffix("\n").split("\n"))
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level, stream = root.handlers, root.level, Lines()
    configure_logging("INFO", stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def exporter() -> InMemorySpanExporter:
    """There can be one provider of traces in a process."""
    exporter = InMemorySpanExporter()
    configure_tracing("flowforge-tests", None, SimpleSpanProcessor(exporter))
    return exporter


# --- lines


def test_an_event_is_one_object_on_one_line(lines: Lines) -> None:
    log.info("job moved", job_id="j", attempt=3, roles=["web", "worker"], nothing=None)
    (event,) = lines.events()
    assert event["event"] == "job moved"
    assert (event["level"], event["attempt"], event["roles"], event["nothing"]) == ("info", 3, ["web", "worker"], None)
    assert event["timestamp"].endswith("Z")


def test_text_of_others_can_neither_forge_a_line_nor_drive_a_terminal(lines: Lines) -> None:
    log.warning(HOSTILE, title=HOSTILE, **{HOSTILE: HOSTILE}, nested={"a": [HOSTILE]})
    logging.getLogger("a.library").warning("title: %s", HOSTILE)
    assert len(lines.events()) == 2
    assert lines.events()[0]["title"] == HOSTILE


@given(texts=st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=50), max_size=4), said=st.text())
def test_whatever_is_logged_is_one_line_of_ascii(texts: dict[str, str], said: str) -> None:
    root = logging.getLogger()
    handlers, stream = root.handlers, Lines()
    configure_logging("INFO", stream)
    try:
        log.info(said, texts=texts)
        assert len(stream.events()) == 1
    finally:
        root.handlers = handlers
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()


def fail() -> None:
    raise ValueError(HOSTILE)


def test_errors_of_ours_and_of_libraries_are_one_line_too(lines: Lines) -> None:
    try:
        fail()
    except ValueError:
        log.exception("tick failed")
        logging.getLogger("a.library").exception("it failed")
    ours, theirs = lines.events()
    assert ours["level"] == theirs["level"] == "error"
    assert "ValueError" in ours["exception"]
    assert "ValueError" in theirs["exception"]


def test_warnings_are_lines_too(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(HOSTILE, stacklevel=1)
    assert len(lines.events()) == 1


@pytest.mark.parametrize(
    "value",
    [
        f"the token is {TOKEN}",
        {"authorization": f"Bearer {TOKEN}"},
        [f"https://x-access-token:{TOKEN}@github.com/acme/fees.git"],
        {"deep": [{"deeper": (TOKEN,)}]},
        {TOKEN: "as a key"},
        ValueError(f"in an error: {TOKEN}"),
        {f"in a set: {TOKEN}"},
    ],
)
def test_no_secret_is_logged_however_deep_it_lies(lines: Lines, value: object) -> None:
    log.info("said", value=value)
    logging.getLogger("a.library").warning("said %s", value)
    assert len(lines.events()) == 2
    assert "c2lnbmF0dXJl" not in lines.getvalue()
    assert MARK in lines.getvalue()


def test_numbers_that_json_does_not_know_are_words(lines: Lines) -> None:
    log.info("odd", cost=float("nan"), most=float("inf"))
    (event,) = lines.events()
    assert (event["cost"], event["most"]) == ("nan", "inf")


def test_what_is_below_the_level_is_not_said(lines: Lines) -> None:
    log.debug("a detail")
    logging.getLogger("httpx").info("HTTP Request: POST https://api…")
    assert lines.events() == []


# --- ids


def ids_of(event: Mapping[str, Any]) -> dict[str, str]:
    return {key: event[key] for key in ("delivery_id", "job_id", "run_id", "report_id", "sweep") if key in event}


def test_ids_stay_with_the_work_over_a_ring(lines: Lines) -> None:
    with span("delivery", delivery_id="d-1"):
        log.info("accepted")
        rung = current_trace_headers()
    with span("tick job", parent=json.loads(json.dumps(rung)), job_id="j-1"):
        log.info("working")
        rung = current_trace_headers()
    with span("tick report", parent=rung, report_id="r-1"):
        log.info("reporting")
    log.info("elsewhere")
    assert [ids_of(event) for event in lines.events()] == [
        {"delivery_id": "d-1"},
        {"delivery_id": "d-1", "job_id": "j-1"},
        {"delivery_id": "d-1", "job_id": "j-1", "report_id": "r-1"},
        {},
    ]


@pytest.mark.parametrize(
    "baggage", ["event=forged", "job_id=" + "x" * 500, "level=info,timestamp=0", "job_id=", ";;;,==", "\n"]
)
def test_what_others_put_into_a_ring_adds_no_field_of_theirs(lines: Lines, baggage: str) -> None:
    with span("tick job", parent={"baggage": baggage, "traceparent": "00-zz"}, job_id="j-1"):
        log.info("working")
    event = lines.events()[-1]
    assert ids_of(event) == {"job_id": "j-1"}
    assert (event["event"], event["level"]) == ("working", "info")


# --- traces


def by_name(spans: tuple[ReadableSpan, ...]) -> dict[str, ReadableSpan]:
    return {one.name: one for one in spans}


def trace_of(one: ReadableSpan) -> int:
    context = one.get_span_context()
    assert context is not None
    return context.trace_id


def test_a_trace_goes_on_over_a_ring(exporter: InMemorySpanExporter, lines: Lines) -> None:
    exporter.clear()
    with span("delivery", delivery_id="d-1"):
        rung = current_trace_headers()
    with span("tick delivery", parent=rung), span("route", parent=rung):
        log.info("routing")
    with span("another"):
        pass
    spans = by_name(exporter.get_finished_spans())
    delivery, tick, route, another = (spans[name] for name in ("delivery", "tick delivery", "route", "another"))
    assert trace_of(delivery) == trace_of(tick) == trace_of(route) != trace_of(another)
    assert tick.parent is not None
    assert route.parent is not None
    assert tick.parent.span_id == delivery.context.span_id
    assert route.parent.span_id == tick.context.span_id, "inside of the present span of its trace"
    assert lines.events()[0]["trace_id"] == format(trace_of(delivery), "032x")


def test_a_swept_delivery_goes_on_with_the_trace_of_its_row(exporter: InMemorySpanExporter) -> None:
    exporter.clear()
    with span("delivery", delivery_id="d-1"):
        kept = current_trace_headers()
    with span("tick delivery", parent={}), span("route", parent=kept):
        pass
    spans = by_name(exporter.get_finished_spans())
    assert trace_of(spans["route"]) == trace_of(spans["delivery"]) != trace_of(spans["tick delivery"])


def test_the_span_of_a_run_lasts_until_its_end(exporter: InMemorySpanExporter) -> None:
    exporter.clear()
    runs = RunSpans()
    with span("tick job", job_id="j-1"):
        for run_id in ("r-1", "r-2"):
            with runs.starting(run_id=run_id, job_id="j-1"):
                pass
        with pytest.raises(ValueError, match="no room"), runs.starting(run_id="r-3", job_id="j-1"):
            raise ValueError("no room")
    runs.ended("r-1", "succeeded")
    runs.ended("r-1", "succeeded")
    runs.ended("unknown", "succeeded")
    runs.close()
    found = [one for one in exporter.get_finished_spans() if one.name == "run"]
    seen = [(one.attributes or {}).get("flowforge.run_id") for one in found]
    outcomes = [(one.attributes or {}).get("flowforge.outcome") for one in found]
    assert (seen, outcomes) == (["r-3", "r-1", "r-2"], [None, "succeeded", "stopped"])


def runs_in(exporter: InMemorySpanExporter) -> list[tuple[object, object]]:
    """The runs whose spans ended, and how."""
    found = [one.attributes or {} for one in exporter.get_finished_spans() if one.name == "run"]
    return [(one.get("flowforge.run_id"), one.get("flowforge.outcome")) for one in found]


def test_a_run_that_ends_while_it_starts_leaves_no_span_open(exporter: InMemorySpanExporter) -> None:
    exporter.clear()
    runs = RunSpans()
    with runs.starting(run_id="r-1", job_id="j-1"):
        runs.ended("r-1", "infra_retryable")
    runs.close()
    assert runs_in(exporter) == [("r-1", "infra_retryable")]


def test_spans_of_runs_whose_end_is_told_elsewhere_do_not_pile_up(exporter: InMemorySpanExporter) -> None:
    exporter.clear()
    runs = RunSpans(at_once=2)
    for number in range(1, 5):
        with runs.starting(run_id=f"r-{number}", job_id="j-1"):
            pass
    assert runs_in(exporter) == [("r-1", "left"), ("r-2", "left")]
    runs.ended("r-3", "succeeded")
    runs.close()
    assert runs_in(exporter)[2:] == [("r-3", "succeeded"), ("r-4", "stopped")]


# --- the whole way


async def resolved_and_approved(play: Play) -> None:
    play.say("/flowforge resolve")
    await play.until_conclusion("action_required")
    play.say("/flowforge approve")
    await play.until_conclusion("success")
    await play.until_branches(0)


async def test_from_the_delivery_to_the_run_in_one_trace_with_the_ids_on_every_line(
    tmp_path: Path, exporter: InMemorySpanExporter, lines: Lines
) -> None:
    exporter.clear()
    async with playing(tmp_path, HonestResolver(answers={"fees.py": ANSWER})) as play:
        await resolved_and_approved(play)
        job = await play.job()
        run = await play.stage.instance.store.runs.latest(job.id)
        comments = [one.guid for one in play.stage.forge.webhooks.deliveries if one.event == "issue_comment"]
    assert run is not None
    asked = comments[0]

    spans = exporter.get_finished_spans()
    (runs,) = [one for one in spans if one.name == "run"]
    mine = [one for one in spans if trace_of(one) == trace_of(runs)]
    names = [one.name for one in mine]
    assert {"delivery", "tick delivery", "route", "tick job", "tick report", "run"} <= set(names)
    assert names.count("delivery") == 1, "the approval has a trace of its own"
    attributes = by_name(tuple(mine))["delivery"].attributes or {}
    assert attributes["flowforge.delivery_id"] == asked
    assert (runs.attributes or {})["flowforge.outcome"] == "succeeded"

    events = lines.events()
    assert {event["event"] for event in events} >= {"run ended", "model call"}
    traced = format(trace_of(runs), "032x")
    for event in events:
        if event.get("trace_id") == traced:
            assert event["delivery_id"] == asked, event
        if event.get("job_id") == job.id and event["event"] in {"run ended", "model call"}:
            assert event["run_id"] == run.id, event
        assert ids_of(event) or "trace_id" not in event, event
    of_the_job = [event for event in events if event.get("job_id") == job.id]
    assert len(of_the_job) >= 5
    assert asked in {event.get("delivery_id") for event in of_the_job}
