"""Find out what a person wants merged: what is under way in the clone, or the branch that they name."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from app.local.merge import Merge
from app.local.outcome import SideNames
from app.local.work import with_work
from bot.config import parse_layer
from bot.config_keys import BUILTIN_PROTECTED_PATHS, CONFIG_PATH
from bot.errors import BadInputError, ConfigError
from bot.git.clone import LocalClone
from bot.git.discovery import Activity, UnderWay, read_line
from bot.model.conflicts import (
    CleanMerge,
    Conflict,
    ConflictedMerge,
    ConflictKind,
    ImpossibleMerge,
    Side,
    Stage,
    Verdict,
)

UNSHALLOW: Final = " This clone is shallow: `git fetch --unshallow` gets the rest of its history."

_SHORT: Final = 10
_MAX_CONFIG: Final = 1024 * 1024
_OTHER_SIDE: Final = {Side.OURS: Side.THEIRS, Side.THEIRS: Side.OURS, Side.ANCESTOR: Side.ANCESTOR}


async def merge_of(clone: LocalClone, theirs: str) -> Merge:
    """What merging the named commit into HEAD comes to.

    Raises:
        BadInputError: something is under way in the clone, or the two cannot be merged.
        GitError: a name names no commit, or the clone cannot be read.
    """
    if await clone.under_way() is not None:
        raise BadInputError("Something is under way in this clone already; leave --theirs out to resolve that.")
    head, other = await clone.resolve("HEAD"), await clone.resolve(theirs)
    verdict = possible(clone, await clone.merge(ours=head, theirs=other))
    return Merge(
        ours=head,
        theirs=other,
        names=SideNames(ours=_head_name(clone, head), theirs=f"{theirs} ({other[:_SHORT]})"),
        merge_bases=await clone.merge_bases(ours=head, theirs=other),
        verdict=verdict,
        protected_paths=await protected(clone, head, other),
    )


async def merge_under_way(clone: LocalClone) -> Merge:
    """What is under way in the clone, and what the person has done about its conflicts.

    Raises:
        BadInputError: nothing is, or its two sides cannot be merged.
        GitError: the clone cannot be read.
    """
    under_way = await clone.under_way()
    if under_way is None:
        if clone.work_tree is not None and await clone.unmerged():
            raise BadInputError(
                "These conflicts are of no merge, rebase, cherry-pick or revert, but perhaps of `git stash pop` or "
                "`git apply --3way`. Take them file by file: `git mergetool` with `flowforge mergetool`."
            )
        raise BadInputError(
            "No merge, rebase or cherry-pick is under way here. Name the branch to merge: --theirs REF."
        )
    verdict = possible(clone, await clone.verdict(under_way))
    unmerged = await clone.unmerged()
    if under_way.swapped:
        unmerged = {path: _turned(stages) for path, stages in unmerged.items()}
    merge = Merge(
        ours=under_way.ours,
        theirs=under_way.theirs,
        names=await _names(clone, under_way),
        merge_bases=await _bases(clone, under_way),
        verdict=_as_in_index(verdict, unmerged),
        protected_paths=await protected(clone, under_way.ours, under_way.theirs),
        activity=under_way.activity,
        swapped=under_way.swapped,
    )
    return await with_work(clone, merge, unmerged)


def possible(clone: LocalClone, verdict: Verdict) -> CleanMerge | ConflictedMerge:
    """The verdict, when there is a merge.

    Raises:
        BadInputError: git cannot merge the two, for instance because a shallow clone does not reach to their base.
    """
    if isinstance(verdict, ImpossibleMerge):
        hint = UNSHALLOW if clone.shallow else ""
        raise BadInputError(f"git cannot merge the two: {verdict.reason}.{hint}")
    return verdict


def _turned(stages: Mapping[Side, Stage]) -> dict[Side, Stage]:
    return {_OTHER_SIDE[side]: stage for side, stage in stages.items()}


def _as_in_index(
    verdict: CleanMerge | ConflictedMerge, unmerged: Mapping[str, Mapping[Side, Stage]]
) -> CleanMerge | ConflictedMerge:
    """The verdict with the conflicts of the index.

    Where git makes up a name (``a~HEAD`` beside a directory ``a``), it is another one there: the stages tell which.
    Paths that are in conflict in the index, but not when the two commits are merged anew, are of an unknown kind.
    """
    conflicts = verdict.conflicts if isinstance(verdict, ConflictedMerge) else ()
    known = {conflict.path for conflict in conflicts}
    strange = {path: stages for path, stages in unmerged.items() if path not in known}
    if not strange:
        return verdict
    named = []
    for conflict in conflicts:
        made_up = "~" in conflict.path and conflict.path not in unmerged
        same = (path for path, stages in strange.items() if made_up and dict(stages) == dict(conflict.stages))
        path = next(same, conflict.path)
        strange.pop(path, None)
        named.append(replace(conflict, path=path))
    return ConflictedMerge(tree=verdict.tree, conflicts=(*named, *itertools.starmap(_unknown, strange.items())))


def _unknown(path: str, stages: Mapping[Side, Stage]) -> Conflict:
    return Conflict(
        path=path,
        kind=ConflictKind.UNKNOWN,
        stages=stages,
        merged_oid=None,
        merged_mode=None,
        paths=(path,),
        messages=(),
    )


async def _bases(clone: LocalClone, under_way: UnderWay) -> tuple[str, ...]:
    """What the two sides are compared with: for a commit that is taken over its parent, taken back itself."""
    match under_way.activity:
        case Activity.MERGE:
            return await clone.merge_bases(ours=under_way.ours, theirs=under_way.theirs)
        case Activity.REBASE | Activity.CHERRY_PICK:
            return (await clone.parents_of(under_way.other))[:1]
        case Activity.REVERT:
            return (under_way.other,)


async def _names(clone: LocalClone, under_way: UnderWay) -> SideNames:
    head, other = under_way.head, under_way.other
    subjects = await clone.subjects(since=head, until=other, limit=1)
    commit = f"{other[:_SHORT]}" + (f" {subjects[0]!r}" if subjects else "")
    match under_way.activity:
        case Activity.MERGE:
            return SideNames(ours=_head_name(clone, head), theirs=f"{commit}, which you are merging")
        case Activity.REBASE:
            return SideNames(
                ours=f"your commit {commit}, which you are rebasing",
                theirs=f"{head[:_SHORT]}, the history that it goes onto",
            )
        case Activity.CHERRY_PICK:
            return SideNames(ours=_head_name(clone, head), theirs=f"{commit}, which you are picking")
        case Activity.REVERT:
            return SideNames(ours=_head_name(clone, head), theirs=f"the undoing of {commit}")


def _head_name(clone: LocalClone, head: str) -> str:
    """The branch that a person is on, or that they are on none."""
    prefix = "ref: refs/heads/"
    line = read_line(clone.git_dir / "HEAD")
    branch = line.removeprefix(prefix) if line.startswith(prefix) else "no branch"
    return f"{branch} ({head[:_SHORT]}), where you are"


async def protected(clone: LocalClone, *commits: str) -> tuple[str, ...]:
    """The patterns of protected paths of all these commits: no side can take the other's protection away.

    Raises:
        ConfigError: one of them has a configuration that cannot be read.
    """
    patterns = dict.fromkeys(BUILTIN_PROTECTED_PATHS)
    for commit in commits:
        stage = await clone.entry(commit, CONFIG_PATH)
        content = None if stage is None else await clone.read_blob(stage.oid, limit=_MAX_CONFIG)
        if content is not None:
            try:
                patterns |= dict.fromkeys(parse_layer(content).config.protected_paths)
            except ConfigError as error:
                where = f"{CONFIG_PATH} of {commit[:_SHORT]}"
                raise BadInputError(f"{where} cannot be read: {error}") from error
    return tuple(patterns)
