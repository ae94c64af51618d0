"""A clone is left as it is, whatever is set up in it; and what a person agreed to is written, and nothing else."""

from pathlib import Path

import pytest

from bot.errors import GitError, TreeRefusedError
from bot.git.clone import LocalClone, open_clone
from bot.merge.markers import parse_marked
from bot.model.conflicts import ConflictedMerge
from tests.bot.git.workshop import Workshop
from tests.kinds import LEFT as OURS

# ---- it is left alone


HOSTILE = """
[core]
\tfsmonitor = {probe}
\tsshCommand = {probe}
\tpager = {probe}
\teditor = {probe}
\thooksPath = {hooks}
[diff]
\texternal = {probe}
[merge]
\tconflictStyle = merge
\trenames = false
[merge "mine"]
\tdriver = {probe} %A %O %B
[filter "mine"]
\tclean = {probe}
\tsmudge = {probe}
\tprocess = {probe}
[diff "mine"]
\ttextconv = {probe}
\tcommand = {probe}
"""


@pytest.fixture
def trapped(shop: Workshop) -> Workshop:
    """A clone whose configuration, hooks and attributes start a program wherever git lets them."""
    probe, hooks = shop.path.parent / "probe", shop.path.parent / "hooks"
    probe.write_text(f"#!/bin/sh\ntouch {shop.path.parent}/SPRUNG\nexit 1\n")
    probe.chmod(0o755)
    hooks.mkdir()
    for name in ("post-index-change", "post-checkout", "reference-transaction", "pre-commit", "fsmonitor-watchman"):
        (hooks / name).symlink_to(probe)
    with (shop.path / ".git" / "config").open("a") as config:
        config.write(HOSTILE.format(probe=probe, hooks=hooks))
    attributes = shop.path / ".git" / "info" / "attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text("a merge=mine diff=mine\n* conflict-marker-size=9\n")
    return shop


async def test_reading_runs_nothing_and_changes_nothing(trapped: Workshop) -> None:
    before, objects = trapped.state(), trapped.objects()
    async with open_clone(trapped.path) as clone:
        ours, theirs = await clone.resolve("main"), await clone.resolve("side")
        verdict = await clone.merge(ours=ours, theirs=theirs)
        assert isinstance(verdict, ConflictedMerge)
        blob = await clone.read_blob(verdict.conflicts[0].merged_oid or "", limit=10**6)
        assert blob is not None
        assert parse_marked("a", blob).hunks[0].ancestor == b"line 3\n"
        await clone.under_way()
        await clone.unmerged()
        await clone.diff(ours, theirs)
        await clone.path_history(ours=ours, theirs=theirs, paths=["a"])
        await clone.write_tree(ours, {"new": ("100644", b"not in the clone\n")})
    assert trapped.state() == before
    assert trapped.objects() == objects
    assert not (trapped.path.parent / "SPRUNG").exists()


async def test_writing_runs_nothing(trapped: Workshop) -> None:
    async with open_clone(trapped.path) as clone:
        looked = await clone.look(["a"])
        await clone.write_resolved({"a": ("100644", b"resolved\n")}, looked=looked)
    assert trapped.read("a") == b"resolved\n"
    assert not (trapped.path.parent / "SPRUNG").exists()


async def test_only_the_objects_of_the_result_are_stored(shop: Workshop, clone: LocalClone) -> None:
    before, objects = shop.state(), shop.objects()
    tree = await clone.write_tree(shop.head(), {"d/e/f": ("100644", b"deep\n"), "a": ("100755", b"a\n")})
    blob = await clone.write_blob(b"alone\n")
    await clone.write_blob(b"left behind\n")
    assert shop.objects() == objects
    await clone.store([tree, blob])
    await clone.store([tree, blob])
    assert shop.objects() - objects == {
        *(tree, blob, shop.git("rev-parse", f"{tree}:d"), shop.git("rev-parse", f"{tree}:d/e")),
        *(shop.git("rev-parse", f"{tree}:d/e/f"), shop.git("rev-parse", f"{tree}:a")),
    }
    assert shop.git("cat-file", "blob", f"{tree}:d/e/f") == "deep"
    assert shop.state() == before
    with pytest.raises(GitError):
        await clone.store(["1" * 40])


# ---- writing what a person agreed to


