"""Objects from our own bare repository into a clone's object database. All of it blocks: call it in a thread."""

from collections.abc import Sequence
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType

from bot.errors import GitError
from bot.git.objects import Changes
from bot.git.trees import check_size, read_tree


def store(repo: pygit2.Repository, database: Path, oids: Sequence[str]) -> None:
    """Write blobs, and trees with all below them that is not there yet; what is in a tree before the tree itself.

    Raises:
        GitError: there is no such object, it is a commit, a tree is a bomb, or the database cannot be written.
    """
    clone = pygit2.Odb(str(database))
    for oid in reversed(_missing(repo, clone, [pygit2.Oid(hex=oid) for oid in oids])):
        kind, data = repo.odb.read(oid)
        clone.write(kind, data)


def _missing(repo: pygit2.Repository, clone: pygit2.Odb, oids: Sequence[pygit2.Oid]) -> list[pygit2.Oid]:
    """What the clone lacks of these and of all below them; a tree it has, it has with everything."""
    found: dict[pygit2.Oid, None] = {}
    waiting = list(oids)
    while waiting:
        oid = waiting.pop()
        if oid in found or oid in clone:
            continue
        found[oid] = None
        kind, _ = repo.odb.read_header(oid)
        if kind == ObjectType.TREE:
            check_size(repo, oid)
            waiting += [entry.oid for entry in read_tree(repo, oid) if not entry.is_submodule]
        elif kind != ObjectType.BLOB:
            raise GitError(f"{oid} is neither a blob nor a tree")
    return list(found)


def write_blobs(repo: pygit2.Repository, changes: Changes) -> dict[str, str]:
    """The ids of the contents that changes put at paths, written as blobs."""
    return {path: str(repo.create_blob(change[1])) for path, change in changes.items() if change is not None}
