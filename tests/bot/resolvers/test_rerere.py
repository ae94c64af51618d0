"""git's own cache, as git writes it and as a stranger might."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.merge.markers import parse_marked
from bot.resolvers import rerere
from bot.resolvers.rerere import hunk_digest, read_cache, texts
from tests.bot.git.lab import environment
from tests.bot.merge.test_markers import conflict, lines

ID = "0123456789" * 4
SIDES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"\n", b"end"]), max_size=6).map(b"".join)


def put(cache: Path, preimage: bytes, postimage: bytes, *, name: str = ID, end: str = "") -> Path:
    conflict_directory = cache / name
    conflict_directory.mkdir(parents=True, exist_ok=True)
    (conflict_directory / f"preimage{end}").write_bytes(preimage)
    (conflict_directory / f"postimage{end}").write_bytes(postimage)
    return conflict_directory


def preimage(one: bytes, other: bytes, *, before: bytes = b"top\n", after: bytes = b"end\n") -> bytes:
    return before + b"<<<<<<<\n" + one + b"=======\n" + other + b">>>>>>>\n" + after


@given(SIDES, SIDES)
def test_a_digest_does_not_know_whose_side_is_whose(ours: bytes, theirs: bytes) -> None:
    assert hunk_digest(ours, theirs) == hunk_digest(theirs, ours)


@given(SIDES, SIDES, st.sampled_from([b"s\n", b"s\nt\n"]))
def test_lines_that_both_sides_begin_or_end_with_make_no_difference(ours: bytes, theirs: bytes, same: bytes) -> None:
    assert hunk_digest(same + ours, same + theirs) == hunk_digest(ours, theirs)


def test_different_pairs_have_different_digests() -> None:
    pairs = [(b"a\n", b"b\n"), (b"a\nb\n", b""), (b"a\n", b"b"), (b"ab\n", b"\n"), (b"a\nc\n", b"b\n")]
    assert len({hunk_digest(*pair) for pair in pairs}) == len(pairs)


def test_a_hunk_is_found_by_its_sides_whatever_stands_around_it(tmp_path: Path) -> None:
    put(tmp_path, preimage(b"a\n", b"b\n"), b"top\nboth\nend\n")
    found = read_cache(tmp_path)
    assert found == {hunk_digest(b"a\n", b"b\n"): b"both\n"}
    content = lines(b"elsewhere") + conflict(b"s\nb\n", b"z\n", b"s\na\n") + conflict(b"c\n", b"", b"b\n")
    assert texts(parse_marked("x", content), found) == {0: b"s\nboth\n"}


def test_hunks_with_shared_lines_give_the_text_of_their_core(tmp_path: Path) -> None:
    put(tmp_path, preimage(b"s\na\nt\n", b"s\nb\nt\n"), b"top\ns\nboth\nt\nend\n")
    put(tmp_path, preimage(b"s\nc\n", b"s\nd\n"), b"top\nshared line lost\nend\n", name="f" * 64)
    assert read_cache(tmp_path) == {hunk_digest(b"a\n", b"b\n"): b"both\n"}


def test_variants_are_read_and_contradictions_left_out(tmp_path: Path) -> None:
    put(tmp_path, preimage(b"a\n", b"b\n"), b"top\nboth\nend\n")
    put(tmp_path, preimage(b"c\n", b"d\n"), b"top\nd\nend\n", end=".1")
    put(tmp_path, preimage(b"b\n", b"a\n"), b"top\na\nend\n", name="f" * 40)
    assert read_cache(tmp_path) == {hunk_digest(b"c\n", b"d\n"): b"d\n"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (preimage(b"a\n", b""), b"top\na\nend\n"),
        (preimage(b"a\n", b" \t\n"), b"top\na\nend\n"),
        (preimage(b"a\n", b"a\n"), b"top\na\nend\n"),
        (preimage(b"a\n", b"b\n"), b"TOP\na\nend\n"),
        (preimage(b"a\n", b"b\n"), b"top\n<<<<<<< mine\na\nend\n"),
        (preimage(b"<<<<<<<\na\n=======\nc\n>>>>>>>\n", b"b\n"), b"top\na\nend\n"),
        (preimage(b"a\n", b"b\n=======\n"), b"top\na\nend\n"),
        (preimage(b"a\n|||||||\nz\n", b"b\n"), b"top\na\nend\n"),
        (b"top\n<<<<<<<\na\n=======\nb\n", b"top\na\n"),
        (b"top\n>>>>>>>\n", b"top\n"),
        (b"no conflict\n", b"no conflict\n"),
        (b"", b""),
    ],
)
def test_what_says_too_little_or_is_not_git_s_is_left_out(tmp_path: Path, before: bytes, after: bytes) -> None:
    put(tmp_path, before, after)
    assert read_cache(tmp_path) == {}


def test_a_heading_s_underline_is_no_marker(tmp_path: Path) -> None:
    put(tmp_path, preimage(b"a\n", b"b\n", before=b"top\n=======\n"), b"top\n=======\nboth\nend\n")
    assert read_cache(tmp_path) == {hunk_digest(b"a\n", b"b\n"): b"both\n"}


def test_files_that_git_did_not_write_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, secret = tmp_path / "rr-cache", tmp_path / "secret"
    secret.write_bytes(preimage(b"a\n", b"b\n"))
    linked = put(cache, b"", b"top\na\nend\n")
    (linked / "preimage").unlink()
    (linked / "preimage").symlink_to(secret)
    pipe = put(cache, preimage(b"a\n", b"b\n"), b"", name="1" * 40)
    (pipe / "postimage").unlink()
    os.mkfifo(pipe / "postimage")
    outside = put(tmp_path / "outside", preimage(b"a\n", b"b\n"), b"top\na\nend\n")
    (cache / ("2" * 40)).symlink_to(outside)
    (cache / ("3" * 40)).write_bytes(b"no directory")
    put(cache, preimage(b"a\n", b"b\n"), b"top\na\nend\n", name="..4")
    put(cache, preimage(b"a\n", b"b\n"), b"top\na\nend\n", name="5" * 41)
    put(cache, preimage(b"a\n", b"b\n" * 100), b"top\na\nend\n", name="6" * 40)
    monkeypatch.setattr(rerere, "MAX_FILE_BYTES", 150)
    assert read_cache(cache) == {}
    (tmp_path / "rr").symlink_to(cache)
    with pytest.raises(OSError, match="rr"):
        read_cache(tmp_path / "rr")
    with pytest.raises(FileNotFoundError):
        read_cache(tmp_path / "absent")


def test_reading_stops_at_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        put(tmp_path, preimage(b"a%d\n" % number, b"b\n"), b"top\na\nend\n", name=f"{number}" * 40)
    assert len(read_cache(tmp_path)) == 6
    monkeypatch.setattr(rerere, "MAX_CONFLICTS", 4)
    assert len(read_cache(tmp_path)) == 4
    monkeypatch.setattr(rerere, "MAX_TOTAL_BYTES", 120)
    assert 0 < len(read_cache(tmp_path)) < 4


def git(clone: Path, *arguments: str, fails: bool = False) -> None:
    done = subprocess.run(  # the test's own git, with an argument list
        ["git", *arguments],  # noqa: S607 - the git on PATH is the one under test too
        cwd=clone,
        env=environment(clone),
        capture_output=True,
        check=False,
    )
    assert (done.returncode != 0) is fails, done.stderr.decode()


@pytest.mark.parametrize("style", ["merge", "diff3"])
def test_what_git_itself_remembers_is_found_again(tmp_path: Path, style: str) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    git(clone, "init", "--quiet", "--initial-branch=main", ".")
    git(clone, "config", "rerere.enabled", "true")
    file = clone / "a.txt"
    versions = {
        "base": b"one\ntwo\nthree\nfour\nfive\n",
        "ours": b"one\nshared\nmine\nthree\nfour\nfive\n",
        "theirs": b"one\nshared\nyours\nthree\nfour\nfive\n",
    }
    file.write_bytes(versions["base"])
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "-m", "base")
    for side in ("ours", "theirs"):
        git(clone, "checkout", "--quiet", "-b", side, "main")
        file.write_bytes(versions[side])
        git(clone, "commit", "--quiet", "-am", side)
    git(clone, "checkout", "--quiet", "ours")
    git(clone, "-c", f"merge.conflictStyle={style}", "merge", "--quiet", "theirs", fails=True)
    file.write_bytes(b"one\nshared\nours together\nthree\nfour\nfive\n")
    git(clone, "commit", "--quiet", "-am", "merged")

    found = read_cache(clone / ".git" / "rr-cache")
    as_we_see_it = lines(b"one") + conflict(b"shared\nmine\n", b"two\n", b"shared\nyours\n") + lines(b"three")
    assert texts(parse_marked("a.txt", as_we_see_it), found) == {0: b"shared\nours together\n"}