async def test_resolved_files_are_written_and_staged(shop: Workshop, clone: LocalClone) -> None:
    shop.stops("merge", "side")
    looked = await clone.look(["a", "d/b", "new/x"])
    await clone.write_resolved(
        {"a": ("100755", b"both\n"), "d/b": None, "new/x": ("100644", b"x\n")},
        looked=looked,
    )
    assert await clone.unmerged() == {}
    assert shop.git("status", "--porcelain=v1").splitlines() == ["M  a", "D  d/b", "A  new/x"]
    assert shop.read("a") == b"both\n"
    assert (shop.path / "a").stat().st_mode & 0o100
    assert not (shop.path / "d").exists()
    shop.git("commit", "--quiet", "--no-edit")
    assert shop.git("cat-file", "-p", "HEAD:a") == "both"


async def test_line_ends_are_as_the_clone_wants_them(shop: Workshop, clone: LocalClone) -> None:
    shop.git("config", "core.autocrlf", "true")
    await clone.write_resolved({"a": ("100644", b"1\n2\n")}, looked=await clone.look(["a"]))
    assert shop.read("a") == b"1\r\n2\r\n"
    assert shop.git("cat-file", "blob", ":a") == "1\n2"
    assert shop.git("status", "--porcelain=v1") == "M  a"


async def test_what_changed_since_is_not_overwritten(shop: Workshop, clone: LocalClone) -> None:
    before = shop.git("ls-files", "--stage")
    looked = await clone.look(["a", "d/b"])
    shop.put({"a": "typed meanwhile\n"})
    with pytest.raises(GitError, match="has changed since"):
        await clone.write_resolved({"d/b": None, "a": ("100644", b"x\n")}, looked=looked)
    assert shop.read("a") == b"typed meanwhile\n"
    assert shop.read("d/b") == b"b\n"
    assert shop.git("ls-files", "--stage") == before
    with pytest.raises(GitError, match="has changed since"):
        await clone.write_resolved({"d/b": None}, looked={})


@pytest.mark.parametrize("path", ["../x", "/etc/x", ".git/config", "d/.GIT/x", "a\nb", "", "d//b", "git~1/x", "\udcff"])
async def test_paths_no_checkout_may_have_are_refused(clone: LocalClone, path: str) -> None:
    with pytest.raises(GitError):
        await clone.look([path])
    with pytest.raises(GitError):
        await clone.write_resolved({path: ("100644", b"x")}, looked={path: "absent"})


async def test_links_are_not_followed(shop: Workshop, clone: LocalClone, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b").write_text("mine\n")
    (shop.path / "link").symlink_to(outside)
    with pytest.raises(TreeRefusedError, match="not a directory"):
        await clone.write_resolved({"link/b": ("100644", b"x")}, looked={"link/b": "absent"})
    (shop.path / "a").unlink()
    (shop.path / "a").symlink_to(outside / "b")
    await clone.write_resolved({"a": ("100644", b"x\n")}, looked=await clone.look(["a"]))
    assert not (shop.path / "a").is_symlink()
    assert (outside / "b").read_text() == "mine\n"


@pytest.mark.parametrize("attribute", ["filter=lfs", "working-tree-encoding=UTF-16"])
async def test_filtered_files_are_left_to_git(shop: Workshop, clone: LocalClone, attribute: str) -> None:
    shop.put({".gitattributes": f"a {attribute}\n"})
    with pytest.raises(TreeRefusedError, match="has the attribute"):
        await clone.write_resolved({"a": ("100644", b"x\n")}, looked=await clone.look(["a"]))
    assert shop.read("a") == OURS.encode()


@pytest.mark.parametrize("mode", ["160000", "040000", "777", "--add"])
async def test_only_files_and_links_are_written(clone: LocalClone, mode: str) -> None:
    with pytest.raises(GitError, match="mode"):
        await clone.write_resolved({"a": (mode, b"1" * 40)}, looked=await clone.look(["a"]))


async def test_a_locked_index_stops_before_any_file(shop: Workshop, clone: LocalClone) -> None:
    (shop.path / ".git" / "index.lock").touch()
    with pytest.raises(GitError, match=r"index\.lock"):
        await clone.write_resolved({"a": ("100644", b"x\n"), "d/b": None}, looked=await clone.look(["a", "d/b"]))
    assert shop.read("a") == OURS.encode()
    assert shop.read("d/b") == b"b\n"
