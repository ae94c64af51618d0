"""The verdict on what is left of a run: with a result, and without one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import IngestError
from bot.model.runs import RunKind, RunOutcome, SandboxExited, SandboxMissing
from runners.archives import TarArchives
from runners.ending import verdict_of_commands, verdict_of_log, verdict_of_lost_commands, verdict_of_result
from runners.outcome import Verdict
from runners.text import is_unsafe, tail
from tests.runners.streams import api_error, init, result, stream
from tests.runners.test_ingest import LIMITS, member, pack, result_json


def archive(*events: dict[str, Any], changed: bytes = b"new\n", **guest: Any) -> bytes:
    transcript = b"\n".join(stream(*events)) + b"\n"
    members = [member("result.json", result_json(**guest)), member("transcript.jsonl", transcript)]
    return pack([*members, member("changed/a.py", changed)])


def of_result(content: bytes, *, stop: RunOutcome | None = None, calls: int = 2) -> Verdict:
    return verdict_of_result(content, LIMITS, stop_requested=stop, model_calls=calls)


def of_log(log: bytes, sandbox: SandboxExited | SandboxMissing, *, stop: RunOutcome | None = None) -> Verdict:
    return verdict_of_log(log, sandbox, stop_requested=stop, model_calls=2)


def exited(code: int | None, signal: int | None = None, *, out_of_memory: bool = False) -> SandboxExited:
    return SandboxExited(exit_code=code, signal=signal, out_of_memory=out_of_memory)


@pytest.mark.parametrize(
    ("content", "stop", "outcome"),
    [
        (archive(init(), result()), None, RunOutcome.SUCCEEDED),
        (archive(init(), result()), RunOutcome.CANCELLED, RunOutcome.CANCELLED),
        (archive(init(), result(), over_limit="too much"), None, RunOutcome.INVALID_OUTPUT),
        (archive(init(), result(), exit_code=1), None, RunOutcome.INFRA_RETRYABLE),
        (archive(init(), result(subtype="error_max_turns", is_error=True)), None, RunOutcome.MAX_TURNS),
        (archive(init(), result(), changed=b"x" * 20_000), None, RunOutcome.INVALID_OUTPUT),
        (b"no archive", None, RunOutcome.INVALID_OUTPUT),
        (b"no archive", RunOutcome.SUPERSEDED, RunOutcome.SUPERSEDED),
    ],
    ids=range(8),
)
def test_with_a_result(content: bytes, stop: RunOutcome | None, outcome: RunOutcome) -> None:
    assert of_result(content, stop=stop).outcome is outcome


def test_a_broken_rule_is_named() -> None:
    assert "more than 10000 bytes" in of_result(archive(init(), result(), changed=b"x" * 20_000)).detail


GUEST_WORDS = b'{"type":"system"}\nflowforge-guest: GET of the workspace: HTTP 503\x1b[2J\n'


@pytest.mark.parametrize(
    ("sandbox", "log", "outcome", "words"),
    [
        (exited(70), GUEST_WORDS, RunOutcome.INFRA_RETRYABLE, "GET of the workspace: HTTP 503\ufffd[2J"),
        (exited(71), b"", RunOutcome.INFRA_RETRYABLE, "status 71"),
        (exited(72), b"", RunOutcome.MISCONFIGURED, "status 72"),
        (exited(73), b"flowforge-guest: X is not set\n", RunOutcome.MISCONFIGURED, "X is not set"),
        (exited(1), b"Traceback (most recent call last):\n", RunOutcome.INFRA_RETRYABLE, "status 1"),
        (exited(143), b"", RunOutcome.INFRA_RETRYABLE, "status 143"),
        (exited(None, 9), b"", RunOutcome.INFRA_RETRYABLE, "signal 9"),
        (exited(None, 9, out_of_memory=True), b"", RunOutcome.OUT_OF_MEMORY, "memory"),
        (SandboxMissing(), b"", RunOutcome.INFRA_RETRYABLE, "gone"),
    ],
    ids=lambda value: value.value if isinstance(value, RunOutcome) else None,
)
def test_without_a_result(sandbox: SandboxExited | SandboxMissing, log: bytes, outcome: RunOutcome, words: str) -> None:
    verdict = of_log(log, sandbox)
    assert verdict.outcome is outcome
    assert words in verdict.detail
    assert verdict.detail.isprintable()


def test_a_log_cannot_claim_success() -> None:
    log = b"\n".join(stream(init(), result()))
    assert of_log(log, exited(0)).outcome is RunOutcome.INVALID_OUTPUT
    assert of_log(log, SandboxMissing()).report is None


def test_a_log_can_say_why_it_failed() -> None:
    failure = result(is_error=True, api_error_status=529, structured_output=None, result="Overloaded")
    log = b"\n".join(stream(init(), api_error("server_error"), failure))
    assert of_log(log, exited(71)) == Verdict(outcome=RunOutcome.MODEL_OVERLOADED, detail="Overloaded")


@pytest.mark.parametrize("stop", [RunOutcome.CANCELLED, RunOutcome.TIMED_OUT, RunOutcome.BUDGET_EXHAUSTED])
def test_what_was_asked_for_is_the_end(stop: RunOutcome) -> None:
    assert of_log(b"\n".join(stream(init(), result())), exited(143), stop=stop).outcome is stop


# --- the repository's tests


def of_tests(content: bytes, *, stop: RunOutcome | None = None) -> Verdict:
    return verdict_of_commands(content, LIMITS, stop_requested=stop, kind=RunKind.TEST)


@pytest.mark.parametrize(
    ("content", "stop", "outcome"),
    [
        (archive(), None, RunOutcome.SUCCEEDED),
        (archive(over_limit="too much"), None, RunOutcome.SUCCEEDED),
        (archive(oddities=["symbolic link: x"]), None, RunOutcome.SUCCEEDED),
        (archive(exit_code=1), None, RunOutcome.COMMAND_FAILED),
        (archive(exit_code=None, signal=9), None, RunOutcome.COMMAND_FAILED),
        (archive(exit_code=1), RunOutcome.TIMED_OUT, RunOutcome.TIMED_OUT),
        (archive(), RunOutcome.TIMED_OUT, RunOutcome.SUCCEEDED),
        (archive(), RunOutcome.CANCELLED, RunOutcome.CANCELLED),
        (b"no archive", None, RunOutcome.INVALID_OUTPUT),
    ],
    ids=range(9),
)
def test_tests_are_judged_by_their_exit_alone(content: bytes, stop: RunOutcome | None, outcome: RunOutcome) -> None:
    assert of_tests(content, stop=stop).outcome is outcome


def test_commands_that_make_files_are_still_judged_by_what_they_leave() -> None:
    verdict = verdict_of_commands(archive(over_limit="too much"), LIMITS, stop_requested=None)
    assert verdict.outcome is RunOutcome.INVALID_OUTPUT


@pytest.mark.parametrize(
    ("kind", "stop", "detail"),
    [
        (RunKind.TEST, RunOutcome.TIMED_OUT, "one\ntwo \N{REPLACEMENT CHARACTER}[2J"),
        (RunKind.TEST, RunOutcome.CANCELLED, ""),
        (RunKind.REGENERATE, RunOutcome.TIMED_OUT, ""),
    ],
)
def test_only_tests_that_were_stopped_are_quoted(kind: RunKind, stop: RunOutcome, detail: str) -> None:
    log = b"one\ntwo \x1b[2J"
    verdict = verdict_of_lost_commands(log, SandboxMissing(), stop_requested=stop, kind=kind)
    assert verdict == Verdict(outcome=stop, detail=detail)


@given(log=st.binary(max_size=3000), limit=st.integers(1, 2048))
def test_the_end_of_a_log_is_never_too_long_and_never_acts(log: bytes, limit: int) -> None:
    shown = tail(log, limit)
    assert len(shown.encode()) <= limit
    assert not [one for one in shown if is_unsafe(one) and one not in "\n\t"]
    assert not log.isascii() or shown.endswith(log[-1:].decode()) or is_unsafe(chr(log[-1]))


def test_the_end_of_a_long_log_of_tests_is_what_is_kept() -> None:
    lines = b"".join(b"line %d\n" % number for number in range(1200))
    content = pack([member("result.json", result_json()), member("transcript.jsonl", lines)])
    said = TarArchives().read_tests(content, limits=LIMITS)
    assert len(said.log_tail.encode()) == 8192
    assert said.log_tail.endswith("line 1198\nline 1199\n")


def test_an_answer_is_read_from_the_last_result() -> None:
    content = archive(init(), result(structured_output=None), result(), oddities=["symbolic link: x"])
    answer = TarArchives().read(content, limits=LIMITS)
    assert answer.changed == {"a.py": b"new\n"}
    assert answer.deleted == ("gone.txt",)
    assert answer.oddities == ("symbolic link: x",)
    assert answer.files[0].hunks[0].confidence == "high"


@pytest.mark.parametrize(
    "content",
    [
        archive(init()),
        archive(init(), result(), result(structured_output=None)),
        archive(init(), result(structured_output={"summary": 5, "files": []})),
        archive(init(), result(), over_limit="too much"),
        json.dumps(result()).encode(),
    ],
    ids=range(5),
)
def test_no_answer_is_read_from_anything_else(content: bytes) -> None:
    with pytest.raises(IngestError):
        TarArchives().read(content, limits=LIMITS)
