"""Every kind of conflict, from git's own mouth."""

import subprocess

import pytest

from bot.git import process
from bot.git.adapter import GitMirrors
from bot.model.conflicts import Conflict, ConflictedMerge, ConflictKind, ImpossibleMerge, Side, Verdict
from tests.bot.git.lab import OURS, REPOSITORY, THEIRS, Files, Remote, fetched, numbered
from tests.kinds import CASES, LARGE, LEFT, MANY, RIGHT, TEXT, Grow, build, link

GIT_VERSION = subprocess.check_output(["git", "--version"], text=True)  # noqa: S607 - the one that the adapter finds
DIGITS = {Side.ANCESTOR: "1", Side.OURS: "2", Side.THEIRS: "3"}


async def merged(git: GitMirrors, remote: Remote, name: str) -> Verdict:
    ours, theirs = build(remote, name)
    await fetched(git, remote)
    return await git.merge(REPOSITORY, ours=ours, theirs=theirs)


async def conflicts(git: GitMirrors, remote: Remote, name: str) -> dict[str, Conflict]:
    """The conflicts by their paths; ``a~`` is the name git gives a file that another one pushed aside."""
    verdict = await merged(git, remote, name)
    assert isinstance(verdict, ConflictedMerge)
    return {
        f"{before}~" if commit else before: conflict
        for conflict in verdict.conflicts
        for before, commit, _ in [conflict.path.partition("~")]
    }


@pytest.mark.parametrize("name", CASES)
async def test_kind_paths_and_stages(git: GitMirrors, remote: Remote, name: str) -> None:
    found = await conflicts(git, remote, name)
    said = {
        path: (conflict.kind, "".join(DIGITS[side] for side in conflict.stages) or "-")
        for path, conflict in found.items()
    }
    assert said == dict(CASES[name].expected)
    for conflict in found.values():
        assert conflict.path in conflict.paths
        assert conflict.messages
        assert not any("Auto-merging" in message for message in conflict.messages)


def test_every_kind_is_shown() -> None:
    shown = {kind for case in CASES.values() for kind, _ in case.expected.values()}
    assert shown == set(ConflictKind) - {ConflictKind.UNKNOWN}


async def test_the_paths_of_a_logical_conflict_are_named_together(git: GitMirrors, remote: Remote) -> None:
    found = await conflicts(git, remote, "renamed to two names")
    assert set(found["b"].paths) == {"a", "b", "c"}
    assert "renamed to b" in found["b"].messages[0]


@pytest.mark.parametrize(
    ("name", "path", "paths"),
    [
        ("two renamed to one name", "c", {"a", "b", "c"}),
        ("two renamed to one name, all edited", "c", {"a", "b", "c"}),
        ("renamed onto an added file", "b", {"a", "b"}),
        ("added by both", "a", {"a"}),
    ],
)
async def test_a_collision_of_renames_names_the_old_paths(
    git: GitMirrors, remote: Remote, name: str, path: str, paths: set[str]
) -> None:
    assert set((await conflicts(git, remote, name))[path].paths) == paths


async def test_several_conflicts_on_one_path_are_all_told(git: GitMirrors, remote: Remote) -> None:
    messages = (await conflicts(git, remote, "several on one path"))["b"].messages
    assert [message.partition(":")[0] for message in messages] == [
        "CONFLICT (rename/delete)",
        "CONFLICT (distinct types)",
    ]


@pytest.mark.parametrize("name", ["criss-cross", "criss-cross without a base", "criss-cross of kinds"])
async def test_criss_crosses_have_two_bases(git: GitMirrors, remote: Remote, name: str) -> None:
    ours, theirs = build(remote, name)
    await fetched(git, remote)
    assert len(await git.merge_bases(REPOSITORY, ours=ours, theirs=theirs)) == 2


async def test_stages_hold_mode_and_id_of_each_side(git: GitMirrors, remote: Remote) -> None:
    found = await conflicts(git, remote, "mode changed by one side")
    stages = found["a"].stages
    assert [stages[side].mode for side in Side] == ["100755", "100644", "100755"]
    assert [stages[side].oid for side in Side] == [remote.blob(text) for text in (TEXT, LEFT, RIGHT)]
    assert found["a"].merged_mode == "100644"


