"""The agent's closing report: our own strict reading of what ``--json-schema`` is said to guarantee."""

import re
from typing import Any, Final

from runners.protocol import AgentReport, ReportFile, ReportHunk

_MAX_SUMMARY: Final = 20_000
_MAX_FILES: Final = 1_000
_MAX_HUNKS: Final = 2_000
_MAX_REASON: Final = 8_000
_MAX_PATH: Final = 4_096
_MAX_INDEX: Final = 1_000_000
_CONFIDENCES: Final = frozenset({"high", "medium", "low"})
# NUL cannot be stored by PostgreSQL, a lone surrogate cannot be encoded at all.
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


class ReportError(Exception):
    """The report breaks the schema or a size; the message says where."""


def read_report(raw: Any) -> AgentReport:
    """Check ``raw`` (decoded JSON) against ``REPORT_SCHEMA`` and our sizes, and scrub its texts.

    Raises:
        ReportError: it is not exactly of the schema's shape, or too large.
    """
    fields = _object(raw, "the report", {"summary", "files"})
    files = _array(fields["files"], "files", _MAX_FILES)
    return AgentReport(
        summary=_text(fields["summary"], "summary", _MAX_SUMMARY),
        files=tuple(_file(file, f"files[{number}]") for number, file in enumerate(files)),
    )


def read_words(raw: Any) -> AgentReport:
    """The same against ``CHANGE_SCHEMA``, of which ``WORDS_SCHEMA`` is a part.

    Raises:
        ReportError: it is not exactly of the schema's shape, or too large.
    """
    listed = isinstance(raw, dict) and "deleted" in raw
    fields = _object(raw, "the report", {"summary", "deleted"} if listed else {"summary"})
    deleted = _array(fields["deleted"], "deleted", _MAX_FILES) if listed else []
    return AgentReport(
        summary=_text(fields["summary"], "summary", _MAX_SUMMARY),
        files=(),
        deleted=tuple(_text(path, f"deleted[{number}]", _MAX_PATH) for number, path in enumerate(deleted)),
    )


def _file(raw: Any, where: str) -> ReportFile:
    fields = _object(raw, where, {"path", "hunks"})
    hunks = _array(fields["hunks"], f"{where}.hunks", _MAX_HUNKS)
    return ReportFile(
        path=_text(fields["path"], f"{where}.path", _MAX_PATH),
        hunks=tuple(_hunk(hunk, f"{where}.hunks[{number}]") for number, hunk in enumerate(hunks)),
    )


def _hunk(raw: Any, where: str) -> ReportHunk:
    fields = _object(raw, where, {"index", "resolved", "reason", "confidence"})
    index, resolved, confidence = fields["index"], fields["resolved"], fields["confidence"]
    if type(index) is not int or not 0 <= index <= _MAX_INDEX:
        raise ReportError(f"{where}.index is not a number in range")
    if not isinstance(resolved, bool):
        raise ReportError(f"{where}.resolved is neither true nor false")
    if not isinstance(confidence, str) or confidence not in _CONFIDENCES:
        raise ReportError(f"{where}.confidence is not high, medium or low")
    reason = _text(fields["reason"], f"{where}.reason", _MAX_REASON)
    return ReportHunk(index=index, resolved=resolved, reason=reason, confidence=confidence)


def _object(raw: Any, where: str, keys: set[str]) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ReportError(f"{where} is not an object")
    if set(raw) != keys:
        raise ReportError(f"{where} does not have exactly the keys {', '.join(sorted(keys))}")
    return raw


def _array(raw: Any, where: str, most: int) -> list[Any]:
    if not isinstance(raw, list):
        raise ReportError(f"{where} is not a list")
    if len(raw) > most:
        raise ReportError(f"{where} has more than {most} entries")
    return raw


def _text(raw: Any, where: str, most: int) -> str:
    if not isinstance(raw, str):
        raise ReportError(f"{where} is not a text")
    if len(raw) > most:
        raise ReportError(f"{where} has more than {most} characters")
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", raw)
