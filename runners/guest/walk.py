"""What the agent left in the workspace, compared with what was put there.

Every name is opened relative to its directory's descriptor and without following links, so that no link, however it is
swapped in, makes the walk leave the workspace.
"""

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from runners.guest.unpack import FileMark
from runners.protocol import MAX_DEPTH

_DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a fifo that took a file's place must not wait for a writer.
_FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAX_ENTRIES: Final = 200_000
_MAX_ODDITIES: Final = 100
_MAX_ODDITY: Final = 300
_KINDS: Final = {
    stat.S_IFLNK: "symbolic link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


class OverLimitError(Exception):
    """The workspace is larger than the run's limits allow."""


@dataclass(slots=True)
class Changes:
    """What differs: new contents by path, paths without a file, and things no honest run leaves behind."""

    changed: dict[str, bytes] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)
    over_limit: str | None = None


def find_changes(workspace: Path, marks: Mapping[str, FileMark], *, max_bytes: int, max_files: int) -> Changes:
    """Walk ``workspace`` and compare it with ``marks``; over a limit, nothing but that is reported."""
    walk = _Walk(marks, max_bytes=max_bytes, max_files=max_files)
    root = os.open(workspace, _DIRECTORY_FLAGS)
    try:
        walk.directory(root, "", depth=0)
    except OverLimitError as error:
        return Changes(oddities=walk.found.oddities, over_limit=str(error))
    finally:
        os.close(root)
    walk.found.deleted = sorted(path for path in marks if path not in walk.seen)
    return walk.found


class _Walk:
    """One walk: what was found so far, and how much of the limits is left."""

    def __init__(self, marks: Mapping[str, FileMark], *, max_bytes: int, max_files: int) -> None:
        self.found = Changes()
        self.seen: set[str] = set()
        self._marks = marks
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._bytes = 0
        self._entries = 0

    def directory(self, descriptor: int, prefix: str, *, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise OverLimitError(f"directories are nested more than {MAX_DEPTH} deep")
        for name in sorted(os.listdir(descriptor)):
            self._entries += 1
            if self._entries > _MAX_ENTRIES:
                raise OverLimitError(f"there are more than {_MAX_ENTRIES} entries")
            path = prefix + name
            try:
                self._entry(descriptor, name, path, depth)
            except OSError as error:
                self._odd(f"{type(error).__name__} while reading", path)

    def _entry(self, parent: int, name: str, path: str, depth: int) -> None:
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if name.casefold() == ".git":
            self._odd("reserved name", path)
        elif stat.S_ISDIR(mode):
            child = os.open(name, _DIRECTORY_FLAGS, dir_fd=parent)
            try:
                self.directory(child, f"{path}/", depth=depth + 1)
            finally:
                os.close(child)
        elif stat.S_ISREG(mode):
            self._file(parent, name, path)
        else:
            self._odd(_KINDS.get(stat.S_IFMT(mode), "unknown kind of file"), path)

    def _file(self, parent: int, name: str, path: str) -> None:
        descriptor = os.open(name, _FILE_FLAGS, dir_fd=parent)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                self._odd("changed while reading", path)
                return
            if facts.st_nlink > 1:
                self._odd("hard link", path)
                return
            mark = self._marks.get(path)
            # A file that was there may have its old size, however little may change.
            most = max(self._max_bytes, mark.size if mark else 0)
            self._compare(path, mark, facts, file.read(most + 1))

    def _compare(self, path: str, mark: FileMark | None, facts: os.stat_result, content: bytes) -> None:
        self.seen.add(path)
        executable = bool(facts.st_mode & stat.S_IXUSR)
        if executable != (mark is not None and mark.executable):
            self._odd("executable bit set" if executable else "executable bit removed", path)
        if mark is not None and hashlib.sha256(content).digest() == mark.sha256:
            return
        self._bytes += len(content)
        if self._bytes > self._max_bytes:
            raise OverLimitError(f"the changed files have more than {self._max_bytes} bytes")
        if len(self.found.changed) >= self._max_files:
            raise OverLimitError(f"more than {self._max_files} files changed")
        try:
            path.encode()
        except UnicodeEncodeError:
            self._odd("name that is not UTF-8", path)
        else:
            self.found.changed[path] = content

    def _odd(self, what: str, path: str) -> None:
        if len(self.found.oddities) < _MAX_ODDITIES:
            self.found.oddities.append(f"{what}: {ascii(path)[1:-1]}"[:_MAX_ODDITY])
