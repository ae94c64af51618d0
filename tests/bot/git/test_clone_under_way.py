"""What git stopped in the middle of: found, its sides the right way round, and judged again."""

import pytest

from bot.errors import GitError
from bot.git.clone import LocalClone
from bot.git.discovery import Activity, UnderWay
from bot.model.conflicts import ConflictedMerge, Side, Verdict
from tests.bot.git.lab import numbered
from tests.bot.git.workshop import Workshop
from tests.kinds import LEFT as OURS
from tests.kinds import RIGHT as THEIRS
from tests.kinds import TEXT


async def sides(clone: LocalClone, verdict: Verdict) -> dict[str, bytes | None]:
    assert isinstance(verdict, ConflictedMerge)
    stages = verdict.conflicts[0].stages
    return {side.value: await clone.read_blob(stage.oid, limit=10**6) for side, stage in stages.items()}


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
