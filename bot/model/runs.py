"""Agent runs: one task, in a sandbox, with limits; and how they can end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from bot.model.work import Said


class RunOutcome(StrEnum):
    """How a run ended. Every way a run can end is one of these names."""

    SUCCEEDED = "succeeded"
    # the agent's doing
    AGENT_REFUSED = "agent_refused"
    NO_REPORT = "no_report"
    INVALID_OUTPUT = "invalid_output"
    MAX_TURNS = "max_turns"
    MAX_OUTPUT = "max_output"
    CONTEXT_TOO_LONG = "context_too_long"
    AGENT_FAILED = "agent_failed"
    # money and time
    BUDGET_EXHAUSTED = "budget_exhausted"
    TIMED_OUT = "timed_out"
    STALLED = "stalled"
    # people
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    # the model's side
    MODEL_OVERLOADED = "model_overloaded"
    MODEL_RATE_LIMITED = "model_rate_limited"
    MODEL_UNREACHABLE = "model_unreachable"
    MODEL_AUTHENTICATION = "model_authentication"
    MODEL_NOT_FOUND = "model_not_found"
    MODEL_BILLING = "model_billing"
    MODEL_REJECTED_REQUEST = "model_rejected_request"
    # our own side
    MISCONFIGURED = "misconfigured"
    INFRA_RETRYABLE = "infra_retryable"
    INFRA_TERMINAL = "infra_terminal"
    OUT_OF_MEMORY = "oom"
    # the repository's own doing
    COMMAND_FAILED = "command_failed"


class FailureClass(StrEnum):
    """What a run's end means for what is done next. Ends of one class are treated alike."""

    NONE = "none"
    INFRA_RETRYABLE = "infra_retryable"
    INFRA_TERMINAL = "infra_terminal"
    AGENT_FAILED = "agent_failed"
    AGENT_TIMEOUT = "agent_timeout"
    OUT_OF_MEMORY = "oom"
    INVALID_OUTPUT = "invalid_output"
    MODEL_FAILED = "model_failed"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


def failure_class(outcome: RunOutcome) -> FailureClass:  # noqa: C901, PLR0911 - one line for every class
    """The class of an outcome; a run that succeeded has ``NONE``."""
    match outcome:
        case RunOutcome.SUCCEEDED:
            return FailureClass.NONE
        case RunOutcome.INFRA_RETRYABLE:
            return FailureClass.INFRA_RETRYABLE
        case RunOutcome.INFRA_TERMINAL | RunOutcome.MISCONFIGURED:
            return FailureClass.INFRA_TERMINAL
        case (
            RunOutcome.AGENT_FAILED
            | RunOutcome.AGENT_REFUSED
            | RunOutcome.MAX_TURNS
            | RunOutcome.MAX_OUTPUT
            | RunOutcome.CONTEXT_TOO_LONG
            | RunOutcome.BUDGET_EXHAUSTED
            | RunOutcome.COMMAND_FAILED
        ):
            return FailureClass.AGENT_FAILED
        case RunOutcome.TIMED_OUT | RunOutcome.STALLED:
            return FailureClass.AGENT_TIMEOUT
        case RunOutcome.OUT_OF_MEMORY:
            return FailureClass.OUT_OF_MEMORY
        case RunOutcome.NO_REPORT | RunOutcome.INVALID_OUTPUT:
            return FailureClass.INVALID_OUTPUT
        case (
            RunOutcome.MODEL_OVERLOADED
            | RunOutcome.MODEL_RATE_LIMITED
            | RunOutcome.MODEL_UNREACHABLE
            | RunOutcome.MODEL_AUTHENTICATION
            | RunOutcome.MODEL_NOT_FOUND
            | RunOutcome.MODEL_BILLING
            | RunOutcome.MODEL_REJECTED_REQUEST
        ):
            return FailureClass.MODEL_FAILED
        case RunOutcome.SUPERSEDED:
            return FailureClass.SUPERSEDED
        case RunOutcome.CANCELLED:
            return FailureClass.CANCELLED
        case _:
            assert_never(outcome)


OF_THE_OPERATOR = frozenset({RunOutcome.INFRA_RETRYABLE, RunOutcome.INFRA_TERMINAL, RunOutcome.MISCONFIGURED})
"""Ends whose detail names parts of the installation: it is for the operator's eyes, not for a pull request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """What one run may use. Times in seconds, sizes in bytes."""

    deadline_seconds: float
    stall_seconds: float
    budget_usd: float
    max_turns: int
    max_workspace_bytes: int
    max_result_bytes: int
    max_result_files: int
    max_log_bytes: int


class RunKind(StrEnum):
    """What a run does.

    An agent over conflicts, one that changes files as people asked in words, one that only reads, one direct call, a
    generated file made anew, the repository's tests.
    """

    AGENT = "agent"
    CHANGE = "change"
    LOOK = "look"
    DIRECT = "direct"
    REGENERATE = "regenerate"
    TEST = "test"


AGENT_KINDS = frozenset({RunKind.AGENT, RunKind.CHANGE, RunKind.LOOK})
"""The kinds in which Claude Code is at work."""

MODEL_KINDS = AGENT_KINDS | {RunKind.DIRECT}
"""The kinds whose token is worth something at the model gateway."""

RESOLVING_KINDS = AGENT_KINDS | {RunKind.REGENERATE}
"""The kinds that do a job's work in a sandbox."""

SANDBOX_KINDS = RESOLVING_KINDS | {RunKind.TEST}
"""The kinds that have a sandbox."""


