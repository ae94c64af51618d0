"""Trees, read with suspicion: their names checked, their size known before they are walked.

Twelve small objects can stand for ten thousand million files. A measure is taken tree by tree, each distinct tree once,
so that such a bomb is known for what it is after twelve reads. Measures are kept by object id for the whole process:
what an id stands for never changes.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import pygit2
from pygit2.enums import ObjectType

from bot.errors import TreeRefusedError
from bot.git.names import MAX_DEPTH, forbidden, shown

MAX_ENTRIES: Final = 500_000
"""Files and directories in one commit's tree."""

_MAX_TREE_BYTES: Final = 16 * 1024 * 1024
_MAX_REMEMBERED: Final = 200_000

# https://git-scm.com/book/en/v2/Git-Internals-Git-Objects#_tree_objects: mode, space, name, NUL, 20 bytes of id.
_ENTRY: Final = re.compile(rb"([0-7]{5,6}) ([^\0]*)\0(.{20})", re.DOTALL)
_CHILD: Final = re.compile(rb"([0-7]{5,6}) [^\0]*\0(.{20})", re.DOTALL)
_WHOLE: Final = re.compile(rb"(?:[0-7]{5,6}+ [^\0]*+\0.{20})*+", re.DOTALL)

TREE: Final = 0o040000
_TREE_MODES: Final = frozenset({b"40000", b"040000"})
_TYPE: Final = 0o170000
_REGULAR: Final = 0o100000
_SUBMODULE: Final = 0o160000


class Entry(NamedTuple):
    """One entry of one tree: file mode, name, object id as bytes. A tuple, for there are very many."""

    mode: int
    name: bytes
    raw_oid: bytes

    @property
    def oid(self) -> pygit2.Oid:
        """The object's id."""
        return pygit2.Oid(raw=self.raw_oid)

    @property
    def is_file(self) -> bool:
        """True for a regular file, executable or not."""
        return self.mode & _TYPE == _REGULAR

    @property
    def is_submodule(self) -> bool:
        """True for a link to a commit of another repository."""
        return self.mode & _TYPE == _SUBMODULE


class Measure(NamedTuple):
    """What a tree comes to: entries and depth with everything below."""

    entries: int
    depth: int


Fault = tuple[bytes, str]
"""A forbidden name, with the directories above it, and the reason."""

_measured: dict[bytes, Measure] = {}
_faults: dict[bytes, Fault | None] = {}


def _read(repo: pygit2.Repository, oid: pygit2.Oid) -> bytes:
    kind, size = repo.odb.read_header(oid)
    if kind != ObjectType.TREE or size > _MAX_TREE_BYTES:
        raise TreeRefusedError(f"{oid} is not a tree of a sane size")
    data = bytes(repo.odb.read(oid)[1])
    if not _WHOLE.fullmatch(data):
        raise TreeRefusedError(f"the tree {oid} is malformed")
    return data


def read_tree(repo: pygit2.Repository, oid: pygit2.Oid) -> list[Entry]:
    """The entries of one tree.

    Raises:
        GitError: it is too large or not as git writes trees.
        KeyError: there is no such tree.
    """
    return [Entry(int(mode, 8), name, raw) for mode, name, raw in _ENTRY.findall(_read(repo, oid))]


def check_size(repo: pygit2.Repository, tree: pygit2.Oid) -> None:
    """Refuse a tree that is too large to be worked with.

    Raises:
        GitError: it has too many entries or directories too deep in each other.
        KeyError: a tree is missing.
    """
    if len(_measured) > _MAX_REMEMBERED:
        _measured.clear()
    if _measure(repo, tree.raw, 1).entries > MAX_ENTRIES:
        raise TreeRefusedError(f"the tree {tree} has more than {MAX_ENTRIES} entries")


def _measure(repo: pygit2.Repository, raw_oid: bytes, level: int) -> Measure:
    """Only counts, and so without looking at names: every verdict waits for this."""
    known = _measured.get(raw_oid)
    if level + (known.depth if known else 0) > MAX_DEPTH:
        raise TreeRefusedError(f"the tree has directories more than {MAX_DEPTH} levels deep")
    if known:
        return known
    children = _CHILD.findall(_read(repo, pygit2.Oid(raw=raw_oid)))
    count, depth = len(children), 0
    for mode, child in children:
        if mode in _TREE_MODES:
            below = _measure(repo, child, level + 1)
            count += below.entries
            depth = max(depth, below.depth + 1)
            if count > MAX_ENTRIES:
                break
    measure = Measure(count, depth)
    _measured[raw_oid] = measure
    return measure


