"""``flowforge mergetool``, as ``git mergetool`` runs it and by itself."""

import shlex
import sys
from pathlib import Path

import pytest

from tests.app.local.conftest import OPEN, PARTLY, SCHEMAS, SETTLED, TEXT, Program, diverge, edited
from tests.bot.git.workshop import Workshop


def configured(shop: Workshop) -> Workshop:
    program = f"PYTHONPATH={shlex.quote(str(SCHEMAS.parents[1]))} {shlex.quote(sys.executable)} -m app.cli"
    shop.git("config", "merge.tool", "flowforge")
    shop.git("config", "mergetool.flowforge.cmd", f'{program} mergetool "$BASE" "$LOCAL" "$REMOTE" "$MERGED"')
    shop.git("config", "mergetool.flowforge.trustExitCode", "true")
    shop.git("config", "mergetool.keepBackup", "false")
    return shop


def test_git_runs_it_and_trusts_it(tmp_path: Path) -> None:
    shop = configured(diverge(tmp_path / "shop", {"d/a b.txt": SETTLED, "o.txt": OPEN}))
    shop.stops("merge", "side")
    done = shop.run("mergetool", "--no-prompt", "d/a b.txt")
    assert done.returncode == 0, done.stderr
    assert shop.git("diff", "--name-only", "--diff-filter=U") == "o.txt"
    assert b"nine, theirs" in shop.read("d/a b.txt")
    left = shop.read("o.txt")
    assert shop.run("mergetool", "--no-prompt", "o.txt").returncode != 0
    assert shop.read("o.txt") == left
    assert shop.git("diff", "--name-only", "--diff-filter=U") == "o.txt"


def hand_over(where: Path, sides: dict[str, str | bytes], base: str | bytes = TEXT) -> list[str]:
    texts = {"base": base, "local": sides["ours"], "remote": sides["theirs"], "merged.txt": "as git left it\n"}
    for name, text in texts.items():
        (where / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return [str(where / name) for name in texts]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_file_that_rules_resolve(tmp_path: Path, flowforge: Program, ends: str) -> None:
    sides: dict[str, str | bytes] = {side: text.replace("\n", ends) for side, text in SETTLED.items()}
    places = hand_over(tmp_path, sides, TEXT.replace("\n", ends))
    assert flowforge(tmp_path, "mergetool", *places).code == 0
    wanted = edited(l3="line  three", l9="nine, theirs").replace("\n", ends)
    assert (tmp_path / "merged.txt").read_bytes() == wanted.encode()


def test_what_is_open_stands_there_with_git_s_usual_markers(tmp_path: Path, flowforge: Program) -> None:
    places = hand_over(tmp_path, dict(PARTLY))
    done = flowforge(tmp_path, "mergetool", *places)
    assert (done.code, done.output) == (1, "1 of 2 hunks resolved.\n")
    merged = (tmp_path / "merged.txt").read_text()
    assert "\nline  three\n" in merged
    assert (
        "<<<<<<< LOCAL\ntwenty, ours\n||||||| ancestor\nline 20\n=======\nzwanzig, theirs\n>>>>>>> REMOTE\n" in merged
    )


def test_what_is_wholly_open_is_left_as_it_is(tmp_path: Path, flowforge: Program) -> None:
    places = hand_over(tmp_path, dict(OPEN))
    assert flowforge(tmp_path, "mergetool", *places).code == 1
    assert (tmp_path / "merged.txt").read_text() == "as git left it\n"


def test_both_added_and_without_a_newline_at_the_end(tmp_path: Path, flowforge: Program) -> None:
    places = hand_over(tmp_path, {"ours": "a\nb  c", "theirs": "a\nb c"}, "")
    assert flowforge(tmp_path, "mergetool", *places).code == 0
    assert (tmp_path / "merged.txt").read_text().split() == ["a", "b", "c"]


@pytest.mark.parametrize("case", ["missing", "binary", "link", "few"])
def test_what_cannot_be_merged_is_an_error(tmp_path: Path, flowforge: Program, case: str) -> None:
    places = hand_over(tmp_path, {"ours": b"\0a\n" if case == "binary" else "a\n", "theirs": "b\n"})
    if case == "missing":
        (tmp_path / "remote").unlink()
    if case == "link":
        (tmp_path / "remote").unlink()
        (tmp_path / "remote").symlink_to("/etc/passwd")
    done = flowforge(tmp_path, "mergetool", *(places[:3] if case == "few" else places))
    assert done.code == 1
    assert "Error" in done.errors
    assert (tmp_path / "merged.txt").read_text() == "as git left it\n"
