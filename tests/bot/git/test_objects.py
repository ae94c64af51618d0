"""Blobs, commits, diffs and workspaces of a mirror."""

import resource
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from bot.errors import GitError, TreeRefusedError
from bot.git.adapter import GitMirrors
from bot.model.conflicts import ImpossibleMerge
from bot.ports.git import CommitSpec, Git
from tests.bot.git.lab import REPOSITORY, Files, Remote, fetched

MAIN = "refs/heads/main"
WHEN = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
BASE: Files = {
    "a": "1\n",
    "dir/b": "2\n",
    "dir/sub/c": "3\n",
    "run.sh": ("100755", "#!/bin/sh\n"),
    "link": ("120000", "a"),
    "module": ("160000", "1" * 40),
}
Changes = Mapping[str, tuple[str, bytes] | None]


async def with_main(git: GitMirrors, remote: Remote, files: Files = BASE, *, message: str = "work") -> str:
    commit = remote.commit(files, message=message, ref=MAIN)
    await fetched(git, remote)
    return commit


def spec(base: str, changes: Changes, *parents: str, when: datetime = WHEN) -> CommitSpec:
    return CommitSpec(
        base_tree=base,
        changes=changes,
        parents=parents,
        message="Merge main into topic\n\nCo-authored-by: A <a@x>\n",
        author_name="FlowForge",
        author_email="bot@flowforge.invalid",
        when=when,
    )


async def test_a_blob_is_read_up_to_its_limit(git: GitMirrors, remote: Remote) -> None:
    port: Git = git
    await with_main(git, remote)
    oid = remote.blob("1\n")
    assert await port.read_blob(REPOSITORY, oid, limit=2) == b"1\n"
    assert await port.read_blob(REPOSITORY, oid, limit=1) is None


@pytest.mark.timeout(60)  # what explodes takes minutes
async def test_a_huge_blob_is_not_inflated_to_learn_its_size(git: GitMirrors, remote: Remote, tmp_path: Path) -> None:
    await with_main(git, remote)
    size = 128 * 1024 * 1024
    oid = Remote(tmp_path / "mirrors/github/7.git").blob(bytes(size))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert await git.read_blob(REPOSITORY, oid, limit=size - 1) is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


@pytest.mark.parametrize("what", ["missing", "a commit", "no id"])
async def test_what_is_no_blob_is_an_error(git: GitMirrors, remote: Remote, what: str) -> None:
    commit = await with_main(git, remote)
    oid = {"missing": "1" * 40, "a commit": commit, "no id": "main"}[what]
    with pytest.raises(GitError):
        await git.read_blob(REPOSITORY, oid, limit=100)


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({}, BASE),
        ({"a": ("100644", b"new\n")}, {**BASE, "a": "new\n"}),
        ({"dir/sub/c": ("100755", b"3\n")}, {**BASE, "dir/sub/c": ("100755", "3\n")}),
        ({"x/y/z": ("100644", b"\xff")}, {**BASE, "x/y/z": b"\xff"}),
        ({"link": ("120000", b"dir/b")}, {**BASE, "link": ("120000", "dir/b")}),
        ({"module": ("160000", b"2" * 40)}, {**BASE, "module": ("160000", "2" * 40)}),
        ({"dir/sub/c": None}, {path: file for path, file in BASE.items() if path != "dir/sub/c"}),
        ({"dir/b": None, "dir/sub/c": None}, {path: file for path, file in BASE.items() if "dir" not in path}),
        ({"none": None, "a/b": None, "no/such": None}, BASE),
        ({"a/b": ("100644", b"x")}, {**{path: file for path, file in BASE.items() if path != "a"}, "a/b": "x"}),
        ({"a": None, "a/b": ("100644", b"x")}, {**{p: f for p, f in BASE.items() if p != "a"}, "a/b": "x"}),
        ({"dir": ("100644", b"x")}, {**{path: file for path, file in BASE.items() if "dir" not in path}, "dir": "x"}),
        ({"dir": ("100644", b"x"), "dir/b": None}, {**{p: f for p, f in BASE.items() if "dir" not in p}, "dir": "x"}),
        ({"dir": None}, {path: file for path, file in BASE.items() if "dir" not in path}),
        ({"dir": None, "dir/n": ("100644", b"n")}, {**{p: f for p, f in BASE.items() if "dir" not in p}, "dir/n": "n"}),
        ({"é": ("100644", b"1"), "a b": ("100644", b"2")}, {**BASE, "é": "1", "a b": "2"}),
    ],
)
async def test_a_commits_tree_is_its_base_with_the_changes(
    git: GitMirrors, remote: Remote, changes: Changes, result: Files
) -> None:
    main = await with_main(git, remote)
    written = await git.write_commit(REPOSITORY, spec(await git.tree_of(REPOSITORY, main), changes, main))
    assert written.tree == remote.tree(result)
    assert await git.tree_of(REPOSITORY, written.commit) == written.tree