def check_names(repo: pygit2.Repository, tree: pygit2.Oid) -> None:
    """Refuse a tree that must not be checked out.

    Raises:
        GitError: it is too large, or a name in it is forbidden; the message names it.
    """
    check_size(repo, tree)
    if len(_faults) > _MAX_REMEMBERED:
        _faults.clear()
    fault = _first_fault(repo, tree)
    if fault is not None:
        raise TreeRefusedError(f"the tree holds {shown(fault[0])}: {fault[1]}")


def _first_fault(repo: pygit2.Repository, tree: pygit2.Oid) -> Fault | None:
    """The first forbidden name in a tree of a checked size, each distinct tree looked at once."""
    if tree.raw not in _faults:
        entries = read_tree(repo, tree)
        _faults[tree.raw] = _fault_here(entries) or _fault_below(repo, entries)
    return _faults[tree.raw]


def _fault_here(entries: list[Entry]) -> Fault | None:
    seen: set[bytes] = set()
    for entry in entries:
        reason = forbidden(entry.name) or ("a name that is there twice" if entry.name in seen else None)
        if reason:
            return entry.name, reason
        seen.add(entry.name)
    return None


def _fault_below(repo: pygit2.Repository, entries: list[Entry]) -> Fault | None:
    for entry in entries:
        fault = _first_fault(repo, entry.oid) if entry.mode == TREE else None
        if fault is not None:
            return entry.name + b"/" + fault[0], fault[1]
    return None


def walk(repo: pygit2.Repository, tree: pygit2.Oid, prefix: bytes = b"") -> Iterator[tuple[bytes, Entry]]:
    """Everything in a tree that is no directory, with its path, in git's order. Check the size first."""
    for entry in read_tree(repo, tree):
        path = prefix + entry.name
        if entry.mode == TREE:
            yield from walk(repo, entry.oid, path + b"/")
        else:
            yield path, entry


def find(repo: pygit2.Repository, tree: pygit2.Oid, path: bytes) -> Entry | None:
    """The entry at a path, None when there is none."""
    return find_all(repo, tree, [path]).get(path)


def find_all(repo: pygit2.Repository, tree: pygit2.Oid, paths: Iterable[bytes]) -> dict[bytes, Entry]:
    """The entries at many paths, those left out where there is nothing. Each tree on the way is read once."""
    return Listings(repo).find_all(tree, paths)


class Listings:
    """Looks paths up in many trees that have most of their directories in common: each is read once, as a rule."""

    def __init__(self, repo: pygit2.Repository) -> None:
        self._repo = repo
        self._read: dict[bytes, dict[bytes, tuple[bytes, bytes]]] = {}
        self._entries = 0

    def find_all(self, tree: pygit2.Oid, paths: Iterable[bytes]) -> dict[bytes, Entry]:
        """The entries at many paths of a tree, those left out where there is nothing.

        Raises:
            GitError: a tree on the way is too large or not as git writes trees.
            KeyError: a tree is missing.
        """
        found: dict[bytes, Entry] = {}
        for path in paths:
            place: Entry | None = Entry(TREE, b"", tree.raw)
            for name in path.split(b"/"):
                place = self._entry(place.raw_oid, name) if place is not None and place.mode == TREE else None
            if place is not None:
                found[path] = place
        return found

    def _entry(self, tree: bytes, name: bytes) -> Entry | None:
        listing = self._read.get(tree)
        if listing is None:
            listing = self._list(tree)
        there = listing.get(name)
        return None if there is None else Entry(int(there[0], 8), name, there[1])

    def _list(self, tree: bytes) -> dict[bytes, tuple[bytes, bytes]]:
        if self._entries > _MAX_REMEMBERED:
            self._read.clear()
            self._entries = 0
        entries = _ENTRY.findall(_read(self._repo, pygit2.Oid(raw=tree)))
        # Of a name that is there twice, the first counts, as for git.
        listing = {name: (mode, raw) for mode, name, raw in reversed(entries)}
        self._read[tree] = listing
        self._entries += len(listing)
        return listing
