"""``flowforge resolve`` in the middle of a merge, rebase, cherry-pick or revert."""

from pathlib import Path

import pytest

from tests.app.local.conftest import OPEN, PARTLY, SETTLED, TEXT, Program, diverge, edited
from tests.bot.git.workshop import Workshop


def unmerged(shop: Workshop) -> str:
    return shop.git("diff", "--name-only", "--diff-filter=U")


def test_a_merge_is_finished_and_looking_changes_nothing(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": SETTLED})
    shop.stops("merge", "side")
    before = shop.state()
    document = flowforge.resolve(shop.path)
    assert shop.state() == before
    assert (document["ours"], document["theirs"]) == (shop.head(), shop.git("rev-parse", "side"))
    assert flowforge(shop.path, "resolve", "--rules-only", "--yes").code == 0
    assert unmerged(shop) == ""
    shop.git("commit", "--quiet", "--no-edit")
    assert shop.git("rev-parse", "HEAD^{tree}") == document["tree"]


def test_no_is_no(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": SETTLED})
    shop.stops("merge", "side")
    before = shop.state()
    done = flowforge(shop.path, "resolve", "--rules-only", answer="n\n")
    assert (done.code, shop.state()) == (0, before)
    assert "Nothing was written." in done.output


def test_in_a_rebase_ours_is_the_person_s_own_commit(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": PARTLY})
    mine = shop.head()
    shop.stops("rebase", "side")
    document = flowforge.resolve(shop.path, code=2)
    assert (document["ours"], document["theirs"]) == (mine, shop.git("rev-parse", "side"))
    assert document["merge_bases"] == [shop.git("rev-parse", f"{mine}^")]
    assert document["conflicts"][0]["stages"]["2"] == shop.git("rev-parse", f"{mine}:a.txt")
    done = flowforge(shop.path, "resolve", "--rules-only", "--yes")
    assert "your commit" in done.output
    assert "'our work'" in done.output
    marked = shop.read("a.txt").decode()
    first, _, second = marked.partition("=======\n")
    assert "zwanzig, theirs" in first
    assert "twenty, ours" in second
    assert "(our work)" in marked.partition(">>>>>>> ")[2].partition("\n")[0]


def test_a_rebase_goes_on_after_a_yes(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": SETTLED})
    shop.stops("rebase", "side")
    assert flowforge(shop.path, "resolve", "--rules-only", "--yes").code == 0
    shop.git("rebase", "--continue")
    assert "nine, theirs" in shop.git("show", "HEAD:a.txt")
    assert "line  three" in shop.git("show", "HEAD:a.txt")


def test_a_cherry_pick_and_a_revert(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": SETTLED})
    shop.stops("cherry-pick", "side")
    assert flowforge.resolve(shop.path)["ours"] == shop.head()
    assert flowforge(shop.path, "resolve", "--rules-only", "--yes").code == 0
    shop.git("cherry-pick", "--continue")
    shop.commit({"a.txt": edited(l3="line   3")}, "white space again")
    shop.stops("revert", "HEAD~2")
    document = flowforge(shop.path, "resolve", "--rules-only", "--json").document("resolve-1.json")
    assert document["merge_bases"] == [shop.git("rev-parse", "HEAD~2")]


def test_what_the_person_settled_is_left_alone(tmp_path: Path, flowforge: Program) -> None:
    conflicts = {"staged.txt": OPEN, "edited.txt": OPEN, "begun.txt": PARTLY, "deleted.txt": OPEN, "rest.txt": SETTLED}
    shop = diverge(tmp_path / "shop", conflicts)
    shop.stops("merge", "side")
    begun = shop.read("begun.txt").replace(b"line  three", b"my line three")
    shop.put({"staged.txt": "mine\n", "edited.txt": "also mine\n", "begun.txt": begun})
    shop.git("add", "staged.txt")
    shop.git("rm", "--quiet", "deleted.txt")
    document = flowforge.resolve(shop.path, code=2)
    found = {item["path"]: item for item in document["conflicts"]}
    assert {path: item["status"] for path, item in found.items()} == {
        "staged.txt": "resolved",
        "edited.txt": "resolved",
        "deleted.txt": "resolved",
        "begun.txt": "open",
        "rest.txt": "resolved",
    }
    assert (found["staged.txt"]["resolver"], found["staged.txt"]["tier"]) == ("person", "person")
    assert shop.git("cat-file", "blob", found["staged.txt"]["blob"]) == "mine"
    assert shop.git("cat-file", "blob", found["edited.txt"]["blob"]) == "also mine"
    assert found["deleted.txt"]["blob"] is None
    assert flowforge(shop.path, "resolve", "--rules-only", "--yes").code == 2
    assert shop.read("edited.txt") == b"also mine\n"
    assert shop.read("begun.txt") == begun
    assert not (shop.path / "deleted.txt").exists()
    assert unmerged(shop).split() == ["begun.txt", "edited.txt"]


def test_a_tree_of_rules_and_people(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN, "b.txt": SETTLED, "c.txt": OPEN})
    shop.stops("merge", "side")
    shop.put({"a.txt": "mine\n"})
    shop.git("add", "a.txt")
    shop.git("rm", "--quiet", "--force", "c.txt")
    tree = flowforge.resolve(shop.path)["tree"]
    assert shop.git("show", f"{tree}:a.txt") == "mine"
    assert "nine, theirs" in shop.git("show", f"{tree}:b.txt")
    assert shop.git("ls-tree", "--name-only", tree).split() == ["a.txt", "b.txt"]


def test_a_second_look_leaves_what_the_first_prepared(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": PARTLY})
    shop.stops("merge", "side")
    assert flowforge(shop.path, "resolve", "--rules-only", "--yes").code == 2
    prepared = shop.read("a.txt")
    assert flowforge(shop.path, "resolve", "--rules-only", "--yes").code == 2
    assert shop.read("a.txt") == prepared


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
def test_every_style_of_markers_is_kept(tmp_path: Path, flowforge: Program, style: str) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": PARTLY})
    shop.git("config", "merge.conflictStyle", style)
    shop.stops("merge", "side")
    assert flowforge(shop.path, "resolve", "--rules-only", "--yes").code == 2
    marked = shop.read("a.txt").decode()
    assert ("|||||||" in marked) == (style != "merge")
    assert marked.startswith("line 1\nline 2\nline  three\n")
    assert "<<<<<<< HEAD\ntwenty, ours\n" in marked
    assert "=======\nzwanzig, theirs\n>>>>>>> side\n" in marked


def test_names_that_git_makes_up_are_those_of_the_index(tmp_path: Path, flowforge: Program) -> None:
    shop = Workshop.create(tmp_path / "shop")
    shop.commit({"x": "x\n"}, "base")
    shop.git("branch", "side")
    shop.commit({"p": "a file\n"}, "file")
    shop.git("checkout", "--quiet", "side")
    shop.commit({"p/q": "in a directory\n"}, "directory")
    shop.git("checkout", "--quiet", "main")
    shop.stops("merge", "side")
    (conflict,) = flowforge.resolve(shop.path, code=2)["conflicts"]
    assert (conflict["path"], conflict["kind"], conflict["status"]) == ("p~HEAD", "directory/file", "open")


def test_a_merge_of_another_strategy_is_left_alone(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": SETTLED})
    shop.git("mv", "a.txt", "b.txt")
    shop.commit({}, "moved")
    shop.stops("merge", "-X", "find-renames=100%", "side")
    before = shop.state()
    done = flowforge(shop.path, "resolve", "--rules-only", "--yes")
    assert (done.code, shop.state()) == (2, before)


def test_a_linked_work_tree_and_a_directory_in_it(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"d/a.txt": SETTLED})
    shop.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"), "main")
    linked = Workshop(tmp_path / "linked")
    linked.stops("merge", "side")
    done = flowforge(linked.path / "d", "resolve", "--rules-only", "--yes")
    assert done.code == 0
    assert "no branch" in done.output
    assert unmerged(linked) == ""
    assert shop.git("status", "--porcelain") == ""


def test_several_branches_at_once_have_no_two_sides(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": SETTLED})
    (shop.path / ".git" / "MERGE_HEAD").write_text(f"{shop.git('rev-parse', 'side')}\n{shop.head()}\n")
    done = flowforge(shop.path, "resolve")
    assert done.code == 1
    assert "several branches" in done.errors


def test_another_branch_cannot_be_named_meanwhile(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": SETTLED})
    shop.stops("merge", "side")
    done = flowforge(shop.path, "resolve", "--theirs", "side")
    assert done.code == 1
    assert "--theirs" in done.errors


def test_line_ends_of_the_work_tree_stay(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(
        tmp_path / "shop", {"a.txt": SETTLED, "b.txt": PARTLY}, **{".gitattributes": "*.txt text eol=crlf\n"}
    )
    shop.stops("merge", "side")
    assert flowforge(shop.path, "resolve", "--rules-only", "--yes").code == 2
    for name in ("a.txt", "b.txt"):
        content = shop.read(name)
        assert content.count(b"\n") == content.count(b"\r\n") > len(TEXT.splitlines()) - 1
    assert unmerged(shop) == "b.txt"


@pytest.mark.parametrize("attribute", ["-merge", "merge=binary", "merge=theirs-own"])
def test_a_file_that_git_did_not_mark_is_not_settled(tmp_path: Path, flowforge: Program, attribute: str) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": SETTLED}, **{".gitattributes": f"*.txt {attribute}\n"})
    shop.git("config", "merge.theirs-own.driver", "false")
    shop.stops("merge", "side")
    before = shop.read("a.txt")
    assert b"<<<<<<<" not in before
    document = flowforge.resolve(shop.path, code=2)
    assert (document["tree"], document["conflicts"][0]["status"]) == (None, "open")
    done = flowforge(shop.path, "resolve", "--rules-only", "--yes")
    assert (done.code, shop.read("a.txt"), unmerged(shop)) == (2, before, "a.txt")
    shop.git("add", "a.txt")
    assert flowforge.resolve(shop.path)["conflicts"][0]["resolver"] == "person"


def test_conflicts_of_a_stash_are_named_as_such(tmp_path: Path, flowforge: Program) -> None:
    shop = Workshop.create(tmp_path / "shop")
    shop.commit({"a.txt": "one\n"}, "base")
    shop.put({"a.txt": "two\n"})
    shop.git("stash")
    shop.commit({"a.txt": "three\n"}, "other")
    shop.stops("stash", "pop")
    done = flowforge(shop.path, "resolve", "--rules-only")
    assert done.code == 1
    assert "git stash pop" in done.errors
