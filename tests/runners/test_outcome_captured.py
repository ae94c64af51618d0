"""Every stream captured from the real Claude Code, of two versions, ends in the outcome that it should.

The streams are not part of this repository: where ``../shared/fixtures/claude-streams`` is absent, these tests are
skipped by that name. Exit codes, stops and the number of model calls are those noted at the capture.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.model.runs import RunOutcome
from runners.outcome import Verdict, classify

STREAMS = Path(__file__).parents[3] / "shared" / "fixtures" / "claude-streams"
pytestmark = pytest.mark.skipif(not STREAMS.is_dir(), reason="../shared/fixtures/claude-streams is absent")

Out = RunOutcome


@dataclass(frozen=True, kw_only=True)
class Case:
    """How a captured process ended: status or signal, what our supervisor asked for, calls that reached the model."""

    outcome: RunOutcome
    exit_code: int | None = 0
    signal: int | None = None
    stop: RunOutcome | None = None
    calls: int = 1


def ended(outcome: RunOutcome, exit_code: int = 1, *, calls: int = 1) -> Case:
    return Case(outcome=outcome, exit_code=exit_code, calls=calls)


def killed(outcome: RunOutcome) -> Case:
    """The capture was ended from outside, as our supervisor would have done."""
    return Case(outcome=outcome, exit_code=None, signal=9, stop=outcome)


NO_REPORT = Case(outcome=Out.NO_REPORT)
CASES: dict[str, Case] = {
    # captured without --json-schema: well done, but nothing that we could use
    **dict.fromkeys(
        [
            *("success", "success_partial", "success_bare", "text", "thinking", "format_json", "permission_denied"),
            *("permission_dontask", "bypass_root_is_sandbox", "structured_never", "api_429_retryafter1_x2_then_ok"),
            *("api_529_x2_then_ok", "api_500_x1_then_ok", "stream_invalid_json", "stream_invalid_json_x1"),
            *("stream_truncated", "stream_truncated_x1", "stream_error_event", "bash_timeout_2s", "bash_timeout_nobg"),
            *("bash_timeout_bgceiling", "big_tool_output", "bad_tool_calls", "subagent", "bad_model", "readonly_home"),
            *("session_1_create", "session_2_resume", "session_4_continue", "session_5_fork"),
            *("session_6_resume_other_cwd", "session_7_no_persist", "envdump", "envdump_scrub", "input_stream_json"),
        ],
        NO_REPORT,
    ),
    "structured_ok": Case(outcome=Out.INVALID_OUTPUT),  # a report of another shape than ours
    "structured_invalid": ended(Out.INVALID_OUTPUT),
    "format_text": Case(outcome=Out.INVALID_OUTPUT),
    "max_turns": ended(Out.MAX_TURNS),
    "budget": ended(Out.BUDGET_EXHAUSTED),
    "stop_refusal": ended(Out.AGENT_REFUSED),
    "stop_max_tokens": ended(Out.MAX_OUTPUT),
    "prompt_too_long": ended(Out.CONTEXT_TOO_LONG),
    "api_413": ended(Out.CONTEXT_TOO_LONG),
    "api_400": ended(Out.MODEL_REJECTED_REQUEST),
    "api_400_credit": ended(Out.MODEL_BILLING),
    "api_402": ended(Out.MODEL_BILLING),
    "api_401": ended(Out.MODEL_AUTHENTICATION),
    "api_401_retries2": ended(Out.MODEL_AUTHENTICATION),
    "api_403": ended(Out.MODEL_AUTHENTICATION),
    "no_api_key": ended(Out.MODEL_AUTHENTICATION, calls=0),
    "api_404_model": ended(Out.MODEL_NOT_FOUND),
    **dict.fromkeys(
        ["api_429_forever_retries2", "api_429_retryafter3600", "api_429_should_retry_false"],
        ended(Out.MODEL_RATE_LIMITED),
    ),
    **dict.fromkeys(
        ["api_529_forever_retries2", "api_529_forever_default", "api_529_fallback", "cap_retries"],
        ended(Out.MODEL_OVERLOADED),
    ),
    **dict.fromkeys(
        [
            *("api_500_forever_retries2", "api_500_retries0", "api_502_retries1", "stream_html_200", "stream_empty"),
            *("stream_html_200_fallback_also_fails", "stream_empty_fallback_also_fails", "stall_open_default"),
            *("stream_error_event_fallback_also_fails", "stream_invalid_json_fallback_also_fails"),
            *("stream_truncated_fallback_also_fails", "hang_API_TIMEOUT_MS_3000"),
        ],
        ended(Out.MODEL_UNREACHABLE),
    ),
    **dict.fromkeys(
        ["conn_refused_retries2", "conn_refused_default", "dns_failure_retries1"],
        ended(Out.MODEL_UNREACHABLE, calls=0),
    ),
    "stall560_byte10s": ended(Out.STALLED),
    **dict.fromkeys(
        [
            *("stall_open_watchdog", "stall_nostreamfallback", "apitimeout_stall", "stall560_default"),
            *("stall560_idle10s", "stall560_force", "hang560_firstbyte"),
        ],
        killed(Out.STALLED),
    ),
    "bare_401": killed(Out.TIMED_OUT),
    # ended by somebody who was not us
    "sigterm_midrun": ended(Out.INFRA_RETRYABLE, 143),
    "sigterm_midstream": ended(Out.INFRA_RETRYABLE, 143),
    "sigterm_during_retry": ended(Out.INFRA_RETRYABLE, 143),
    "sighup_midrun": ended(Out.INFRA_RETRYABLE, 129),
    "sigint_midrun": ended(Out.INFRA_RETRYABLE, 0),
    "sigkill_midrun": Case(outcome=Out.INFRA_RETRYABLE, exit_code=None, signal=9),
    **dict.fromkeys(
        [
            *("bypass_root_no_sandbox", "bad_flag", "empty_prompt", "bad_session_id", "bad_json_schema"),
            *("bad_mcp_config", "session_3_reuse_id_again", "resume_missing", "session_8_resume_nonpersisted"),
        ],
        ended(Out.MISCONFIGURED, calls=0),
    ),
}

# Where version 2.1.197 ends differently.
OLDER: dict[str, Case] = {
    "api_401": killed(Out.TIMED_OUT),  # its retries outlasted the capture
    "sigint_midrun": ended(Out.INFRA_RETRYABLE, 1),
    "stream_invalid_json_x1": ended(Out.MODEL_UNREACHABLE),
    "stream_truncated_x1": ended(Out.MODEL_UNREACHABLE),
}


def captured(directory: Path) -> list[str]:
    return sorted(path.stem for path in directory.glob("*.jsonl"))


def judge(directory: Path, name: str, case: Case, stream: bytes | None = None) -> Verdict:
    stderr = directory / f"{name}.stderr.txt"
    return classify(
        (stream if stream is not None else (directory / f"{name}.jsonl").read_bytes()).splitlines(),
        exit_code=case.exit_code,
        signal=case.signal,
        stderr=stderr.read_text() if stderr.exists() else "",
        stop_requested=case.stop,
        model_calls=case.calls,
    )


def test_every_captured_stream_has_its_row() -> None:
    assert set(captured(STREAMS)) == set(CASES)
    assert set(captured(STREAMS / "v2.1.197")) <= set(CASES)


@pytest.mark.parametrize("name", captured(STREAMS))
def test_version_2_1_330(name: str) -> None:
    verdict = judge(STREAMS, name, CASES[name])
    assert verdict.outcome is CASES[name].outcome
    assert verdict.report is None


@pytest.mark.parametrize("name", captured(STREAMS / "v2.1.197"))
def test_version_2_1_197(name: str) -> None:
    case = OLDER.get(name, CASES[name])
    assert judge(STREAMS / "v2.1.197", name, case).outcome is case.outcome


@pytest.mark.parametrize("directory", [STREAMS, STREAMS / "v2.1.197"], ids=["2.1.330", "2.1.197"])
def test_the_captured_success_with_a_report_of_our_shape_succeeds(directory: Path) -> None:
    report: dict[str, Any] = {"summary": "s", "files": []}
    lines = [json.loads(line) for line in (directory / "structured_ok.jsonl").read_bytes().splitlines()]
    lines[-1]["structured_output"] = report
    stream = b"\n".join(json.dumps(line).encode() for line in lines)
    verdict = judge(directory, "structured_ok", CASES["structured_ok"], stream)
    assert verdict.outcome is Out.SUCCEEDED
    assert verdict.report is not None
    assert verdict.report.summary == "s"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bad_flag", "unknown option '--nonsense'"),
        ("resume_missing", "No conversation found"),
        ("conn_refused_retries2", "ECONNREFUSED"),
        ("max_turns", "Reached maximum number of turns (2)"),
        ("sigterm_midrun", "status 143"),
    ],
)
def test_the_detail_says_why(name: str, words: str) -> None:
    detail = judge(STREAMS, name, CASES[name]).detail
    assert words in detail
    assert len(detail.splitlines()) == 1
