"""The contract with the guest: workspace archive in, result archive out. Standard library only; versioned.

Workspace archive: an uncompressed tar with ``context.json`` (a ``Context``) and the repository's files under
``workspace/``. There is no ``.git`` in it and no credential.

Result archive: an uncompressed tar with ``result.json`` (a ``GuestResult``), ``transcript.jsonl`` (Claude Code's event
stream, raw) and the files that differ from the workspace archive under ``changed/``; a deleted file is named in
``result.json``. Everything in it is hostile.

The guest prints Claude Code's event stream to its standard output as it comes: that is the run's log.
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
EXIT_STOPPED: Final = 143
"""What the guest itself exits with; Claude Code's own status stands in ``GuestResult``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextHunk:
    """Where a hunk stands in the file with markers: 1-based lines, both marker lines included."""

    index: int
    first_line: int
    last_line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFile:
    """A conflicted file that the agent is asked to resolve in place."""

    path: str
    kind: str
    hunks: tuple[ContextHunk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the agent is told, as data, in ``context.json``. Every text in it except ``task`` is untrusted.

    ``feedback`` holds the gate's reasons when an earlier try was turned down.
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
    version: int = PROTOCOL_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestResult:
    """What the guest says about Claude Code's process. Hostile like all that comes out of a sandbox.

    ``exit_code`` is None when ``signal`` ended it. ``deleted`` are workspace paths that are gone.
    """

    exit_code: int | None
    signal: int | None
    claude_version: str
    stderr_tail: str
    duration_ms: int
    deleted: tuple[str, ...]
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
    """The agent's closing report, validated against ``REPORT_SCHEMA`` and scrubbed of NUL and lone surrogates."""

    summary: str
    files: tuple[ReportFile, ...]
