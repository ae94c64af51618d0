"""From what is left of a run to its verdict. Pure."""

import signal
from typing import Final

from bot.errors import IngestError
from bot.model.runs import RunKind, RunLimits, RunOutcome, SandboxEnd, SandboxExited, SandboxLost, SandboxMissing
from runners.ingest import read_result
from runners.outcome import PEOPLE, Verdict, classify
from runners.protocol import EXIT_CLAUDE_MISSING, EXIT_MISUSED, EXIT_OK, GUEST_PREFIX
from runners.text import one_line, tail

_MAX_DETAIL: Final = 500
_LAST_WORDS: Final = 400
_STOPPED_TAIL: Final = 2048
_OURS: Final = frozenset({EXIT_CLAUDE_MISSING, EXIT_MISUSED})


def verdict_of_commands(
    archive: bytes, limits: RunLimits, *, stop_requested: RunOutcome | None, kind: RunKind = RunKind.REGENERATE
) -> Verdict:
    """The verdict on a run of the repository's commands whose result archive was accepted.

    Of tests, nothing that they left in their workspace counts, so there may be any amount of it.
    """
    try:
        guest = read_result(archive, limits).guest
    except IngestError as error:
        return Verdict(outcome=stop_requested or RunOutcome.INVALID_OUTPUT, detail=one_line(str(error), _MAX_DETAIL))
    if stop_requested in PEOPLE:
        return Verdict(outcome=stop_requested, detail="")
    if guest.exit_code != 0:
        how = f"signal {guest.signal}" if guest.exit_code is None else f"status {guest.exit_code}"
        # What it printed last says why; all that it printed is in there, the usual before the unusual.
        words = one_line(f"a command ended with {how}: {guest.stderr_tail[-_LAST_WORDS:]}", _MAX_DETAIL)
        return Verdict(outcome=stop_requested or RunOutcome.COMMAND_FAILED, detail=words)
    if guest.over_limit is not None and kind is not RunKind.TEST:
        return Verdict(outcome=RunOutcome.INVALID_OUTPUT, detail=one_line(guest.over_limit, _MAX_DETAIL))
    return Verdict(outcome=RunOutcome.SUCCEEDED, detail="")


def verdict_of_result(
    archive: bytes,
    limits: RunLimits,
    *,
    stop_requested: RunOutcome | None,
    model_calls: int,
    kind: RunKind = RunKind.AGENT,
) -> Verdict:
    """The verdict on an agent's run whose result archive was accepted."""
    try:
        result = read_result(archive, limits)
    except IngestError as error:
        return Verdict(outcome=stop_requested or RunOutcome.INVALID_OUTPUT, detail=one_line(str(error), _MAX_DETAIL))
    guest = result.guest
    verdict = classify(
        result.transcript.splitlines(),
        exit_code=guest.exit_code,
        signal=guest.signal,
        stderr=guest.stderr_tail,
        stop_requested=stop_requested,
        model_calls=model_calls,
        # In a sandbox only the kernel ends Claude Code like this, for want of memory; the guest itself lives on.
        out_of_memory=guest.signal == signal.SIGKILL,
        kind=kind,
    )
    if verdict.outcome is RunOutcome.SUCCEEDED and guest.over_limit is not None:
        return Verdict(outcome=RunOutcome.INVALID_OUTPUT, detail=one_line(guest.over_limit, _MAX_DETAIL))
    return verdict


def verdict_of_log(
    log: bytes,
    sandbox: SandboxEnd,
    *,
    stop_requested: RunOutcome | None,
    model_calls: int,
    kind: RunKind = RunKind.AGENT,
) -> Verdict:
    """The verdict on a run without a result: by its log, as far as that says why, else by how the sandbox ended.

    Without a result there is no success: the log cannot claim one.
    """
    lines = log.splitlines()
    verdict = classify(
        lines,
        exit_code=None,
        signal=None,
        stderr="",
        stop_requested=stop_requested,
        model_calls=model_calls,
        out_of_memory=isinstance(sandbox, SandboxExited) and sandbox.out_of_memory,
        kind=kind,
    )
    return verdict if verdict.outcome is not RunOutcome.INFRA_RETRYABLE else _lost(lines, sandbox)


def verdict_of_lost_commands(
    log: bytes, sandbox: SandboxEnd, *, stop_requested: RunOutcome | None, kind: RunKind = RunKind.REGENERATE
) -> Verdict:
    """The verdict on a run of commands without a result. What commands print is not read for reasons.

    The detail of tests that were stopped is the end of what they printed: nothing else says where they were.
    """
    if stop_requested is not None:
        said = tail(log, _STOPPED_TAIL) if kind is RunKind.TEST and stop_requested not in PEOPLE else ""
        return Verdict(outcome=stop_requested, detail=said)
    if isinstance(sandbox, SandboxExited) and sandbox.out_of_memory:
        return Verdict(outcome=RunOutcome.OUT_OF_MEMORY, detail="the sandbox ran out of memory")
    return _lost(log.splitlines(), sandbox)


def _lost(lines: list[bytes], sandbox: SandboxEnd) -> Verdict:
    if isinstance(sandbox, SandboxLost):
        return Verdict(outcome=sandbox.outcome, detail=one_line(sandbox.detail, _MAX_DETAIL))
    if isinstance(sandbox, SandboxExited) and sandbox.exit_code == EXIT_OK:
        # A guest ends well only after its result was taken.
        return Verdict(outcome=RunOutcome.INVALID_OUTPUT, detail=_end(sandbox))
    ours = isinstance(sandbox, SandboxExited) and sandbox.exit_code in _OURS
    outcome = RunOutcome.MISCONFIGURED if ours else RunOutcome.INFRA_RETRYABLE
    return Verdict(
        outcome=outcome, detail=_guest_words(lines) or one_line(_end(sandbox) + _last_words(lines), _MAX_DETAIL)
    )


def _guest_words(lines: list[bytes]) -> str:
    prefix = GUEST_PREFIX.encode()
    said = [line for line in lines if line.startswith(prefix)]
    return one_line(said[-1].removeprefix(prefix).decode("utf-8", "replace"), _MAX_DETAIL) if said else ""


def _end(sandbox: SandboxExited | SandboxMissing) -> str:
    if isinstance(sandbox, SandboxMissing):
        return "the sandbox is gone"
    if sandbox.exit_code is None:
        return f"the sandbox was ended by signal {sandbox.signal}"
    return f"the sandbox ended with status {sandbox.exit_code} and without a result"


def _last_words(lines: list[bytes]) -> str:
    """What was printed last, where nothing better says why: untrusted."""
    last = next((line for line in reversed(lines) if line.strip()), b"")
    return f"; last it said: {last.decode('utf-8', 'replace')}" if last else ""
