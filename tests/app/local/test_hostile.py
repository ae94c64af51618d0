"""Odd clones: names, kinds, modes, links and contents that somebody chose with care."""

import os
import shlex
from pathlib import Path

import pytest

from tests.app.local.conftest import OPEN, SETTLED, TEXT, Program, diverge, edited
from tests.bot.git.workshop import Workshop

NAMES = ["with space.txt", 'quo"te.txt', "new\nline.txt", "-option.txt", "\x1b[31mred.txt", "é中.txt", "a\u202eb.txt"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_shown_harmless_and_found_in_the_document(tmp_path: Path, flowforge: Program, name: str) -> None:
    shop = diverge(tmp_path / "shop", {name: OPEN})
    (conflict,) = flowforge.resolve(shop.path, "--theirs", "side", code=2)["conflicts"]
    assert (conflict["path"], conflict["kind"]) == (name, "content")
    done = flowforge(shop.path, "resolve", "--rules-only", "--theirs", "side")
    assert done.code == 2
    assert all(line.isprintable() for line in done.output.split("\n"))


@pytest.mark.parametrize("name", ["with space.txt", 'quo"te.txt', "-option.txt", "é中.txt"])
def test_files_of_any_plain_name_are_written(tmp_path: Path, flowforge: Program, name: str) -> None:
    shop = diverge(tmp_path / "shop", {name: SETTLED})
    shop.stops("merge", "side")
    assert flowforge(shop.path, "resolve", "--rules-only", "--yes").code == 0
    assert shop.git("status", "--porcelain", "-z").startswith("M  ")


def test_a_name_that_is_no_utf_8_is_an_error_or_left_to_a_person(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"b\udcff.txt": SETTLED, "a.txt": SETTLED})
    done = flowforge(shop.path, "resolve", "--rules-only", "--theirs", "side")
    assert done.code in {1, 2}
    assert "\\xff" in done.output + done.errors or "\\udcff" in done.output + done.errors


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        (b"one\r\ntwo\r\n", b"one\r\ntwo  2\r\n", b"one\r\ntwo 2\r\n"),
        (b"one\ntwo", b"one\ntwo  2", b"one\ntwo 2"),
        (b"one\r\ntwo", b"one\r\ntwo  2", b"one\r\ntwo 2"),
        (b"caf\xe9\ntwo\n", b"caf\xe9\ntwo  2\n", b"caf\xe9\ntwo 2\n"),
        (b"\xef\xbb\xbfone\ntwo\n", b"\xef\xbb\xbfone\ntwo  2\n", b"\xef\xbb\xbfone\ntwo 2\n"),
        (b"<<<<<<< kept\ntwo\n", b"<<<<<<< kept\ntwo  2\n", b"<<<<<<< kept\ntwo 2\n"),
    ],
)
def test_contents_are_kept_to_the_byte(
    tmp_path: Path, flowforge: Program, base: bytes, ours: bytes, theirs: bytes
) -> None:
    shop = Workshop.create(tmp_path / "shop")
    shop.commit({"a.txt": base}, "base")
    shop.git("branch", "side")
    shop.commit({"a.txt": ours}, "ours")
    shop.git("checkout", "--quiet", "side")
    shop.commit({"a.txt": theirs}, "theirs")
    shop.git("checkout", "--quiet", "main")
    (conflict,) = flowforge.resolve(shop.path, "--theirs", "side")["conflicts"]
    assert shop.run("cat-file", "blob", conflict["blob"]).stdout == ours
    assert conflict["hunks"][0]["content"].encode("utf-8", "surrogateescape") in ours + b"\n"


def test_kinds_without_hunks_are_left_to_people(tmp_path: Path, flowforge: Program) -> None:
    shop = Workshop.create(tmp_path / "shop")
    shop.commit({"deleted": TEXT, "binary": b"\0base", "moved": TEXT * 2, "type": TEXT}, "base")
    shop.git("branch", "side")
    shop.commit({"deleted": None, "binary": b"\0ours", "both": "ours\n"}, "ours")
    shop.git("mv", "moved", "here")
    (shop.path / "type").unlink()
    (shop.path / "type").symlink_to("both")
    shop.commit({}, "ours moved")
    shop.git("checkout", "--quiet", "side")
    shop.commit({"deleted": edited(l1="one"), "binary": b"\0theirs", "type": edited(l1="one")}, "theirs")
    shop.git("mv", "moved", "there")
    shop.commit({}, "theirs moved")
    shop.git("checkout", "--quiet", "main")
    document = flowforge.resolve(shop.path, "--theirs", "side", code=2)
    kinds = {conflict["kind"] for conflict in document["conflicts"]}
    assert kinds >= {"modify/delete", "binary", "rename/rename", "distinct types"}
    assert all(not item["hunks"] and item["blob"] is None for item in document["conflicts"])
    said = {check["path"]: check["message"] for check in document["gate"]["checks"] if check["path"]}
    assert "Suggestion" in said["deleted"]
    before = shop.state()
    assert flowforge(shop.path, "resolve", "--rules-only", "--theirs", "side", "--yes").code == 2
    assert shop.state() == before


def test_the_command_for_a_suggestion_works(tmp_path: Path, flowforge: Program) -> None:
    shop = Workshop.create(tmp_path / "shop")
    shop.commit({"it's old": TEXT}, "base")
    shop.git("branch", "side")
    shop.commit({"it's old": None}, "deleted")
    shop.git("checkout", "--quiet", "side")
    shop.commit({"it's old": edited(l1="one")}, "changed")
    shop.stops("rebase", "main")
    done = flowforge(shop.path, "resolve", "--rules-only")
    assert done.code == 2
    command = shlex.split(done.output.partition("command: ")[2].partition("\n")[0])
    assert command[:2] == ["git", "rm"]
    shop.git(*command[1:])
    assert flowforge.resolve(shop.path)["status"] == "resolved"


