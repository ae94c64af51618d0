"""Which files both sides put at one path by renaming them: what git's answer calls an add/add, or leaves half said.

git-merge-tree(1) says add/add for a path that both sides have and their ancestor has not, also where one side or both
renamed another file to it. Those are other conflicts: unrelated files meet there, whose lines must not be mixed.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from bot.git.history import merge_bases
from bot.git.names import is_utf8
from bot.git.process import GitCommand
from bot.model.conflicts import Conflict, ConflictKind

_COLLIDING: Final = frozenset({ConflictKind.ADD_ADD, ConflictKind.RENAME_ADD})

_LIMIT: Final = 1_000
"""Files on either side beyond which only unchanged files are found again; git's own limit for diffs."""


async def name_collisions(
    command: GitCommand, git_dir: Path, conflicts: Sequence[Conflict], *, ours: str, theirs: str
) -> tuple[Conflict, ...]:
    """The conflicts with each add/add called a collision of renames where it is one, and the old paths named with it.

    Nothing is asked of git where no conflict can be one. After a criss-cross there is no one tree to compare with, and
    the conflicts stay as they are.

    Raises:
        GitError: git failed.
    """
    if not any(conflict.kind in _COLLIDING for conflict in conflicts):
        return tuple(conflicts)
    bases = await merge_bases(command, git_dir, ours, theirs)
    if len(bases) != 1:
        return tuple(conflicts)
    sources = await asyncio.gather(*(_renames(command, git_dir, bases[0], side) for side in (ours, theirs)))
    return tuple(_named(conflict, sources) for conflict in conflicts)


async def _renames(command: GitCommand, git_dir: Path, base: str, side: str) -> Mapping[str, str]:
    """The old path for each path that a file was renamed to."""
    arguments = ("diff-tree", "-z", "-r", "-M", f"-l{_LIMIT}", "--diff-filter=R", "--name-status", base, side)
    done = await command.run(git_dir, *arguments)
    fields = [field.decode("utf-8", "surrogateescape") for field in done.output.split(b"\0")[:-1]]
    return dict(zip(fields[2::3], fields[1::3], strict=False)) if done.status == 0 else {}


def _named(conflict: Conflict, sources: Sequence[Mapping[str, str]]) -> Conflict:
    if conflict.kind not in _COLLIDING:
        return conflict
    found = [renamed[conflict.path] for renamed in sources if conflict.path in renamed]
    if not found:
        return conflict
    kind = ConflictKind.RENAME_RENAME_TO_ONE if len(found) > 1 else ConflictKind.RENAME_ADD
    readable = [path for path in found if is_utf8(path)]
    return replace(conflict, kind=kind, paths=tuple(dict.fromkeys((*conflict.paths, *readable))))
