"""Every kind of conflict, from git's own mouth."""

import pytest

from bot.git.adapter import GitMirrors
from bot.model.conflicts import Conflict, ConflictedMerge, ConflictKind, Side
from tests.bot.git.lab import REPOSITORY, Content, Files, Remote, fetched, numbered

TEXT = numbered()
OURS = numbered(n3="ours")
THEIRS = numbered(n3="theirs")
OTHER = "".join(f"word {number}\n" for number in range(30))
REST: Files = {"rest": "rest\n"}


def link(target: str) -> Content:
    return ("120000", target)


def module(digit: str) -> Content:
    return ("160000", digit * 40)


def executable(content: str) -> Content:
    return ("100755", content)


def pointer(digit: str) -> str:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digit * 64}\nsize 5\n"


def directory(name: str, **more: str) -> Files:
    files = {f"{name}/{file}": TEXT + file for file in "abc"}
    return files | {f"{name}/{file}": text for file, text in more.items()}


CASES: dict[str, tuple[Files, Files, Files, dict[str, str]]] = {
    "content": ({"a": TEXT}, {"a": OURS}, {"a": THEIRS}, {"a": "content"}),
    "add/add": (REST, {**REST, "a": OURS}, {**REST, "a": THEIRS}, {"a": "add/add"}),
    "deleted by us": ({"a": TEXT, **REST}, REST, {"a": THEIRS, **REST}, {"a": "modify/delete"}),
    "deleted by them": ({"a": TEXT, **REST}, {"a": OURS, **REST}, REST, {"a": "modify/delete"}),
    "rename/delete": ({"a": TEXT, **REST}, {"b": TEXT, **REST}, REST, {"b": "rename/delete"}),
    "rename/delete with an edit": ({"a": TEXT, **REST}, {"b": OURS, **REST}, REST, {"b": "rename/delete"}),
    "renamed to two names": (
        {"a": TEXT, **REST},
        {"b": OURS, **REST},
        {"c": THEIRS, **REST},
        {"a": "rename/rename", "b": "rename/rename", "c": "rename/rename"},
    ),
    "two renamed to one name": (
        {"a": TEXT, "b": OTHER},
        {"c": TEXT + "ours\n", "b": OTHER},
        {"a": TEXT, "c": OTHER},
        {"c": "add/add"},
    ),
    "rename onto an added file, edited on both sides": (
        {"a": TEXT},
        {"b": OURS},
        {"a": THEIRS, "b": "something else\n"},
        {"b": "rename/add"},
    ),
    "rename onto an added file": ({"a": TEXT}, {"b": TEXT}, {"a": TEXT, "b": "else\n"}, {"b": "add/add"}),
    "rename onto an added file, deleted by them": ({"a": TEXT}, {"b": OURS}, {"b": "else\n"}, {"b": "rename/delete"}),
    "directory renamed": (directory("d"), directory("e"), directory("d", new="n\n"), {"e/new": "directory rename"}),
    "directory renamed, file in the way": (
        directory("d"),
        directory("e", new="way\n"),
        directory("d", new="n\n"),
        {"e/new": "directory rename"},
    ),
    "directory split": (
        {"d/a": TEXT, "d/b": OTHER},
        {"e/a": TEXT, "f/b": OTHER},
        {"d/a": TEXT, "d/b": OTHER, "d/new": "n\n"},
        {"d": "directory rename"},
    ),
    "directories renamed into one": (
        {"d/a": TEXT, "g/b": OTHER},
        {"e/a": TEXT, "e/b": OTHER},
        {"d/a": TEXT, "d/new": "x\n", "g/b": OTHER, "g/new": "y\n"},
        {"e/new": "directory rename"},
    ),
    "distinct types": ({"a": TEXT}, {"a": OURS}, {"a": link("x")}, {"a": "distinct types", "a~": "distinct types"}),
    "submodule and file": (
        REST,
        {**REST, "a": module("1")},
        {**REST, "a": "x"},
        {"a": "distinct types", "a~": "distinct types"},
    ),
    "directory in the way": ({"a": TEXT}, {"a": OURS}, {"a/b": "x"}, {"a~": "directory/file"}),
    "mode added differently": (REST, {**REST, "a": executable(TEXT)}, {**REST, "a": TEXT}, {"a": "mode"}),
    "mode and text added differently": (
        REST,
        {**REST, "a": executable(OURS)},
        {**REST, "a": THEIRS},
        {"a": "mode"},
    ),
    "mode changed by one side": ({"a": executable(TEXT)}, {"a": OURS}, {"a": executable(THEIRS)}, {"a": "content"}),
    "symbolic links": ({"a": link("x")}, {"a": link("y")}, {"a": link("z")}, {"a": "symlink"}),
    "binary": ({"a": "\0a"}, {"a": "\0b"}, {"a": "\0c"}, {"a": "binary"}),
    "binary, added": (REST, {**REST, "a": "\0b"}, {**REST, "a": "\0c"}, {"a": "binary"}),
    "submodule": ({"a": module("1")}, {"a": module("2")}, {"a": module("3")}, {"a": "submodule"}),
    "submodule and text behind it": (
        {"a": module("1"), "b": TEXT},
        {"a": module("2"), "b": OURS},
        {"a": module("3"), "b": THEIRS},
        {"a": "submodule", "b": "content"},
    ),
    "submodule, added": (REST, {**REST, "a": module("1")}, {**REST, "a": module("2")}, {"a": "submodule"}),
    "submodule, deleted": ({**REST, "a": module("1")}, REST, {**REST, "a": module("2")}, {"a": "submodule"}),
    "git-lfs pointers": ({"a": pointer("0")}, {"a": pointer("1")}, {"a": pointer("2")}, {"a": "lfs pointer"}),
    "moved to git-lfs by one side": ({"a": TEXT}, {"a": OURS}, {"a": pointer("2")}, {"a": "lfs pointer"}),
}


