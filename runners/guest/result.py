"""Build the result archive."""

import dataclasses
import io
import json
import tarfile
from pathlib import Path

from runners.guest.program import Ended
from runners.guest.walk import Changes
from runners.protocol import CHANGED_PREFIX, RESULT_NAME, TRANSCRIPT_NAME, GuestResult


def build_result(ended: Ended, changes: Changes, transcript: Path) -> bytes:
    """The archive to upload: what became of the program, its transcript, and the changed files."""
    result = GuestResult(
        exit_code=ended.exit_code,
        signal=ended.signal,
        claude_version=ended.version,
        stderr_tail=ended.stderr_tail,
        duration_ms=ended.duration_ms,
        deleted=tuple(changes.deleted),
        oddities=tuple(changes.oddities),
        over_limit=changes.over_limit,
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, RESULT_NAME, json.dumps(dataclasses.asdict(result)).encode())
        _add(tar, TRANSCRIPT_NAME, transcript.read_bytes())
        for path in sorted(changes.changed):
            _add(tar, CHANGED_PREFIX + path, changes.changed[path])
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o644
    tar.addfile(member, io.BytesIO(content))
