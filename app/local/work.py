"""What a person has done about the conflicts of a merge that is under way: in the index, and in the files."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from app.local.files import read_file
from app.local.merge import SUBMODULE, LeftAlone, Merge
from app.local.standing import MarkerStyle, Standing, as_in_git, work_file
from app.local.survey import MAX_TEXT_BYTES, marked_of
from bot.errors import GitError
from bot.git.clone import LocalClone
from bot.model.conflicts import Conflict, ConflictedMerge, MarkedFile, Side, Stage

_MAX_WORK_FILE: Final = 2 * MAX_TEXT_BYTES
_MAX_STAGED: Final = 256 * 1024 * 1024

_OTHER_VERSIONS: Final = (
    "git's index has other versions of it than a merge of the two commits has; it is left as it is."
)
_BEGUN: Final = "It is not as git left it in the work tree: somebody has begun on it, so it is left as it is."
_OTHERWISE: Final = (
    "Its attribute `merge` keeps git from marking what conflicts in it, so nothing tells whether somebody settled it: "
    "stage it with `git add` when it is as you want it."
)
_NO_FILE: Final = "It is no plain file in the work tree, so it is left as it is."
_TOO_LARGE: Final = "What is staged for it is too large to be looked at."


async def with_work(clone: LocalClone, merge: Merge, unmerged: Mapping[str, Mapping[Side, Stage]]) -> Merge:
    """The merge with what the person has done; ``unmerged`` are the conflicts of the index.

    Raises:
        GitError: the clone cannot be read.
    """
    if not isinstance(merge.verdict, ConflictedMerge):
        return merge
    conflicts = [conflict for conflict in merge.verdict.conflicts if conflict.stages]
    left_alone = await _staged(clone, [conflict.path for conflict in conflicts if conflict.path not in unmerged])
    otherwise = await clone.merged_otherwise(unmerged) if unmerged and clone.work_tree is not None else frozenset()
    looked: dict[str, str] = {}
    styles: dict[str, MarkerStyle] = {}
    for conflict in conflicts:
        path = conflict.path
        marked = await marked_of(clone, conflict) if path in unmerged else None
        if path in unmerged and dict(unmerged[path]) != dict(conflict.stages):
            left_alone[path] = LeftAlone(reason=_OTHER_VERSIONS)
        elif marked is not None and path in otherwise:
            left_alone[path] = LeftAlone(reason=_OTHERWISE)
        elif marked is not None and clone.work_tree is not None:
            seen = await _in_work_tree(clone, conflict, marked, swapped=merge.swapped)
            if isinstance(seen, LeftAlone):
                left_alone[path] = seen
            else:
                looked[path], styles[path] = seen
    return replace(merge, left_alone=left_alone, looked=looked, styles=styles)


async def _staged(clone: LocalClone, paths: Sequence[str]) -> dict[str, LeftAlone]:
    """What the person staged for paths that were in conflict."""
    found = await clone.staged(paths) if paths else {}
    return {path: await _as_staged(clone, found.get(path)) for path in paths}


async def _as_staged(clone: LocalClone, stage: Stage | None) -> LeftAlone:
    if stage is None:
        return LeftAlone()
    if stage.mode == SUBMODULE:
        return LeftAlone(content=stage.oid.encode("ascii"), mode=stage.mode)
    content = await clone.read_blob(stage.oid, limit=_MAX_STAGED)
    return LeftAlone(reason=_TOO_LARGE) if content is None else LeftAlone(content=content, mode=stage.mode)


async def _in_work_tree(
    clone: LocalClone, conflict: Conflict, marked: MarkedFile, *, swapped: bool
) -> LeftAlone | tuple[str, MarkerStyle]:
    """How a text conflict stands in the work tree: left alone, or its fingerprint and its markers."""
    if clone.work_tree is None:
        return LeftAlone(reason=_NO_FILE)
    try:
        looked = await clone.look([conflict.path])
    except GitError:
        return LeftAlone(reason=_NO_FILE)
    content = await asyncio.to_thread(read_file, clone.work_tree / conflict.path, limit=_MAX_WORK_FILE)
    if content is None:
        return LeftAlone(reason=_NO_FILE)
    file = await asyncio.to_thread(work_file, content, marked, swapped=swapped)
    match file.standing:
        case Standing.UNTOUCHED:
            return looked[conflict.path], file.style
        case Standing.SETTLED:
            return LeftAlone(content=as_in_git(content, marked), mode=conflict.merged_mode or "100644")
        case Standing.BEGUN:
            return LeftAlone(reason=_BEGUN)
