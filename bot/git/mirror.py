"""The bare mirrors: one per repository, made when first needed, fetched under a lock.

A mirror lies at ``<root>/<forge>/<numeric id>.git``: owners and names change, ids do not. Several processes may share a
root. The lock file is held by git's own children too (they inherit its descriptor), so that a fetch whose process died
still keeps others out until it has ended; whoever then gets the lock may clear away what it left.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

import pygit2

from bot.errors import GitError, GitTimeoutError
from bot.git.objects import opened
from bot.git.process import GitCommand
from bot.git.refs import check_ref
from bot.model.conflicts import MARKER_SIZE
from bot.model.forge import GitAccess, RepositoryRef

_ATTRIBUTES: Final = f"* conflict-marker-size={MARKER_SIZE}\n"
"""``info/attributes`` wins over every attribute in a tree (gitattributes(5)): the trees' own markers have no say."""

_HEAD: Final = "ref: refs/flowforge/none\n"
"""No branch is the mirror's current one: some versions of git would read attributes from it."""

_CONFIG: Final = "[core]\n\tabbrev = 40\n"
"""libgit2 reads the mirror's own file only: full ids in the ``index`` lines of diffs."""

_KEPT: Final = "refs/flowforge/kept/"
"""Holds what was fetched by its id, so that no clean-up of the mirror takes it away."""

_POLL_SECONDS: Final = 0.05
_REFS_AT_ONCE: Final = 500


class Mirrors:
    """All mirrors under one root."""

    def __init__(self, root: Path, command: GitCommand) -> None:
        self._root = root
        self._command = command
        self._ready: set[Path] = set()
        self._locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()

    def path(self, repository: RepositoryRef) -> Path:
        """Where a repository's mirror is or will be."""
        return self._root / repository.forge / f"{int(repository.id)}.git"

    async def ensure(self, repository: RepositoryRef) -> Path:
        """The mirror's directory; the mirror is made if there is none.

        Raises:
            GitError: it cannot be made.
        """
        mirror = self.path(repository)
        try:
            if mirror not in self._ready or not await asyncio.to_thread(_is_mirror, mirror):
                await self._make_ready(mirror)
        except OSError as error:
            raise GitError(f"the mirror {mirror.name} cannot be made: {error.strerror}") from error
        return mirror

    async def _make_ready(self, mirror: Path) -> None:
        async with self._exclusive(mirror):
            if not await asyncio.to_thread(_is_mirror, mirror):
                await self._create(mirror)
            await asyncio.to_thread(set_up, mirror)
        self._ready.add(mirror)

    async def _create(self, mirror: Path) -> None:
        unfinished = mirror.with_suffix(".new")
        await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
        done = await self._command.run(unfinished, "init", "--quiet", "--bare", "--template=")
        if done.status != 0:
            raise GitError(f"git init failed: {done.words}")
        await asyncio.to_thread(set_up, unfinished)
        await asyncio.to_thread(unfinished.rename, mirror)

    @contextlib.asynccontextmanager
    async def _exclusive(self, mirror: Path) -> AsyncIterator[int]:
        """Nobody else makes or fetches this mirror meanwhile, here or elsewhere; gives the lock's descriptor."""
        lock = self._locks.setdefault(mirror, asyncio.Lock())
        async with lock:
            descriptor = _open_lock(mirror.with_suffix(".lock"))
            try:
                await self._wait_for(descriptor)
                yield descriptor
            finally:
                os.close(descriptor)

    async def _wait_for(self, descriptor: int) -> None:
        """Take the file lock. Asked for again and again: a thread that waits inside flock could not be cancelled."""
        try:
            async with asyncio.timeout(self._command.timeout_seconds):
                while not _try_lock(descriptor):  # noqa: ASYNC110 - the event is in another process
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise GitTimeoutError("another process has been fetching this repository for too long") from None

    async def fetch(self, repository: RepositoryRef, access: GitAccess, refs: Sequence[str]) -> dict[str, str]:
        """Fetch full ref names as they are on the forge; the object ids they have now, missing refs left out.

        Raises:
            GitError: a name is no full ref name, or the forge cannot be read.
        """
        wanted = list(dict.fromkeys(map(check_ref, refs)))
        mirror = await self.ensure(repository)
        async with self._exclusive(mirror) as lock:
            await asyncio.to_thread(_clear_leftovers, mirror, wanted)
            found: dict[str, str] = {}
            for start in range(0, len(wanted), _REFS_AT_ONCE):
                found |= await self._fetch(mirror, access, wanted[start : start + _REFS_AT_ONCE], lock)
            return found

    async def _fetch(self, mirror: Path, access: GitAccess, refs: Sequence[str], lock: int) -> dict[str, str]:
        """A ref may vanish between listing and fetching: then list once more."""
        words = ""
        for _ in range(2):
            there = await self._list(mirror, access, refs)
            here = await asyncio.to_thread(_read_refs, mirror, there)
            if here == there:
                return there
            await asyncio.to_thread(_clear_way, mirror, there)
            moved = [f"+{ref}:{ref}" for ref, oid in there.items() if here.get(ref) != oid]
            done = await self._command.run(
                mirror,
                *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
                *("--end-of-options", access.url, *moved),
                access=access,
                keep_open=(lock,),
            )
            if done.status == 0:
                return await asyncio.to_thread(_read_refs, mirror, there)
            words = done.words
        raise GitError(f"git fetch failed: {words}")

    async def missing(self, repository: RepositoryRef, commits: Iterable[str]) -> list[str]:
        """Those of some commits that the mirror does not have. Raises ``GitError``."""
        return await asyncio.to_thread(_missing, await self.ensure(repository), list(commits))

    async def fetch_commits(self, repository: RepositoryRef, access: GitAccess, commits: Sequence[str]) -> None:
        """Fetch commits by their ids, and keep them.

        Forges give out any commit that a ref of theirs reaches: https://git-scm.com/docs/protocol-v2#_fetch

        Raises:
            GitError: the forge does not have one of them, or cannot be read.
        """
        mirror = await self.ensure(repository)
        wanted = [f"+{commit}:{_KEPT}{commit}" for commit in commits]
        async with self._exclusive(mirror) as lock:
            done = await self._command.run(
                mirror,
                *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
                *("--end-of-options", access.url, *wanted),
                access=access,
                keep_open=(lock,),
            )
        if done.status != 0:
            raise GitError(f"git fetch failed: {done.words}")

    async def remote_refs(self, repository: RepositoryRef, access: GitAccess, refs: Sequence[str]) -> dict[str, str]:
        """Where full ref names point on the forge right now, missing ones left out."""
        mirror = await self.ensure(repository)
        return await self._list(mirror, access, [check_ref(ref) for ref in refs])

    async def remote_refs_below(self, repository: RepositoryRef, access: GitAccess, prefix: str) -> dict[str, str]:
        """Where all refs point on the forge right now whose full names begin with ``prefix``, which ends in a slash."""
        check_ref(prefix.removesuffix("/"))
        listed = await self._ls_remote(await self.ensure(repository), access, [f"{prefix}*"])
        return {ref: oid for ref, oid in listed.items() if ref.startswith(prefix)}

    async def _list(self, mirror: Path, access: GitAccess, refs: Sequence[str]) -> dict[str, str]:
        if not refs:
            return {}
        listed = await self._ls_remote(mirror, access, refs)
        return {ref: listed[ref] for ref in refs if ref in listed}

    async def _ls_remote(self, mirror: Path, access: GitAccess, patterns: Sequence[str]) -> dict[str, str]:
        """What matches: a pattern also matches longer names that end with it."""
        arguments = ("ls-remote", "--quiet", "--refs", "--end-of-options", access.url, *patterns)
        done = await self._command.run(mirror, *arguments, access=access)
        if done.status != 0:
            raise GitError(f"git ls-remote failed: {done.words}")
        lines = (line.partition("\t") for line in done.output.decode("utf-8", "replace").splitlines())
        return {ref: oid for oid, _, ref in lines}


