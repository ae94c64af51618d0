"""``GitMirrors``: the port ``bot.ports.git.Git``, kept by bare mirrors on disk."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import pygit2

from bot.errors import GitError, LeaseRejectedError
from bot.git import diffs, history, merge_tree, objects, picks
from bot.git.mirror import Mirrors
from bot.git.process import GitCommand
from bot.git.push import RefMove, refusal
from bot.git.workspace import read_whole, read_workspace
from bot.model.cases import PathHistory
from bot.model.conflicts import ImpossibleMerge, Stage, Verdict
from bot.model.forge import GitAccess, RepositoryRef
from bot.ports.git import CommitSpec, PickedCommit, WholeTree, WorkspaceFile, WrittenCommit

P = ParamSpec("P")
T = TypeVar("T")


class GitMirrors:
    """The bare mirrors under one directory, which several processes may share.

    Network and merges are the git command's, everything else libgit2's, in threads. Every git process ends with the
    call that started it, also when that is cancelled.

    Args:
        root: where the mirrors are; made if it is not there.
        git: name or path of the git program, 2.38 or later.
        timeout_seconds: how long one git command may take.
        allow_file: also take ``file://`` URLs, for tests.

    Raises:
        SettingsError: there is no such git program.
    """

    def __init__(
        self,
        root: Path,
        *,
        git: str = "git",
        timeout_seconds: float = 50.0,
        allow_file: bool = False,
    ) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        home = root.absolute() / "home"
        home.mkdir(exist_ok=True)
        objects.read_no_configuration(home)
        self._command = GitCommand(git=git, home=home, timeout_seconds=timeout_seconds, allow_file=allow_file)
        self._mirrors = Mirrors(root.absolute(), self._command)

    async def fetch(self, repository: RepositoryRef, access: GitAccess, refs: Sequence[str]) -> Mapping[str, str]:
        """Fetch full ref names; the ids they have now, missing refs left out.

        Raises:
            GitError: a name is not a full ref name, or the forge cannot be read.
            GitTimeoutError: git took too long, or another process held this mirror for too long.
        """
        return await self._mirrors.fetch(repository, access, refs)

    async def missing(self, repository: RepositoryRef, commits: Sequence[str]) -> list[str]:
        """Those of some commits that are not here. Raises ``GitError``."""
        return await self._mirrors.missing(repository, commits)

    async def fetch_commits(self, repository: RepositoryRef, access: GitAccess, commits: Sequence[str]) -> None:
        """Fetch commits by their ids.

        Raises:
            GitError: the forge does not have one of them, or cannot be read.
        """
        await self._mirrors.fetch_commits(repository, access, commits)

    async def remote_ref(self, repository: RepositoryRef, access: GitAccess, ref: str) -> str | None:
        """Where a full ref name points on the forge right now, None when it is not there.

        Raises:
            GitError: the name is not a full ref name, or the forge cannot be read.
        """
        return (await self._mirrors.remote_refs(repository, access, [ref])).get(ref)

    async def remote_refs(self, repository: RepositoryRef, access: GitAccess, refs: Sequence[str]) -> Mapping[str, str]:
        """Where full ref names point on the forge right now, missing ones left out. Raises ``GitError``."""
        return await self._mirrors.remote_refs(repository, access, refs)

    async def remote_refs_below(self, repository: RepositoryRef, access: GitAccess, prefix: str) -> Mapping[str, str]:
        """Where all refs point on the forge right now whose full names begin with ``prefix``. Raises ``GitError``."""
        return await self._mirrors.remote_refs_below(repository, access, prefix)

    async def push(
        self,
        repository: RepositoryRef,
        access: GitAccess,
        *,
        ref: str,
        new: str | None,
        expected: str | None,
    ) -> None:
        """Move ``ref`` from ``expected`` (None: not there) to ``new`` (None: delete it); done already is done.

        Raises:
            LeaseRejectedError: the ref is neither at ``expected`` nor at ``new``.
            PushRefusedError: the forge refuses whatever the lease.
            GitError: anything else, for instance a forge that is away.
        """
        move = RefMove(ref=ref, new=new, expected=expected)
        arguments = move.arguments(access.url)
        mirror = await self._mirrors.ensure(repository)
        done = await self._command.run(mirror, *arguments, access=access)
        if done.status != 0:
            await self._judge(repository, access, move, refusal(move, done, access))

    async def _judge(self, repository: RepositoryRef, access: GitAccess, move: RefMove, error: GitError) -> None:
        """What a failed push means depends on where the ref is now; raise unless it is where it should be."""
        try:
            there = await self.remote_ref(repository, access, move.ref)
        except GitError as unseen:
            # A lease that did not hold may be our own push's doing, sent twice after a lost answer: nobody looked.
            raise (unseen if isinstance(error, LeaseRejectedError) else error) from None
        if there == move.new:
            return
        if isinstance(error, LeaseRejectedError) and there == move.expected:
            # The lease holds: something else stood in the way, such as a lock that is gone by now.
            raise GitError(f"git push failed, though {move.ref} is at the expected place: {error}")
        raise error

    async def merge(self, repository: RepositoryRef, *, ours: str, theirs: str) -> Verdict:
        """The verdict of git on two commits of the mirror; equal commits give equal verdicts.

        Raises:
            GitError: an id is malformed, or git failed for reasons that lie in this machine.
        """
        mirror = await self._mirrors.ensure(repository)
        return await merge_tree.merge(self._command, mirror, ours=ours, theirs=theirs)

    async def revert(self, repository: RepositoryRef, *, head: str, published: str, before: str) -> Verdict:
        """The verdict on ``head`` with the change from ``before`` to ``published`` taken back.

        Impossible when ``published`` is not in the history of ``head``.

        Raises:
            GitError: a commit is missing, or git failed.
        """
        mirror = await self._mirrors.ensure(repository)
        reversal = await asyncio.to_thread(picks.write_reversal, mirror, head=head, published=published, before=before)
        if reversal is None:
            return ImpossibleMerge(reason=f"{published} is not in the history of {head}")
        return await self.merge(repository, ours=head, theirs=reversal)

    async def pick(self, repository: RepositoryRef, *, commit: str, onto: str) -> Verdict:
        """The verdict on bringing the change of ``commit`` (against its first parent) onto ``onto``.

        Raises:
            GitError: an id is malformed, or git failed for reasons that lie in this machine.
        """
        mirror = await self._mirrors.ensure(repository)
        return await picks.pick(self._command, mirror, commit=commit, onto=onto)

    async def commits(self, repository: RepositoryRef, *, since: str, until: str, limit: int) -> list[PickedCommit]:
        """The commits reachable from ``until`` and not from ``since``, parents first; of too many, the newest.

        Raises:
            GitError: a commit is missing, or has no author or date that another commit could be given.
        """
        return await self._opened(repository, history.commits, since=since, until=until, limit=limit)

    async def merge_bases(self, repository: RepositoryRef, *, ours: str, theirs: str) -> tuple[str, ...]:
        """The best common ancestors of two commits; several after a criss-cross, none for unrelated histories.

        Raises:
            GitError: an id is malformed, or a commit is missing.
        """
        mirror = await self._mirrors.ensure(repository)
        return await history.merge_bases(self._command, mirror, ours, theirs)

    async def path_history(
        self, repository: RepositoryRef, *, ours: str, theirs: str, paths: Sequence[str]
    ) -> Mapping[str, PathHistory]:
        """Which blobs each path had on each side since the merge base. Bounded: what took too long is left out.

        Raises:
            GitError: an id is malformed, a commit is missing, or git failed.
        """
        mirror = await self._mirrors.ensure(repository)
        return await history.path_history(self._command, mirror, ours=ours, theirs=theirs, paths=paths)

    async def read_blob(self, repository: RepositoryRef, oid: str, *, limit: int) -> bytes | None:
        """A blob's bytes, None when it has more than ``limit``.

        Raises:
            GitError: there is no such blob.
        """
        return await self._opened(repository, objects.read_blob, oid, limit=limit)

    async def entry(self, repository: RepositoryRef, tree: str, path: str) -> Stage | None:
        """What stands at a path of a tree, None when nothing or a directory does.

        Raises:
            GitError: there is no such tree.
        """
        return await self._opened(repository, diffs.entry, tree, path)

    async def names(
        self, repository: RepositoryRef, tree: str, *, endings: tuple[str, ...], limit: int
    ) -> list[str] | None:
        """The paths of a tree's files with one of those endings, in small letters; None where there are more.

        Raises:
            GitError: there is no such tree, or it is a bomb.
        """
        return await self._opened(repository, diffs.names, tree, endings=endings, limit=limit)

    async def directories(
        self, repository: RepositoryRef, tree: str, paths: Sequence[str]
    ) -> Mapping[str, Mapping[str, str]]:
        """The directories on the way to some paths, each with the names in it and their modes; the root is "".

        Raises:
            GitError: there is no such tree, or a tree on the way is too large.
        """
        return await self._opened(repository, diffs.directories, tree, paths)

    async def workspace(
        self,
        repository: RepositoryRef,
        tree: str,
        *,
        first: Sequence[str],
        max_bytes: int,
        max_files: int,
    ) -> list[WorkspaceFile]:
        """The regular files of a tree or of a commit's tree, ``first`` before all others, as far as they fit.

        Raises:
            GitError: ``first`` alone does not fit, or the tree holds a forbidden name or is a bomb.
        """

        def read(repo: pygit2.Repository) -> list[WorkspaceFile]:
            oid = objects.tree_oid(repo, tree)
            return read_workspace(repo, oid, first=first, max_bytes=max_bytes, max_files=max_files)

        return await self._opened(repository, read)

    async def whole_tree(self, repository: RepositoryRef, tree: str, *, max_bytes: int, max_files: int) -> WholeTree:
        """All regular files of a tree or of a commit's tree.

        Raises:
            TreeRefusedError: they exceed the caps, or the tree holds a forbidden name or is a bomb.
        """

        def read(repo: pygit2.Repository) -> WholeTree:
            return read_whole(repo, objects.tree_oid(repo, tree), max_bytes=max_bytes, max_files=max_files)

        return await self._opened(repository, read)

    async def write_commit(self, repository: RepositoryRef, spec: CommitSpec) -> WrittenCommit:
        """Write blobs, trees, the commit, and a ref that keeps them; the same spec gives the same id.

        Raises:
            GitError: a path or mode is not allowed, changes contradict each other, or an object is missing.
        """
        return await self._opened(repository, objects.write_commit, spec)

    async def tree_of(self, repository: RepositoryRef, commit: str) -> str:
        """The tree id of a commit.

        Raises:
            GitError: there is no such commit.
        """
        return await self._opened(repository, lambda repo: str(objects.commit_of(repo, commit).tree_id))

    async def committed_at(self, repository: RepositoryRef, commit: str) -> datetime:
        """When a commit was committed, in UTC.

        Raises:
            GitError: there is no such commit.
        """
        seconds = await self._opened(repository, lambda repo: int(objects.commit_of(repo, commit).commit_time))
        return datetime.fromtimestamp(seconds, UTC)

    async def parents_of(self, repository: RepositoryRef, commit: str) -> tuple[str, ...]:
        """The parent ids of a commit.

        Raises:
            GitError: there is no such commit.
        """
        return await self._opened(repository, objects.parents_of, commit)

    async def diff(self, repository: RepositoryRef, old: str, new: str, *, paths: Sequence[str] = ()) -> bytes:
        """The unified diff between two commits or trees, optionally of some paths; full, never truncated.

        Raises:
            GitError: an object is missing, or the diff would be too large to show.
        """
        return await self._opened(repository, diffs.diff, old, new, paths=paths)

    async def changed_paths(self, repository: RepositoryRef, old: str, new: str) -> list[str]:
        """The paths that differ between two commits or trees, as they are and not as a diff quotes them.

        Raises:
            GitError: an object is missing, or a tree is a bomb.
        """
        return await self._opened(repository, diffs.changed_paths, old, new)

    async def proposal_diff_sha256(self, repository: RepositoryRef, commit: str) -> str:
        """SHA-256 over the diffs of a commit against each of its parents, in order.

        Raises:
            GitError: an object is missing, or a diff would be too large to show.
        """
        return await self._opened(repository, diffs.proposal_diff_sha256, commit)

    async def subjects(self, repository: RepositoryRef, *, since: str, until: str, limit: int) -> tuple[str, ...]:
        """The subjects of the newest commits reachable from ``until`` and not from ``since``. Untrusted text.

        Raises:
            GitError: a commit is missing.
        """
        return await self._opened(repository, objects.subjects, since=since, until=until, limit=limit)

    async def _opened(
        self,
        repository: RepositoryRef,
        function: Callable[Concatenate[pygit2.Repository, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call a blocking function with the mirror opened, in a thread."""
        mirror = await self._mirrors.ensure(repository)

        def call() -> T:
            with objects.opened(mirror) as repo:
                return function(repo, *args, **kwargs)

        return await asyncio.to_thread(call)
