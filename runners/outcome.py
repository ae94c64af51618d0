"""How a run ended, decided from Claude Code's own words, its exit status, and what we saw from outside. Pure.

Measured with Claude Code 2.1.197 and 2.1.330. ``subtype`` alone says nothing: an API error is ``success`` with
``is_error``. ``terminal_reason`` differs between the versions and is not read. There can be several result events; the
last one counts.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from bot.model.runs import RunKind, RunOutcome
from runners.events import Event, items, parse_events
from runners.protocol import AgentReport
from runners.report import ReportError, read_report, read_words
from runners.text import one_line

_MAX_DETAIL: Final = 500
_STOPS: Final = {
    RunOutcome.TIMED_OUT: "its deadline passed",
    RunOutcome.STALLED: "nothing came from it for too long",
    RunOutcome.MAX_OUTPUT: "its log grew over the limit",
    RunOutcome.BUDGET_EXHAUSTED: "its budget is spent",
}
PEOPLE: Final = frozenset({RunOutcome.CANCELLED, RunOutcome.SUPERSEDED})
"""Ends that people asked for: their wish counts whatever a run has done by then."""


ReadReport = Callable[[Any], AgentReport]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome, one line of detail (it may quote untrusted text), and the report of a run that succeeded."""

    outcome: RunOutcome
    detail: str
    report: AgentReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    """What counts of an event stream: how many events, the last result, the last error the CLI put in its own words."""

    events: int
    result: Event | None
    error: str


# The subtypes of result events other than success.
_SUBTYPES: Final = {
    "error_max_turns": RunOutcome.MAX_TURNS,
    "error_max_budget_usd": RunOutcome.BUDGET_EXHAUSTED,
    "error_max_structured_output_retries": RunOutcome.INVALID_OUTPUT,
    "error_during_execution": RunOutcome.MISCONFIGURED,  # before the model was asked
}

# The CLI's own names for what went wrong, in the last assistant event.
_NAMES: Final = {
    "billing_error": RunOutcome.MODEL_BILLING,
    "authentication_failed": RunOutcome.MODEL_AUTHENTICATION,
    "model_not_found": RunOutcome.MODEL_NOT_FOUND,
    "max_output_tokens": RunOutcome.MAX_OUTPUT,
    "rate_limit": RunOutcome.MODEL_RATE_LIMITED,
}

# https://docs.anthropic.com/en/api/errors
_STATUSES: Final = {
    401: RunOutcome.MODEL_AUTHENTICATION,
    402: RunOutcome.MODEL_BILLING,
    403: RunOutcome.MODEL_AUTHENTICATION,
    404: RunOutcome.MODEL_NOT_FOUND,
    413: RunOutcome.CONTEXT_TOO_LONG,
    429: RunOutcome.MODEL_RATE_LIMITED,
    503: RunOutcome.MODEL_OVERLOADED,
    529: RunOutcome.MODEL_OVERLOADED,
}
_CLIENT_ERRORS: Final = range(400, 500)


def classify(
    lines: Iterable[bytes],
    *,
    exit_code: int | None,
    signal: int | None,
    stderr: str,
    stop_requested: RunOutcome | None,
    model_calls: int,
    out_of_memory: bool = False,
    kind: RunKind = RunKind.AGENT,
) -> Verdict:
    """Name the end of Claude Code's process.

    Args:
        lines: the event stream; lines that are no events are skipped.
        exit_code: Claude Code's exit status, None when a signal ended it or nobody knows.
        signal: the signal that ended it.
        stderr: the end of its standard error.
        stop_requested: what the run was asked to end with, by people, the gateway or the supervisor (``TIMED_OUT``,
            ``STALLED``, ``MAX_OUTPUT``). People's wish always counts; the others lose against a success that was
            complete before the stop took effect.
        model_calls: how many calls the gateway forwarded for this run.
        out_of_memory: the sandbox says that it ran out of memory.
        kind: what the agent was to do, on which the form of its report depends.
    """
    if stop_requested in PEOPLE:
        return _stopped(stop_requested)
    stream = _read(lines)
    read = read_report if kind is RunKind.AGENT else read_words
    natural = _natural(stream, exit_code=exit_code, signal=signal, stderr=stderr, model_calls=model_calls, read=read)
    if natural.outcome is RunOutcome.SUCCEEDED:
        return natural
    if stop_requested is not None:
        return _stopped(stop_requested)
    if out_of_memory:
        return Verdict(outcome=RunOutcome.OUT_OF_MEMORY, detail="the sandbox ran out of memory")
    return natural