async def test_everything_deleted_leaves_the_empty_tree(git: GitMirrors, remote: Remote) -> None:
    main = await with_main(git, remote, {"a/b": "1"})
    written = await git.write_commit(REPOSITORY, spec(main, {"a/b": None}, main))
    assert written.tree == remote.tree({})


async def test_a_commit_is_as_told_and_the_same_every_time(git: GitMirrors, remote: Remote, tmp_path: Path) -> None:
    main = await with_main(git, remote)
    wanted = spec(main, {"a": ("100644", b"x")}, main, main)
    written = await git.write_commit(REPOSITORY, wanted)
    elsewhere = GitMirrors(tmp_path / "other", allow_file=True)
    await fetched(elsewhere, remote)
    later = timezone(timedelta(hours=5))
    same = spec(main, dict(wanted.changes), main, main, when=WHEN.replace(microsecond=9).astimezone(later))
    assert await elsewhere.write_commit(REPOSITORY, same) == written
    assert await git.write_commit(REPOSITORY, wanted) == written
    raw = Remote(tmp_path / "mirrors/github/7.git").text("cat-file", "-p", written.commit)
    who = f"FlowForge <bot@flowforge.invalid> {int(WHEN.timestamp())} +0000"
    head = f"tree {written.tree}\nparent {main}\nparent {main}\nauthor {who}\ncommitter {who}\n"
    assert raw == f"{head}\n{wanted.message.strip()}"
    assert await git.parents_of(REPOSITORY, written.commit) == (main, main)


async def test_a_written_commit_is_kept_from_garbage_collection(
    git: GitMirrors, remote: Remote, tmp_path: Path
) -> None:
    main = await with_main(git, remote)
    written = await git.write_commit(REPOSITORY, spec(main, {"a": ("100644", b"x")}, main))
    Remote(tmp_path / "mirrors/github/7.git").git("gc", "--quiet", "--prune=now")
    assert await git.diff(REPOSITORY, main, written.commit)


async def test_a_written_commit_can_be_pushed(git: GitMirrors, remote: Remote) -> None:
    main = await with_main(git, remote)
    written = await git.write_commit(REPOSITORY, spec(main, {"new/file": ("100644", b"x")}, main))
    await git.push(REPOSITORY, remote.access, ref="refs/heads/p", new=written.commit, expected=None)
    assert remote.text("show", "refs/heads/p:new/file") == "x"


@pytest.mark.parametrize(
    "changes",
    [
        {"../x": ("100644", b"")},
        {".git/config": ("100644", b"")},
        {"a//b": ("100644", b"")},
        {"/a": ("100644", b"")},
        {"x": ("040000", b"")},
        {"x": ("100600", b"")},
        {"x": ("160000", b"no id")},
        {"a": ("100644", b"1"), "a/b": ("100644", b"2")},
        {"\udcff": ("100644", b"")},
    ],
)
async def test_changes_that_cannot_be_are_refused(git: GitMirrors, remote: Remote, changes: Changes) -> None:
    main = await with_main(git, remote)
    with pytest.raises(GitError):
        await git.write_commit(REPOSITORY, spec(main, changes, main))


