"""A verdict that is carried over is what git says about the new base: on histories with renames of all kinds."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pygit2
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from bot.git.batch import GitBatch
from bot.git.mirror import Mirrors
from bot.git.process import GitCommand
from bot.model.watch import Footprint, MergeState, Pair, Push
from bot.policy.pruning import meets
from tests.bot.git.lab import REPOSITORY

Tree = Mapping[str, str]

START: Tree = {
    path: "".join(f"{path} {line}\n" for line in range(12))
    for path in ("a", "p/a", "p/b", "p/c", "p/s/a", "p/s/b", "q/a", "q/b", "r/a")
}
NAMES = sorted({*START, "p/new", "q/new", "p/s/new", "t/a", "t/new", "t", "p/s", "new"})
DIRECTORIES = ("p", "q", "p/s", "r", "t", "u")


@dataclass(frozen=True)
class Edit:
    path: str
    line: int
    word: str

    def on(self, tree: Tree) -> Tree:
        if self.path not in tree:
            return tree
        lines = tree[self.path].splitlines(keepends=True)
        lines[self.line % len(lines)] = f"{self.word}\n"
        return {**tree, self.path: "".join(lines)}


@dataclass(frozen=True)
class Drop:
    path: str

    def on(self, tree: Tree) -> Tree:
        return {path: text for path, text in tree.items() if path != self.path}


@dataclass(frozen=True)
class Move:
    """A file to another name; ``keep`` leaves the old one, a copy."""

    path: str
    to: str
    keep: bool

    def on(self, tree: Tree) -> Tree:
        if self.path not in tree:
            return tree
        left = tree if self.keep else Drop(self.path).on(tree)
        return put(left, self.to, tree[self.path])


@dataclass(frozen=True)
class MoveAll:
    """A directory to another name."""

    directory: str
    to: str

    def on(self, tree: Tree) -> Tree:
        moved = [path for path in tree if path.startswith(f"{self.directory}/")]
        for path in moved:
            tree = Move(path, f"{self.to}/{path.removeprefix(self.directory + '/')}", keep=False).on(tree)
        return tree


@dataclass(frozen=True)
class Add:
    path: str
    word: str

    def on(self, tree: Tree) -> Tree:
        return put(tree, self.path, f"{self.word}\n" * 12)


def put(tree: Tree, path: str, text: str) -> Tree:
    """Git has no file beside a directory of its name."""
    clear = {
        other: kept
        for other, kept in tree.items()
        if not other.startswith(f"{path}/") and not path.startswith(f"{other}/")
    }
    return {**clear, path: text}


Act = Edit | Drop | Move | MoveAll | Add
paths, words = st.sampled_from(NAMES), st.sampled_from(("one", "two", "three"))
acts: st.SearchStrategy[Act] = st.one_of(
    st.builds(Edit, paths, st.integers(0, 11), words),
    st.builds(Drop, paths),
    st.builds(Move, paths, paths, st.booleans()),
    st.builds(MoveAll, st.sampled_from(DIRECTORIES), st.sampled_from(DIRECTORIES)),
    st.builds(Add, paths, words),
)
plans = st.lists(acts, max_size=3)
changes = st.lists(acts, min_size=1, max_size=3)


def done(tree: Tree, plan: list[Act]) -> Tree:
    for act in plan:
        tree = act.on(tree)
    return tree or START


class Lab:
    """A mirror into which commits are written directly."""

    def __init__(self, root: Path) -> None:
        self.batch = GitBatch(root)
        mirrors = Mirrors(root.absolute(), GitCommand(git="git", home=root / "home", timeout_seconds=20))
        self.repo = pygit2.Repository(str(asyncio.run(mirrors.ensure(REPOSITORY))))

    def commit(self, tree: Tree, *parents: str) -> str:
        index = pygit2.Index()
        for path, text in tree.items():
            index.add(pygit2.IndexEntry(path, self.repo.create_blob(text.encode()), pygit2.enums.FileMode.BLOB))
        who = pygit2.Signature("lab", "lab@example.invalid", 1_700_000_000, 0)
        above: list[pygit2.Oid | str] = [pygit2.Oid(hex=parent) for parent in parents]
        return str(self.repo.create_commit(None, who, who, "work", index.write_tree(self.repo), above))


def is_apart(push: Push, footprint: Footprint) -> bool:
    paths, directories, commits = footprint.paths, footprint.directories, footprint.commits
    return not meets(push, paths=paths, directories=directories, commits=commits)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("pruning"))


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(before=[], push=[MoveAll("q", "u")], head=[Add("q/new", "one")], joined=False)
@example(before=[MoveAll("q", "u")], push=[Drop("u/a"), Drop("u/b")], head=[Add("q/new", "one")], joined=False)
@example(before=[], push=[Add("q/new", "one")], head=[MoveAll("q", "u")], joined=False)
@given(before=plans, push=changes, head=changes, joined=st.booleans())
def test_what_is_carried_over_is_what_git_says(
    lab: Lab, before: list[Act], push: list[Act], head: list[Act], joined: bool
) -> None:
    root = lab.commit(START)
    old_tree = done(START, before)
    old = lab.commit(old_tree, root)
    new = lab.commit(done(old_tree, push), old)
    side = lab.commit(done(START, head), root)
    if joined:
        # The head has merged a commit of the base before; then nothing but that is their merge base.
        side = lab.commit(done(old_tree, head), side, old)

    async def ask() -> tuple[MergeState, MergeState, bool]:
        pairs = [Pair(base_sha=base, head_sha=side) for base in (old, new)]
        first, second = await lab.batch.judge(REPOSITORY, pairs, seconds=20)
        footprint = (await lab.batch.footprints(REPOSITORY, base=old, heads=[side])).get(side)
        moved = await lab.batch.push_between(REPOSITORY, old=old, new=new)
        carried = footprint is not None and moved is not None and is_apart(moved, footprint)
        return first.state, second.state, carried

    first, second, carried = asyncio.run(ask())
    event(f"carried: {carried}, {first.value} then {second.value}")
    if carried:
        assert first is second
