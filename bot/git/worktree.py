"""Resolved files written into somebody's work tree and staged, after they said yes; and what is refused."""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bot.errors import GitError, TreeRefusedError
from bot.git.names import check_path, shown
from bot.git.objects import Changes
from bot.git.process import GitCommand

_MODES: Final = frozenset({"100644", "100755", "120000"})
_ABSENT: Final = "absent"
_CHUNK: Final = 1024 * 1024

# What other attributes do to a file's content, git does by itself.
_FILTERING: Final = ("filter", "working-tree-encoding")
_NONE: Final = frozenset({"unspecified", "unset"})

_MERGING: Final = ("merge",)
_BY_LINES: Final = frozenset({"unspecified", "set", "text", "union"})
"""The values with which git merges a text by its lines and marks what conflicts (gitattributes(5))."""


def look(work_tree: Path, paths: Iterable[str]) -> dict[str, str]:
    """A fingerprint of what stands at each path now. Blocks: call in a thread.

    Raises:
        GitError: a path is not one that a checkout may have, lies behind a symbolic link, or cannot be read.
    """
    return {path: _fingerprint(_place(work_tree, path), path) for path in paths}


def check(work_tree: Path, changes: Changes, looked: Mapping[str, str]) -> None:
    """Refuse changes that would follow a link, replace a directory, or overwrite what nobody has looked at. Blocks.

    Raises:
        GitError: the message names the path and the fault.
    """
    for path, change in changes.items():
        if change is not None and change[0] not in _MODES:
            raise GitError(f"{shown(path)} cannot be written with the mode {change[0]!a}")
        now = _fingerprint(_place(work_tree, path), path)
        if path not in looked or looked[path] != now:
            raise GitError(f"{shown(path)} has changed since it was looked at; nothing was written")


def _place(work_tree: Path, path: str) -> Path:
    """Where a path is, all directories above it being real ones or not there yet."""
    *parents, name = check_path(path)
    place = work_tree
    for parent in parents:
        place /= parent
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISDIR(_status(place, path).st_mode):
                raise TreeRefusedError(f"{shown(path)} lies behind something that is not a directory")
    return place / name


def _status(place: Path, path: str) -> os.stat_result:
    try:
        return place.lstat()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise GitError(f"{shown(path)} cannot be read: {error.strerror}") from error


def _fingerprint(place: Path, path: str) -> str:
    try:
        status = _status(place, path)
    except FileNotFoundError:
        return _ABSENT
    if stat.S_ISLNK(status.st_mode):
        return f"link {hashlib.sha256(os.fsencode(place.readlink())).hexdigest()}"
    if not stat.S_ISREG(status.st_mode):
        raise TreeRefusedError(f"{shown(path)} is a directory or something else that is no file")
    digest = hashlib.sha256()
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise GitError(f"{shown(path)} cannot be read: {error.strerror}") from error
    return f"file {status.st_mode & stat.S_IXUSR} {digest.hexdigest()}"


async def check_attributes(command: GitCommand, git_dir: Path, work_tree: Path, paths: Sequence[str]) -> None:
    """Refuse paths whose content is filtered between work tree and repository: nothing here runs a filter.

    Raises:
        GitError: the message names the path and its attribute.
    """
    for path, name, value in await _attributes(command, git_dir, work_tree, _FILTERING, paths):
        if value not in _NONE:
            raise TreeRefusedError(f"{shown(path)} has the attribute {shown(name)}: git must write it")


async def merged_otherwise(command: GitCommand, git_dir: Path, work_tree: Path, paths: Iterable[str]) -> frozenset[str]:
    """The paths that git does not merge by lines here: a conflict leaves no markers in them, or those of a driver.

    Raises:
        GitError: the attributes cannot be read.
    """
    found = await _attributes(command, git_dir, work_tree, _MERGING, paths)
    return frozenset(path for path, _, value in found if value not in _BY_LINES)


async def _attributes(
    command: GitCommand, git_dir: Path, work_tree: Path, names: Sequence[str], paths: Iterable[str]
) -> Iterator[tuple[str, str, str]]:
    """Path, name and value of each of these attributes of each path."""
    done = await command.run(
        git_dir,
        *("check-attr", "-z", "--stdin", *names),
        work_tree=work_tree,
        stdin=b"".join(os.fsencode(path) + b"\0" for path in paths),
    )
    if done.status != 0:
        raise GitError(f"git check-attr failed: {done.words}")
    return _triples(done.output)


def _triples(output: bytes) -> Iterator[tuple[str, str, str]]:
    fields = [field.decode("utf-8", "surrogateescape") for field in output.split(b"\0")[:-1]]
    return zip(fields[::3], fields[1::3], fields[2::3], strict=True)


async def write(command: GitCommand, git_dir: Path, work_tree: Path, changes: Changes, oids: Mapping[str, str]) -> None:
    """Stage the changes, then let git write the files as the clone's settings for line ends and modes ask.

    Raises:
        GitError: the index is locked or cannot be written, or a file cannot.
    """
    lines = [_index_line(path, change, oids) for path, change in changes.items()]
    written = [os.fsencode(path) + b"\0" for path, change in changes.items() if change is not None]
    await _run(command, git_dir, work_tree, ("update-index", "-z", "--index-info"), b"".join(lines))
    if written:
        arguments = ("checkout-index", "--force", "--index", "--quiet", "-z", "--stdin")
        await _run(command, git_dir, work_tree, arguments, b"".join(written))
    for path, change in changes.items():
        if change is None:
            _remove(work_tree, path)


def _index_line(path: str, change: tuple[str, bytes] | None, oids: Mapping[str, str]) -> bytes:
    mode, oid = ("0", "0" * 40) if change is None else (change[0], oids[path])
    return f"{mode} {oid}\t".encode() + os.fsencode(path) + b"\0"


async def _run(command: GitCommand, git_dir: Path, work_tree: Path, arguments: tuple[str, ...], stdin: bytes) -> None:
    done = await command.run(git_dir, *arguments, work_tree=work_tree, stdin=stdin)
    if done.status != 0:
        raise GitError(f"git {arguments[0]} failed: {done.words}")


def _remove(work_tree: Path, path: str) -> None:
    """Delete a file, and the directories above it that are empty then."""
    place = work_tree / path
    try:
        place.unlink(missing_ok=True)
    except OSError as error:
        raise GitError(f"{shown(path)} cannot be deleted: {error.strerror}") from error
    for parent in place.parents:
        if parent == work_tree:
            return
        try:
            parent.rmdir()
        except OSError:
            return
