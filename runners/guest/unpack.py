"""Put the workspace archive on disk, one directory descriptor at a time, and remember what was put there."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runners.guest.task import GuestError
from runners.protocol import (
    CONTEXT_NAME,
    EXIT_FETCH_FAILED,
    EXIT_MISUSED,
    MAX_DEPTH,
    MAX_WORKSPACE_FILES,
    PROTOCOL_VERSION,
    WORKSPACE_PREFIX,
)

_DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMark:
    """What a file was when it was unpacked."""

    sha256: bytes
    size: int
    executable: bool


def unpack(archive: bytes, directory: Path) -> dict[str, FileMark]:
    """Write ``context.json`` and ``workspace/`` under ``directory``; the marks of the workspace's files by path.

    Raises:
        GuestError: the archive is not what the protocol says, or speaks another version of it.
    """
    marks: dict[str, FileMark] = {}
    root = os.open(directory, _DIRECTORY_FLAGS)
    try:
        os.mkdir(WORKSPACE_PREFIX.rstrip("/"), dir_fd=root)
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
            for member in tar:
                _unpack_member(tar, member, root, marks)
        _check_version(directory / CONTEXT_NAME)
    except (tarfile.TarError, OSError, ValueError, RecursionError) as error:
        raise _refusal(f"it cannot be unpacked ({type(error).__name__})") from None
    finally:
        os.close(root)
    return marks


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, root: int, marks: dict[str, FileMark]) -> None:
    content = tar.extractfile(member) if member.isreg() and not member.issparse() else None
    if content is None:
        raise _refusal("it holds something that is no file")
    body = content.read()
    if member.name == CONTEXT_NAME:
        _write(root, [CONTEXT_NAME], body, executable=False)
        return
    path = member.name.removeprefix(WORKSPACE_PREFIX)
    parts = path.split("/")
    if path == member.name or not _allowed(parts) or len(marks) >= MAX_WORKSPACE_FILES:
        raise _refusal("it holds a path that is not allowed")
    executable = bool(member.mode & 0o100)
    _write(root, [WORKSPACE_PREFIX.rstrip("/"), *parts], body, executable=executable)
    marks[path] = FileMark(sha256=hashlib.sha256(body).digest(), size=len(body), executable=executable)


def _allowed(parts: Sequence[str]) -> bool:
    return len(parts) <= MAX_DEPTH and not any(
        part in {"", ".", ".."} or "\0" in part or part.casefold() == ".git" for part in parts
    )


def _write(root: int, parts: Sequence[str], body: bytes, *, executable: bool) -> None:
    directory = os.dup(root)
    try:
        for part in parts[:-1]:
            directory = _step_into(directory, part)
        descriptor = os.open(parts[-1], _CREATE_FLAGS, 0o700 if executable else 0o600, dir_fd=directory)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
            file.write(body)
    finally:
        os.close(directory)


def _step_into(directory: int, name: str) -> int:
    """The descriptor of a subdirectory, made when missing; ``directory`` is closed."""
    try:
        try:
            return os.open(name, _DIRECTORY_FLAGS, dir_fd=directory)
        except FileNotFoundError:
            os.mkdir(name, 0o700, dir_fd=directory)
            return os.open(name, _DIRECTORY_FLAGS, dir_fd=directory)
    finally:
        os.close(directory)


def _check_version(context: Path) -> None:
    version = json.loads(context.read_bytes()).get("version")
    if version != PROTOCOL_VERSION:
        message = f"the workspace speaks version {version!r} of the protocol, this guest version {PROTOCOL_VERSION}"
        raise GuestError(message, exit_code=EXIT_MISUSED)


def _refusal(message: str) -> GuestError:
    return GuestError(f"the workspace archive is refused: {message}", exit_code=EXIT_FETCH_FAILED)
