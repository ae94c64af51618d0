"""Merge verdicts, conflicts and hunks.

*ours* is the pull request's head (the bot merges base into head), *theirs* the base branch's tip.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MARKER_SIZE: Final = 43
"""Length of the markers we let git write: odd enough that no file's own rulers or markers are taken for ours."""


_LFS_POINTERS: Final = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")

MAX_LFS_POINTER_BYTES: Final = 1024
"""https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: a pointer file is less than 1024 bytes."""


def is_lfs_pointer(content: bytes) -> bool:
    """Whether a file is what git-lfs leaves in the place of another one."""
    return len(content) < MAX_LFS_POINTER_BYTES and content.startswith(_LFS_POINTERS)


class ConflictKind(StrEnum):
    """What kind of disagreement git reports for a path.

    The stable types are those of ``merge-ort.c``, listed in git-merge-tree(1):
    https://git-scm.com/docs/git-merge-tree#_output . git's rename/rename is of one file to two names; of two files to
    one name it says add/add.
    """

    CONTENT = "content"
    ADD_ADD = "add/add"
    MODIFY_DELETE = "modify/delete"
    RENAME_DELETE = "rename/delete"
    RENAME_RENAME = "rename/rename"
    RENAME_RENAME_TO_ONE = "rename/rename (2to1)"
    RENAME_ADD = "rename/add"
    DIRECTORY_RENAME = "directory rename"
    DIRECTORY_FILE = "directory/file"
    DISTINCT_TYPES = "distinct types"
    MODE = "mode"
    BINARY = "binary"
    SYMLINK = "symlink"
    SUBMODULE = "submodule"
    LFS_POINTER = "lfs pointer"
    UNKNOWN = "unknown"


class Side(StrEnum):
    """One of the three versions of a conflicted path; the numbers are git's stages 1, 2, 3."""

    ANCESTOR = "ancestor"
    OURS = "ours"
    THEIRS = "theirs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One version of a path: git's file mode (an octal string such as ``100644``) and the object id."""

    mode: str
    oid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """One path in disagreement.

    ``merged_oid`` is the blob that git left at the path in the verdict's tree (with conflict markers for text), None
    where there is none. ``messages`` are git's own sentences. ``paths`` are all paths of the logical conflict.
    """

    path: str
    kind: ConflictKind
    stages: Mapping[Side, Stage]
    merged_oid: str | None
    merged_mode: str | None
    paths: tuple[str, ...]
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanMerge:
    """Head and base merge without conflict into ``tree``."""

    tree: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictedMerge:
    """Head and base conflict; ``tree`` is git's result with markers in it."""

    tree: str
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpossibleMerge:
    """git cannot merge the two at all (unrelated histories, missing objects)."""

    reason: str


Verdict = CleanMerge | ConflictedMerge | ImpossibleMerge


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One conflicting region of a text conflict.

    ``first_line`` and ``last_line`` are 1-based, in the file with markers, opening and closing marker included. The
    three texts are the raw bytes of the sides, line ends included.
    """

    index: int
    first_line: int
    last_line: int
    ours: bytes
    ancestor: bytes
    theirs: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedFile:
    """A file with conflict markers, taken apart.

    ``segments`` has one more entry than ``hunks``: the bytes before the first hunk, between hunks, and after the last.
    """

    path: str
    segments: tuple[bytes, ...]
    hunks: tuple[Hunk, ...]
