"""``flowforge verify``: merges of all makes, proved again."""

from pathlib import Path

import pytest

from tests.app.local.conftest import OPEN, SETTLED, TEXT, Program, console, diverge, edited
from tests.bot.git.workshop import Workshop

CLEAN = {"ours": edited(l2="two"), "theirs": edited(l25="later")}


def merged(shop: Workshop, *options: str) -> str:
    shop.git("merge", "--quiet", "--no-edit", *options, "side")
    return shop.head()


def resolved(shop: Workshop, files: dict[str, str | bytes | None]) -> str:
    shop.run("merge", "--quiet", "side")
    shop.put(files)
    shop.git("add", "--all")
    shop.git("commit", "--quiet", "--no-edit")
    return shop.head()


def test_git_s_own_merge_passes(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": CLEAN})
    commit = merged(shop)
    before, objects = shop.state(), shop.objects()
    document = flowforge.verify(shop.path, "HEAD")
    assert (document["commit"], document["verdict"]) == (commit, "pass")
    assert document["parents"] == [shop.git("rev-parse", "HEAD^1"), shop.git("rev-parse", "HEAD^2")]
    assert document["remerge"] == {"status": "clean", "conflicts": []}
    assert (shop.state(), shop.objects()) == (before, objects)


@pytest.mark.parametrize(
    "evil",
    [
        {"other.py": "import os\n"},
        {"a.txt": edited(l2="two", l25="later", l12="smuggled in")},
        {"keep.txt": None},
        {"keep.txt": "changed\n"},
    ],
)
def test_an_edit_beyond_a_clean_merge_is_refused(
    tmp_path: Path, flowforge: Program, evil: dict[str, str | bytes | None]
) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": CLEAN}, **{"keep.txt": "keep\n"})
    shop.git("merge", "--quiet", "--no-commit", "side")
    shop.put(evil)
    shop.git("add", "--all")
    shop.git("commit", "--quiet", "--no-edit")
    document = flowforge.verify(shop.path, "HEAD", code=3)
    (found,) = [check for check in document["checks"] if check["verdict"] == "refused"]
    assert (found["name"], found["path"]) == ("scope_paths", next(iter(evil)))


def test_a_merge_that_throws_their_work_away_does_not_pass(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": CLEAN})
    merged(shop, "-s", "ours")
    assert flowforge.verify(shop.path, "HEAD", code=3)["verdict"] == "refused"


def test_a_conflict_that_a_person_resolved_passes(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN, "b.txt": CLEAN})
    resolved(shop, {"a.txt": OPEN["ours"]})
    document = flowforge.verify(shop.path, "HEAD")
    assert document["remerge"] == {"status": "conflicted", "conflicts": [{"path": "a.txt", "kind": "content"}]}


def test_leftover_markers_and_edits_elsewhere_are_told_from_the_resolution(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN, "b.txt": CLEAN})
    resolved(shop, {"b.txt": "all gone\n"})
    document = flowforge.verify(shop.path, "HEAD", code=3)
    refused = {(check["name"], check["path"]) for check in document["checks"] if check["verdict"] == "refused"}
    assert refused >= {("markers", "a.txt"), ("scope_paths", "b.txt")}


def test_an_edit_in_the_conflicted_file_outside_its_hunks_needs_a_person(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN})
    resolved(shop, {"a.txt": OPEN["ours"].replace("line 28\n", "line 28, and more\n")})
    document = flowforge.verify(shop.path, "HEAD", code=2)
    assert [check["path"] for check in document["checks"] if check["name"] == "scope_hunks"] == ["a.txt"]


