"""The verdict: does head merge with base, and if not, what is in conflict and how. git decides, libgit2 only reads."""

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import pygit2

from bot.errors import GitError
from bot.git.merge_output import TEXT_KINDS, MergeOutput, kind_of, parse_output
from bot.git.names import is_utf8, shown
from bot.git.objects import blob_size, commit_of, opened, read_bytes
from bot.git.process import Completed, GitCommand
from bot.git.refs import check_oid
from bot.git.renames import name_collisions
from bot.git.trees import TREE, Entry, check_size, find_all
from bot.model.conflicts import (
    MAX_LFS_POINTER_BYTES,
    CleanMerge,
    Conflict,
    ConflictedMerge,
    ConflictKind,
    ImpossibleMerge,
    Side,
    Stage,
    Verdict,
    is_lfs_pointer,
)

_CRASHES: Final = frozenset({-signal.SIGABRT, -signal.SIGSEGV})

CLEAN: Final = 0
CONFLICTED: Final = 1
_FATAL: Final = 128

_GAVE_UP: Final = "rename detection was skipped"
_NOT_FOUND: Final = "git did not look for renames, for too many files were renamed: the file may have another name now."

# Failures of the machine, not of the two commits: another try may succeed.
_PASSING: Final = ("no space left", "out of memory", "unable to create", "unable to write", "cannot fork", "i/o error")


def check_mergeable(mirror: Path, ours: str, theirs: str) -> str | None:
    """Why two commits cannot be merged at all, None when git may try. Blocks: call in a thread."""
    with opened(mirror) as repo:
        return why_not(repo, ours, theirs)


def why_not(repo: pygit2.Repository, ours: str, theirs: str) -> str | None:
    """``check_mergeable`` for a mirror that is opened."""
    for name, oid in (("head", check_oid(ours)), ("base", check_oid(theirs))):
        if oid not in repo:
            return f"the {name} {oid} is not in the repository"
        try:
            check_size(repo, commit_of(repo, oid).tree_id)
        except GitError as error:
            return f"the {name} {oid} cannot be merged: {error}"
    return None


async def merge(command: GitCommand, mirror: Path, *, ours: str, theirs: str) -> Verdict:
    """The verdict of git on two commits; equal commits give equal verdicts.

    Raises:
        GitError: an id is malformed, or git failed for reasons that lie in this machine.
    """
    done = await _merged_or_refused(command, mirror, check_oid(ours), check_oid(theirs))
    if isinstance(done, ImpossibleMerge):
        return done
    verdict = await asyncio.to_thread(read_verdict, mirror, done)
    if not isinstance(verdict, ConflictedMerge):
        return verdict
    conflicts = await name_collisions(command, mirror, verdict.conflicts, ours=ours, theirs=theirs)
    return replace(verdict, conflicts=conflicts)


async def _merged_or_refused(command: GitCommand, mirror: Path, ours: str, theirs: str) -> Completed | ImpossibleMerge:
    """Git's answer, unless the two must not be merged. Both are found out at once; a refusal ends git."""
    merging = asyncio.ensure_future(_run_merge(command, mirror, ours, theirs))
    try:
        reason = await asyncio.to_thread(check_mergeable, mirror, ours, theirs)
        return ImpossibleMerge(reason=reason) if reason is not None else await merging
    finally:
        merging.cancel()
        await asyncio.gather(merging, return_exceptions=True)


async def _run_merge(command: GitCommand, mirror: Path, ours: str, theirs: str) -> Completed:
    """Ask git. Its exit status is the verdict."""
    return await command.run(mirror, "merge-tree", "--write-tree", "-z", "--messages", "--end-of-options", ours, theirs)


def read_verdict(mirror: Path, done: Completed) -> Verdict:
    """What git's answer means. Blocks: call in a thread.

    Raises:
        GitError: git failed for reasons that lie in this machine, or its answer cannot be read.
    """
    if done.status not in (CLEAN, CONFLICTED) or not done.output:
        # git 2.39 ends with status 1 and no output when a commit is missing.
        return _impossible(done)
    output = parse_output(done.output)
    if done.status == CLEAN:
        return CleanMerge(tree=output.tree)
    paths = output.conflicted_paths()
    if not paths:
        return ImpossibleMerge(reason="git reports a conflict but names no path")
    odd = next((path for path in paths if not is_utf8(path)), None)
    if odd is not None:
        return ImpossibleMerge(reason=f"the conflicted path {shown(odd)} is not UTF-8")
    with opened(mirror) as repo:
        tree = pygit2.Oid(hex=output.tree)
        left = find_all(repo, tree, [path.encode("utf-8") for path in paths])
        conflicts = tuple(_conflict(repo, left.get(path.encode("utf-8")), output, path) for path in paths)
    return ConflictedMerge(tree=output.tree, conflicts=_doubted(conflicts, done))


def _doubted(conflicts: tuple[Conflict, ...], done: Completed) -> tuple[Conflict, ...]:
    """Where git gave up on finding renames, what looks deleted may have been renamed: each such conflict says so."""
    if _GAVE_UP not in done.words:
        return conflicts
    return tuple(
        replace(conflict, messages=(*conflict.messages, _NOT_FOUND))
        if conflict.kind is ConflictKind.MODIFY_DELETE
        else conflict
        for conflict in conflicts
    )


def _impossible(done: Completed) -> ImpossibleMerge:
    words = done.words.removeprefix("fatal: ").removeprefix("merge-tree: ")
    if done.status in _CRASHES:
        # git 2.39 fails an assertion of its own on some renames; the same two commits do so every time.
        return ImpossibleMerge(reason="git itself breaks off on these two commits")
    machine = any(sign in words.lower() for sign in _PASSING)
    if machine or done.status not in (CONFLICTED, _FATAL):
        raise GitError(f"git merge-tree failed with status {done.status}: {words}")
    return ImpossibleMerge(reason=words or "git merge-tree gives no reason")


def _conflict(repo: pygit2.Repository, left: Entry | None, output: MergeOutput, path: str) -> Conflict:
    messages = output.about(path)
    stages = output.stages.get(path, {})
    kind = kind_of(messages, stages)
    if kind in TEXT_KINDS and _has_pointer(repo, stages):
        kind = ConflictKind.LFS_POINTER
    oid, mode = _left_in_tree(left)
    together = dict.fromkeys([path, *(other for message in messages for other in message.paths)])
    return Conflict(
        path=path,
        kind=kind,
        stages=dict(stages),
        merged_oid=oid,
        merged_mode=mode,
        paths=tuple(other for other in together if is_utf8(other)),
        messages=tuple(message.text for message in messages),
    )


def _left_in_tree(entry: Entry | None) -> tuple[str | None, str | None]:
    """The blob that git left at the path and the path's mode; no blob for a submodule, nothing for a directory."""
    if entry is None or entry.mode == TREE:
        return None, None
    return (None if entry.is_submodule else str(entry.oid)), f"{entry.mode:06o}"


def _has_pointer(repo: pygit2.Repository, stages: Mapping[Side, Stage]) -> bool:
    """True when a side has a git-lfs pointer in the file's place: its lines are not text to be merged."""
    sides = [stages[side] for side in (Side.OURS, Side.THEIRS) if side in stages]
    return any(_is_pointer(repo, pygit2.Oid(hex=stage.oid)) for stage in sides)


def _is_pointer(repo: pygit2.Repository, oid: pygit2.Oid) -> bool:
    return blob_size(repo, oid) < MAX_LFS_POINTER_BYTES and is_lfs_pointer(read_bytes(repo, oid))
