"""Each outcome from a small stream of its own, and what must not be taken for a success."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.runs import RunOutcome
from runners.outcome import Verdict, classify
from runners.protocol import AgentReport
from tests.runners.streams import REPORT, api_error, assistant, init, result, stream

Out = RunOutcome


def judge(*events: dict[str, Any], **changes: Any) -> Verdict:
    return judge_lines(stream(*events), **changes)


def judge_lines(lines: list[bytes], **changes: Any) -> Verdict:
    facts: dict[str, Any] = {
        "exit_code": 0,
        "signal": None,
        "stderr": "",
        "stop_requested": None,
        "model_calls": 2,
    }
    return classify(lines, **(facts | changes))


def failed(error: str = "", *, status: int | None = None, words: str = "API Error: …", **changes: Any) -> Verdict:
    """An API error: ``subtype`` says success all the same."""
    return judge(
        init(),
        api_error(error),
        result(is_error=True, result=words, structured_output=None, api_error_status=status, **changes),
        exit_code=1,
    )


def test_success_needs_every_condition() -> None:
    verdict = judge(init(), assistant(), result())
    assert verdict.outcome is Out.SUCCEEDED
    assert verdict.report is not None
    assert verdict.report.files[0].hunks[0].reason == "Both added a line."


@pytest.mark.parametrize(
    ("events", "facts", "outcome"),
    [
        ([result()], {"exit_code": 1}, Out.INFRA_RETRYABLE),
        ([result()], {"exit_code": None, "signal": 9}, Out.INFRA_RETRYABLE),
        ([result(is_error=True)], {}, Out.AGENT_FAILED),
        ([result(is_error="false")], {}, Out.AGENT_FAILED),
        ([result(subtype="error_max_turns")], {}, Out.MAX_TURNS),
        ([result(subtype="something new")], {}, Out.AGENT_FAILED),
        ([result(subtype=None)], {}, Out.AGENT_FAILED),
        ([result(num_turns=0)], {}, Out.INVALID_OUTPUT),
        ([result(num_turns=True)], {}, Out.INVALID_OUTPUT),
        ([result(num_turns="3")], {}, Out.INVALID_OUTPUT),
        ([result()], {"model_calls": 0}, Out.INVALID_OUTPUT),
        ([result(structured_output=None)], {}, Out.NO_REPORT),
        ([result(structured_output={})], {}, Out.INVALID_OUTPUT),
        ([result(structured_output=json.dumps(REPORT))], {}, Out.INVALID_OUTPUT),
        ([init(), assistant()], {}, Out.INVALID_OUTPUT),
        ([], {}, Out.INVALID_OUTPUT),
    ],
    ids=lambda value: None if isinstance(value, list | RunOutcome) else str(value),
)
def test_a_success_that_lacks_one_condition_is_none(
    events: list[dict[str, Any]], facts: dict[str, Any], outcome: RunOutcome
) -> None:
    verdict = judge(*events, **facts)
    assert verdict.outcome is outcome
    assert verdict.report is None


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (failed("unknown", status=400), Out.MODEL_REJECTED_REQUEST),
        (failed("unknown", status=422), Out.MODEL_REJECTED_REQUEST),
        (failed("billing_error", status=400), Out.MODEL_BILLING),
        (failed("unknown", status=402), Out.MODEL_BILLING),
        (failed("authentication_failed", status=401), Out.MODEL_AUTHENTICATION),
        (failed("authentication_failed"), Out.MODEL_AUTHENTICATION),
        (failed("unknown", status=403), Out.MODEL_AUTHENTICATION),
        (failed("model_not_found", status=404), Out.MODEL_NOT_FOUND),
        (failed("invalid_request", status=413), Out.CONTEXT_TOO_LONG),
        (failed("invalid_request", status=400, words="Prompt is too long · 250000 tokens"), Out.CONTEXT_TOO_LONG),
        (failed("rate_limit", status=429), Out.MODEL_RATE_LIMITED),
        (failed("server_error", status=529), Out.MODEL_OVERLOADED),
        (failed("server_error", status=503), Out.MODEL_OVERLOADED),
        (failed("server_error", status=500), Out.MODEL_UNREACHABLE),
        (failed("server_error"), Out.MODEL_UNREACHABLE),
        (failed("unknown", words="API Error: stream idle: no bytes for 10000ms"), Out.STALLED),
        (failed("max_output_tokens"), Out.MAX_OUTPUT),
        (failed("invalid_request", stop_reason="refusal"), Out.AGENT_REFUSED),
        (failed("something new"), Out.AGENT_FAILED),
    ],
    ids=lambda value: value.value if isinstance(value, RunOutcome) else None,
)
def test_api_errors_by_name_status_and_words(verdict: Verdict, outcome: RunOutcome) -> None:
    assert verdict.outcome is outcome


@pytest.mark.parametrize(
    ("subtype", "calls", "outcome"),
    [
        ("error_max_turns", 2, Out.MAX_TURNS),
        ("error_max_budget_usd", 2, Out.BUDGET_EXHAUSTED),
        ("error_max_structured_output_retries", 5, Out.INVALID_OUTPUT),
        ("error_during_execution", 2, Out.INFRA_RETRYABLE),
        ("error_during_execution", 0, Out.MISCONFIGURED),
    ],
)
def test_error_results(subtype: str, calls: int, outcome: RunOutcome) -> None:
    event = result(subtype=subtype, is_error=True, result=None, structured_output=None, errors=["Reached the limit"])
    verdict = judge(init(), event, exit_code=1, model_calls=calls)
    assert verdict.outcome is outcome
    assert "Reached the limit" in verdict.detail


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({"exit_code": 1}, Out.MISCONFIGURED),
        ({"exit_code": 143}, Out.INFRA_RETRYABLE),
        ({"exit_code": None, "signal": 9}, Out.INFRA_RETRYABLE),
        ({"exit_code": None, "signal": 9, "out_of_memory": True}, Out.OUT_OF_MEMORY),
    ],
)
def test_without_any_event(facts: dict[str, Any], outcome: RunOutcome) -> None:
    assert judge(**facts, stderr="error: what it said").outcome is outcome


def test_a_crash_after_the_start_is_not_a_misconfiguration() -> None:
    verdict = judge(init(), exit_code=1, stderr="Segmentation fault")
    assert verdict.outcome is Out.INFRA_RETRYABLE
    assert "Segmentation fault" in verdict.detail


def test_the_last_result_counts() -> None:
    assert judge(result(), result(subtype="error_max_turns", is_error=True)).outcome is Out.MAX_TURNS
    assert judge(result(structured_output=None), result()).outcome is Out.SUCCEEDED


def test_an_error_that_was_got_over_does_not_count() -> None:
    later = result(is_error=True, api_error_status=None, structured_output=None)
    assert judge(api_error("rate_limit"), assistant(), later, exit_code=1).outcome is Out.AGENT_FAILED


@pytest.mark.parametrize("stop", [Out.CANCELLED, Out.SUPERSEDED])
def test_peoples_wish_counts_even_after_a_success(stop: RunOutcome) -> None:
    assert judge(result(), stop_requested=stop) == Verdict(outcome=stop, detail="")


@pytest.mark.parametrize("stop", [Out.TIMED_OUT, Out.STALLED, Out.BUDGET_EXHAUSTED, Out.MAX_OUTPUT])
def test_other_stops_lose_against_a_complete_success_only(stop: RunOutcome) -> None:
    assert judge(result(), stop_requested=stop).outcome is Out.SUCCEEDED
    assert judge(init(), exit_code=143, stop_requested=stop).outcome is stop
    assert judge(result(structured_output=None), stop_requested=stop).outcome is stop
    assert judge(init(), exit_code=143, stop_requested=stop).detail


def test_lines_that_are_no_events_are_skipped() -> None:
    noise = [
        b"",
        b"flowforge-guest: hello",
        b"\xff\xfe",
        b'{"type": "result"',
        b'["type", "result"]',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"type":"result","subtype":"success","num_turns":' + b"9" * 5000 + b"}",
        b'{"type":"unheard of"}',
        b'{"type":["result"]}',
    ]
    lines = [*noise, *stream(result()), *noise]
    assert judge_lines(lines).outcome is Out.SUCCEEDED


def test_not_a_number_is_not_json() -> None:
    line = json.dumps(result(structured_output={"summary": float("nan"), "files": []})).encode()
    assert b"NaN" in line
    assert judge_lines([line]).outcome is Out.INVALID_OUTPUT


def test_the_detail_is_one_safe_short_line() -> None:
    words = "\x1b[2Jred\r\n{}\u202e\u0000" + "x" * 10_000
    verdict = judge(result(subtype="error_max_turns", is_error=True, result=words))
    assert len(verdict.detail) <= 500
    assert verdict.detail.isprintable()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(
    [
        "type",
        "subtype",
        "is_error",
        "num_turns",
        "structured_output",
        "errors",
        "result",
        "error",
        "message",
        "api_error_status",
    ]
)
words = st.sampled_from(["result", "assistant", "success", "error_max_turns", "error_during_execution"])


@given(
    events=st.lists(st.dictionaries(keys, json_values | words, max_size=8) | json_values, max_size=5),
    exit_code=st.none() | st.integers(0, 255),
    stop=st.none() | st.sampled_from([out for out in Out if out is not Out.SUCCEEDED]),
)
def test_whatever_the_stream_holds_there_is_an_outcome(
    events: list[Any], exit_code: int | None, stop: RunOutcome | None
) -> None:
    verdict = judge_lines(
        [json.dumps(event).encode() for event in events], exit_code=exit_code, stop_requested=stop, model_calls=1
    )
    assert isinstance(verdict.report, AgentReport) is (verdict.outcome is Out.SUCCEEDED)