class RunState(StrEnum):
    """Where a run stands."""

    CREATED = "created"
    STARTED = "started"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a run or job used of the model; costs in US dollars."""

    model_calls: int = 0
    request_bytes: tuple[int, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0
    cost_usd: float = 0.0


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as read from its row. ``stop_requested`` is the outcome somebody asked it to end with, or None."""

    id: str
    job_id: str
    attempt: int
    state: RunState
    model: str
    limits: RunLimits
    outcome: RunOutcome | None
    detail: str
    stop_requested: RunOutcome | None
    started_at: datetime | None
    deadline_at: datetime | None
    ended_at: datetime | None
    kind: RunKind = RunKind.AGENT


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTask:
    """What a backend needs to start a sandbox: no repository content, no long-lived secret.

    ``token`` is this run's own, worth one workspace download, one result upload and, for an agent, the run's model
    budget; all of that is at ``gateway_url``, the one address that a sandbox reaches. A direct call has no sandbox and
    so no task. With ``probe``, the targets of ``runners.isolation`` as JSON, the sandbox is only looked at from inside.
    """

    run_id: str
    token: str
    gateway_url: str
    model: str
    limits: RunLimits
    kind: RunKind = RunKind.AGENT
    probe: str = ""

    def __repr__(self) -> str:
        return f"RunTask(run_id={self.run_id!r}, token=<hidden>, model={self.model!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPending:
    """The sandbox was asked for and does not work yet.

    ``reason`` is what it waits for, in a few words of ours. ``queued`` says that an outside scheduler holds it back on
    purpose: that may take as long as it takes.
    """

    reason: str
    queued: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxRunning:
    """The sandbox lives; ``log_bytes`` is how much it has written so far, ``since`` when it began if that is known."""

    log_bytes: int
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxExited:
    """The sandbox ended. ``exit_code`` is None when a signal ended it."""

    exit_code: int | None
    signal: int | None
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxMissing:
    """No sandbox of that run exists here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLost:
    """The sandbox came to nothing for reasons that are not the agent's: evicted, no image, no node, refused.

    ``outcome`` is ``INFRA_RETRYABLE`` or ``INFRA_TERMINAL``.
    """

    outcome: RunOutcome
    detail: str


SandboxEnd = SandboxExited | SandboxMissing | SandboxLost
SandboxObservation = SandboxPending | SandboxRunning | SandboxEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentProgress:
    """What the agent's event stream says so far: one line for people, and counters."""

    line: str
    turns: int
    tool_uses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelGrant:
    """What a run's token is worth at the model gateway. ``spent_usd`` counts this run's recorded calls."""

    run_id: str
    job_id: str
    model: str
    budget_usd: float
    spent_usd: float
    stop_requested: RunOutcome | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One call through the gateway, as metered. ``status`` is the upstream's HTTP status, 0 when it was not reached."""

    run_id: str
    model: str
    status: int
    request_bytes: int
    input_tokens: int
    output_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    cost_usd: float
    started_at: datetime
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefCandidate:
    """A text that a rule proposes for a hunk, and why; never right often enough to be applied by itself."""

    content: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefHunk:
    """Where a hunk stands in the file with markers: 1-based lines, both marker lines included; and what rules say."""

    index: int
    first_line: int
    last_line: int
    candidates: tuple[BriefCandidate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefFile:
    """A conflicted file that the agent is asked to resolve."""

    path: str
    kind: str
    hunks: tuple[BriefHunk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentBrief:
    """What an agent is told about its task. Every text in it is untrusted.

    ``feedback`` holds the gate's reasons when an earlier try was turned down.
    """

    number: int
    title: str
    head: str
    base: str
    files: tuple[BriefFile, ...]
    ours_subjects: tuple[str, ...]
    theirs_subjects: tuple[str, ...]
    instructions: str
    feedback: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkBrief:
    """What an agent is told about work that people asked for in words; ``task`` is the only text that is ours.

    ``may_change`` says whether it may touch files at all. Of the texts, ``instructions`` are those of whoever asked.
    """

    task: str
    may_change: bool
    number: int
    title: str
    head: str
    base: str
    said: tuple[Said, ...]
    instructions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkAnswer:
    """What came of it, after ingestion: hostile content in safe shapes.

    ``text`` is what the agent had to say. ``changed`` maps repository paths to their new bytes; ``deleted`` are the
    paths of files that are gone or that the agent wants to be gone, none of them in ``changed``.
    """

    changed: Mapping[str, bytes]
    deleted: tuple[str, ...]
    oddities: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandBrief:
    """Commands of the repository's own, as argument lists, to be run over a workspace without a model."""

    commands: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswer:
    """What commands left in their workspace, after ingestion: hostile content in safe shapes.

    ``log_tail`` is the end of what they printed, ``duration_ms`` what the guest says they took.
    """

    changed: Mapping[str, bytes]
    deleted: tuple[str, ...]
    oddities: tuple[str, ...]
    log_tail: str
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteAnswer:
    """What the guest says about a run of the repository's tests, after ingestion. It is evidence, and may be a lie.

    ``exit_code`` is None when ``signal`` ended it. ``log_tail`` is the end of what the tests printed.
    """

    exit_code: int | None
    signal: int | None
    duration_ms: int
    log_tail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredHunk:
    """The agent's word on one hunk."""

    index: int
    resolved: bool
    reason: str
    confidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredFile:
    """The agent's word on one file."""

    path: str
    hunks: tuple[AnsweredHunk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAnswer:
    """What came out of a sandbox, after ingestion: hostile content in safe shapes.

    ``changed`` maps repository paths to their new bytes. ``oddities`` are things no honest run produces (links,
    devices, forbidden names), in words.
    """

    changed: Mapping[str, bytes]
    deleted: tuple[str, ...]
    oddities: tuple[str, ...]
    summary: str
    files: tuple[AnsweredFile, ...]
