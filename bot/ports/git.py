"""The port to the bare mirrors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.model.cases import PathHistory
from bot.model.conflicts import Stage, Verdict
from bot.model.forge import GitAccess, RepositoryRef


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceFile:
    """One file for a workspace: repository path, executable bit, content."""

    path: str
    executable: bool
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeTree:
    """Every regular file of a tree; ``left_out`` counts links, submodules and files whose names are no UTF-8."""

    files: tuple[WorkspaceFile, ...]
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorship:
    """Who wrote a commit and when; ``when`` keeps its zone. Untrusted text."""

    name: str
    email: str
    when: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSpec:
    """All that a commit's id depends on. ``changes`` maps paths to (mode, content), or None to delete the path.

    ``when`` is used for author and committer alike, and the bot is both, unless ``author`` names somebody else: a
    rebase keeps a commit's author.
    """

    base_tree: str
    changes: Mapping[str, tuple[str, bytes] | None]
    parents: tuple[str, ...]
    message: str
    author_name: str
    author_email: str
    when: datetime
    author: Authorship | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PickedCommit:
    """A commit that a rebase takes over: its id, its parents, its author and its whole message. Untrusted text."""

    commit: str
    parents: tuple[str, ...]
    author: Authorship
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenCommit:
    """A commit that was written: its id and the id of its tree."""

    commit: str
    tree: str


class ChangedPaths(Protocol):
    """Whoever can say which paths differ between two commits."""

    async def changed_paths(self, repository: RepositoryRef, old: str, new: str) -> list[str]:
        """The paths that differ between two commits or trees."""
        ...


class Git(Protocol):
    """The bare mirrors, one per repository. Methods may raise ``GitError`` and its children."""

    async def fetch(self, repository: RepositoryRef, access: GitAccess, refs: Sequence[str]) -> Mapping[str, str]:
        """Fetch full ref names from the forge into the mirror; the object ids they have now, missing refs left out."""
        ...

    async def missing(self, repository: RepositoryRef, commits: Sequence[str]) -> list[str]:
        """Those of some commits that are not here. Raises ``GitError``."""
        ...

    async def fetch_commits(self, repository: RepositoryRef, access: GitAccess, commits: Sequence[str]) -> None:
        """Fetch commits by their ids. Raises ``GitError`` when the forge does not have one of them."""
        ...

    async def remote_ref(self, repository: RepositoryRef, access: GitAccess, ref: str) -> str | None:
        """Where a full ref name points on the forge right now (ls-remote), None when it does not exist."""
        ...

    async def remote_refs(self, repository: RepositoryRef, access: GitAccess, refs: Sequence[str]) -> Mapping[str, str]:
        """Where full ref names point on the forge right now, those left out that do not exist; one request."""
        ...

    async def remote_refs_below(self, repository: RepositoryRef, access: GitAccess, prefix: str) -> Mapping[str, str]:
        """Where all refs point on the forge right now whose full names begin with ``prefix``."""
        ...

    async def push(
        self,
        repository: RepositoryRef,
        access: GitAccess,
        *,
        ref: str,
        new: str | None,
        expected: str | None,
    ) -> None:
        """Move ``ref`` from ``expected`` to ``new`` with a lease.

        ``expected`` None means the ref must not exist (create-only); ``new`` None deletes it.

        Raises:
            LeaseRejectedError: the ref is not at ``expected``.
            PushRefusedError: the forge refuses whatever the lease.
        """
        ...

    async def merge(self, repository: RepositoryRef, *, ours: str, theirs: str) -> Verdict:
        """The verdict of ``git merge-tree --write-tree`` for two commits in the mirror."""
        ...

    async def revert(self, repository: RepositoryRef, *, head: str, published: str, before: str) -> Verdict:
        """The tree of ``head`` with the change from ``before`` to ``published`` taken back."""
        ...

    async def pick(self, repository: RepositoryRef, *, commit: str, onto: str) -> Verdict:
        """The verdict on bringing the change of ``commit`` (against its first parent) onto ``onto``.

        *ours* is the commit that is picked, *theirs* is ``onto``: in a rebase, too, ours is the pull request's side.
        """
        ...

    async def commits(self, repository: RepositoryRef, *, since: str, until: str, limit: int) -> list[PickedCommit]:
        """The commits reachable from ``until`` and not from ``since``, parents before children, at most ``limit``."""
        ...

    async def merge_bases(self, repository: RepositoryRef, *, ours: str, theirs: str) -> tuple[str, ...]:
        """The best common ancestors of two commits; several after a criss-cross, none for unrelated histories."""
        ...

    async def path_history(
        self, repository: RepositoryRef, *, ours: str, theirs: str, paths: Sequence[str]
    ) -> Mapping[str, PathHistory]:
        """Which blobs each path had on each side since the merge base, for resolvers. Bounded in commits and time.

        A path whose history was not looked at to its end is left out.
        """
        ...

    async def read_blob(self, repository: RepositoryRef, oid: str, *, limit: int) -> bytes | None:
        """A blob's bytes, None when it is larger than ``limit`` bytes (its size is read without inflating it)."""
        ...

    async def entry(self, repository: RepositoryRef, tree: str, path: str) -> Stage | None:
        """What stands at a path of a tree, None when nothing or a directory does."""
        ...

    async def names(
        self, repository: RepositoryRef, tree: str, *, endings: tuple[str, ...], limit: int
    ) -> list[str] | None:
        """The paths of a tree's files with one of those endings, in small letters; None where there are more.

        Paths that are no UTF-8 are left out. Raises ``GitError``.
        """
        ...

    async def directories(
        self, repository: RepositoryRef, tree: str, paths: Sequence[str]
    ) -> Mapping[str, Mapping[str, str]]:
        """The directories of a tree on the way to some paths, each with all names in it and their modes.

        The root is "". Names that are no UTF-8 have lone surrogates. Raises ``GitError``.
        """
        ...

    async def workspace(
        self,
        repository: RepositoryRef,
        tree: str,
        *,
        first: Sequence[str],
        max_bytes: int,
        max_files: int,
    ) -> list[WorkspaceFile]:
        """The regular files of a tree, the paths of ``first`` before all others, until a cap is reached.

        Symbolic links and submodules are left out, as are names that no checkout may have (``.git`` in any spelling,
        ``..``, control characters).

        Raises:
            GitError: the files of ``first`` alone exceed the caps, or the tree holds a forbidden name or is a bomb.
        """
        ...

    async def whole_tree(self, repository: RepositoryRef, tree: str, *, max_bytes: int, max_files: int) -> WholeTree:
        """All regular files of a tree, or none.

        Raises:
            TreeRefusedError: they exceed the caps, or the tree holds a forbidden name or is a bomb.
        """
        ...

    async def write_commit(self, repository: RepositoryRef, spec: CommitSpec) -> WrittenCommit:
        """Write blobs, trees and the commit; the same spec gives the same id."""
        ...

    async def tree_of(self, repository: RepositoryRef, commit: str) -> str:
        """The tree id of a commit in the mirror."""
        ...

    async def committed_at(self, repository: RepositoryRef, commit: str) -> datetime:
        """When a commit in the mirror was committed, in UTC, to the second."""
        ...

    async def parents_of(self, repository: RepositoryRef, commit: str) -> tuple[str, ...]:
        """The parent ids of a commit in the mirror."""
        ...

    async def diff(self, repository: RepositoryRef, old: str, new: str, *, paths: Sequence[str] = ()) -> bytes:
        """The unified diff between two commits or trees, optionally of some paths; full, never truncated."""
        ...

    async def changed_paths(self, repository: RepositoryRef, old: str, new: str) -> list[str]:
        """The paths that differ between two commits or trees, as they are and not as a diff quotes them.

        Of a renamed file both. Bytes that are not UTF-8 stand in them as lone surrogates.
        """
        ...

    async def proposal_diff_sha256(self, repository: RepositoryRef, commit: str) -> str:
        """The hash people's approval is bound to: over the diffs of a commit against each of its parents, in order."""
        ...

    async def subjects(self, repository: RepositoryRef, *, since: str, until: str, limit: int) -> tuple[str, ...]:
        """The subjects of the newest commits reachable from ``until`` and not from ``since``. Untrusted text."""
        ...
