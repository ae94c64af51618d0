"""Clones of people's: found, their names and facts read."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import GitError
from bot.git import discovery
from bot.git.clone import LocalClone, open_clone
from bot.model.cases import PathHistory
from bot.model.conflicts import CleanMerge, ConflictedMerge, ImpossibleMerge, Stage
from tests.bot.git.workshop import Workshop
from tests.kinds import TEXT

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


async def test_a_clean_merge_is_clean_here_too(shop: Workshop, clone: LocalClone) -> None:
    base = shop.git("rev-parse", "main~1")
    assert await clone.merge(ours=shop.head(), theirs=base) == CleanMerge(tree=await clone.tree_of(shop.head()))
