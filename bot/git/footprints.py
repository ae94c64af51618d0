"""What heads change against a base, and what a push changed: from raw diffs, without guessing at renames.

A rename is there with both its names, as a path that went and one that came. What git makes of it in a merge depends on
both sides, so a head gets no footprint where it, or the base since they parted, moved things about on common ground;
``bot.policy.pruning`` says why that is enough.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pygit2

from bot.errors import GitError
from bot.git.objects import commit_of, opened
from bot.git.process import Completed, GitCommand
from bot.git.refs import check_oid
from bot.git.trees import TREE, Entry, Listings, check_size
from bot.model.watch import Footprint, Push

MAX_PATHS: Final = 10_000
"""A head or a push that changes more is looked at by git each time."""

MAX_COMMITS: Final = 10_000

_PAIRS_AT_ONCE: Final = 200
_MAX_EDGE: Final = 100


async def footprints(command: GitCommand, mirror: Path, *, base: str, heads: Sequence[str]) -> dict[str, Footprint]:
    """By head, what it changes against its merge base with ``base``; those left out are to be merged at every push.

    Raises:
        GitError: an id is malformed, an object is missing, or git failed.
    """
    wanted = list(dict.fromkeys(map(check_oid, heads)))
    own = await _own_commits(command, mirror, check_oid(base), wanted)
    forks = await asyncio.to_thread(_forks, mirror, own)
    trees = await asyncio.to_thread(_trees, mirror, forks)
    changes = await _changes(command, mirror, list(trees.values()))
    return await asyncio.to_thread(_footprints, mirror, base, own=own, forks=forks, trees=trees, changes=changes)


async def push_between(command: GitCommand, mirror: Path, *, old: str, new: str) -> Push | None:
    """What was pushed; None when ``new`` does not follow from ``old``, or it is too much to look at.

    Raises:
        GitError: an id is malformed, an object is missing, or git failed.
    """
    span = f"{check_oid(old)}...{check_oid(new)}"
    listing = command.run(mirror, "rev-list", "--left-right", f"--max-count={MAX_COMMITS + 1}", span)
    diff = command.run(mirror, "diff-tree", "-r", "-z", "--no-renames", "--raw", "--end-of-options", old, new)
    listed, differs = await asyncio.gather(listing, diff)
    commits = _well(listed, "rev-list").output.decode("ascii", "replace").split()
    if len(commits) > MAX_COMMITS or any(not commit.startswith(">") for commit in commits):
        return None
    changed = dict(_raw(_well(differs, "diff-tree").output))
    if len(changed) > MAX_PATHS:
        return None
    came = {path for path, status in changed.items() if status == b"A"}
    went = _directories(path for path, status in changed.items() if status == b"D")
    gone = await asyncio.to_thread(_gone, mirror, new, went)
    return Push(
        old=old,
        new=new,
        commits=frozenset(commit[1:] for commit in commits),
        touched=frozenset(changed) | _directories(changed),
        replaced=frozenset(came | gone),
    )


def _well(done: Completed, name: str) -> Completed:
    if done.status != 0:
        raise GitError(f"git {name} failed: {done.words}")
    return done


# --- commits ----------------------------------------------------------------------------------------------------------

_Parents = Mapping[str, tuple[str, ...]]


async def _own_commits(command: GitCommand, mirror: Path, base: str, heads: Sequence[str]) -> dict[str, _Parents]:
    """By head, its commits that the base does not have, with their parents; too many of them are left out."""
    if not heads:
        return {}
    lines = "".join(f"{oid}\n" for oid in (*heads, f"^{base}"))
    arguments = ("rev-list", "--parents", f"--max-count={MAX_COMMITS * 10}", "--stdin")
    done = _well(await command.run(mirror, *arguments, stdin=lines.encode()), "rev-list")
    rows = (line.split() for line in done.output.decode("ascii", "replace").splitlines())
    parents = {commit: tuple(above) for commit, *above in rows}
    if len(parents) >= MAX_COMMITS * 10:
        return {}
    found = {head: _reached(parents, head) for head in heads}
    return {head: own for head, own in found.items() if len(own) <= MAX_COMMITS}


def _reached(parents: _Parents, head: str) -> _Parents:
    own: dict[str, tuple[str, ...]] = {}
    waiting = [head]
    while waiting and len(own) <= MAX_COMMITS:
        commit = waiting.pop()
        if commit in parents and commit not in own:
            own[commit] = parents[commit]
            waiting += parents[commit]
    return own


def _forks(mirror: Path, own: Mapping[str, _Parents]) -> dict[str, str]:
    """By head, its only merge base. Every common ancestor is behind a parent that is not the head's own commit."""
    with opened(mirror) as repo:
        found = {}
        for head, commits in own.items():
            edge = {parent for above in commits.values() for parent in above if parent not in commits}
            best = _youngest(repo, edge or ({head} if not commits else set())) if len(edge) <= _MAX_EDGE else None
            if best is not None:
                found[head] = best
        return found


def _youngest(repo: pygit2.Repository, commits: set[str]) -> str | None:
    """The commit that all the others lead up to; None when there is none."""
    best: str | None = None
    for commit in sorted(commits):
        if best is None or repo.descendant_of(pygit2.Oid(hex=commit), pygit2.Oid(hex=best)):
            best = commit
    if best is None:
        return None
    tip = pygit2.Oid(hex=best)
    whole = all(other == best or repo.descendant_of(tip, pygit2.Oid(hex=other)) for other in commits)
    return best if whole else None