@pytest.mark.parametrize("part", ["base", "parent", "time", "name"])
async def test_a_commit_on_nothing_is_refused(git: GitMirrors, remote: Remote, part: str) -> None:
    main = await with_main(git, remote)
    wanted = {
        "base": spec("1" * 40, {}, main),
        "parent": spec(main, {}, "1" * 40),
        "time": spec(main, {}, main, when=datetime(2026, 1, 1)),  # noqa: DTZ001 - what must be refused
        "name": spec(main, {}, await git.tree_of(REPOSITORY, main)),
    }
    with pytest.raises(GitError):
        await git.write_commit(REPOSITORY, wanted[part])


async def test_the_diff_is_gits(git: GitMirrors, remote: Remote) -> None:
    old = await with_main(git, remote)
    changed: Files = {
        **BASE,
        "a": "one\n",
        "dir/b": ("100755", "2\n"),
        "bin": "\0",
        "new": "no newline",
        "link": ("120000", "b"),
        "module": ("160000", "2" * 40),
        "é": "e\n",
        ".gitattributes": "* -diff\n",
    }
    new = remote.commit({path: file for path, file in changed.items() if path != "run.sh"}, old, ref=MAIN)
    await fetched(git, remote)
    expected = remote.git("diff", "--full-index", "--no-renames", "--text", old, new)
    binary = remote.git("-c", "core.attributesFile=/dev/null", "diff", "--full-index", old, new, "--", "bin")
    expected = expected.replace(remote.git("diff", "--full-index", "--text", old, new, "--", "bin"), binary)
    assert await git.diff(REPOSITORY, old, new) == expected
    trees = [await git.tree_of(REPOSITORY, commit) for commit in (old, new)]
    assert await git.diff(REPOSITORY, trees[0], trees[1]) == expected
    some = remote.git("diff", "--full-index", old, new, "--", "a", "module")
    assert await git.diff(REPOSITORY, old, new, paths=["a", "module", "not changed"]) == some
    assert await git.diff(REPOSITORY, old, old) == b""


async def test_a_long_diff_is_not_cut(git: GitMirrors, remote: Remote) -> None:
    old = await with_main(git, remote, {"a": "".join(f"{n}\n" for n in range(30_000))})
    new = remote.commit({"a": "".join(f"{n} x\n" for n in range(30_000))}, old, ref=MAIN)
    await fetched(git, remote)
    diff = await git.diff(REPOSITORY, old, new)
    assert diff.count(b"\n+") == 30_001
    assert diff.endswith(b"+29999 x\n")


async def test_the_hash_of_a_proposal_is_over_its_diffs_in_order(git: GitMirrors, remote: Remote) -> None:
    head, base = remote.sides({"a": "1\n"}, {"a": "2\n"}, {"a": "3\n"})
    await fetched(git, remote)
    one = await git.write_commit(REPOSITORY, spec(head, {"a": ("100644", b"\0one")}, head, base))
    two = await git.write_commit(REPOSITORY, spec(head, {"a": ("100644", b"\0two")}, head, base))
    swapped = await git.write_commit(REPOSITORY, spec(head, {"a": ("100644", b"\0one")}, base, head))
    hashes = [await git.proposal_diff_sha256(REPOSITORY, item.commit) for item in (one, two, swapped, one)]
    assert hashes[0] == hashes[3]
    assert len(set(hashes)) == 3
    assert all(len(digest) == 64 for digest in hashes)


async def test_subjects_are_the_newest_first_lines_of_one_side_only(git: GitMirrors, remote: Remote) -> None:
    base = remote.commit({"a": "0"}, message="base")
    other = remote.commit({"a": "x"}, base, message="theirs", ref="refs/heads/theirs")
    tip = base
    for message in ("one\n\nbody", "two\nstill subject\n\nbody", "\n\nthree \u2028x", "long " + "x" * 5000):
        tip = remote.commit({"a": message}, tip, message=message, ref=MAIN)
    await fetched(git, remote)
    found = await git.subjects(REPOSITORY, since=other, until=tip, limit=9)
    assert set(found[1:]) == {"one", "two still subject", "three \u2028x"}
    assert found[0].startswith("long x")
    assert len(found[0]) == 300
    assert len(await git.subjects(REPOSITORY, since=other, until=tip, limit=2)) == 2
    assert await git.subjects(REPOSITORY, since=tip, until=base, limit=9) == ()
    with pytest.raises(GitError):
        await git.subjects(REPOSITORY, since="1" * 40, until=tip, limit=9)


