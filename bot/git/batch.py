"""``GitBatch``: the port ``bot.ports.watch.WatchGit``, verdicts on many pairs of commits by few git processes.

``git merge-tree --stdin`` answers to one pair after the other; traps, all met in real merges:

* the status in its stream is 0 for a conflict and 1 for a clean merge, the reverse of the command's exit status;
* a pair that it cannot merge (unrelated histories, a missing object) ends it with status 128, and with it the batch;
* on some pairs it fails an assertion of its own: then the answers before that one are lost too;
* it writes the merged trees and blobs: into an object directory that is thrown away.
"""

import asyncio
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pygit2

from bot.errors import GitError, GitTimeoutError
from bot.git import footprints, objects
from bot.git.merge_tree import why_not
from bot.git.mirror import Mirrors
from bot.git.objects import commit_of, opened
from bot.git.process import Completed, GitCommand
from bot.git.refs import check_oid
from bot.git.scratch import Scratch, throw_away
from bot.model.forge import RepositoryRef
from bot.model.watch import BaseCommit, Footprint, MergeState, Pair, Push, WatchVerdict

AT_ONCE: Final = 100
"""Pairs for one git process: the time is looked at between two of them."""

_FATAL: Final = 128
_OWN_SIGNALS: Final = frozenset({signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV})
"""By these a program ends through its own fault; who is killed otherwise is to be tried again."""

_MAX_PATHS: Final = 200
"""Paths in conflict that a verdict keeps."""

_MAX_SUBJECT: Final = 300
_OID_LENGTH: Final = 40
_STATES: Final = {b"0": MergeState.CONFLICT, b"1": MergeState.CLEAN}

# Failures of the machine, not of the two commits: another try may succeed.
_PASSING: Final = ("no space left", "out of memory", "unable to create", "unable to write", "cannot fork", "i/o error")


class GitBatch:
    """Questions to the mirrors under one directory, which other processes may share.

    Args:
        root: where the mirrors are.
        git: name or path of the git program, 2.39 or later.
        timeout_seconds: how long one git command may take; a merge that takes longer is impossible.

    Raises:
        SettingsError: there is no such git program.
    """

    def __init__(self, root: Path, *, git: str = "git", timeout_seconds: float = 20.0) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        home = root.absolute() / "home"
        home.mkdir(exist_ok=True)
        objects.read_no_configuration(home)
        self._command = GitCommand(git=git, home=home, timeout_seconds=timeout_seconds, offline=True)
        self._mirrors = Mirrors(root.absolute(), self._command)
        self._home = home
        self._scratch = root.absolute() / "scratch"
        self._version: str | None = None

    async def version(self) -> str:
        """The version of git, such as ``git version 2.39.5``.

        Raises:
            GitError: git does not tell.
        """
        if self._version is None:
            done = await self._command.run(self._home, "version")
            if done.status != 0:
                raise GitError(f"git version failed: {done.words}")
            self._version = done.output.decode("ascii", "replace").strip()
        return self._version

    async def footprints(
        self, repository: RepositoryRef, *, base: str, heads: Sequence[str]
    ) -> Mapping[str, Footprint]:
        """By head, what it changes; left out are heads whose verdict no push leaves alone for certain.

        Raises:
            GitError: an id is malformed, an object is missing, or git failed.
        """
        mirror = await self._mirrors.ensure(repository)
        return await footprints.footprints(self._command, mirror, base=base, heads=heads)

    async def push_between(self, repository: RepositoryRef, *, old: str, new: str) -> Push | None:
        """What was pushed; None when ``new`` does not follow from ``old``, or it is too much to look at.

        Raises:
            GitError: an id is malformed, an object is missing, or git failed.
        """
        mirror = await self._mirrors.ensure(repository)
        return await footprints.push_between(self._command, mirror, old=old, new=new)

    async def first_parents(
        self, repository: RepositoryRef, *, old: str, new: str, limit: int
    ) -> tuple[BaseCommit, ...]:
        """The first-parent history after ``old`` up to ``new``, oldest first; empty where ``old`` is not close in it.

        Raises:
            GitError: an id is malformed, or a commit is missing.
        """
        mirror = await self._mirrors.ensure(repository)
        return await asyncio.to_thread(_first_parents, mirror, old, new, limit)

    async def judge(self, repository: RepositoryRef, pairs: Sequence[Pair], *, seconds: float) -> list[WatchVerdict]:
        """Git's verdicts, in order, on as many pairs as the time allows, and on one at least.

        Raises:
            GitError: an id is malformed, or git failed for reasons that lie in this machine.
        """
        deadline = time.monotonic() + seconds
        version, mirror = await self.version(), await self._mirrors.ensure(repository)
        found: list[WatchVerdict] = []
        async with throw_away(self._scratch, mirror) as scratch:
            batch = _Batch(self._command, mirror, scratch, version)
            size = AT_ONCE
            while len(found) < len(pairs) and (not found or time.monotonic() < deadline):
                try:
                    found += await batch.judge(pairs[len(found) : len(found) + size])
                except (GitTimeoutError, _CrashedError) as error:
                    # It is one of them: come closer to it, and judge it alone at last.
                    if size == 1:
                        found.append(batch.failed(pairs[len(found)], error))
                    size = size // 10 or AT_ONCE
        return found


class _CrashedError(GitError):
    """Git ended itself by a signal; nobody knows at which pair."""


