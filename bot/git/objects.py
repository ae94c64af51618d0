"""Objects of a mirror, by libgit2: blobs and commits are read, trees and commits written.

All of it blocks: call it in a thread.
"""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import ConfigLevel, FileMode, ObjectType, SortMode

from bot.errors import GitError
from bot.git.names import check_path, shown
from bot.git.refs import check_oid
from bot.ports.git import Authorship, CommitSpec, WrittenCommit

KEEP: Final = "refs/flowforge/keep/"
"""A ref here for each commit we wrote: what a proposal needs is never garbage."""

_MODES: Final = frozenset({"100644", "100755", "120000", "160000"})
_MAX_SUBJECT: Final = 300

_CRUD: Final = " .,:;\"\\'"
"""What git strips from both ends of a name (ident.c)."""

Changes = Mapping[str, tuple[str, bytes] | None]
"""What is put at paths: file mode and content, or None to delete."""

_Change = tuple[int, pygit2.Oid] | None
_Changes = Mapping[tuple[str, ...], _Change]


def read_no_configuration(home: Path) -> None:
    """Keep libgit2, in the whole process, from the machine's and the user's configuration; ``home`` is empty."""
    for level in (ConfigLevel.PROGRAMDATA, ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL):
        pygit2.settings.search_path[level] = str(home)


@contextlib.contextmanager
def opened(mirror: Path) -> Iterator[pygit2.Repository]:
    """A mirror, opened for a few calls. What libgit2 raises inside becomes a ``GitError``."""
    try:
        repo = pygit2.Repository(str(mirror))
    except pygit2.GitError as error:
        raise GitError(f"the repository {mirror.name} cannot be opened: {error}") from error
    try:
        yield repo
    except KeyError as error:
        raise GitError(f"the repository {mirror.name} has no object {error.args[0] if error.args else ''}") from error
    except (pygit2.GitError, ValueError, OSError) as error:
        raise GitError(f"libgit2 refused: {error}") from error
    finally:
        repo.free()


def blob_size(repo: pygit2.Repository, oid: pygit2.Oid) -> int:
    """The bytes a blob comes to, without inflating it: a gigabyte packs into a megabyte."""
    kind, size = repo.odb.read_header(oid)
    if kind != ObjectType.BLOB:
        raise GitError(f"{oid} is not a blob")
    return int(size)


def read_bytes(repo: pygit2.Repository, oid: pygit2.Oid) -> bytes:
    """A blob's content; ask for its size first."""
    _, data = repo.odb.read(oid)
    return bytes(data)


def read_blob(repo: pygit2.Repository, oid: str, *, limit: int) -> bytes | None:
    """A blob's content, None when it is larger than ``limit`` bytes."""
    wanted = pygit2.Oid(hex=check_oid(oid))
    return read_bytes(repo, wanted) if blob_size(repo, wanted) <= limit else None


def commit_of(repo: pygit2.Repository, oid: str) -> pygit2.Commit:
    """The commit with an id.

    Raises:
        GitError: the object is something else.
        KeyError: there is no such object.
    """
    found: object = repo[check_oid(oid)]
    if not isinstance(found, pygit2.Commit):
        raise GitError(f"{oid} is not a commit")
    return found


def tree_oid(repo: pygit2.Repository, oid: str) -> pygit2.Oid:
    """The id of a tree, given its own or that of a commit."""
    found: object = repo[check_oid(oid)]
    if isinstance(found, pygit2.Tree):
        return found.id
    if isinstance(found, pygit2.Commit):
        return found.tree_id
    raise GitError(f"{oid} is neither a tree nor a commit")


def parents_of(repo: pygit2.Repository, commit: str) -> tuple[str, ...]:
    """The parent ids of a commit."""
    return tuple(str(parent) for parent in commit_of(repo, commit).parent_ids)


def subjects(repo: pygit2.Repository, *, since: str, until: str, limit: int) -> tuple[str, ...]:
    """The subjects of the newest commits reachable from ``until`` and not from ``since``."""
    walker = repo.walk(commit_of(repo, until).id, SortMode.TIME)
    walker.hide(commit_of(repo, since).id)
    return tuple(_subject(commit) for _, commit in zip(range(limit), walker, strict=False))


def _subject(commit: pygit2.Commit) -> str:
    paragraph = commit.raw_message.decode("utf-8", "replace").lstrip("\n").partition("\n\n")[0]
    return " ".join(paragraph.split("\n")).strip()[:_MAX_SUBJECT]


