"""A working clone of somebody's, for the command line: read with the same functions as the mirrors, no service needed.

git's merges run in a bare repository of our own in a temporary directory, which borrows the clone's objects: so neither
the clone's configuration, hooks, filters nor attributes have a say, and what a verdict writes is gone in the end. Into
the clone go only objects (``store``), and work tree and index (``write_resolved``) after a person's yes.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

import pygit2

from bot.errors import GitError
from bot.git import diffs, discovery, history, merge_tree, objects, picks, transfer, worktree
from bot.git.discovery import Activity, Places, UnderWay
from bot.git.merge_output import parse_index, parse_stages
from bot.git.mirror import set_up
from bot.git.names import shown
from bot.git.process import GitCommand
from bot.git.refs import check_oid
from bot.model.cases import PathHistory
from bot.model.conflicts import Side, Stage, Verdict
from bot.ports.git import PickedCommit

P = ParamSpec("P")
T = TypeVar("T")

_MAX_NAME: Final = 500


@contextlib.asynccontextmanager
async def open_clone(path: Path, *, git: str = "git", timeout_seconds: float = 50.0) -> AsyncIterator["LocalClone"]:
    """The clone that a path is in: a work tree or a directory in it, a linked work tree, a bare repository.

    Nothing in it is changed by that. The temporary directory beside it is gone when the context ends.

    Raises:
        GitError: the path is in no repository, or in one that we cannot read (such as one with SHA-256 ids).
        SettingsError: there is no such git program.
    """
    places = await asyncio.to_thread(discovery.find, path)
    with tempfile.TemporaryDirectory(prefix="flowforge-") as scratch:
        root = Path(scratch)
        home = root / "home"
        home.mkdir()
        objects.read_no_configuration(home)
        command = GitCommand(git=git, home=home, timeout_seconds=timeout_seconds, offline=True)
        await _check_format(command, places)
        yield LocalClone(places, await _borrowing(command, places, root), command)


async def _check_format(command: GitCommand, places: Places) -> None:
    done = await command.run(places.git_dir, "rev-parse", "--show-object-format")
    if done.status != 0:
        raise GitError(f"git cannot read this repository: {done.words}")
    if done.output.strip() != b"sha1":
        raise GitError("this repository names its objects by SHA-256; only SHA-1 is supported")


async def _borrowing(command: GitCommand, places: Places, root: Path) -> Path:
    """A bare repository that has the clone's objects and none of its settings."""
    bare = root / "clone.git"
    done = await command.run(bare, "init", "--quiet", "--bare", "--template=")
    if done.status != 0:
        raise GitError(f"git init failed: {done.words}")
    set_up(bare)
    # By a link: an alternate's path would be read with quotes, comments and line ends of its own.
    (root / "objects").symlink_to(places.common / "objects")
    (bare / "objects" / "info" / "alternates").write_text(f"{root / 'objects'}\n", encoding="utf-8")
    with contextlib.suppress(FileNotFoundError):
        (bare / "shallow").write_bytes((places.common / "shallow").read_bytes())
    return bare