def _stopped(outcome: RunOutcome) -> Verdict:
    return Verdict(outcome=outcome, detail=_STOPS.get(outcome, ""))


def _read(lines: Iterable[bytes]) -> _Stream:
    events, result, error = 0, None, ""
    for event in parse_events(lines):
        events += 1
        match event.get("type"):
            case "result":
                result = event
            case "assistant":
                error = _string(event.get("error"))
    return _Stream(events=events, result=result, error=error)


def _natural(
    stream: _Stream,
    *,
    exit_code: int | None,
    signal: int | None,
    stderr: str,
    model_calls: int,
    read: ReadReport,
) -> Verdict:
    """The outcome if nobody had asked for anything."""
    result = stream.result
    if result is None:
        return _without_result(stream, exit_code=exit_code, signal=signal, stderr=stderr)
    subtype, words = _string(result.get("subtype")), _words(result)
    if subtype == "success" and result.get("is_error") is not False:
        return _api_error(result, stream.error)
    if subtype == "success" and exit_code != 0:
        return _verdict(RunOutcome.INFRA_RETRYABLE, f"it reported success and ended with {_end(exit_code, signal)}")
    if subtype == "success":
        return _claimed_success(result, model_calls=model_calls, read=read)
    if subtype == "error_during_execution" and model_calls > 0:
        return _verdict(RunOutcome.INFRA_RETRYABLE, f"Claude Code was interrupted: {words}")
    return _verdict(_SUBTYPES.get(subtype, RunOutcome.AGENT_FAILED), words or f"unknown kind of end {subtype!r}")


def _without_result(stream: _Stream, *, exit_code: int | None, signal: int | None, stderr: str) -> Verdict:
    end = _end(exit_code, signal)
    if exit_code == 0:
        return _verdict(RunOutcome.INVALID_OUTPUT, "Claude Code ended well, but without a result")
    if exit_code == 1 and stream.events == 0:
        return _verdict(RunOutcome.MISCONFIGURED, f"Claude Code does not start: {stderr}")
    return _verdict(RunOutcome.INFRA_RETRYABLE, f"Claude Code ended with {end} and without a result: {stderr}")


def _claimed_success(result: Event, *, model_calls: int, read: ReadReport) -> Verdict:
    """Every condition of a success beyond Claude Code's own word."""
    turns = result.get("num_turns")
    if type(turns) is not int or turns < 1 or model_calls < 1:
        return _verdict(RunOutcome.INVALID_OUTPUT, "success was claimed without asking the model")
    if "structured_output" not in result:
        return _verdict(RunOutcome.NO_REPORT, _words(result))
    try:
        report = read(result["structured_output"])
    except ReportError as error:
        return _verdict(RunOutcome.INVALID_OUTPUT, str(error))
    return Verdict(outcome=RunOutcome.SUCCEEDED, detail="", report=report)


def _api_error(result: Event, error: str) -> Verdict:
    """The model's side failed or refused: told apart by the CLI's error names, then by status, then by its words."""
    words = _words(result)
    status = result.get("api_error_status")
    if result.get("stop_reason") == "refusal":
        outcome = RunOutcome.AGENT_REFUSED
    elif words.startswith("Prompt is too long"):
        outcome = RunOutcome.CONTEXT_TOO_LONG
    elif error in _NAMES:
        outcome = _NAMES[error]
    elif type(status) is int:
        outcome = _by_status(status)
    else:
        outcome = _without_status(error, words)
    return _verdict(outcome, words)


def _by_status(status: int) -> RunOutcome:
    default = RunOutcome.MODEL_REJECTED_REQUEST if status in _CLIENT_ERRORS else RunOutcome.MODEL_UNREACHABLE
    return _STATUSES.get(status, default)


def _without_status(error: str, words: str) -> RunOutcome:
    """The connection failed, was silent, or brought something else than an answer."""
    if "stream idle" in words:
        return RunOutcome.STALLED
    return RunOutcome.MODEL_UNREACHABLE if error in {"server_error", "unknown"} else RunOutcome.AGENT_FAILED


def _words(result: Event) -> str:
    """What the CLI says about the end: ``result`` on success, ``errors`` otherwise."""
    said = _string(result.get("result"))
    return said or "; ".join(_string(error) for error in items(result.get("errors"))[:3])


def _end(exit_code: int | None, signal: int | None) -> str:
    if signal is not None:
        return f"signal {signal}"
    return "an unknown status" if exit_code is None else f"status {exit_code}"


def _verdict(outcome: RunOutcome, detail: str) -> Verdict:
    return Verdict(outcome=outcome, detail=one_line(detail, _MAX_DETAIL))


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