def write_commit(repo: pygit2.Repository, spec: CommitSpec) -> WrittenCommit:
    """Write a commit and what it needs; the same spec gives the same id."""
    if spec.when.tzinfo is None:
        raise GitError("the time of a commit must say its time zone")
    tree = write_tree(repo, spec.base_tree, spec.changes)
    bot = pygit2.Signature(spec.author_name, spec.author_email, int(spec.when.astimezone(UTC).timestamp()), 0)
    author = bot if spec.author is None else _signature(spec.author)
    parents = [commit_of(repo, parent).id for parent in spec.parents]
    commit = repo.create_commit(None, author, bot, spec.message, tree, list(parents))
    _keep(repo, commit)
    return WrittenCommit(commit=str(commit), tree=str(tree))


def write_tree(repo: pygit2.Repository, base_tree: str, changes: Changes) -> pygit2.Oid:
    """Write a tree: that of a tree or commit, with (mode, content) put at paths, or None to delete what is there.

    Raises:
        GitError: a path or mode is not allowed, or changes contradict each other.
        KeyError: an object is missing.
    """
    written = {check_path(path): _written(repo, path, change) for path, change in changes.items()}
    _check_consistent(written)
    base = repo[tree_oid(repo, base_tree)]
    tree = _edited(repo, base if isinstance(base, pygit2.Tree) else None, written)
    return tree if tree is not None else repo.TreeBuilder().write()


def _signature(author: Authorship) -> pygit2.Signature:
    """An author as a commit can have one: no brackets or control characters, and as in git nothing may be empty."""
    offset = author.when.utcoffset()
    if offset is None:
        raise GitError("the time of an author must say its time zone")
    name, email = (
        "".join(char for char in text if char.isprintable() and char not in "<>").strip(_CRUD)
        for text in (author.name, author.email)
    )
    minutes = int(offset.total_seconds() // 60)
    return pygit2.Signature(name or email or "unknown", email or "unknown", int(author.when.timestamp()), minutes)


def write_child(repo: pygit2.Repository, *, tree: pygit2.Oid, parents: list[pygit2.Oid], message: str) -> str:
    """A commit that only serves a computation: fixed author and time, no ref."""
    nobody = pygit2.Signature("FlowForge", "flowforge@invalid", 0, 0)
    return str(repo.create_commit(None, nobody, nobody, message, tree, [*parents]))


def _keep(repo: pygit2.Repository, commit: pygit2.Oid) -> None:
    name = f"{KEEP}{commit}"
    try:
        repo.references.create(name, commit, force=True)
    except (pygit2.GitError, ValueError, OSError):
        # Another process writes the very same ref at this moment.
        if repo.references.get(name) is None:
            raise


def _written(repo: pygit2.Repository, path: str, change: tuple[str, bytes] | None) -> _Change:
    if change is None:
        return None
    mode, content = change
    if mode not in _MODES:
        raise GitError(f"{shown(path)} cannot have the mode {mode!a}")
    if mode == "160000":
        return int(mode, 8), pygit2.Oid(hex=check_oid(content.decode("ascii", "replace")))
    return int(mode, 8), repo.create_blob(content)


def _check_consistent(changes: _Changes) -> None:
    for parts, change in changes.items():
        for count in range(1, len(parts)):
            if change is not None and changes.get(parts[:count]) is not None:
                raise GitError(f"{shown('/'.join(parts[:count]))} cannot be a file and a directory at once")


def _edited(repo: pygit2.Repository, base: pygit2.Tree | None, changes: _Changes) -> pygit2.Oid | None:
    """The tree with the changes made, None when nothing is left in it."""
    builder = repo.TreeBuilder(base) if base is not None else repo.TreeBuilder()
    below: dict[str, dict[tuple[str, ...], _Change]] = {}
    for (name, *rest), change in changes.items():
        below.setdefault(name, {})[tuple(rest)] = change
    for name, inner in below.items():
        entry = _edited_entry(repo, base, name, inner)
        if entry is not None:
            builder.insert(name, entry[1], entry[0])
        elif builder.get(name) is not None:
            builder.remove(name)
    return builder.write() if len(builder) else None


def _edited_entry(repo: pygit2.Repository, base: pygit2.Tree | None, name: str, inner: _Changes) -> _Change:
    """What stands at ``name`` afterwards: a file put there, a directory with changes below, or nothing.

    A file put at the path of a directory replaces it, and a file put below the path of a file makes that a directory.
    """
    here = inner.get(())
    if here is not None:
        return here
    old = None if base is None or () in inner or name not in base else base[name]
    deeper = {parts: change for parts, change in inner.items() if parts}
    if old is not None and not isinstance(old, pygit2.Tree) and not any(deeper.values()):
        return int(old.filemode), old.id
    directory = _edited(repo, old if isinstance(old, pygit2.Tree) else None, deeper) if deeper else None
    return None if directory is None else (int(FileMode.TREE), directory)
