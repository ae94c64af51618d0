"""Many verdicts by few processes: each is what git says of that pair alone, and a bad pair spoils no other."""

import asyncio
import shutil
from pathlib import Path

import pygit2
import pytest

from bot.errors import GitError
from bot.git import batch as batch_module
from bot.git.adapter import GitMirrors
from bot.git.batch import GitBatch
from bot.model.watch import MergeState, Pair, WatchVerdict
from tests.bot.git.lab import REPOSITORY, Remote, fetched, numbered
from tests.bot.git.test_pruning import START, Lab, Move, MoveAll

CLEAN, CONFLICT, IMPOSSIBLE = MergeState.CLEAN, MergeState.CONFLICT, MergeState.IMPOSSIBLE
BASE = {"a": numbered(), "d/b": "b\n", "d/c": "c\n"}


@pytest.fixture
def batch(git: GitMirrors, tmp_path: Path) -> GitBatch:
    del git
    return GitBatch(tmp_path / "mirrors")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "lab")


def states(verdicts: list[WatchVerdict]) -> list[MergeState]:
    return [verdict.state for verdict in verdicts]


async def test_a_bad_pair_is_set_aside_and_the_batch_goes_on(git: GitMirrors, batch: GitBatch, remote: Remote) -> None:
    root = remote.commit(BASE, ref="refs/heads/main")
    tip = remote.commit(BASE | {"a": numbered(n3="theirs")}, root, ref="refs/heads/main")
    heads = [
        remote.commit(BASE | {"a": numbered(n3="ours")}, root, ref="refs/pull/1/head"),
        remote.commit({"z": "another history\n"}, ref="refs/pull/2/head"),
        remote.commit(BASE | {"d/b": "ours\n"}, root, ref="refs/pull/3/head"),
        "f" * 40,
        remote.commit(BASE | {"a": numbered(n20="ours")}, root, ref="refs/pull/5/head"),
    ]
    await fetched(git, remote)
    verdicts = await batch.judge(REPOSITORY, [Pair(base_sha=tip, head_sha=head) for head in heads], seconds=20)
    assert states(verdicts) == [CONFLICT, IMPOSSIBLE, CLEAN, IMPOSSIBLE, CLEAN]
    assert [verdict.pair.head_sha for verdict in verdicts] == heads
    assert verdicts[0].paths == ("a",)
    assert (verdicts[1].reason, verdicts[1].lasting) == ("refusing to merge unrelated histories", True)
    assert verdicts[3].lasting is False, "it may be fetched yet"


def crashing(lab: Lab) -> Pair:
    """Two commits at which git 2.39.5 fails an assertion of its own."""
    root = lab.commit(START)
    theirs = lab.commit(MoveAll("p", "q").on(START), root)
    return Pair(base_sha=theirs, head_sha=lab.commit(Move("a", "p/s", keep=False).on(START), root))


def test_a_pair_that_makes_git_fail_takes_no_other_with_it(lab: Lab) -> None:
    root = lab.commit(START)
    tip = lab.commit({**START, "a": "theirs\n"}, root)
    sound = [Pair(base_sha=tip, head_sha=lab.commit({**START, "q/a": f"{number}\n"}, root)) for number in range(230)]
    pairs = [*sound[:150], crashing(lab), *sound[150:]]
    verdicts = asyncio.run(lab.batch.judge(REPOSITORY, pairs, seconds=60))
    assert states(verdicts) == [*[CLEAN] * 150, verdicts[150].state, *[CLEAN] * 80]
    if "git version 2.39" in verdicts[150].git_version:
        assert verdicts[150].state is IMPOSSIBLE
        assert "Assertion" in verdicts[150].reason


def test_when_time_is_over_what_is_done_is_given_and_one_at_least(lab: Lab) -> None:
    root = lab.commit(START)
    pairs = [Pair(base_sha=root, head_sha=lab.commit({**START, "a": f"{number}\n"}, root)) for number in range(250)]
    assert len(asyncio.run(lab.batch.judge(REPOSITORY, pairs, seconds=0))) == batch_module.AT_ONCE
    assert asyncio.run(lab.batch.judge(REPOSITORY, [], seconds=0)) == []