@pytest.mark.parametrize(
    ("name", "path", "mode", "has_blob"),
    [
        ("content", "a", "100644", True),
        ("deleted by us", "a", "100644", True),
        ("submodule", "a", "160000", False),
        ("directory split", "d", None, False),
        ("links", "a", "120000", True),
    ],
)
async def test_what_git_left_at_the_path(
    git: GitMirrors, remote: Remote, name: str, path: str, mode: str | None, *, has_blob: bool
) -> None:
    conflict = (await conflicts(git, remote, name))[path]
    assert conflict.merged_mode == mode
    assert (conflict.merged_oid is not None) == has_blob


async def large(git: GitMirrors, remote: Remote, grow: Grow) -> ConflictedMerge:
    ours, theirs = grow(remote)
    remote.set(OURS, ours)
    remote.set(THEIRS, theirs)
    await fetched(git, remote)
    verdict = await git.merge(REPOSITORY, ours=ours, theirs=theirs)
    assert isinstance(verdict, ConflictedMerge)
    return verdict


async def test_ten_thousand_paths(git: GitMirrors, remote: Remote) -> None:
    verdict = await large(git, remote, LARGE["10,000 paths"])
    assert len(verdict.conflicts) == MANY
    assert {conflict.kind for conflict in verdict.conflicts} == {ConflictKind.CONTENT}


async def test_a_file_of_fifty_megabytes(git: GitMirrors, remote: Remote) -> None:
    (conflict,) = (await large(git, remote, LARGE["50 MB"])).conflicts
    assert conflict.kind is ConflictKind.CONTENT
    assert await git.read_blob(REPOSITORY, conflict.merged_oid or "", limit=10**6) is None


async def test_renames_that_git_did_not_look_for_are_doubted(
    git: GitMirrors, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tuple((key, "1" if key == "merge.renameLimit" else value) for key, value in process._CONFIG)
    monkeypatch.setattr(process, "_CONFIG", few)
    names = {f"{number}": numbered(n1=f"file {number}") for number in range(4)}
    moved: Files = {f"x{name}y": text + "ours\n" for name, text in names.items()}
    edited: Files = {name: text + "theirs\n" for name, text in names.items()}
    verdict = await large(git, remote, lambda lab: lab.sides(names, moved, edited))
    assert {conflict.kind for conflict in verdict.conflicts} == {ConflictKind.MODIFY_DELETE}
    assert all("may have another name now" in conflict.messages[-1] for conflict in verdict.conflicts)


async def test_a_renamed_file_is_no_collision_where_a_link_meets_it(git: GitMirrors, remote: Remote) -> None:
    verdict = await large(git, remote, lambda lab: lab.sides({"a": TEXT}, {"b": TEXT}, {"a": TEXT, "b": link("x")}))
    assert {conflict.kind for conflict in verdict.conflicts} == {ConflictKind.DISTINCT_TYPES}


async def test_commits_at_which_git_breaks_off_cannot_be_merged(git: GitMirrors, remote: Remote) -> None:
    """git 2.39 fails an assertion where a file takes the place of a directory that the other side moved away."""
    below = {name: numbered(n1=f"{name} ") for name in ("a", "b", "s/a", "s/b")}
    start: Files = {"a": numbered(n2="a "), **{f"p/{name}": text for name, text in below.items()}}
    ours: Files = {"p/s": start["a"], "p/a": below["a"], "p/b": below["b"]}
    theirs: Files = {"a": start["a"], **{f"q/{name}": text for name, text in below.items()}}
    left, right = remote.sides(start, ours, theirs)
    remote.set(OURS, left)
    remote.set(THEIRS, right)
    await fetched(git, remote)
    verdict = await git.merge(REPOSITORY, ours=left, theirs=right)
    if "2.39" in GIT_VERSION:
        assert verdict == ImpossibleMerge(reason="git itself breaks off on these two commits")