async def test_a_workspace_holds_the_regular_files_and_first_what_is_asked_for(git: GitMirrors, remote: Remote) -> None:
    main = await with_main(git, remote)
    first = ["run.sh", "dir/sub/c", "gone", "link", "module", "dir"]
    files = await git.workspace(REPOSITORY, main, first=first, max_bytes=1000, max_files=10)
    assert [(file.path, file.executable, file.content) for file in files] == [
        ("run.sh", True, b"#!/bin/sh\n"),
        ("dir/sub/c", False, b"3\n"),
        ("a", False, b"1\n"),
        ("dir/b", False, b"2\n"),
    ]


@pytest.mark.parametrize(
    ("max_bytes", "max_files", "paths"),
    [(100, 2, ["z", "a"]), (7, 9, ["z", "a", "c"]), (1, 9, ["z"]), (100, 9, ["z", "a", "b", "c"])],
)
async def test_a_workspace_ends_at_its_caps(
    git: GitMirrors, remote: Remote, max_bytes: int, max_files: int, paths: list[str]
) -> None:
    main = await with_main(git, remote, {"a": "22", "b": "55555", "c": "4444", "z": "1"})
    files = await git.workspace(REPOSITORY, main, first=["z"], max_bytes=max_bytes, max_files=max_files)
    assert [file.path for file in files] == paths


@pytest.mark.parametrize(("max_bytes", "max_files"), [(3, 9), (100, 1)])
async def test_conflicted_files_beyond_the_caps_are_an_error(
    git: GitMirrors, remote: Remote, max_bytes: int, max_files: int
) -> None:
    main = await with_main(git, remote, {"a": "22", "b": "22"})
    with pytest.raises(GitError, match="'b' did not fit"):
        await git.workspace(REPOSITORY, main, first=["a", "b"], max_bytes=max_bytes, max_files=max_files)


async def test_files_whose_names_are_no_utf_8_are_left_out(git: GitMirrors, remote: Remote) -> None:
    main = await with_main(git, remote, {"a": "1", "caf\udce9": "2"})
    files = await git.workspace(REPOSITORY, main, first=[], max_bytes=100, max_files=9)
    assert [file.path for file in files] == ["a"]


async def test_a_whole_tree_has_every_regular_file_and_says_how_much_is_none(git: GitMirrors, remote: Remote) -> None:
    main = await with_main(git, remote)
    whole = await git.whole_tree(REPOSITORY, await git.tree_of(REPOSITORY, main), max_bytes=16, max_files=4)
    assert [(file.path, file.executable, file.content) for file in whole.files] == [
        ("a", False, b"1\n"),
        ("dir/b", False, b"2\n"),
        ("dir/sub/c", False, b"3\n"),
        ("run.sh", True, b"#!/bin/sh\n"),
    ]
    assert whole.left_out == 2, "a link and a submodule"
    odd = await with_main(git, remote, {"a": "1", "caf\udce9": "2"})
    assert (await git.whole_tree(REPOSITORY, odd, max_bytes=10, max_files=9)).left_out == 1


@pytest.mark.parametrize(("max_bytes", "max_files"), [(3, 9), (100, 1)])
async def test_a_tree_that_does_not_fit_whole_is_not_taken_in_parts(
    git: GitMirrors, remote: Remote, max_bytes: int, max_files: int
) -> None:
    main = await with_main(git, remote, {"a": "22", "b": "22"})
    with pytest.raises(TreeRefusedError, match="larger than a workspace may be"):
        await git.whole_tree(REPOSITORY, main, max_bytes=max_bytes, max_files=max_files)


# ADV-026: names in a crafted pack.
_CRAFTED = (".git", ".GIT", "git~1", ".git ", ".g\u200cit", "a/b", "..", ".", "a\\b", "a\nb", ".git.")


