"""What the agent left: every change, nothing from outside, whatever is swapped while we look (ADV-024, ADV-025)."""

import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.ports.git import WorkspaceFile
from runners.guest.unpack import FileMark, unpack
from runners.guest.walk import Changes, find_changes
from runners.pack import pack_workspace
from tests.runners.test_pack import CONTEXT

FILES = {"a.txt": b"a\n", "src/b.py": b"b\n", "src/deep/c.py": b"c\n", "large.bin": b"x" * 5000}
SECRET = b"TOP-SECRET"


class Place:
    """An unpacked workspace and its marks."""

    def __init__(self, directory: Path) -> None:
        files = [
            WorkspaceFile(path=path, executable=path == "a.txt", content=content) for path, content in FILES.items()
        ]
        task = directory / "task"
        task.mkdir()
        self.outside = directory / "outside"
        self.outside.mkdir()
        (self.outside / "secret.txt").write_bytes(SECRET)
        self.root = task / "workspace"
        self.marks: dict[str, FileMark] = unpack(pack_workspace(files, CONTEXT), task)

    def look(self, *, max_bytes: int = 1000, max_files: int = 5) -> Changes:
        return find_changes(self.root, self.marks, max_bytes=max_bytes, max_files=max_files)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_nothing_changed(place: Place) -> None:
    assert place.look() == Changes()


def test_changed_new_and_deleted_files(place: Place) -> None:
    (place.root / "src/b.py").write_bytes(b"B\n")
    (place.root / "new").mkdir()
    (place.root / "new/ü.txt").write_bytes(b"")
    (place.root / "src/deep/c.py").unlink()
    found = place.look()
    assert found == Changes(changed={"src/b.py": b"B\n", "new/ü.txt": b""}, deleted=["src/deep/c.py"])


def test_links_and_special_files_are_named_and_never_read(place: Place) -> None:
    (place.root / "link").symlink_to(place.outside / "secret.txt")
    (place.root / "dirlink").symlink_to(place.outside)
    (place.root / "environ").symlink_to("/proc/self/environ")
    (place.root / "a.txt").unlink()
    (place.root / "a.txt").symlink_to("src/b.py")
    (place.root / "src/b.py").unlink()
    os.mkfifo(place.root / "src/b.py")
    (place.root / "hard").hardlink_to(place.outside / "secret.txt")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place.root / "socket"))
        found = place.look()
    assert found.changed == {}
    assert found.deleted == ["a.txt", "src/b.py"]
    assert sorted(found.oddities) == [
        "fifo: src/b.py",
        "hard link: hard",
        "socket: socket",
        "symbolic link: a.txt",
        "symbolic link: dirlink",
        "symbolic link: environ",
        "symbolic link: link",
    ]


def test_a_repository_that_the_agent_made_is_named_and_left(place: Place) -> None:
    (place.root / ".git").write_text("gitdir: /var/lib/flowforge/other.git")
    (place.root / "src/.GIT").mkdir()
    (place.root / "src/.GIT/config").write_text("[core]\n worktree=/run/secrets")
    found = place.look()
    assert found.changed == {}
    assert sorted(found.oddities) == ["reserved name: .git", "reserved name: src/.GIT"]


def test_modes_are_named(place: Place) -> None:
    (place.root / "a.txt").chmod(0o600)
    (place.root / "src/b.py").chmod(0o700)
    (place.root / "new").touch(mode=0o700)
    found = place.look()
    assert found.changed == {"new": b""}
    assert found.oddities == [
        "executable bit removed: a.txt",
        "executable bit set: new",
        "executable bit set: src/b.py",
    ]


def test_names_that_are_not_unicode_or_break_lines_are_named_safely(place: Place) -> None:
    (Path(os.fsdecode(os.fsencode(place.root) + b"/\xff.txt"))).touch()
    os.mkfifo(place.root / "a\nb\x1b[2J")
    found = place.look()
    assert found.changed == {}
    assert found.oddities == ["fifo: a\\nb\\x1b[2J", "name that is not UTF-8: \\udcff.txt"]


def test_limits(place: Place) -> None:
    (place.root / "a.txt").write_bytes(b"x" * 1001)
    assert place.look() == Changes(over_limit="the changed files have more than 1000 bytes")
    assert place.look(max_bytes=1001).over_limit is None
    for number in range(5):
        (place.root / f"new{number}").touch()
    assert place.look(max_bytes=2000) == Changes(over_limit="more than 5 files changed")


def test_an_unchanged_file_may_be_larger_than_all_changes_together(place: Place) -> None:
    assert place.look(max_bytes=10) == Changes()


def test_a_sparse_giant_is_not_read_whole(place: Place) -> None:
    with (place.root / "giant").open("wb") as file:
        file.truncate(2**40)
    assert place.look().over_limit == "the changed files have more than 1000 bytes"


def test_depth_is_limited(place: Place) -> None:
    deep = os.open(place.root, os.O_RDONLY)
    for _ in range(150):
        os.mkdir("d", dir_fd=deep)
        below = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    assert "nested more than 100 deep" in str(place.look().over_limit)


def test_an_unreadable_directory_is_named(place: Place) -> None:
    (place.root / "src").chmod(0)
    try:
        found = place.look()
    finally:
        (place.root / "src").chmod(stat.S_IRWXU)
    if os.geteuid() == 0:
        assert found == Changes()  # nothing is closed to root
    else:
        assert found.oddities == ["PermissionError while reading: src"]


SWAP = """
import ctypes, os, sys
root, name, target = sys.argv[1:]
os.chdir(root)
os.symlink(target, "link")
exchange, here = ctypes.CDLL(None).renameat2, -100
print("ready", flush=True)
while exchange(here, name.encode(), here, b"link", 2) == 0:
    pass
"""
"""Puts a link to outside in the place of a name and takes it back, each time by one system call (RENAME_EXCHANGE)."""


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_a_link_swapped_in_during_the_walk_leads_nowhere(place: Place, kind: str) -> None:
    name, target = ("src", place.outside) if kind == "directory" else ("large.bin", place.outside / "secret.txt")
    (place.outside / "b.py").write_bytes(SECRET)
    command = [sys.executable, "-c", SWAP, str(place.root), name, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as attacker:
        try:
            assert attacker.stdout is not None
            attacker.stdout.readline()
            races, deadline = 0, time.monotonic() + 30
            while races < 20 and time.monotonic() < deadline:
                found = place.look(max_bytes=100_000, max_files=100)
                assert not any(SECRET in content for content in found.changed.values())
                assert "secret.txt" not in {Path(path).name for path in found.changed}
                races += any("NotADirectoryError" in odd or "OSError" in odd for odd in found.oddities)
        finally:
            attacker.kill()
    assert races == 20, "the swap has to hit between the look at a name and its opening"