def test_a_criss_cross_and_a_rename(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": CLEAN})
    shop.git("branch", "before")
    merged(shop)
    shop.git("checkout", "--quiet", "side")
    shop.git("merge", "--quiet", "--no-edit", "before")
    shop.git("mv", "a.txt", "moved.txt")
    shop.git("commit", "--quiet", "-m", "moved")
    shop.git("checkout", "--quiet", "main")
    shop.commit({"a.txt": shop.read("a.txt").replace(b"line 30\n", b"thirty\n")}, "more")
    merged(shop)
    assert len(shop.git("merge-base", "--all", "HEAD^1", "HEAD^2").split()) == 2
    assert flowforge.verify(shop.path, "HEAD")["verdict"] == "pass"
    assert b"thirty" in shop.read("moved.txt")


def test_a_deletion_settled_either_way(tmp_path: Path, flowforge: Program) -> None:
    shop = Workshop.create(tmp_path / "shop")
    shop.commit({"gone.txt": TEXT, "kept.txt": TEXT}, "base")
    shop.git("branch", "side")
    shop.commit({"gone.txt": None, "kept.txt": None}, "deleted")
    shop.git("checkout", "--quiet", "side")
    shop.commit({"gone.txt": edited(l1="one"), "kept.txt": edited(l1="one")}, "changed")
    shop.git("checkout", "--quiet", "main")
    resolved(shop, {"gone.txt": None, "kept.txt": edited(l1="one")})
    assert flowforge.verify(shop.path, "HEAD")["verdict"] == "pass"


@pytest.mark.parametrize(("keep", "code"), [("e/new", 0), ("d/new", 0), ("f/new", 2), (".github/workflows/new", 2)])
def test_where_a_file_goes_is_a_person_s_choice(tmp_path: Path, flowforge: Program, keep: str, code: int) -> None:
    shop = Workshop.create(tmp_path / "shop")
    shop.commit({"d/a": TEXT, "d/b": TEXT * 2}, "base")
    shop.git("branch", "side")
    shop.git("mv", "d", "e")
    shop.commit({}, "the directory moved")
    shop.git("checkout", "--quiet", "side")
    shop.commit({"d/new": "new\n"}, "a file in it")
    shop.git("checkout", "--quiet", "main")
    resolved(shop, {"e/new": None, keep: "new\n"})
    done = flowforge(shop.path, "verify", "HEAD", "--json")
    assert done.code == code or (keep.startswith(".github") and done.code == 3)
    assert done.document("verify-1.json")["remerge"]["conflicts"] == [{"path": "e/new", "kind": "directory rename"}]


def test_the_newest_branch_of_a_proposal(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": CLEAN})
    assert flowforge(shop.path, "verify", "--proposal", "7").code == 1
    commit = merged(shop)
    shop.git("update-ref", "refs/remotes/origin/flowforge/7-abc", commit)
    shop.git("update-ref", "refs/heads/flowforge/77-abc", "HEAD^1")
    assert flowforge.verify(shop.path, "--proposal", "7")["commit"] == commit


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Name one"),
        (("HEAD", "--proposal", "1"), "Name one"),
        (("nosuch",), "names no commit"),
        (("--nosuch",), "--nosuch"),
        (("HEAD",), "one parent. A rebase, a revert and an unfinished merge"),
        (("part",), "one parent. Its subject says that it is a part of a merge"),
        (("HEAD^",), "no parent"),
        (("octopus",), "3 parents"),
    ],
)
def test_what_is_no_merge_of_two_is_an_error(
    tmp_path: Path, flowforge: Program, arguments: tuple[str, ...], words: str
) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": SETTLED})
    tree = shop.git("rev-parse", "HEAD^{tree}")
    parents = [word for name in ("main", "main^", "side") for word in ("-p", name)]
    shop.git("branch", "octopus", shop.git("commit-tree", tree, *parents, "-m", "three"))
    subject = "Unfinished: 1 of 2 conflicts of main and side"
    shop.git("branch", "part", shop.git("commit-tree", tree, "-p", "main", "-m", subject))
    done = flowforge(shop.path, "verify", *arguments)
    assert (done.code, done.output) == (1, "")
    assert words in done.errors


def test_a_bare_and_a_shallow_clone(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": CLEAN})
    merged(shop)
    shop.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    assert flowforge.verify(tmp_path / "bare.git", "HEAD")["verdict"] == "pass"
    for depth in (1, 2):
        shallow = tmp_path / f"shallow-{depth}"
        shop.git("clone", "--quiet", f"--depth={depth}", f"file://{shop.path}", str(shallow))
        done = flowforge(shallow, "verify", "HEAD")
        assert (done.code, done.output) == (1, "")
        assert "git fetch --unshallow" in done.errors


def test_the_console_program_prints_what_a_person_reads(tmp_path: Path) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": CLEAN})
    merged(shop)
    done = console(shop.path, "verify", "HEAD", NO_COLOR="1")
    assert done.code == 0
    assert "Checks: passes" in done.output
    assert "\x1b" not in done.output