class _Batch:
    """One mirror, one object directory to throw away."""

    def __init__(self, command: GitCommand, mirror: Path, scratch: Scratch, version: str) -> None:
        self._command = command
        self._mirror = mirror
        self._scratch = scratch
        self._version = version

    async def judge(self, pairs: Sequence[Pair]) -> list[WatchVerdict]:
        """Verdicts on all pairs up to the first bad one, and on that one."""
        sound, refusal, done = await self._checked_and_asked(pairs)
        if done is None:
            return [] if refusal is None else [refusal]
        answers = list(_read(done.output))
        if len(answers) > len(sound):
            raise GitError("git merge-tree gave more verdicts than it was asked for")
        found = [self._verdict(pair, *answer) for pair, answer in zip(sound, answers, strict=False)]
        if len(answers) == len(sound):
            return found if refusal is None else [*found, refusal]
        return [*found, self.impossible(sound[len(answers)], _reason(done))]

    async def _checked_and_asked(
        self, pairs: Sequence[Pair]
    ) -> tuple[list[Pair], WatchVerdict | None, Completed | None]:
        """What ``_sound`` says, and git's output on the sound pairs; None where there are none.

        The pairs are checked while git is at work on them, since nearly always all are sound. A pair that must not be
        merged ends git, and it is asked anew about those before it.
        """
        asking = asyncio.ensure_future(self._ask(pairs))
        try:
            sound, refusal = await asyncio.to_thread(self._sound, pairs)
            if len(sound) == len(pairs):
                return sound, refusal, await asking
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        return sound, refusal, await self._ask(sound) if sound else None

    async def _ask(self, pairs: Sequence[Pair]) -> Completed:
        lines = "".join(f"{check_oid(pair.head_sha)} {check_oid(pair.base_sha)}\n" for pair in pairs).encode()
        arguments = ("merge-tree", "--write-tree", "--stdin", "-z", "--name-only", "--no-messages")
        scratch = self._scratch
        return await self._command.run(
            self._mirror, *arguments, scratch=scratch.objects, keep_open=(scratch.lock,), stdin=lines
        )

    def _sound(self, pairs: Sequence[Pair]) -> tuple[list[Pair], WatchVerdict | None]:
        """The pairs before the first that git is not asked about, and the verdict on that one. Blocks."""
        with opened(self._mirror) as repo:
            for place, pair in enumerate(pairs):
                reason = why_not(repo, pair.head_sha, pair.base_sha)
                if reason is not None:
                    # What is missing today may be fetched tomorrow.
                    return list(pairs[:place]), replace(self.impossible(pair, reason), lasting=False)
        return list(pairs), None

    def _verdict(self, pair: Pair, state: MergeState, paths: tuple[bytes, ...]) -> WatchVerdict:
        shown = tuple(path.decode("utf-8", "surrogateescape") for path in paths[:_MAX_PATHS])
        return WatchVerdict(pair=pair, git_version=self._version, state=state, paths=shown)

    def impossible(self, pair: Pair, reason: str) -> WatchVerdict:
        """The verdict on a pair that git does not merge."""
        return WatchVerdict(pair=pair, git_version=self._version, state=MergeState.IMPOSSIBLE, reason=reason)

    def failed(self, pair: Pair, error: GitError) -> WatchVerdict:
        """The verdict on a pair at which git failed though it was alone; time may suffice some other day."""
        if isinstance(error, GitTimeoutError):
            return replace(self.impossible(pair, "git took too long to merge them"), lasting=False)
        return self.impossible(pair, f"git itself failed at them: {error}")


def _reason(done: Completed) -> str:
    words = done.words.removeprefix("fatal: ").removeprefix("merge-tree: ")
    if -done.status in _OWN_SIGNALS:
        raise _CrashedError(words)
    if done.status != _FATAL or any(sign in words.lower() for sign in _PASSING):
        raise GitError(f"git merge-tree failed with status {done.status}: {words}")
    return words or "git merge-tree gives no reason"


def _read(output: bytes) -> Iterator[tuple[MergeState, tuple[bytes, ...]]]:
    """The whole answers in a stream: status, tree, paths in conflict, an empty field. What is cut off is no answer.

    git 2.39 may print advice without a NUL behind it: a status is then the end of its field.
    """
    fields = output.split(b"\0")[:-1]
    place = 0
    while place + 2 < len(fields):
        state = _STATES.get(fields[place][-1:])
        if state is None or len(fields[place + 1]) != _OID_LENGTH:
            raise GitError("git merge-tree wrote something that is no verdict")
        try:
            end = fields.index(b"", place + 2)
        except ValueError:
            return
        yield state, tuple(fields[place + 2 : end])
        place = end + 1


def _first_parents(mirror: Path, old: str, new: str, limit: int) -> tuple[BaseCommit, ...]:
    with opened(mirror) as repo:
        found: list[BaseCommit] = []
        commit = commit_of(repo, new)
        while str(commit.id) != check_oid(old):
            if len(found) == limit or not commit.parent_ids:
                return ()
            found.append(BaseCommit(sha=str(commit.id), subject=_subject(commit)))
            commit = commit_of(repo, str(commit.parent_ids[0]))
        return tuple(reversed(found))


def _subject(commit: pygit2.Commit) -> str:
    first = commit.raw_message.lstrip(b"\n").partition(b"\n")[0]
    return first[: 4 * _MAX_SUBJECT].decode("utf-8", "replace").strip()[:_MAX_SUBJECT]
