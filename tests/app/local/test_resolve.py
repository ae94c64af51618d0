"""``flowforge resolve --theirs``: the document, the exit codes, and that nothing is written before a yes."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no annotations

from tests.app.local.conftest import OPEN, PARTLY, SCHEMAS, SETTLED, TEXT, Program, console, diverge, edited
from tests.bot.git.workshop import Workshop


def test_the_schemas_are_schemas() -> None:
    for file in SCHEMAS.iterdir():
        Draft202012Validator.check_schema(json.loads(file.read_text()))


def test_all_resolved_gives_blob_and_tree_that_git_can_read(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": SETTLED})
    document = flowforge.resolve(shop.path, "--theirs", "side")
    (conflict,) = document["conflicts"]
    (hunk,) = conflict["hunks"]
    assert (document["status"], document["gate"]["verdict"], conflict["status"]) == ("resolved", "pass", "resolved")
    assert (document["ours"], document["theirs"]) == (shop.head(), shop.git("rev-parse", "side"))
    assert document["merge_bases"] == [shop.git("merge-base", "main", "side")]
    assert conflict["stages"] == {
        number: shop.git("rev-parse", f"{commit}:a.txt")
        for number, commit in (("1", document["merge_bases"][0]), ("2", "main"), ("3", "side"))
    }
    assert (hunk["ours"], hunk["theirs"], hunk["resolver"], hunk["tier"]) == ([3, 1], [3, 1], "identical", "A")
    assert shop.git("cat-file", "blob", conflict["blob"]).splitlines()[2] == hunk["content"].rstrip("\n")
    assert shop.git("rev-parse", f"{document['tree']}:a.txt") == conflict["blob"]
    assert "nine, theirs" in shop.git("cat-file", "blob", conflict["blob"])


def test_a_clean_merge_is_git_s_own_tree(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": {"ours": edited(l2="two"), "theirs": edited(l25="later")}})
    document = flowforge.resolve(shop.path, "--theirs", "side")
    assert (document["status"], document["conflicts"]) == ("clean", [])
    assert document["tree"] == shop.git("merge-tree", "--write-tree", "main", "side")


def test_what_is_open_has_no_blob_and_no_tree(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": PARTLY, "b.txt": SETTLED})
    document = flowforge.resolve(shop.path, "--theirs", "side", code=2)
    partly, settled = document["conflicts"]
    assert (document["status"], document["tree"]) == ("partial", None)
    assert (partly["status"], partly["blob"]) == ("open", None)
    assert [hunk["status"] for hunk in partly["hunks"]] == ["resolved", "open"]
    assert (partly["hunks"][1]["ours"], partly["hunks"][1]["content"]) == ([20, 1], None)
    assert settled["blob"] is not None
    assert document["gate"]["verdict"] == "needs_person"


def test_a_line_moved_by_the_other_side_is_counted_in_its_own_file(tmp_path: Path, flowforge: Program) -> None:
    longer = TEXT.replace("line 9\n", "line 9\n" + "more\n" * 5)
    theirs = longer.replace("line 20\n", "zwanzig\n").replace("line 2\n", "")
    shop = diverge(tmp_path / "shop", {"a.txt": {"ours": edited(l20="twenty"), "theirs": theirs}})
    (hunk,) = flowforge.resolve(shop.path, "--theirs", "side", code=2)["conflicts"][0]["hunks"]
    assert (hunk["ours"], hunk["theirs"]) == ([20, 1], [24, 1])


def test_looking_changes_nothing_but_objects(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": PARTLY, "b.txt": SETTLED})
    before = shop.state()
    flowforge.resolve(shop.path, "--theirs", "side", code=2)
    assert shop.state() == before
    objects = shop.objects()
    done = flowforge(shop.path, "resolve", "--rules-only", "--theirs", "side")
    assert (done.code, shop.state(), shop.objects()) == (2, before, objects)
    assert "Nothing was written." in done.output


@pytest.mark.parametrize(("conflict", "code"), [(SETTLED, 0), (OPEN, 2)])
def test_the_console_program_ends_with_these_codes(tmp_path: Path, conflict: dict[str, str], code: int) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": conflict})
    done = console(shop.path, "resolve", "--rules-only", "--json", "--theirs", "side")
    assert (done.code, done.errors) == (code, "")
    assert json.loads(done.output)["schema"] == 1


def test_a_yes_begins_the_merge_and_stages_what_is_resolved(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": PARTLY, "b.txt": SETTLED})
    done = flowforge(shop.path, "resolve", "--rules-only", "--theirs", "side", "--yes")
    assert done.code == 2
    assert shop.git("rev-parse", "MERGE_HEAD") == shop.git("rev-parse", "side")
    assert shop.git("diff", "--name-only", "--diff-filter=U") == "a.txt"
    assert b"nine, theirs" in shop.read("b.txt")
    marked = shop.read("a.txt").decode()
    assert marked.count("<<<<<<< ") == marked.count(">>>>>>> ") == 1
    assert "line  three\n" in marked


def test_what_was_written_can_be_committed_and_verified(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"b.txt": SETTLED})
    tree = flowforge.resolve(shop.path, "--theirs", "side")["tree"]
    assert flowforge(shop.path, "resolve", "--rules-only", "--theirs", "side", "--yes").code == 0
    shop.git("commit", "--quiet", "--no-edit")
    assert shop.git("rev-parse", "HEAD^{tree}") == tree
    assert flowforge.verify(shop.path, "HEAD")["remerge"]["status"] == "conflicted"


def test_files_with_work_of_one_s_own_stop_it(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"b.txt": SETTLED})
    shop.put({"b.txt": "my own work\n"})
    done = flowforge(shop.path, "resolve", "--rules-only", "--theirs", "side", "--yes")
    assert done.code == 1
    assert "overwritten by merge" in done.errors
    assert shop.read("b.txt") == b"my own work\n"
    assert shop.git("status", "--porcelain") == "M b.txt"
    assert shop.run("rev-parse", "MERGE_HEAD").returncode != 0


def test_the_words_say_what_was_not_asked(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN})
    done = flowforge(shop.path, "resolve", "--theirs", "side")
    assert done.code == 2
    assert "ANTHROPIC_API_KEY is not set: rules only." in done.output


def test_a_text_that_nothing_here_merges_has_the_commands_that_take_a_side(tmp_path: Path, flowforge: Program) -> None:
    path = "a.txt"
    config = "version: 1\nresolvers:\n  regenerate:\n    - paths: [a.txt]\n      command: make a\n"
    shop = diverge(tmp_path / "shop", {path: OPEN}, **{".flowforge.yml": config})
    done = flowforge(shop.path, "resolve", "--theirs", "side")
    assert done.code == 2
    ours, theirs = (f"git checkout {side} -- {path} && git add -- {path}" for side in ("--ours", "--theirs"))
    assert f"command: {ours} or {theirs}" in done.output
    assert "ANTHROPIC_API_KEY" not in done.output + done.errors


def test_where_rules_do_it_all_nothing_is_said_of_a_model(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"b.txt": SETTLED})
    done = flowforge(shop.path, "resolve", "--theirs", "side")
    assert done.code == 0
    assert "ANTHROPIC_API_KEY" not in done.output + done.errors


def test_what_only_a_person_settles_says_nothing_of_a_model(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"yarn.lock": OPEN})
    done = flowforge(shop.path, "resolve", "--theirs", "side")
    assert done.code == 2
    assert "ANTHROPIC_API_KEY" not in done.output + done.errors
    assert "ANTHROPIC_API_KEY" not in flowforge(shop.path, "resolve", "--rules-only", "--theirs", "side").output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "under way"),
        (("--theirs", "nosuch"), "names no commit"),
        (("--theirs", "--upload-pack=x"), "names no commit"),
        (("--theirs", ""), "names no commit"),
        (("--theirs", "side", "--budget", "-1"), "--budget"),
        (("--theirs", "side", "--model", "a b"), "--model"),
        (("--theirs", "side", "--json", "--yes"), "--json"),
        (("--nosuch",), "--nosuch"),
    ],
)
def test_an_error_is_a_sentence_and_one(
    tmp_path: Path, flowforge: Program, arguments: tuple[str, ...], words: str
) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN})
    done = flowforge(shop.path, "resolve", *arguments)
    assert done.code == 1
    assert words in done.errors
    assert "Traceback" not in done.errors


def test_a_place_without_a_clone_or_without_a_commit(tmp_path: Path, flowforge: Program) -> None:
    assert flowforge(tmp_path, "resolve", "--theirs", "x").code == 1
    shop = Workshop.create(tmp_path / "empty")
    done = flowforge(shop.path, "resolve", "--theirs", "main")
    assert (done.code, done.output) == (1, "")
    assert "names no commit" in done.errors


def test_unrelated_histories_cannot_be_merged(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN})
    shop.git("checkout", "--quiet", "--orphan", "lonely")
    shop.commit({"c": "c\n"}, "alone")
    done = flowforge(shop.path, "resolve", "--theirs", "main", "--json")
    assert (done.code, done.output) == (1, "")
    assert "unrelated histories" in done.errors


def test_what_git_rerere_remembers_is_used_again(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN})
    shop.git("config", "rerere.enabled", "true")
    shop.stops("merge", "side")
    mine = edited(l20="both of us")
    shop.put({"a.txt": mine})
    shop.git("commit", "--quiet", "--all", "--no-edit")
    shop.git("reset", "--quiet", "--hard", "HEAD^")
    document = flowforge.resolve(shop.path, "--theirs", "side")
    (conflict,) = document["conflicts"]
    assert conflict["tier"] == "recorded"
    assert conflict["hunks"][0]["content"] == "both of us\n"
    assert shop.git("show", f"{document['tree']}:a.txt") == mine.rstrip("\n")


def test_an_empty_key_is_no_key(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": OPEN})
    done = flowforge(shop.path, "resolve", "--theirs", "side", ANTHROPIC_API_KEY="")
    assert (done.code, "rules only" in done.output) == (2, True)
