"""Unified diffs of trees, and the hash that an approval is bound to. All of it blocks: call it in a thread.

The diffs are as ``git diff --full-index --no-renames`` writes them: full object ids, every changed path, three lines of
context, binary files by their ids. (libgit2 adds the ``---`` and ``+++`` lines for empty files, and leaves out the tab
behind names with spaces.) No attribute of the repository changes them.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

import pygit2
from pygit2.enums import DiffOption

from bot.errors import GitError, TreeRefusedError
from bot.git.names import shown
from bot.git.objects import commit_of, tree_oid
from bot.git.trees import TREE, Entry, check_size, find, read_tree, walk
from bot.model.conflicts import Stage

MAX_DIFF_INPUT: Final = 256 * 1024 * 1024
"""Bytes of changed blobs, old and new, beyond which nobody could read the diff and we do not make it."""

_GITLINK: Final = 0o160000


def diff(repo: pygit2.Repository, old: str, new: str, *, paths: Sequence[str] = ()) -> bytes:
    """The unified diff between two commits or trees, of all paths or of some; never truncated.

    Raises:
        GitError: a tree is a bomb, or the changed files are too large to be shown.
    """
    before, after = (_tree(repo, tree_oid(repo, oid)) for oid in (old, new))
    made = before.diff_to_tree(after, context_lines=3, interhunk_lines=0)
    wanted = {path.encode("utf-8", "surrogateescape") for path in paths}
    numbers = [
        number
        for number, delta in enumerate(made.deltas)
        if not wanted or {delta.old_file.raw_path, delta.new_file.raw_path} & wanted
    ]
    deltas = list(made.deltas)
    _check_input(repo, [deltas[number] for number in numbers])
    patches = (made[number] for number in numbers)
    return b"".join(patch.data for patch in patches if patch is not None)


def changed_paths(repo: pygit2.Repository, old: str, new: str) -> list[str]:
    """The paths that differ between two commits or trees, in order; of a renamed file both.

    A diff quotes names that are not plain ASCII, so what it says is no path. Bytes that are not UTF-8 stand in the
    paths as lone surrogates.

    Raises:
        GitError: a tree is a bomb.
    """
    before, after = (_tree(repo, tree_oid(repo, oid)) for oid in (old, new))
    files = (file for delta in before.diff_to_tree(after).deltas for file in (delta.old_file, delta.new_file))
    return sorted({file.raw_path.decode("utf-8", "surrogateescape") for file in files})


def changes(repo: pygit2.Repository, old: str, new: str) -> dict[str, tuple[Stage | None, Stage | None]]:
    """What differs between two commits or trees: paths with what stood and stands there. Renames are not followed.

    Raises:
        GitError: a tree is a bomb, or a changed path is not UTF-8.
    """
    before, after = (_tree(repo, tree_oid(repo, oid)) for oid in (old, new))
    found: dict[str, tuple[Stage | None, Stage | None]] = {}
    for delta in before.diff_to_tree(after, DiffOption.INCLUDE_TYPECHANGE).deltas:
        try:
            path = delta.new_file.raw_path.decode("utf-8")
        except UnicodeDecodeError:
            raise TreeRefusedError(f"the changed path {shown(delta.new_file.raw_path)} is not UTF-8") from None
        found[path] = (_stage(delta.old_file), _stage(delta.new_file))
    return found


def _stage(file: pygit2.DiffFile) -> Stage | None:
    return Stage(mode=f"{int(file.mode):06o}", oid=str(file.id)) if int(file.mode) else None


def entry(repo: pygit2.Repository, tree: str, path: str) -> Stage | None:
    """What stands at a path of a tree or of a commit's tree, None when nothing or a directory does."""
    found = find(repo, tree_oid(repo, tree), path.encode("utf-8", "surrogateescape"))
    return Stage(mode=f"{found.mode:06o}", oid=str(found.oid)) if found is not None and found.mode != TREE else None


def names(repo: pygit2.Repository, tree: str, *, endings: tuple[str, ...], limit: int) -> list[str] | None:
    """The paths of a tree's files with one of some endings, in small letters; None where there are more than ``limit``.

    Raises:
        GitError: it is too large to be walked.
    """
    root = tree_oid(repo, tree)
    check_size(repo, root)
    wanted = tuple(ending.encode() for ending in endings)
    found: list[str] = []
    for path, _ in walk(repo, root):
        if path.lower().endswith(wanted):
            if len(found) == limit:
                return None
            with contextlib.suppress(UnicodeDecodeError):
                found.append(path.decode("utf-8"))
    return found


def directories(repo: pygit2.Repository, tree: str, paths: Iterable[str]) -> dict[str, dict[str, str]]:
    """The directories of a tree on the way to some paths, each with the names in it and their modes; the root is "".

    Raises:
        GitError: a tree on the way is too large or not as git writes trees.
    """
    root = Entry(TREE, b"", tree_oid(repo, tree).raw)
    read: dict[str, dict[str, Entry]] = {}
    for path in paths:
        place, there = root, ""
        for name in path.split("/"):
            if there not in read:
                read[there] = {_name(one): one for one in read_tree(repo, place.oid)}
            below = read[there].get(name)
            if below is None or below.mode != TREE:
                break
            place, there = below, f"{there}/{name}" if there else name
    return {there: {name: f"{one.mode:06o}" for name, one in inside.items()} for there, inside in read.items()}


def _name(entry: Entry) -> str:
    return entry.name.decode("utf-8", "surrogateescape")


def proposal_diff_sha256(repo: pygit2.Repository, commit: str) -> str:
    """SHA-256, in hexadecimal, of the diffs of a commit against each of its parents, one after the other.

    The diffs name full object ids, so that also binary content is bound.
    """
    parents = [str(parent) for parent in commit_of(repo, commit).parent_ids]
    digest = hashlib.sha256()
    for parent in parents:
        digest.update(diff(repo, parent, commit))
    return digest.hexdigest()


def _tree(repo: pygit2.Repository, oid: pygit2.Oid) -> pygit2.Tree:
    check_size(repo, oid)
    found: object = repo[oid]
    if not isinstance(found, pygit2.Tree):
        raise GitError(f"{oid} is not a tree")
    return found


def _check_input(repo: pygit2.Repository, deltas: Sequence[pygit2.DiffDelta]) -> None:
    total = 0
    for file in (file for delta in deltas for file in (delta.old_file, delta.new_file)):
        if int(file.mode) not in (0, TREE, _GITLINK):
            total += repo.odb.read_header(file.id)[1]
        if total > MAX_DIFF_INPUT:
            raise TreeRefusedError(
                f"the changed files come to more than {MAX_DIFF_INPUT} bytes: too large a diff to show"
            )
