"""File trees in memory, and what they become: a directory, or a layer that is the same bytes every time."""

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MERGED: Final = frozenset({"bin", "sbin", "lib", "lib32", "lib64", "libx32"})
"""Since Debian 12 these are links into /usr; packages still name them. https://wiki.debian.org/UsrMerge"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file (``content``), a link (``target``) or a directory (neither), of root's unless ``owner`` says otherwise."""

    mode: int
    content: bytes | None = None
    target: str | None = None
    owner: int = 0


class Tree:
    """Paths without a leading slash and what is there. Parents of what is added are directories by themselves."""

    def __init__(self) -> None:
        """An empty tree."""
        self._entries: dict[str, Entry] = {}

    def add(self, path: str, entry: Entry) -> None:
        """Put something at ``path``, in the place of whatever was there. A setuid, setgid or group's bit is dropped."""
        path = merged(path)
        parent = path.rpartition("/")[0]
        if parent and parent not in self._entries:
            self.add(parent, Entry(mode=0o755))
        self._entries[path] = entry

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Put a file of root's at ``path``."""
        self.add(path, Entry(mode=mode, content=content))

    def get(self, path: str) -> Entry | None:
        """What is at ``path``."""
        return self._entries.get(merged(path))

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        """All of it, parents first and always in the same order."""
        return iter(sorted(self._entries.items()))


def merged(path: str) -> str:
    """A path as it is where /bin, /sbin and /lib are links into /usr."""
    path = path.strip("/")
    first, slash, rest = path.partition("/")
    return f"usr/{path}" if first in _MERGED and slash and rest else path


def write_directory(tree: Tree, directory: Path, *, owners: bool) -> None:
    """Write a tree below an existing directory; with ``owners``, which needs root, as theirs."""
    for path, entry in tree:
        place = directory / path
        if entry.target is not None:
            place.symlink_to(entry.target)
        elif entry.content is not None:
            place.write_bytes(entry.content)
            place.chmod(entry.mode)
        else:
            place.mkdir(exist_ok=True)
            place.chmod(entry.mode | stat.S_IRWXU)
        if owners:
            os.chown(place, entry.owner, entry.owner, follow_symlinks=False)


def layer_of(tree: Tree, *, time: int) -> bytes:
    """A tree as the uncompressed tar of a layer, everything of the same ``time`` in seconds since 1970.

    https://github.com/opencontainers/image-spec/blob/main/layer.md
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as layer:
        for path, entry in tree:
            layer.addfile(member(path, entry, time=time), io.BytesIO(entry.content or b""))
    return packed.getvalue()


def member(path: str, entry: Entry, *, time: int) -> tarfile.TarInfo:
    """The header of one entry."""
    info = tarfile.TarInfo(path)
    info.mode, info.mtime = entry.mode, time
    info.uid = info.gid = entry.owner
    if entry.target is not None:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target, 0o777
    elif entry.content is not None:
        info.size = len(entry.content)
    else:
        info.type = tarfile.DIRTYPE
    return info


def sums_of(tree: Tree) -> Mapping[str, str]:
    """SHA-256 of every file, by path."""
    return {path: hashlib.sha256(entry.content).hexdigest() for path, entry in tree if entry.content is not None}
