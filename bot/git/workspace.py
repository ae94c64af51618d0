"""The files of a tree for a workspace, until a cap is reached."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pygit2

from bot.errors import TreeRefusedError
from bot.git.names import shown
from bot.git.objects import blob_size, read_bytes
from bot.git.trees import Entry, check_names, find, walk
from bot.ports.git import WholeTree, WorkspaceFile


@dataclass(slots=True, kw_only=True)
class _Basket:
    """What was taken so far, and how much more may be."""

    bytes_left: int
    files_left: int
    taken: dict[str, WorkspaceFile] = field(default_factory=dict)

    def add(self, repo: pygit2.Repository, path: str, entry: Entry) -> bool:
        """Take a file if it fits."""
        size = blob_size(repo, entry.oid)
        if not self.files_left or size > self.bytes_left:
            return False
        content = read_bytes(repo, entry.oid)
        self.taken[path] = WorkspaceFile(path=path, executable=bool(entry.mode & 0o100), content=content)
        self.bytes_left -= size
        self.files_left -= 1
        return True


def read_workspace(
    repo: pygit2.Repository,
    tree: pygit2.Oid,
    *,
    first: Sequence[str],
    max_bytes: int,
    max_files: int,
) -> list[WorkspaceFile]:
    """The regular files of a tree: those of ``first`` in their order, then the others in git's, as far as they fit.

    A file too large for what is left is passed over; smaller ones behind it still come. Symbolic links, submodules and
    files whose names are no UTF-8 are left out; so are paths of ``first`` that are not there.

    Raises:
        GitError: the files of ``first`` do not fit, or the tree is a bomb or holds a forbidden name.
    """
    check_names(repo, tree)
    basket = _Basket(bytes_left=max_bytes, files_left=max_files)
    for path in dict.fromkeys(first):
        entry = find(repo, tree, path.encode("utf-8", "surrogateescape"))
        if entry is not None and entry.is_file and not basket.add(repo, path, entry):
            raise TreeRefusedError(
                f"the conflicted files alone are too large for a workspace; {shown(path)} did not fit"
            )
    for path, entry in _named(walk(repo, tree)):
        if not basket.files_left or not basket.bytes_left:
            break
        if entry.is_file and path not in basket.taken:
            basket.add(repo, path, entry)
    return list(basket.taken.values())


def read_whole(repo: pygit2.Repository, tree: pygit2.Oid, *, max_bytes: int, max_files: int) -> WholeTree:
    """All regular files of a tree, in git's order.

    Raises:
        TreeRefusedError: they do not fit, or the tree is a bomb or holds a forbidden name.
    """
    check_names(repo, tree)
    basket = _Basket(bytes_left=max_bytes, files_left=max_files)
    left_out = 0
    for name, entry in walk(repo, tree):
        path = _utf8(name)
        if path is None or not entry.is_file:
            left_out += 1
        elif not basket.add(repo, path, entry):
            raise TreeRefusedError(
                f"the tree is larger than a workspace may be (at most {max_files:,} files with {max_bytes:,} bytes)"
            )
    return WholeTree(files=tuple(basket.taken.values()), left_out=left_out)


def _utf8(name: bytes) -> str | None:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _named(found: Iterable[tuple[bytes, Entry]]) -> Iterator[tuple[str, Entry]]:
    for name, entry in found:
        path = _utf8(name)
        if path is not None:
            yield path, entry
