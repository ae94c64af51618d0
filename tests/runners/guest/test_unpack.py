"""The workspace archive on disk: only where it belongs, only plain files."""

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from bot.ports.git import WorkspaceFile
from runners.guest.task import GuestError
from runners.guest.unpack import unpack
from runners.pack import pack_workspace
from runners.protocol import EXIT_FETCH_FAILED, EXIT_MISUSED
from tests.runners.test_pack import CONTEXT


def member(name: str, content: bytes = b"", **changes: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, content


def pack(*members: tuple[tarfile.TarInfo, bytes], version: object = 1) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in [member("context.json", json.dumps({"version": version}).encode()), *members]:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "task"
    place.mkdir()
    return place


def everything(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def test_what_was_packed_is_there(place: Path) -> None:
    long_path = "d/" * 60 + "é" * 90
    files = [
        WorkspaceFile(path="bin/run", executable=True, content=b"#!/bin/sh\n"),
        WorkspaceFile(path=long_path, executable=False, content=b"\0\xff"),
    ]
    marks = unpack(pack_workspace(files, CONTEXT), place)
    assert set(marks) == {"bin/run", long_path}
    assert (place / "workspace/bin/run").read_bytes() == b"#!/bin/sh\n"
    assert (place / "workspace" / long_path).read_bytes() == b"\0\xff"
    assert os.access(place / "workspace/bin/run", os.X_OK)
    assert not (place / "workspace" / long_path).stat().st_mode & 0o111
    assert json.loads((place / "context.json").read_bytes())["title"] == "A change"


@pytest.mark.parametrize(
    "bad",
    [
        member("workspace/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("workspace/hard", type=tarfile.LNKTYPE, linkname="context.json"),
        member("workspace/fifo", type=tarfile.FIFOTYPE),
        member("workspace/dir", type=tarfile.DIRTYPE),
        member("workspace/../../up", b"x"),
        member("workspace//abs", b"x"),
        member("workspace/.git/config", b"x"),
        member("workspace/a/.GIT", b"x"),
        member("workspace/" + "d/" * 100 + "f", b"x"),
        member("/etc/cron.d/x", b"x"),
        member("home/.claude/settings.json", b"x"),
        member("context.json", b'{"version": 1}'),
        member("workspace/twice", b"x"),
    ],
    ids=lambda bad: ascii(bad[0].name)[:40],
)
def test_anything_else_is_refused_and_nothing_is_outside(place: Path, bad: tuple[tarfile.TarInfo, bytes]) -> None:
    with pytest.raises(GuestError) as caught:
        unpack(pack(member("workspace/twice", b"x"), bad), place)
    assert caught.value.exit_code == EXIT_FETCH_FAILED
    assert everything(place.parent) <= {"task", "task/context.json", "task/workspace", "task/workspace/twice"}


@pytest.mark.parametrize("archive", [b"", b"\0" * 1024, b"no archive" * 100, pack()[:700]], ids=range(4))
def test_no_archive_is_refused(place: Path, archive: bytes) -> None:
    with pytest.raises(GuestError) as caught:
        unpack(archive, place)
    assert caught.value.exit_code == EXIT_FETCH_FAILED


def test_another_version_of_the_protocol_is_refused(place: Path) -> None:
    with pytest.raises(GuestError, match="version 2") as caught:
        unpack(pack(version=2), place)
    assert caught.value.exit_code == EXIT_MISUSED
