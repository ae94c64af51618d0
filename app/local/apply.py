"""Write what was resolved into a clone, after a person's yes. What is open keeps git's markers, and only that does."""

import asyncio
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.local.begin import merge_under_way
from app.local.files import replace_file
from app.local.judge import mode_of
from app.local.merge import Merge
from app.local.outcome import Written
from app.local.standing import render
from bot.errors import GitError
from bot.git.clone import LocalClone
from bot.git.discovery import Activity
from bot.git.process import clean_words
from bot.handlers.progress import content_of
from bot.merge.remainder import remainder
from bot.model.cases import FileProgress
from bot.model.conflicts import ConflictedMerge

_MERGE_SECONDS: Final = 600.0


async def begin_merge(clone: LocalClone, merge: Merge, name: str) -> Merge:
    """Let the person's own git begin the merge, as ``git merge --no-commit`` does: their settings and filters hold.

    Raises:
        GitError: git refuses; it then says why (files with changes of one's own stand in the way), and nothing changed.
    """
    if clone.work_tree is None:
        raise GitError("this repository has no work tree to write to; --json writes the objects alone")
    done = await asyncio.to_thread(_run_merge, clone.git_dir, clone.work_tree, merge.theirs, f"Merge {name}")
    if await clone.under_way() is None:
        raise GitError(f"git merge did not begin, and nothing was written: {clean_words(done, None)}")
    return await merge_under_way(clone)


def _run_merge(git_dir: Path, work_tree: Path, theirs: str, message: str) -> bytes:
    """What git said. Its exit status is 1 for a merge that stops at conflicts, and for one that never began."""
    arguments = ["merge", "--no-commit", "--no-ff", "--quiet", "-m", message, theirs]
    try:
        done = subprocess.run(
            ["git", f"--git-dir={git_dir}", f"--work-tree={work_tree}", *arguments],  # noqa: S607 - the person's own git
            cwd=work_tree,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_MERGE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitError(f"git merge did not end: {error}") from error
    return done.stdout + done.stderr


async def apply(clone: LocalClone, merge: Merge, files: Mapping[str, FileProgress]) -> Written:
    """Write and stage the files that are settled; put what is settled of the others into them, unstaged.

    ``merge`` is under way in the clone. Files that are not as they were looked at are not written.

    Raises:
        GitError: a file changed meanwhile, or cannot be written; then nothing was staged.
    """
    then = f"git {(merge.activity or Activity.MERGE).value} --continue"
    if not isinstance(merge.verdict, ConflictedMerge):
        return Written(staged=(), prepared=(), left=(), then=then)
    mine = {
        conflict.path: (mode_of(conflict), files[conflict.path])
        for conflict in merge.verdict.conflicts
        if conflict.path in files and conflict.path in merge.styles
    }
    whole = {path: (mode, content_of(file)) for path, (mode, file) in mine.items() if not file.open}
    parts = {path: _with_markers(merge, path, file) for path, (_, file) in mine.items() if file.open and file.settled}
    if whole:
        await clone.write_resolved(whole, looked=merge.looked)
    if parts:
        await _write_parts(clone, merge, parts)
    left = tuple(path for path in files if path not in mine)
    return Written(staged=tuple(whole), prepared=tuple(parts), left=left, then=then)


def _with_markers(merge: Merge, path: str, file: FileProgress) -> bytes:
    rest = remainder(file.case.marked, {index: answer.content for index, answer in file.settled.items()})
    return render(rest.marked, merge.styles[path], swapped=merge.swapped)


async def _write_parts(clone: LocalClone, merge: Merge, parts: Mapping[str, bytes]) -> None:
    looked = await clone.look(list(parts))
    if clone.work_tree is None or any(looked[path] != merge.looked.get(path) for path in parts):
        raise GitError("a file has changed since it was looked at; it was not written")
    for path, content in parts.items():
        await asyncio.to_thread(replace_file, clone.work_tree / path, content)