class LocalClone:
    """A working clone, opened by ``open_clone``. Reading methods are those of the port ``bot.ports.git.Git``.

    All ids are full; ``resolve`` makes one of what a person wrote.
    """

    def __init__(self, places: Places, bare: Path, command: GitCommand) -> None:
        self._places = places
        self._bare = bare
        self._command = command

    @property
    def git_dir(self) -> Path:
        """The clone's git directory (of a linked work tree its own)."""
        return self._places.git_dir

    @property
    def rr_cache(self) -> Path:
        """Where ``git rerere`` keeps what people resolved; there need be nothing."""
        return self._places.common / "rr-cache"

    @property
    def shallow(self) -> bool:
        """Whether history is cut off somewhere, so that a merge base may be missing."""
        return (self._places.common / "shallow").exists()

    @property
    def work_tree(self) -> Path | None:
        """The root of the files that a person works on, None in a bare repository."""
        return self._places.work_tree

    # ---- what is there

    async def resolve(self, name: str) -> str:
        """The full id of the commit that a person named: a branch, a tag, an id, ``HEAD~2``.

        Raises:
            GitError: there is no such commit.
        """
        odd = len(name) > _MAX_NAME or not name.isprintable() or ":" in name or "{/" in name
        if not name or odd:
            raise GitError(f"{shown(name)} names no commit")
        done = await self._command.run(
            self._places.git_dir, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        )
        if done.status != 0:
            raise GitError(f"{shown(name)} names no commit")
        return check_oid(done.output.decode("ascii", "replace").strip())

    async def under_way(self) -> UnderWay | None:
        """The merge, rebase, cherry-pick or revert that git stopped in the middle of, None when there is none.

        Raises:
            GitError: what is under way has no two sides (``git am``, a merge of several branches), or HEAD is none.
        """
        head = await self.resolve("HEAD")
        return await asyncio.to_thread(discovery.read_under_way, self._places.git_dir, head)

    async def unmerged(self) -> Mapping[str, Mapping[Side, Stage]]:
        """The conflicted paths in the index with git's own stages: in a rebase, ours is the new base (``swapped``).

        Raises:
            GitError: there is no index, or it cannot be read.
        """
        arguments = ("ls-files", "--unmerged", "--full-name", "-z")
        done = await self._command.run(self._places.git_dir, *arguments, work_tree=self._tree())
        if done.status != 0:
            raise GitError(f"git ls-files failed: {done.words}")
        return parse_stages(done.output)

    async def staged(self, paths: Iterable[str]) -> Mapping[str, Stage]:
        """What stands in the index at paths that are in no conflict there; a path that is not in it is left out.

        Raises:
            GitError: there is no index, or it cannot be read.
        """
        done = await self._command.run(
            self._places.git_dir, "ls-files", "--stage", "--full-name", "-z", work_tree=self._tree()
        )
        if done.status != 0:
            raise GitError(f"git ls-files failed: {done.words}")
        return parse_index(done.output, frozenset(paths))

    async def newest(self, *patterns: str) -> str | None:
        """The commit of the newest ref that one of the patterns of full ref names covers, None when none does.

        Raises:
            GitError: the refs cannot be read.
        """
        done = await self._command.run(
            self._places.git_dir,
            *("for-each-ref", "--sort=-committerdate", "--count=1", "--format=%(objectname)", *patterns),
        )
        if done.status != 0:
            raise GitError(f"git for-each-ref failed: {done.words}")
        oid = done.output.decode("ascii", "replace").strip()
        return check_oid(oid) if oid else None

    # ---- verdicts

    async def merge(self, *, ours: str, theirs: str) -> Verdict:
        """The verdict of git on two commits, as in the port.

        Raises:
            GitError: an id is malformed, or git failed for reasons that lie in this machine.
        """
        return await merge_tree.merge(self._command, self._bare, ours=ours, theirs=theirs)

    async def pick(self, *, commit: str, onto: str) -> Verdict:
        """The verdict on bringing the change of ``commit`` onto ``onto``; ours is ``commit``, as in the port.

        Raises:
            GitError: an id is malformed, or git failed for reasons that lie in this machine.
        """
        return await picks.pick(self._command, self._bare, commit=commit, onto=onto)

    async def verdict(self, under_way: UnderWay) -> Verdict:
        """The verdict on what is under way, with its ``ours`` and ``theirs``.

        Raises:
            GitError: git failed for reasons that lie in this machine.
        """
        head, other = under_way.head, under_way.other
        match under_way.activity:
            case Activity.MERGE:
                return await self.merge(ours=head, theirs=other)
            case Activity.REBASE:
                return await self.pick(commit=other, onto=head)
            case Activity.CHERRY_PICK:
                return await picks.cherry_pick(self._command, self._bare, commit=other, onto=head)
            case Activity.REVERT:
                return await picks.take_back(self._command, self._bare, commit=other, head=head)

    # ---- commits and objects

    async def merge_bases(self, *, ours: str, theirs: str) -> tuple[str, ...]:
        """The best common ancestors of two commits; several after a criss-cross, none for unrelated histories."""
        return await history.merge_bases(self._command, self._bare, ours, theirs)

    async def path_history(self, *, ours: str, theirs: str, paths: Sequence[str]) -> Mapping[str, PathHistory]:
        """Which blobs each path had on each side since the merge base; what took too long is left out."""
        return await history.path_history(self._command, self._bare, ours=ours, theirs=theirs, paths=paths)

    async def commits(self, *, since: str, until: str, limit: int) -> list[PickedCommit]:
        """The commits reachable from ``until`` and not from ``since``, parents first; of too many, the newest."""
        return await self._opened(history.commits, since=since, until=until, limit=limit)

    async def subjects(self, *, since: str, until: str, limit: int) -> tuple[str, ...]:
        """The subjects of the newest commits reachable from ``until`` and not from ``since``. Untrusted text."""
        return await self._opened(objects.subjects, since=since, until=until, limit=limit)

    async def parents_of(self, commit: str) -> tuple[str, ...]:
        """The parent ids of a commit."""
        return await self._opened(objects.parents_of, commit)

    async def tree_of(self, commit: str) -> str:
        """The tree id of a commit."""
        return await self._opened(lambda repo: str(objects.commit_of(repo, commit).tree_id))

    async def read_blob(self, oid: str, *, limit: int) -> bytes | None:
        """A blob's bytes, None when it has more than ``limit``."""
        return await self._opened(objects.read_blob, oid, limit=limit)

    async def entry(self, tree: str, path: str) -> Stage | None:
        """What stands at a path of a tree or of a commit's tree, None when nothing or a directory does."""
        return await self._opened(diffs.entry, tree, path)

    async def changes(self, old: str, new: str) -> Mapping[str, tuple[Stage | None, Stage | None]]:
        """What differs between two commits or trees: paths with what stood and stands there, renames not followed.

        Raises:
            GitError: an object is missing, a tree is a bomb, or a path is not UTF-8.
        """
        return await self._opened(diffs.changes, old, new)

    async def diff(self, old: str, new: str, *, paths: Sequence[str] = ()) -> bytes:
        """The unified diff between two commits or trees, optionally of some paths; full, never truncated."""
        return await self._opened(diffs.diff, old, new, paths=paths)

    # ---- writing

    async def write_tree(self, base_tree: str, changes: objects.Changes) -> str:
        """The id of a tree or commit's tree with changes made: (mode, content) put at paths, None deletes.

        It is written beside the clone, not into it: see ``store``.

        Raises:
            GitError: a path or mode is not allowed, or changes contradict each other.
        """
        return await self._opened(lambda repo: str(objects.write_tree(repo, base_tree, changes)))

    async def write_blob(self, content: bytes) -> str:
        """The id of a blob, written beside the clone, not into it: see ``store``."""
        return await self._opened(lambda repo: str(repo.create_blob(content)))

    async def store(self, oids: Iterable[str]) -> None:
        """Put blobs, and trees with all below them, into the clone's object database. No ref, index or file changes.

        Raises:
            GitError: there is no such object, or the database cannot be written.
        """
        wanted = [check_oid(oid) for oid in oids]
        await self._opened(transfer.store, self._places.common / "objects", wanted)

    async def look(self, paths: Iterable[str]) -> Mapping[str, str]:
        """A fingerprint of what stands at each path of the work tree now, for ``write_resolved``.

        Raises:
            GitError: there is no work tree, or a path is not one that a checkout may have.
        """
        return await asyncio.to_thread(worktree.look, self._tree(), list(paths))

    async def merged_otherwise(self, paths: Iterable[str]) -> frozenset[str]:
        """The paths that git does not merge by lines in this work tree, as its attributes say (``-merge``, a driver).

        Raises:
            GitError: there is no work tree, or the attributes cannot be read.
        """
        return await worktree.merged_otherwise(self._command, self._places.git_dir, self._tree(), paths)

    async def write_resolved(self, changes: objects.Changes, *, looked: Mapping[str, str]) -> None:
        """Write resolved files into the work tree and stage them: (mode, content) at paths, None deletes.

        Call it only after a person's yes. Line ends are written as the clone's attributes ask; no filter or hook runs.

        Raises:
            GitError: there is no work tree; a path is not one that a checkout may have, lies behind a symbolic link, is
                filtered (git-lfs), or is not as it was in ``looked``; or the index is locked. Then nothing was written.
        """
        tree = self._tree()
        await asyncio.to_thread(worktree.check, tree, changes, looked)
        await worktree.check_attributes(self._command, self._places.git_dir, tree, list(changes))
        oids = await self._opened(transfer.write_blobs, changes)
        await self.store(oids.values())
        await worktree.write(self._command, self._places.git_dir, tree, changes, oids)

    def _tree(self) -> Path:
        if self._places.work_tree is None:
            raise GitError("this repository has no work tree")
        return self._places.work_tree

    async def _opened(
        self, function: Callable[Concatenate[pygit2.Repository, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a blocking function with our bare repository opened, in a thread."""

        def call() -> T:
            with objects.opened(self._bare) as repo:
                return function(repo, *args, **kwargs)

        return await asyncio.to_thread(call)