# --- paths ------------------------------------------------------------------------------------------------------------

_Trees = tuple[str, str]
_Changes = Mapping[bytes, bytes]


def _trees(mirror: Path, forks: Mapping[str, str]) -> dict[str, _Trees]:
    """By head, the trees of its merge base and its own; heads with trees that nobody should walk are left out."""
    found = {}
    with opened(mirror) as repo:
        for head, fork in forks.items():
            try:
                oids = [commit_of(repo, oid).tree_id for oid in (fork, head)]
                for oid in oids:
                    check_size(repo, oid)
            except GitError:
                continue
            found[head] = (str(oids[0]), str(oids[1]))
    return found


async def _changes(command: GitCommand, mirror: Path, pairs: Sequence[_Trees]) -> dict[_Trees, _Changes]:
    """The raw differences of pairs of trees."""
    found: dict[_Trees, _Changes] = {pair: {} for pair in pairs if pair[0] == pair[1]}
    wanted = [pair for pair in dict.fromkeys(pairs) if pair not in found]
    for start in range(0, len(wanted), _PAIRS_AT_ONCE):
        batch = wanted[start : start + _PAIRS_AT_ONCE]
        lines = "".join(f"{old} {new}\n" for old, new in batch).encode()
        arguments = ("diff-tree", "--stdin", "-r", "-z", "--no-renames", "--raw")
        done = _well(await command.run(mirror, *arguments, stdin=lines), "diff-tree")
        found |= _by_pair(done.output, batch)
    return found


def _by_pair(output: bytes, pairs: Sequence[_Trees]) -> Mapping[_Trees, _Changes]:
    """Take the answers to several pairs apart: each begins with a line of the two ids, which has no NUL behind it.

    Read field by field: a file's name may well look like such a line.
    """
    found: dict[_Trees, dict[bytes, bytes]] = {}
    waiting = iter(pairs)
    entries = iter(output.split(b"\0")[:-1])
    changed: dict[bytes, bytes] = {}
    for field in entries:
        facts = field
        if not facts.startswith(b":"):
            line, _, facts = field.partition(b"\n")
            pair = next(waiting, None)
            if pair is None or line != f"{pair[0]} {pair[1]}".encode():
                raise GitError("git diff-tree answered to something else than it was asked")
            changed = found.setdefault(pair, {})
        changed[_path(facts, entries)] = facts[-1:]
    if len(found) != len(pairs):
        raise GitError("git diff-tree gave no answer to a pair of trees")
    return found


def _raw(output: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Path and status letter of each difference, https://git-scm.com/docs/git-diff-tree#_raw_output_format ."""
    entries = iter(output.split(b"\0")[:-1])
    for facts in entries:
        yield _path(facts, entries), facts[-1:]


def _path(facts: bytes, entries: Iterator[bytes]) -> bytes:
    path = next(entries, b"")
    if not facts.startswith(b":") or not path:
        raise GitError("git diff-tree wrote a line that is no difference")
    return path


def _directories(paths: Iterable[bytes]) -> frozenset[bytes]:
    """All directories above some paths, the root left out."""
    found: set[bytes] = set()
    for path in paths:
        above = path.rpartition(b"/")[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition(b"/")[0]
    return frozenset(found)


def _gone(mirror: Path, commit: str, directories: Iterable[bytes]) -> set[bytes]:
    with opened(mirror) as repo:
        return _missing(Listings(repo), commit_of(repo, commit).tree_id, directories)


def _missing(listings: Listings, tree: pygit2.Oid, directories: Iterable[bytes]) -> set[bytes]:
    """Those directories that are none in a tree."""
    wanted = list(directories)
    there = listings.find_all(tree, wanted)
    return {path for path in wanted if (entry := there.get(path)) is None or entry.mode != TREE}


def _footprints(
    mirror: Path,
    base: str,
    *,
    own: Mapping[str, _Parents],
    forks: Mapping[str, str],
    trees: Mapping[str, _Trees],
    changes: Mapping[_Trees, _Changes],
) -> dict[str, Footprint]:
    found = {}
    with opened(mirror) as repo:
        listings, base_tree = Listings(repo), commit_of(repo, base).tree_id
        for head, pair in trees.items():
            changed = changes[pair]
            directories = _directories(changed)
            went = _directories(path for path, status in changed.items() if status == b"D")
            fork_tree, head_tree = (pygit2.Oid(hex=oid) for oid in pair)
            if len(changed) > MAX_PATHS or _missing(listings, head_tree, went):
                continue
            if not _same_shape(listings, fork_tree, base_tree, [*changed, *directories]):
                continue
            found[head] = Footprint(
                merge_base=forks[head],
                head_sha=head,
                paths=frozenset(changed),
                directories=directories,
                commits=frozenset(own[head]),
            )
    return found


def _same_shape(listings: Listings, one: pygit2.Oid, other: pygit2.Oid, paths: Sequence[bytes]) -> bool:
    """Whether the same paths are there in two trees, and the same of them are directories."""
    if one == other:
        return True
    here, there = (listings.find_all(tree, paths) for tree in (one, other))
    return here.keys() == there.keys() and all(_kind(here[path]) == _kind(there[path]) for path in here)


def _kind(entry: Entry) -> bool:
    return entry.mode == TREE
