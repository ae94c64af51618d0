"""The contract with the guest: workspace archive in, result archive out. Standard library only; versioned.

Workspace archive: an uncompressed tar with ``context.json`` (a ``Context``) and the repository's files under
``workspace/``. There is no ``.git`` in it and no credential.

Result archive: an uncompressed tar with ``result.json`` (a ``GuestResult``), ``transcript.jsonl`` (Claude Code's event
stream, or what the commands printed, raw) and the files that differ from the workspace archive under ``changed/``; a
deleted file is named in ``result.json``. Everything in it is hostile.

The guest prints Claude Code's event stream to its standard output as it comes: that is the run's log. What the guest
itself has to say goes to its standard error, each line beginning with ``GUEST_PREFIX``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

PROTOCOL_VERSION: Final = 1

CONTEXT_NAME: Final = "context.json"
WORKSPACE_PREFIX: Final = "workspace/"
RESULT_NAME: Final = "result.json"
TRANSCRIPT_NAME: Final = "transcript.jsonl"
CHANGED_PREFIX: Final = "changed/"

WORKSPACE_PATH: Final = "/runs/{run_id}/workspace"
"""GET, once per run, with ``Authorization: Bearer <run token>``."""

RESULT_PATH: Final = "/runs/{run_id}/result"
"""PUT, once per run, with ``Authorization: Bearer <run token>``."""

EXIT_OK: Final = 0
EXIT_FETCH_FAILED: Final = 70
EXIT_UPLOAD_FAILED: Final = 71
EXIT_CLAUDE_MISSING: Final = 72
EXIT_MISUSED: Final = 73
EXIT_STOPPED: Final = 143
"""What the guest itself exits with; Claude Code's own status stands in ``GuestResult``."""

GUEST_PREFIX: Final = "flowforge-guest: "

ENV_RUN_ID: Final = "FLOWFORGE_RUN_ID"
ENV_WORK: Final = "FLOWFORGE_WORK"
ENV_RUN_TOKEN: Final = "FLOWFORGE_RUN_TOKEN"  # noqa: S105 - the variable's name
ENV_GATEWAY_URL: Final = "FLOWFORGE_GATEWAY_URL"
ENV_MODEL: Final = "FLOWFORGE_MODEL"
ENV_CLAUDE: Final = "FLOWFORGE_CLAUDE"
ENV_TASK_DIR: Final = "FLOWFORGE_TASK_DIR"
ENV_MAX_TURNS: Final = "FLOWFORGE_MAX_TURNS"
ENV_BUDGET_USD: Final = "FLOWFORGE_BUDGET_USD"
ENV_STALL_SECONDS: Final = "FLOWFORGE_STALL_SECONDS"
ENV_MAX_WORKSPACE_BYTES: Final = "FLOWFORGE_MAX_WORKSPACE_BYTES"
ENV_MAX_RESULT_BYTES: Final = "FLOWFORGE_MAX_RESULT_BYTES"
ENV_MAX_RESULT_FILES: Final = "FLOWFORGE_MAX_RESULT_FILES"
ENV_MAX_LOG_BYTES: Final = "FLOWFORGE_MAX_LOG_BYTES"
ENV_LIFELINE: Final = "FLOWFORGE_LIFELINE"
ENV_SOCKET: Final = "FLOWFORGE_SOCKET"
ENV_PROBE: Final = "FLOWFORGE_PROBE"
"""How the guest is told its task. All but the last three are required.

``FLOWFORGE_WORK`` is ``agent`` (Claude Code resolves conflicts), ``change`` (it changes files as people asked),
``look`` (it reads, changes nothing, and answers) or ``commands`` (the repository's own commands of ``context.json``
run, without a model). ``FLOWFORGE_TASK_DIR`` is an existing empty directory of the guest's own, its
path absolute and without characters that mean something in Claude Code's rules. ``FLOWFORGE_LIFELINE=stdin`` says that
standard input is a pipe held by whoever started the guest: its end means that the starter is gone, and the guest ends
as on SIGTERM. ``FLOWFORGE_SOCKET`` is the path of a unix socket: then every request goes there instead of over a
network, the model's too. With ``FLOWFORGE_PROBE`` the guest does no task and needs no other variable: it tries what a
sandbox must not be able to do (``runners.guest.probe``).
"""

SOCKET_URL: Final = "http://gateway.invalid"
"""The gateway's address where a socket leads to it; no name service knows it."""

WORK_AGENT: Final = "agent"
WORK_CHANGE: Final = "change"
WORK_LOOK: Final = "look"
WORK_COMMANDS: Final = "commands"
WORKS: Final = frozenset({WORK_AGENT, WORK_CHANGE, WORK_LOOK, WORK_COMMANDS})

