"""Build the workspace archive. Pure and deterministic."""

import dataclasses
import io
import json
import tarfile
from collections.abc import Iterable
from typing import Final

from bot.errors import SandboxError
from bot.ports.git import WorkspaceFile
from runners.protocol import CONTEXT_NAME, MAX_DEPTH, MAX_WORKSPACE_FILES, WORKSPACE_PREFIX, Context
from runners.text import is_unsafe

_FORBIDDEN: Final = frozenset({"", ".", ".."})


def pack_workspace(files: Iterable[WorkspaceFile], context: Context) -> bytes:
    """The archive of ``files`` and ``context``: the same bytes for the same input, in whatever order the files come.

    Raises:
        SandboxError: a path that no workspace may have, a path twice, or too many files. The mirror leaves such paths
            out; this is the last door.
    """
    by_path: dict[str, WorkspaceFile] = {}
    for file in files:
        if file.path in by_path:
            raise SandboxError(f"the workspace has {file.path!r} twice")
        _check(file.path)
        by_path[file.path] = file
    if len(by_path) > MAX_WORKSPACE_FILES:
        raise SandboxError(f"the workspace has more than {MAX_WORKSPACE_FILES} files")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, CONTEXT_NAME, _context_json(context), executable=False)
        for path in sorted(by_path):
            file = by_path[path]
            _add(tar, WORKSPACE_PREFIX + path, file.content, executable=file.executable)
    return buffer.getvalue()


def _check(path: str) -> None:
    names = path.split("/")
    if len(names) > MAX_DEPTH:
        raise SandboxError(f"the workspace has a path nested more than {MAX_DEPTH} deep")
    if any(name in _FORBIDDEN or "\0" in name or name.casefold() == ".git" for name in names):
        raise SandboxError(f"the workspace has a path that is not allowed: {path!r}")


def _context_json(context: Context) -> bytes:
    """Indented, so that the agent can read it in pieces; what would be invisible or break a line stands escaped."""
    text = json.dumps(dataclasses.asdict(context), indent=1, ensure_ascii=False)
    shown = (json.dumps(char)[1:-1] if char != "\n" and is_unsafe(char) else char for char in text)
    return "".join(shown).encode() + b"\n"


def _add(tar: tarfile.TarFile, name: str, content: bytes, *, executable: bool) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o755 if executable else 0o644
    tar.addfile(member, io.BytesIO(content))
