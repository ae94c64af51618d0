"""Prove that sandboxes are sealed: start one that tries to get out, and read what it says of that.

The proof is only as good as its answer is whole. Every attempt that was asked for has to be answered, once, and by this
sandbox; the gateway has to have answered it, since the silence of a sandbox that reaches nothing at all proves nothing.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from bot.errors import SandboxError
from bot.model.runs import (
    RunKind,
    RunLimits,
    RunTask,
    SandboxEnd,
    SandboxExited,
    SandboxLost,
    SandboxMissing,
    SandboxPending,
    SandboxRunning,
)
from bot.ports.runner import AgentRunner
from bot.ports.system import Clock, Ids
from runners.guest.probe import trials_of
from runners.guest.probe_words import PROBE_PREFIX, PROBE_VERSION, Outcome, ProbeTargets, targets_to_json
from runners.protocol import EXIT_OK, GUEST_PREFIX
from runners.sandbox import PROBE_PENDING_SECONDS, PROBE_SECONDS
from runners.text import one_line

log = structlog.get_logger(__name__)

OTHER_WORKSPACE: Final = "the workspace of another run"
"""The attempt that there is only where there is another run."""

_MAX_ANSWER_BYTES: Final = 2**18
_MAX_LOG_BYTES: Final = 2**20
_MAX_DETAIL: Final = 200
_MAX_SHOWN: Final = 5
_MODEL: Final = "none"
_WORK: Final = timedelta(seconds=PROBE_SECONDS)
_OTHER_FORM: Final = "the probe's answer has another form"

_LIMITS: Final = RunLimits(
    deadline_seconds=PROBE_SECONDS,
    stall_seconds=PROBE_SECONDS,
    budget_usd=0.01,
    max_turns=1,
    max_workspace_bytes=1,
    max_result_bytes=1,
    max_result_files=1,
    max_log_bytes=_MAX_LOG_BYTES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One thing that the probe tried. ``detail`` is a sandbox's word: show it, but do not believe it."""

    kind: str
    name: str
    outcome: Outcome
    detail: str

    def __str__(self) -> str:
        return f"{self.name} ({self.detail})"


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationReport:
    """What one probe found.

    Attributes:
        at: when it was begun.
        attempts: everything that was tried, empty where no answer came.
        problem: why nothing is proved, None where the answer is whole.
        claude_version: what Claude Code in the sandbox says its version is.
        untried: what there was nothing to try on, and why.
    """

    at: datetime
    attempts: tuple[Attempt, ...] = ()
    problem: str | None = None
    claude_version: str = ""
    untried: tuple[str, ...] = ()

    @property
    def violations(self) -> tuple[Attempt, ...]:
        """What the sandbox let happen."""
        return tuple(one for one in self.attempts if one.outcome is Outcome.SUCCEEDED)

    @property
    def weaknesses(self) -> tuple[Attempt, ...]:
        """Where a wall fewer stands than could."""
        return tuple(one for one in self.attempts if one.outcome is Outcome.WEAK)

    @property
    def proved(self) -> bool:
        """Whether sandboxes are sealed as far as was tried."""
        return self.problem is None and not self.violations

    def reason(self) -> str | None:
        """Why no sandbox may be started, None when one may."""
        if self.violations:
            shown = "; ".join(str(one) for one in self.violations[:_MAX_SHOWN])
            more = len(self.violations) - _MAX_SHOWN
            return f"sandboxes are not isolated: {shown}" + (f"; and {more} more" if more > 0 else "")
        return None if self.problem is None else f"isolation is not proved: {self.problem}"


class IsolationProbe:
    """Proves the isolation of one backend's sandboxes."""

    def __init__(
        self,
        runner: AgentRunner,
        *,
        gateway_url: str,
        clock: Clock,
        ids: Ids,
        pending_seconds: float = PROBE_PENDING_SECONDS,
        poll_seconds: float = 0.25,
    ) -> None:
        """Probe sandboxes of ``runner``.

        Each may take ``pending_seconds`` to come to work, as long as a run's, but not longer than the sinker leaves a
        probe alone; then it has two minutes. A backend that does not know when a guest comes to work gives it both.
        """
        self._runner = runner
        self._gateway_url = gateway_url
        self._clock = clock
        self._ids = ids
        self._pending = timedelta(seconds=min(pending_seconds, PROBE_PENDING_SECONDS))
        self._poll_seconds = poll_seconds

    async def prove(self, targets: ProbeTargets) -> IsolationReport:
        """Start a sandbox, let it try, and read its answer; nothing of it is left afterwards. Never raises ours."""
        at = self._clock.now()
        asked = replace(targets, nonce=self._ids.new_id())
        task = RunTask(
            run_id=self._ids.new_id(),
            token=self._ids.new_token(),
            gateway_url=self._gateway_url,
            model=_MODEL,
            limits=_LIMITS,
            kind=RunKind.AGENT,
            probe=targets_to_json(asked),
        )
        try:
            said = await self._said(task, until=at + self._pending + _WORK)
        except SandboxError as error:
            return IsolationReport(at=at, problem=str(error))
        finally:
            await self._remove(task.run_id)
        return read_answer(said, asked, at=at)

    async def _said(self, task: RunTask, *, until: datetime) -> bytes:
        """The log of the ended sandbox. Raises ``SandboxError``."""
        await self._runner.start(task)
        end = await self._end(task.run_id, until=until)
        said = await self._log(task.run_id)
        if isinstance(end, SandboxExited) and end.exit_code == EXIT_OK:
            return said
        raise SandboxError(f"{_ended(end)}{_last_words(said)}")

    async def _end(self, run_id: str, *, until: datetime) -> SandboxEnd:
        doing = "was not seen"
        while self._clock.now() < until:
            # What cannot be seen for a moment may be seen again before the time is over.
            try:
                seen = await self._runner.observe(run_id)
            except SandboxError as error:
                doing = f"could not be observed: {error}"
            else:
                if not isinstance(seen, SandboxPending | SandboxRunning):
                    return seen
                if isinstance(seen, SandboxRunning) and seen.since is not None:
                    until = min(until, self._clock.now() + _WORK)
                doing = f"waited: {seen.reason}" if isinstance(seen, SandboxPending) else "was at work"
            await asyncio.sleep(self._poll_seconds)
        raise SandboxError(f"the probe did not end in time; it {doing}")

    async def _log(self, run_id: str) -> bytes:
        said = b""
        while len(said) < _MAX_LOG_BYTES:
            chunk = await self._runner.read_log(run_id, offset=len(said), limit=_MAX_LOG_BYTES - len(said))
            if not chunk:
                break
            said += chunk
        return said

    async def _remove(self, run_id: str) -> None:
        """What cannot be removed now is removed by the sinker: no run is its own."""
        try:
            await self._runner.stop(run_id)
            await self._runner.forget(run_id)
        except SandboxError as error:
            log.warning("probe cannot be removed", run_id=run_id, error=str(error))


