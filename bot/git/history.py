"""What the history says: common ancestors, the commits of a side with their authors, the blobs a path had.

Walks of unknown length are git's, in a process that can be ended; reading single commits is libgit2's.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import SortMode

from bot.errors import GitError, TreeRefusedError
from bot.git.objects import commit_of
from bot.git.process import GitCommand
from bot.git.refs import check_oid
from bot.model.cases import PathHistory
from bot.ports.git import Authorship, PickedCommit

MAX_COMMITS: Final = 5_000
"""A side with more commits since the merge base than this has no path history."""

HISTORY_SECONDS: Final = 4.0
"""All look-ups of one merge's path history together end after this time."""

_ARGUMENT_BYTES: Final = 64 * 1024
"""Of paths for one git process; the system's own limit is far higher."""

_NOBODY: Final = "0" * 40

# Encodings a commit may declare (git's i18n.commitEncoding) that decode in linear time; others are read as UTF-8.
_ENCODING: Final = re.compile(
    r"utf-?8|us-ascii|iso-?8859-\d{1,2}|latin-?1|(?:windows-|cp)\d{3,4}|koi8-[ru]|euc-?(?:jp|kr)|s(?:hift[_-]?)?jis"
    r"|gbk|gb2312|gb18030|big5",
    re.IGNORECASE,
)


async def merge_bases(command: GitCommand, git_dir: Path, ours: str, theirs: str) -> tuple[str, ...]:
    """The best common ancestors of two commits, none for unrelated histories.

    Raises:
        GitError: an id is malformed, or a commit is missing.
    """
    done = await command.run(git_dir, "merge-base", "--all", "--end-of-options", check_oid(ours), check_oid(theirs))
    if done.status not in (0, 1) or (done.status == 1 and done.words):
        raise GitError(f"git merge-base failed: {done.words}")
    return tuple(check_oid(line) for line in done.output.decode("ascii", "replace").split())


def commits(repo: pygit2.Repository, *, since: str, until: str, limit: int) -> list[PickedCommit]:
    """The commits reachable from ``until`` and not from ``since``, parents first; of too many, the newest. Blocks.

    Raises:
        GitError: a commit is missing, or has no author or date that another commit could be given.
    """
    walker = repo.walk(commit_of(repo, until).id, SortMode.TOPOLOGICAL | SortMode.TIME)
    walker.hide(commit_of(repo, since).id)
    newest = [_picked(commit) for _, commit in zip(range(limit), walker, strict=False)]
    return newest[::-1]


def _picked(commit: pygit2.Commit) -> PickedCommit:
    author: pygit2.Signature | None = commit.author
    if author is None:
        raise TreeRefusedError(f"the commit {commit.id} names no author")
    declared = commit.message_encoding or ""
    encoding = declared if _ENCODING.fullmatch(declared) else "utf-8"
    return PickedCommit(
        commit=str(commit.id),
        parents=tuple(str(parent) for parent in commit.parent_ids),
        author=Authorship(
            name=_decoded(author.raw_name, encoding),
            email=_decoded(author.raw_email, encoding),
            when=_moment(commit, author),
        ),
        message=_decoded(commit.raw_message, encoding),
    )


def _decoded(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode(encoding, "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def _moment(commit: pygit2.Commit, author: pygit2.Signature) -> datetime:
    try:
        return datetime.fromtimestamp(author.time, timezone(timedelta(minutes=author.offset)))
    except (OverflowError, ValueError, OSError):
        raise TreeRefusedError(f"the commit {commit.id} has a date beyond all calendars") from None


async def path_history(
    command: GitCommand, git_dir: Path, *, ours: str, theirs: str, paths: Sequence[str]
) -> Mapping[str, PathHistory]:
    """Which blobs each path had on each side since the merge base, in all commits of the side.

    Left out are paths whose history was not read to its end: a side with more than ``MAX_COMMITS`` commits, or no time
    left after ``HISTORY_SECONDS``.

    Raises:
        GitError: an id is malformed, a commit is missing, or git failed.
    """
    sides = ((check_oid(ours), check_oid(theirs)), (check_oid(theirs), check_oid(ours)))
    found: dict[str, PathHistory] = {}
    try:
        async with asyncio.timeout(HISTORY_SECONDS):
            for batch in _batches(paths):
                left, right = [await _side(command, git_dir, tip, other, batch) for tip, other in sides]
                if left is None or right is None:
                    return {}
                found |= {path: PathHistory(ours=left[path], theirs=right[path]) for path in batch}
    except TimeoutError:
        pass
    return found


def _batches(paths: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for path in dict.fromkeys(paths):
        if not path or "\0" in path:
            continue
        size += len(path.encode("utf-8", "surrogateescape")) + 1
        if batch and size > _ARGUMENT_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(path)
    if batch:
        yield batch


async def _side(
    command: GitCommand, git_dir: Path, tip: str, other: str, paths: Sequence[str]
) -> dict[str, frozenset[str]] | None:
    """The blobs of each path in the commits that only ``tip`` reaches, None when that is too much to look at.

    ``--sparse`` and ``--full-history`` keep all commits: one that leaves the paths alone is counted too, and a side
    branch that was merged away still shows its blobs. Pathspecs are literal by the environment of ``GitCommand``.
    """
    arguments = (
        *("log", "-z", "--format=%H", "--raw", "--no-abbrev", "--no-renames", "-m", "--full-history", "--sparse"),
        *(f"--max-count={MAX_COMMITS + 1}", "--end-of-options", tip, f"^{other}", "--", *paths),
    )
    try:
        done = await command.run(git_dir, *arguments)
    except GitError:
        # It took too long or wrote too much: these are facts that may be missing.
        return None
    if done.status != 0:
        raise GitError(f"git log failed: {done.words}")
    seen, blobs = _read_log(done.output)
    if seen > MAX_COMMITS:
        return None
    return {path: frozenset(blobs.get(path, ())) for path in paths}


def _read_log(output: bytes) -> tuple[int, dict[str, set[str]]]:
    """How many commits there are, and the blobs that each path had. A merge stands there once for each parent."""
    seen: set[bytes] = set()
    blobs: dict[str, set[str]] = {}
    fields = iter(output.split(b"\0"))
    for field in fields:
        change = field.lstrip(b"\n")
        if not change.startswith(b":"):
            seen.add(change)
            continue
        path = next(fields, b"").decode("utf-8", "surrogateescape")
        blob = change.split(b" ")[3].decode("ascii", "replace")
        if blob != _NOBODY:
            blobs.setdefault(path, set()).add(check_oid(blob))
    seen.discard(b"")
    return len(seen), blobs