def _missing(mirror: Path, commits: Iterable[str]) -> list[str]:
    with opened(mirror) as repo:
        return [commit for commit in commits if commit not in repo]


def _is_mirror(mirror: Path) -> bool:
    return (mirror / "HEAD").is_file()


def set_up(mirror: Path) -> None:
    """Write our files into a bare repository unless they are as they should be; another version may have made it."""
    for name, text in (("HEAD", _HEAD), ("info/attributes", _ATTRIBUTES)):
        _write(mirror / name, text)
    config = mirror / "config"
    text = config.read_text(encoding="utf-8")
    if _CONFIG not in text:
        _write(config, text + _CONFIG)


def _write(path: Path, text: str) -> None:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _open_lock(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_refs(mirror: Path, refs: Iterable[str]) -> dict[str, str]:
    with opened(mirror) as repo:
        found = ((ref, repo.references.get(ref)) for ref in refs)
        return {ref: str(reference.target) for ref, reference in found if reference is not None}


def _clear_leftovers(mirror: Path, refs: Sequence[str]) -> None:
    """Remove what a killed fetch left. The lock is ours, so no fetch runs: these files belong to nobody."""
    locks = [mirror / f"{ref}.lock" for ref in refs]
    graphs = (mirror / "objects" / "info" / "commit-graphs").glob("*.lock")
    for path in (*locks, mirror / "packed-refs.lock", *graphs, *(mirror / "objects" / "pack").glob("tmp_*")):
        # Where a ref's lock would lie, another ref may be in the way; what truly hinders git, git will say.
        with contextlib.suppress(OSError):
            path.unlink()


def _clear_way(mirror: Path, wanted: Mapping[str, str]) -> None:
    """Delete refs that cannot live beside the wanted ones: ``a`` once the forge has ``a/b``, or the other way round."""
    with opened(mirror) as repo:
        above = {parent for ref in wanted for parent in _parents(ref)}
        below = tuple(f"{ref}/" for ref in wanted)
        for name in repo.listall_references():
            if name in above or name.startswith(below):
                _delete(repo, name)


def _parents(ref: str) -> Iterator[str]:
    parts = ref.split("/")
    return ("/".join(parts[:count]) for count in range(2, len(parts)))


def _delete(repo: pygit2.Repository, name: str) -> None:
    repo.references.delete(name)