def read_answer(said: bytes, asked: ProbeTargets, *, at: datetime) -> IsolationReport:
    """Judge what a probe printed. Hostile: whatever is not exactly an answer to ``asked`` proves nothing."""
    try:
        claude, attempts = _parse(said, asked)
    except ValueError as error:
        return IsolationReport(at=at, problem=str(error))
    unclear = [one for one in attempts if one.outcome is Outcome.UNCLEAR]
    problem = f"some things could not be tried: {unclear[0]}" if unclear else None
    if len(unclear) > 1:
        problem = f"{problem} and {len(unclear) - 1} more"
    return IsolationReport(at=at, attempts=attempts, problem=problem, claude_version=claude)


def expected(targets: ProbeTargets) -> list[tuple[str, str]]:
    """Kind and name of every attempt that the answer to ``targets`` must have, in order."""
    return [(trial.kind, trial.name) for trial in trials_of(targets, {})]


def _parse(said: bytes, asked: ProbeTargets) -> tuple[str, tuple[Attempt, ...]]:
    """Raises ``ValueError`` with a sentence of ours."""
    prefix = PROBE_PREFIX.encode()
    lines = [line.removeprefix(prefix) for line in said.split(b"\n") if line.startswith(prefix)]
    if len(lines) != 1:
        raise ValueError(f"the probe gave {len(lines)} answers")
    if len(lines[0]) > _MAX_ANSWER_BYTES:
        raise ValueError("the probe's answer is too long")
    try:
        answer = json.loads(lines[0])
    except (ValueError, RecursionError):
        raise ValueError("the probe's answer is no JSON") from None
    if not _has_texts(answer, {"nonce", "claude"}, besides={"version", "attempts"}):
        raise ValueError(_OTHER_FORM)
    if answer["version"] != PROBE_VERSION or answer["nonce"] != asked.nonce:
        raise ValueError("the probe answered another question")
    if not isinstance(answer["attempts"], list) or not all(_is_attempt(one) for one in answer["attempts"]):
        raise ValueError(_OTHER_FORM)
    attempts = tuple(_attempt(one) for one in answer["attempts"])
    if [(one.kind, one.name) for one in attempts] != expected(asked):
        raise ValueError("the probe did not try what it was asked to; is the guest image of another version?")
    return one_line(answer["claude"], _MAX_DETAIL), attempts


def _has_texts(raw: object, texts: set[str], *, besides: set[str]) -> bool:
    """Whether ``raw`` is an object with exactly these members, and those of ``texts`` are texts."""
    return isinstance(raw, dict) and raw.keys() == texts | besides and all(isinstance(raw[name], str) for name in texts)


def _is_attempt(raw: object) -> bool:
    return _has_texts(raw, {"kind", "name", "detail", "outcome"}, besides=set())


def _attempt(raw: Mapping[str, str]) -> Attempt:
    """Raises ``ValueError`` for an outcome that is none."""
    if raw["outcome"] not in set(Outcome):
        raise ValueError(_OTHER_FORM)
    return Attempt(
        kind=raw["kind"],
        name=raw["name"],
        outcome=Outcome(raw["outcome"]),
        detail=one_line(raw["detail"], _MAX_DETAIL),
    )


def _ended(end: SandboxEnd) -> str:
    match end:
        case SandboxLost():
            return end.detail
        case SandboxMissing():
            return "the probe's sandbox is gone"
        case SandboxExited(out_of_memory=True):
            return "the probe ran out of memory"
        case SandboxExited(exit_code=None):
            return f"signal {end.signal} ended the probe"
        case SandboxExited():
            return f"the probe ended with status {end.exit_code}"


def _last_words(said: bytes) -> str:
    """What the guest itself says of its failure."""
    lines = [line for line in said.decode("utf-8", "replace").split("\n") if line.startswith(GUEST_PREFIX)]
    return f": {one_line(lines[-1].removeprefix(GUEST_PREFIX), _MAX_DETAIL)}" if lines else ""