@pytest.mark.parametrize("where", ["at the top", "as a directory", "deep"])
async def test_a_forbidden_name_anywhere_stops_a_workspace(git: GitMirrors, remote: Remote, where: str) -> None:
    blob = remote.blob("x")
    inner = remote.raw_tree(("100644", b"config", blob))
    trees = {}
    for name in _CRAFTED:
        mode, oid = ("40000", inner) if where == "as a directory" else ("100644", blob)
        trees[name] = remote.raw_tree((mode, name.encode(), oid))
        if where == "deep":
            trees[name] = remote.raw_tree(("40000", b"outer", trees[name]))
    together = [("40000", f"t{number}".encode(), tree) for number, tree in enumerate(trees.values())]
    remote.set(MAIN, remote.commit_tree(remote.raw_tree(*together)))
    await fetched(git, remote)
    for name, tree in trees.items():
        with pytest.raises(GitError, match="the tree holds") as caught:
            await git.workspace(REPOSITORY, tree, first=[], max_bytes=100, max_files=9)
        with pytest.raises(GitError, match="the tree holds"):
            await git.whole_tree(REPOSITORY, tree, max_bytes=100, max_files=9)
        assert ascii(name)[1:-1] in str(caught.value)


async def test_a_name_that_is_there_twice_stops_a_workspace(git: GitMirrors, remote: Remote) -> None:
    tree = remote.raw_tree(("100644", b"a", remote.blob("good")), ("100644", b"a", remote.blob("evil")))
    commit = remote.commit_tree(tree)
    remote.set(MAIN, commit)
    await fetched(git, remote)
    with pytest.raises(GitError, match="twice"):
        await git.workspace(REPOSITORY, commit, first=[], max_bytes=100, max_files=9)


def bomb(remote: Remote, *, width: int, depth: int) -> str:
    tree = remote.raw_tree(("100644", b"f", remote.blob("boom")))
    for _ in range(depth):
        tree = remote.raw_tree(*(("40000", f"d{number:03}".encode(), tree) for number in range(width)))
    return remote.commit_tree(tree)


# ADV-027: a dozen objects that stand for ten thousand million files.
@pytest.mark.timeout(60)  # what explodes takes minutes
@pytest.mark.parametrize(("width", "depth", "reason"), [(10, 10, "more than"), (1, 70, "levels deep")])
async def test_a_tree_bomb_is_known_at_once_and_never_unpacked(
    git: GitMirrors, remote: Remote, width: int, depth: int, reason: str
) -> None:
    commit = bomb(remote, width=width, depth=depth)
    remote.set(MAIN, commit)
    other = remote.commit({"a": "1"}, ref="refs/heads/other")
    await fetched(git, remote)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(GitError, match=reason):
        await git.workspace(REPOSITORY, commit, first=[], max_bytes=10**9, max_files=10**6)
    with pytest.raises(GitError, match=reason):
        await git.whole_tree(REPOSITORY, commit, max_bytes=10**9, max_files=10**6)
    with pytest.raises(GitError, match=reason):
        await git.diff(REPOSITORY, other, commit)
    verdict = await git.merge(REPOSITORY, ours=commit, theirs=other)
    assert isinstance(verdict, ImpossibleMerge)
    assert reason in verdict.reason
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


async def test_a_malformed_tree_is_an_error(git: GitMirrors, remote: Remote, tmp_path: Path) -> None:
    await with_main(git, remote)
    mirror = Remote(tmp_path / "mirrors/github/7.git")
    for data in (b"100644 a\0" + b"\1" * 7, b"100644 a", b"x a\0" + b"\1" * 20):
        tree = mirror.text("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=data)
        commit = mirror.commit_tree(tree)
        with pytest.raises(GitError, match="malformed"):
            await git.workspace(REPOSITORY, commit, first=[], max_bytes=100, max_files=9)


async def test_a_diff_of_too_much_is_refused(git: GitMirrors, remote: Remote, tmp_path: Path) -> None:
    old = await with_main(git, remote)
    mirror = Remote(tmp_path / "mirrors/github/7.git")
    blob = mirror.blob(bytes(60 * 1024 * 1024))
    entries = [("100644", f"big{number}".encode(), blob) for number in range(5)]
    new = mirror.commit_tree(mirror.raw_tree(("100644", b"a", mirror.blob("2\n")), *entries), old)
    with pytest.raises(GitError, match="too large a diff"):
        await git.diff(REPOSITORY, old, new)
    assert (await git.diff(REPOSITORY, old, new, paths=["a"])).endswith(b"-1\n+2\n")