def test_nothing_is_written_through_a_link(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"d/a.txt": SETTLED})
    shop.stops("merge", "side")
    outside = tmp_path / "outside"
    outside.mkdir()
    (shop.path / "d").rename(shop.path / "old")
    (shop.path / "d").symlink_to(outside)
    done = flowforge(shop.path, "resolve", "--rules-only", "--yes")
    assert done.code in {1, 2}
    assert list(outside.iterdir()) == []


def test_files_that_a_filter_makes_are_not_written(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": SETTLED}, **{".gitattributes": "*.txt filter=big\n"})
    done = flowforge(shop.path, "resolve", "--rules-only", "--theirs", "side", "--yes")
    assert done.code == 1
    assert "git merge --abort" in done.errors
    shop.git("merge", "--abort")


def test_a_submodule_that_the_person_settled(tmp_path: Path, flowforge: Program) -> None:
    shop = Workshop.create(tmp_path / "shop")

    def pointing(digit: str) -> None:
        shop.git("update-index", "--add", "--cacheinfo", f"160000,{digit * 40},m")
        shop.git("commit", "--quiet", "-m", digit)

    shop.commit({"a": "a\n"}, "base")
    pointing("1")
    shop.git("branch", "side")
    pointing("2")
    shop.git("checkout", "--quiet", "--force", "side")
    pointing("3")
    shop.git("checkout", "--quiet", "--force", "main")
    shop.stops("merge", "side")
    assert flowforge.resolve(shop.path, code=2)["conflicts"][0]["kind"] == "submodule"
    shop.git("update-index", "--cacheinfo", f"160000,{'3' * 40},m")
    document = flowforge.resolve(shop.path)
    assert (document["conflicts"][0]["status"], document["conflicts"][0]["blob"]) == ("resolved", None)
    assert "160000 commit " + "3" * 40 in shop.git("ls-tree", document["tree"])


def test_hooks_and_filters_of_the_clone_do_not_run_for_a_look(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": SETTLED})
    canary = tmp_path / "canary"
    (shop.path / ".git" / "info").mkdir(exist_ok=True)
    (shop.path / ".git" / "info" / "attributes").write_text("*.txt filter=evil merge=evil diff=evil\n")
    for key in ("filter.evil.clean", "filter.evil.smudge", "merge.evil.driver", "diff.evil.textconv"):
        shop.git("config", key, f"touch {canary}")
    shop.git("config", "core.fsmonitor", f"touch {canary}")
    shop.git("config", "core.pager", f"touch {canary}")
    flowforge.resolve(shop.path, "--theirs", "side")
    flowforge(shop.path, "verify", "HEAD")
    assert not canary.exists()


def test_a_bare_repository_can_be_looked_at(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": SETTLED})
    shop.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    assert flowforge.resolve(tmp_path / "bare.git", "--theirs", "side")["status"] == "resolved"
    done = flowforge(tmp_path / "bare.git", "resolve", "--rules-only", "--theirs", "side", "--yes")
    assert done.code == 1
    assert "no work tree" in done.errors


def test_sha_256_is_refused_in_a_sentence(tmp_path: Path, flowforge: Program) -> None:
    shop = Workshop(tmp_path / "shop")
    shop.path.mkdir()
    shop.git("init", "--quiet", "--object-format=sha256", ".")
    done = flowforge(shop.path, "resolve", "--theirs", "HEAD")
    assert done.code == 1
    assert "SHA-256" in done.errors


def test_a_sparse_checkout(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"in/a.txt": SETTLED, "out/b.txt": SETTLED})
    shop.git("sparse-checkout", "set", "in")
    assert not (shop.path / "out" / "b.txt").exists()
    assert flowforge(shop.path, "resolve", "--rules-only", "--theirs", "side", "--yes").code == 0
    assert shop.git("diff", "--name-only", "--diff-filter=U") == ""
    shop.git("commit", "--quiet", "--no-edit")
    assert "nine, theirs" in shop.git("show", "HEAD:out/b.txt")


def test_an_executable_file_stays_one(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": SETTLED})
    for branch in ("side", "main"):
        shop.git("checkout", "--quiet", branch)
        (shop.path / "a.txt").chmod(0o755)
        shop.commit({}, "executable")
    assert flowforge(shop.path, "resolve", "--rules-only", "--theirs", "side", "--yes").code == 0
    assert os.access(shop.path / "a.txt", os.X_OK)
    assert shop.git("ls-files", "--stage", "a.txt").startswith("100755")


def test_a_protected_path_is_left_to_a_person_by_either_side_s_word(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"infra/a.txt": SETTLED})
    shop.commit({".flowforge.yml": "version: 1\nprotected_paths: [infra/**]\n"}, "protected")
    done = flowforge(shop.path, "resolve", "--rules-only", "--theirs", "side", "--json")
    assert done.code in {2, 3}
    document = done.document("resolve-1.json")
    assert document["conflicts"][0]["blob"] is None
    assert "paths" in {check["name"] for check in document["gate"]["checks"] if check["verdict"] != "pass"}


def test_a_configuration_that_cannot_be_read_is_an_error(tmp_path: Path, flowforge: Program) -> None:
    shop = diverge(tmp_path / "shop", {"a.txt": SETTLED})
    shop.commit({".flowforge.yml": "version: 1\nprotectedpaths: []\n"}, "misspelt")
    done = flowforge(shop.path, "resolve", "--rules-only", "--theirs", "side")
    assert done.code == 1
    assert "protectedpaths" in done.errors