def test_a_merge_that_takes_too_long_is_judged_alone_and_not_for_ever(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "lab")
    root = lab.commit(START)
    slow = tmp_path / "git"
    slow.write_text(f'#!/bin/sh\ncase "$1" in merge-tree) exec sleep 30;; esac\nexec {shutil.which("git")} "$@"\n')
    slow.chmod(0o755)
    hurried = GitBatch(tmp_path / "lab", git=str(slow), timeout_seconds=2)
    pair = Pair(base_sha=root, head_sha=lab.commit({**START, "a": "ours\n"}, root))
    (verdict,) = asyncio.run(hurried.judge(REPOSITORY, [pair], seconds=5))
    assert (verdict.state, verdict.lasting) == (IMPOSSIBLE, False)


def test_nothing_is_written_into_the_mirror(lab: Lab) -> None:
    root = lab.commit(START)
    tip = lab.commit({**START, "p/a": "theirs\n"}, root)
    pair = Pair(base_sha=tip, head_sha=lab.commit({**START, "p/b": "ours\n"}, root))
    objects = Path(lab.repo.path) / "objects"
    before = sorted(objects.rglob("*"))
    assert states(asyncio.run(lab.batch.judge(REPOSITORY, [pair], seconds=20))) == [CLEAN]
    assert sorted(objects.rglob("*")) == before


@pytest.mark.parametrize(
    "output",
    [b"2\0" + b"a" * 40 + b"\0\0", b"1\0short\0\0", b"\0\0\0\0"],
)
def test_what_is_no_verdict_is_refused(output: bytes) -> None:
    with pytest.raises(GitError):
        list(batch_module._read(output))


def test_advice_without_an_end_and_answers_cut_off_are_no_harm() -> None:
    tree = b"a" * 40
    whole = b"0\0" + tree + b"\0path\0\0" + b"Recursive merging with submodules...\n1\0" + tree + b"\0\0"
    both = [(CONFLICT, (b"path",)), (CLEAN, ())]
    assert list(batch_module._read(whole)) == both
    for end in range(len(whole)):
        assert list(batch_module._read(whole[:end])) in ([], both[:1])


def tree_of(lab: Lab, commit: str) -> str:
    found: object = lab.repo[commit]
    assert isinstance(found, pygit2.Commit)
    return str(found.tree_id)


def test_names_that_look_like_gits_own_lines_are_names(lab: Lab) -> None:
    root = lab.commit(START)
    trees = [tree_of(lab, lab.commit({**START, "a": f"{number}\n"}, root)) for number in range(2)]
    start = tree_of(lab, root)
    odd = f"{start} {trees[1]}\n:100644 x"
    heads = [lab.commit({**START, odd: "x\n"}, root), lab.commit({**START, "a": "1\n"}, root)]
    found = asyncio.run(lab.batch.footprints(REPOSITORY, base=root, heads=heads))
    assert [found[head].paths for head in heads] == [frozenset({odd.encode()}), frozenset({b"a"})]


async def test_the_first_parents_of_a_base(git: GitMirrors, batch: GitBatch, remote: Remote) -> None:
    root = remote.commit(BASE, ref="refs/heads/main")
    side = remote.commit(BASE | {"d/b": "side\n"}, root)
    first = remote.commit(BASE | {"a": "1\n"}, root, message="one\n\nmore")
    merged = remote.commit(BASE | {"a": "1\n", "d/b": "side\n"}, first, side, message="Merge pull request #3 from x/y")
    remote.set("refs/heads/main", merged)
    await fetched(git, remote)
    found = await batch.first_parents(REPOSITORY, old=root, new=merged, limit=10)
    assert [(commit.sha, commit.subject) for commit in found] == [
        (first, "one"),
        (merged, "Merge pull request #3 from x/y"),
    ]
    assert await batch.first_parents(REPOSITORY, old=root, new=merged, limit=1) == ()
    assert await batch.first_parents(REPOSITORY, old=side, new=merged, limit=10) == ()
