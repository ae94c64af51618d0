"""The workspace archive: deterministic, plain, and what the guest's side reads."""

import io
import itertools
import json
import tarfile
from dataclasses import replace

import pytest

from bot.errors import SandboxError
from bot.ports.git import WorkspaceFile
from runners.pack import pack_workspace
from runners.protocol import Context, ContextFile, ContextHunk

CONTEXT = Context(
    task="Resolve.",
    number=7,
    title="A change",
    head="topic",
    base="main",
    files=(ContextFile(path="a.py", kind="content", hunks=(ContextHunk(index=0, first_line=1, last_line=5),)),),
    ours_subjects=("ours",),
    theirs_subjects=("theirs",),
    instructions="",
    feedback=(),
)


def file(path: str, content: bytes = b"x\n", *, executable: bool = False) -> WorkspaceFile:
    return WorkspaceFile(path=path, executable=executable, content=content)


FILES = [file("a.py"), file("bin/run", executable=True), file("d/" * 60 + "é" * 90), file("leer", b"")]


def test_the_same_input_in_any_order_gives_the_same_bytes() -> None:
    assert len({pack_workspace(files, CONTEXT) for files in itertools.permutations(FILES)}) == 1


def test_what_is_in_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(pack_workspace(FILES, CONTEXT))) as tar:
        members = {member.name: member for member in tar}
        context = json.loads(tar.extractfile("context.json").read())  # type: ignore[union-attr]  # it is a file
    assert list(members) == ["context.json", *sorted(f"workspace/{one.path}" for one in FILES)]
    assert {member.mtime for member in members.values()} == {0}
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members.values()} == {(0, 0, "", "")}
    assert [name for name, member in members.items() if member.mode & 0o100] == ["workspace/bin/run"]
    hunk = {"index": 0, "first_line": 1, "last_line": 5, "candidates": []}
    assert context["files"] == [{"path": "a.py", "kind": "content", "hunks": [hunk]}]
    assert context["version"] == 1


def test_nothing_invisible_is_in_the_context() -> None:
    title = 'hidden \u202e\u200b\u2028\U000e0041 "quoted" \ud800 Grüße'
    with tarfile.open(fileobj=io.BytesIO(pack_workspace([], replace(CONTEXT, title=title)))) as tar:
        text = tar.extractfile("context.json").read().decode()  # type: ignore[union-attr]  # it is a file
    assert json.loads(text)["title"] == title
    assert all(line.isprintable() for line in text.splitlines())
    assert "Grüße" in text


@pytest.mark.parametrize(
    "path",
    ["/a", "../a", "a/../b", "a//b", "", ".", ".git/config", "x/.GIT/config", "a\0b", "d/" * 100 + "f"],
    ids=ascii,
)
def test_a_path_that_no_workspace_may_have_is_refused(path: str) -> None:
    with pytest.raises(SandboxError):
        pack_workspace([file(path)], CONTEXT)


def test_a_path_twice_is_refused() -> None:
    with pytest.raises(SandboxError, match="twice"):
        pack_workspace([file("a"), file("a")], CONTEXT)
