"""Clones of people's: read as they are, whatever is under way in them, and left as they are."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import GitError, TreeRefusedError
from bot.git import discovery
from bot.git.clone import LocalClone, open_clone
from bot.git.discovery import Activity, UnderWay
from bot.merge.markers import parse_marked
from bot.model.cases import PathHistory
from bot.model.conflicts import CleanMerge, ConflictedMerge, ImpossibleMerge, Side, Stage, Verdict
from tests.bot.git.lab import numbered
from tests.bot.git.workshop import Workshop

TEXT = numbered()
OURS = numbered(n3="ours")
THEIRS = numbered(n3="theirs")


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    """``main`` and ``side`` disagree about line 3 of ``a``."""
    shop = Workshop.create(tmp_path / "shop")
    shop.commit({"a": TEXT, "d/b": "b\n"}, "base")
    shop.git("branch", "side")
    shop.commit({"a": OURS}, "ours")
    shop.git("checkout", "--quiet", "side")
    shop.commit({"a": THEIRS}, "theirs")
    shop.git("checkout", "--quiet", "main")
    return shop


@pytest.fixture
async def clone(shop: Workshop) -> AsyncIterator[LocalClone]:
    async with open_clone(shop.path) as opened:
        yield opened


async def sides(clone: LocalClone, verdict: Verdict) -> dict[str, bytes | None]:
    assert isinstance(verdict, ConflictedMerge)
    stages = verdict.conflicts[0].stages
    return {side.value: await clone.read_blob(stage.oid, limit=10**6) for side, stage in stages.items()}


# ---- finding it


async def test_it_is_found_from_a_directory_inside(shop: Workshop) -> None:
    async with open_clone(shop.path / "d") as clone:
        assert clone.work_tree == shop.path
        assert clone.git_dir == shop.path / ".git"
        assert await clone.resolve("HEAD") == shop.head()


async def test_a_linked_work_tree_has_its_own_head(shop: Workshop, tmp_path: Path) -> None:
    shop.git("worktree", "add", "--quiet", str(tmp_path / "linked"), "side")
    async with open_clone(tmp_path / "linked" / "d") as clone:
        assert clone.work_tree == tmp_path / "linked"
        assert await clone.resolve("HEAD") == shop.git("rev-parse", "side")
        assert isinstance(await clone.merge(ours=shop.head(), theirs=await clone.resolve("HEAD")), ConflictedMerge)


async def test_a_bare_repository_has_no_files(shop: Workshop, tmp_path: Path) -> None:
    shop.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare"))
    async with open_clone(tmp_path / "bare") as clone:
        assert clone.work_tree is None
        assert await clone.resolve("side")
        with pytest.raises(GitError, match="no work tree"):
            await clone.unmerged()


async def test_borrowed_and_missing_objects(shop: Workshop, tmp_path: Path) -> None:
    shop.git("clone", "--quiet", "--shared", ".", str(tmp_path / "shared"))
    shop.git("clone", "--quiet", "--depth=1", "--no-single-branch", f"file://{shop.path}", str(tmp_path / "shallow"))
    async with open_clone(tmp_path / "shared") as clone:
        ours, theirs = await clone.resolve("main"), await clone.resolve("origin/side")
        assert isinstance(await clone.merge(ours=ours, theirs=theirs), ConflictedMerge)
    async with open_clone(tmp_path / "shallow") as clone:
        assert await clone.merge_bases(ours=ours, theirs=theirs) == ()
        assert await clone.merge(ours=ours, theirs=theirs) == ImpossibleMerge(
            reason="refusing to merge unrelated histories"
        )


async def test_a_submodules_clone_is_a_clone(shop: Workshop, tmp_path: Path) -> None:
    outer = Workshop.create(tmp_path / "outer")
    outer.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(shop.path), "inner")
    async with open_clone(tmp_path / "outer" / "inner" / "d") as clone:
        assert clone.work_tree == tmp_path / "outer" / "inner"
        assert await clone.resolve("HEAD") == shop.head()


async def test_where_no_repository_is(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="not in a git repository"):
        async with open_clone(tmp_path):
            pass
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")
    with pytest.raises(GitError, match="does not lead"):
        async with open_clone(tmp_path):
            pass


async def test_a_link_into_a_clone_leads_there(shop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to(shop.path / "d")
    async with open_clone(tmp_path / "way") as clone:
        assert clone.work_tree == shop.path
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(GitError):
        async with open_clone(tmp_path / "loop"):
            pass


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80) | st.sampled_from(["gitdir: .", "gitdir: ..", ".."]).map(str.encode))
def test_any_pointer_leads_somewhere_or_is_refused(tmp_path: Path, content: bytes) -> None:
    inner = tmp_path / "inner"
    for name in ("objects", "refs"):
        (inner / name).mkdir(parents=True, exist_ok=True)
    (inner / "HEAD").write_bytes(content)
    (inner / "commondir").write_bytes(content)
    (tmp_path / ".git").write_bytes(b"gitdir: inner" if content == b".." else content)
    for place in (inner, tmp_path):
        try:
            found = discovery.find(place)
        except GitError:
            continue
        assert (found.common / "objects").is_dir()


async def test_sha_256_is_refused_in_words(tmp_path: Path) -> None:
    shop = Workshop(tmp_path / "new")
    shop.path.mkdir()
    shop.git("init", "--quiet", "--object-format=sha256", ".")
    with pytest.raises(GitError, match="SHA-256"):
        async with open_clone(shop.path):
            pass


async def test_odd_directory_names(tmp_path: Path) -> None:
    shop = Workshop.create(tmp_path / 'a "b"\nc # é')
    head = shop.commit({"a": TEXT})
    async with open_clone(shop.path) as clone:
        assert await clone.tree_of(head) == shop.git("rev-parse", "HEAD^{tree}")
        await clone.store([await clone.write_blob(b"kept\n")])
        assert (await clone.merge(ours=head, theirs=head)) == CleanMerge(tree=await clone.tree_of(head))


# ---- names


async def test_names_become_commits(shop: Workshop, clone: LocalClone) -> None:
    shop.git("tag", "-a", "-m", "one", "v1")
    for name in ("main", "HEAD", "refs/heads/main", "v1", "side~1", shop.head()[:12]):
        assert await clone.resolve(name) == shop.git("rev-parse", f"{name}^{{commit}}")


@pytest.mark.parametrize(
    "name", ["", "--all", "-h", "none", "HEAD:a", ":/ours", "HEAD^{/ours}", "a\nb", "a\0b", "x" * 10_000, "--help", "é"]
)
async def test_hostile_names_are_no_commits(clone: LocalClone, name: str) -> None:
    with pytest.raises(GitError, match="names no commit"):
        await clone.resolve(name)


async def test_a_branch_may_be_called_anything(shop: Workshop, clone: LocalClone) -> None:
    shop.git("update-ref", "refs/heads/--all", "HEAD")
    assert await clone.resolve("refs/heads/--all") == shop.head()
    assert await clone.resolve("--all") == shop.head()


# ---- what is under way


async def test_nothing_is_under_way(clone: LocalClone) -> None:
    assert await clone.under_way() is None
    assert await clone.unmerged() == {}


async def test_a_merge(shop: Workshop, clone: LocalClone) -> None:
    shop.stops("merge", "side")
    state = await clone.under_way()
    assert state == UnderWay(activity=Activity.MERGE, head=shop.head(), other=shop.git("rev-parse", "side"))
    assert (state.ours, state.theirs, state.swapped) == (state.head, state.other, False)
    verdict = await clone.verdict(state)
    assert await sides(clone, verdict) == {
        "ancestor": TEXT.encode(),
        "ours": OURS.encode(),
        "theirs": THEIRS.encode(),
    }
    assert isinstance(verdict, ConflictedMerge)
    assert await clone.unmerged() == {"a": verdict.conflicts[0].stages}


async def test_in_a_rebase_git_has_the_sides_the_other_way_round(shop: Workshop, clone: LocalClone) -> None:
    picked, onto = shop.head(), shop.git("rev-parse", "side")
    shop.stops("rebase", "side")
    state = await clone.under_way()
    assert state == UnderWay(activity=Activity.REBASE, head=onto, other=picked)
    assert (state.ours, state.theirs, state.swapped) == (picked, onto, True)
    verdict = await clone.verdict(state)
    assert (await sides(clone, verdict))["ours"] == OURS.encode()
    assert isinstance(verdict, ConflictedMerge)
    stages, index = verdict.conflicts[0].stages, (await clone.unmerged())["a"]
    assert index == {
        Side.ANCESTOR: stages[Side.ANCESTOR],
        Side.OURS: stages[Side.THEIRS],
        Side.THEIRS: stages[Side.OURS],
    }


@pytest.mark.parametrize("backend", ["--apply", "--merge", "--interactive"])
async def test_every_kind_of_rebase(shop: Workshop, clone: LocalClone, backend: str) -> None:
    picked = shop.head()
    shop.stops("rebase", backend, "side")
    state = await clone.under_way()
    assert state is not None
    assert (state.activity, state.ours) == (Activity.REBASE, picked)


async def test_a_cherry_pick(shop: Workshop, clone: LocalClone) -> None:
    picked, head = shop.git("rev-parse", "side"), shop.head()
    shop.stops("cherry-pick", "side")
    state = await clone.under_way()
    assert state == UnderWay(activity=Activity.CHERRY_PICK, head=head, other=picked)
    verdict = await clone.verdict(state)
    assert isinstance(verdict, ConflictedMerge)
    assert await clone.unmerged() == {"a": verdict.conflicts[0].stages}
    assert (await sides(clone, verdict))["ours"] == OURS.encode()


async def test_a_revert(shop: Workshop, clone: LocalClone) -> None:
    reverted = shop.head()
    head = shop.commit({"a": numbered(n3="later")})
    shop.stops("revert", "--no-edit", reverted)
    state = await clone.under_way()
    assert state == UnderWay(activity=Activity.REVERT, head=head, other=reverted)
    verdict = await clone.verdict(state)
    assert isinstance(verdict, ConflictedMerge)
    assert await clone.unmerged() == {"a": verdict.conflicts[0].stages}
    assert await sides(clone, verdict) == {
        "ancestor": OURS.encode(),
        "ours": numbered(n3="later").encode(),
        "theirs": TEXT.encode(),
    }


async def test_a_merge_of_many_branches_has_no_two_sides(shop: Workshop, clone: LocalClone) -> None:
    (shop.path / ".git" / "MERGE_HEAD").write_text(f"{shop.head()}\n{shop.head()}\n")
    with pytest.raises(GitError, match="several branches"):
        await clone.under_way()


async def test_patches_from_mails_have_no_two_sides(shop: Workshop, clone: LocalClone) -> None:
    shop.git("format-patch", "-1", "side", "-o", str(shop.path.parent))
    shop.stops("am", str(shop.path.parent / "0001-theirs.patch"))
    with pytest.raises(GitError, match="git am"):
        await clone.under_way()


@pytest.mark.parametrize("content", [b"", b"not an id\n", b"\xff\xff", b"0" * 39])
async def test_a_file_that_git_did_not_write(shop: Workshop, clone: LocalClone, content: bytes) -> None:
    (shop.path / ".git" / "MERGE_HEAD").write_bytes(content)
    with pytest.raises(GitError, match="MERGE_HEAD"):
        await clone.under_way()


# ---- facts


async def test_the_facts_are_the_ports(shop: Workshop, clone: LocalClone) -> None:
    main, side = shop.head(), shop.git("rev-parse", "side")
    base = shop.git("rev-parse", "main~1")
    assert await clone.merge_bases(ours=main, theirs=side) == (base,)
    assert await clone.parents_of(main) == (base,)
    assert await clone.subjects(since=base, until=side, limit=5) == ("theirs",)
    assert [one.commit for one in await clone.commits(since=base, until=side, limit=5)] == [side]
    blobs = [shop.git("rev-parse", f"{name}:a") for name in ("main", "side")]
    assert await clone.path_history(ours=main, theirs=side, paths=["a"]) == {
        "a": PathHistory(ours=frozenset({blobs[0]}), theirs=frozenset({blobs[1]}))
    }
    assert await clone.entry(main, "a") == Stage(mode="100644", oid=blobs[0])
    assert await clone.entry(main, "d") is None
    assert await clone.changes(base, side) == {
        "a": (await clone.entry(base, "a"), Stage(mode="100644", oid=blobs[1])),
    }
    assert b"+theirs" in await clone.diff(base, side)


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


async def test_a_clean_merge_is_clean_here_too(shop: Workshop, clone: LocalClone) -> None:
    base = shop.git("rev-parse", "main~1")
    assert await clone.merge(ours=shop.head(), theirs=base) == CleanMerge(tree=await clone.tree_of(shop.head()))
