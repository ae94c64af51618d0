"""Read what came out of a sandbox. Pure, on bytes: nothing is written to disk, nothing is executed, no link exists."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.errors import IngestError
from bot.model.runs import RunLimits
from runners.archive import ArchivedFile, archived_files
from runners.names import fault_of_path
from runners.protocol import (
    CHANGED_PREFIX,
    PROTOCOL_VERSION,
    RESULT_NAME,
    TRANSCRIPT_NAME,
    GuestResult,
    result_archive_cap,
)
from runners.text import one_line

_MAX_RESULT_JSON: Final = 4 * 2**20
_MAX_DELETED: Final = 50_000
_MAX_ODDITIES: Final = 100
_MAX_TEXT: Final = 8192
_MAX_STATUS: Final = 255
_MAX_DURATION_MS: Final = 2**40
_FIELDS: Final = frozenset(GuestResult.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestedResult:
    """A result archive within all limits. Contents and texts are hostile all the same.

    ``changed`` maps repository paths to their new bytes, ``deleted`` are repository paths without a file.
    """

    changed: Mapping[str, bytes]
    deleted: tuple[str, ...]
    transcript: bytes
    guest: GuestResult


def read_result(archive: bytes, limits: RunLimits) -> IngestedResult:
    """Read a result archive.

    Raises:
        IngestError: the archive breaks a rule; the message names the rule and, where there is one, the path.
    """
    cap = result_archive_cap(limits.max_result_bytes, limits.max_result_files, limits.max_log_bytes)
    if len(archive) > cap:
        raise IngestError(f"the archive has more than {cap} bytes")
    guest: GuestResult | None = None
    transcript: bytes | None = None
    changed: dict[str, bytes] = {}
    budget = _Budget(limits)
    for file in archived_files(archive):
        if file.path == RESULT_NAME and guest is None:
            guest = _guest_result(file.content)
        elif file.path == TRANSCRIPT_NAME and transcript is None:
            transcript = budget.transcript(file.content)
        else:
            path = _changed_path(file, changed)
            changed[path] = budget.changed(file.content)
    if guest is None or transcript is None:
        raise IngestError("the archive lacks the result or the transcript")
    _check_deleted(guest, changed)
    return IngestedResult(changed=changed, deleted=guest.deleted, transcript=transcript, guest=guest)


class _Budget:
    """What is left of the limits on sizes and counts."""

    def __init__(self, limits: RunLimits) -> None:
        self._limits = limits
        self._bytes = 0
        self._files = 0

    def transcript(self, content: memoryview) -> bytes:
        if len(content) > self._limits.max_log_bytes:
            raise IngestError(f"the transcript has more than {self._limits.max_log_bytes} bytes")
        return bytes(content)

    def changed(self, content: memoryview) -> bytes:
        self._files += 1
        self._bytes += len(content)
        if self._files > self._limits.max_result_files:
            raise IngestError(f"more than {self._limits.max_result_files} files changed")
        if self._bytes > self._limits.max_result_bytes:
            raise IngestError(f"the changed files have more than {self._limits.max_result_bytes} bytes")
        return bytes(content)


def _changed_path(file: ArchivedFile, changed: Mapping[str, bytes]) -> str:
    path = file.path.removeprefix(CHANGED_PREFIX)
    if path == file.path:
        raise IngestError(f"the archive holds an unexpected file: {_shown(file.path)}")
    if fault := fault_of_path(path):
        raise IngestError(f"{fault}: {_shown(path)}")
    if path in changed:
        raise IngestError(f"twice in the archive: {_shown(path)}")
    return path


def _check_deleted(guest: GuestResult, changed: Mapping[str, bytes]) -> None:
    for path in guest.deleted:
        if fault := fault_of_path(path):
            raise IngestError(f"{fault}: {_shown(path)}")
        if path in changed:
            raise IngestError(f"both changed and deleted: {_shown(path)}")
    if len(set(guest.deleted)) != len(guest.deleted):
        raise IngestError("a path is deleted twice")


def _guest_result(content: memoryview) -> GuestResult:
    if len(content) > _MAX_RESULT_JSON:
        raise IngestError(f"the result has more than {_MAX_RESULT_JSON} bytes")
    try:
        raw = json.loads(bytes(content))
    except (ValueError, RecursionError):
        raise IngestError("the result is not JSON") from None
    if not isinstance(raw, dict) or set(raw) != _FIELDS:
        raise IngestError("the result has other fields than the protocol")
    if raw["version"] != PROTOCOL_VERSION:
        raise IngestError("the result speaks another version of the protocol")
    return GuestResult(
        exit_code=_integer(raw, "exit_code", _MAX_STATUS),
        signal=_integer(raw, "signal", _MAX_STATUS),
        claude_version=_text(raw["claude_version"], "claude_version"),
        stderr_tail=_text(raw["stderr_tail"], "stderr_tail"),
        duration_ms=_integer(raw, "duration_ms", _MAX_DURATION_MS) or 0,
        deleted=_texts(raw, "deleted", _MAX_DELETED),
        oddities=_texts(raw, "oddities", _MAX_ODDITIES),
        over_limit=None if raw["over_limit"] is None else _text(raw["over_limit"], "over_limit"),
    )


def _integer(raw: Mapping[str, Any], name: str, most: int) -> int | None:
    value = raw[name]
    if value is not None and (type(value) is not int or not 0 <= value <= most):
        raise IngestError(f"the result's {name} is not a number in range")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise IngestError(f"the result's {name} is not a short text")
    return value


def _texts(raw: Mapping[str, Any], name: str, most: int) -> tuple[str, ...]:
    values = raw[name]
    if not isinstance(values, list) or len(values) > most:
        raise IngestError(f"the result's {name} is not a short list")
    return tuple(_text(value, name) for value in values)


def _shown(path: str) -> str:
    return one_line(path, 200)