MAX_DEPTH: Final = 100
"""Directories above a file in either archive."""

MAX_WORKSPACE_FILES: Final = 50_000

_OVERHEAD_PER_FILE: Final = 8192
_OVERHEAD: Final = 2**20


def workspace_archive_cap(max_workspace_bytes: int) -> int:
    """The most bytes that a workspace archive with ``max_workspace_bytes`` of content can have."""
    return max_workspace_bytes + MAX_WORKSPACE_FILES * _OVERHEAD_PER_FILE + _OVERHEAD


def result_archive_cap(max_result_bytes: int, max_result_files: int, max_log_bytes: int) -> int:
    """The most bytes that a result archive within the limits of its run can have."""
    return max_result_bytes + max_log_bytes + max_result_files * _OVERHEAD_PER_FILE + _OVERHEAD


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextCandidate:
    """A text that a rule proposes for a hunk, and why."""

    content: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextHunk:
    """Where a hunk stands in the file with markers: 1-based lines, both marker lines included; and what rules say."""

    index: int
    first_line: int
    last_line: int
    candidates: tuple[ContextCandidate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFile:
    """A conflicted file that the agent is asked to resolve in place."""

    path: str
    kind: str
    hunks: tuple[ContextHunk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSaid:
    """What somebody wrote: where, who, and what that person may do in the repository; empty where nobody knows."""

    source: str
    author: str
    permission: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the agent is told, as data, in ``context.json``. Every text in it except ``task`` is untrusted.

    ``feedback`` holds the gate's reasons when an earlier try was turned down. ``commands`` are argument lists from the
    base branch's configuration, run one after the other in the workspace; an agent's task has none. ``said`` is what
    people wrote about work that is no merge.
    """

    task: str
    number: int
    title: str
    head: str
    base: str
    files: tuple[ContextFile, ...]
    ours_subjects: tuple[str, ...]
    theirs_subjects: tuple[str, ...]
    instructions: str
    feedback: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...] = ()
    said: tuple[ContextSaid, ...] = ()
    version: int = PROTOCOL_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestResult:
    """What the guest says about the process that did the work. Hostile like all that comes out of a sandbox.

    ``exit_code`` is None when ``signal`` ended it. ``deleted`` are workspace paths where no regular file is any more.
    ``oddities`` name what no honest run leaves behind: links, devices, reserved names, changed modes. ``over_limit``
    says which limit the workspace broke; then no changed file is in the archive.
    """

    exit_code: int | None
    signal: int | None
    claude_version: str
    stderr_tail: str
    duration_ms: int
    deleted: tuple[str, ...]
    oddities: tuple[str, ...] = ()
    over_limit: str | None = None
    version: int = PROTOCOL_VERSION


REPORT_SCHEMA: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["summary", "files"],
        "properties": {
            "summary": {"type": "string"},
            "files": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["path", "hunks"],
                    "properties": {
                        "path": {"type": "string"},
                        "hunks": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "additionalProperties": False,
                                "required": ["index", "resolved", "reason", "confidence"],
                                "properties": {
                                    "index": {"type": "integer"},
                                    "resolved": {"type": "boolean"},
                                    "reason": {"type": "string"},
                                    "confidence": {"type": "string", "enum": ["high", "medium", "low"]},
                                },
                            },
                        },
                    },
                },
            },
        },
    },
)
"""The JSON schema of the agent's closing report (``--json-schema``): one entry a file, one reason a hunk."""


WORDS_SCHEMA: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["summary"],
        "properties": {"summary": {"type": "string"}},
    },
)
"""The JSON schema of the closing report on work that changes nothing: words alone."""

CHANGE_SCHEMA: Final[Mapping[str, Any]] = MappingProxyType(
    {
        **WORDS_SCHEMA,
        "properties": {"summary": {"type": "string"}, "deleted": {"type": "array", "items": {"type": "string"}}},
    },
)
"""The same for work that changes files: no tool removes one, so those that have to go are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHunk:
    """The agent's word on one hunk."""

    index: int
    resolved: bool
    reason: str
    confidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFile:
    """The agent's word on one file."""

    path: str
    hunks: tuple[ReportHunk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """The agent's closing report, validated against its schema and scrubbed of NUL and lone surrogates.

    By ``WORDS_SCHEMA`` and ``CHANGE_SCHEMA`` there are no files in it. ``deleted`` are paths as the agent wrote them.
    """

    summary: str
    files: tuple[ReportFile, ...]
    deleted: tuple[str, ...] = ()