async def conflicts(git: GitMirrors, remote: Remote, base: Files, ours: Files, theirs: Files) -> dict[str, Conflict]:
    head, tip = remote.sides(base, ours, theirs)
    await fetched(git, remote)
    verdict = await git.merge(REPOSITORY, ours=head, theirs=tip)
    assert isinstance(verdict, ConflictedMerge)
    # "a~<commit>" is the name git gives a file that a directory or another type pushed aside.
    return {conflict.path.replace(head, "").replace(tip, ""): conflict for conflict in verdict.conflicts}


@pytest.mark.parametrize("name", CASES)
async def test_kind_and_paths(git: GitMirrors, remote: Remote, name: str) -> None:
    base, ours, theirs, expected = CASES[name]
    found = await conflicts(git, remote, base, ours, theirs)
    assert {path: conflict.kind.value for path, conflict in found.items()} == expected
    for conflict in found.values():
        assert conflict.path in conflict.paths
        assert conflict.messages
        assert not any("Auto-merging" in message for message in conflict.messages)


async def test_the_paths_of_a_logical_conflict_are_named_together(git: GitMirrors, remote: Remote) -> None:
    found = await conflicts(git, remote, *CASES["renamed to two names"][:3])
    assert set(found["b"].paths) == {"a", "b", "c"}
    assert set(found["b"].stages) == {Side.OURS}
    assert "renamed to b" in found["b"].messages[0]


async def test_stages_hold_mode_and_id_of_each_side(git: GitMirrors, remote: Remote) -> None:
    found = await conflicts(git, remote, *CASES["mode changed by one side"][:3])
    stages = found["a"].stages
    assert [stages[side].mode for side in Side] == ["100755", "100644", "100755"]
    assert stages[Side.OURS].oid == remote.blob(OURS)
    assert found["a"].merged_mode == "100644"


@pytest.mark.parametrize(
    ("name", "path", "mode", "has_blob"),
    [
        ("content", "a", "100644", True),
        ("deleted by us", "a", "100644", True),
        ("submodule", "a", "160000", False),
        ("directory split", "d", None, False),
        ("symbolic links", "a", "120000", True),
    ],
)
async def test_what_git_left_at_the_path(
    git: GitMirrors, remote: Remote, name: str, path: str, mode: str | None, *, has_blob: bool
) -> None:
    conflict = (await conflicts(git, remote, *CASES[name][:3]))[path]
    assert conflict.merged_mode == mode
    assert (conflict.merged_oid is not None) == has_blob


def test_every_kind_is_shown() -> None:
    shown = {kind for _, _, _, expected in CASES.values() for kind in expected.values()}
    assert shown == {kind.value for kind in ConflictKind} - {"unknown"}
