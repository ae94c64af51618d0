"""Differences between sequences, and both sides' edits put together."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.resolvers.edits import Budget, Edit, OverBudgetError, edits, merged

SEQUENCES = st.lists(st.sampled_from([b"a", b"b", b"c", b" ", b"("]), max_size=14)


def difference(old: list[bytes], new: list[bytes]) -> tuple[Edit, ...]:
    return edits(old, new, Budget())


@settings(deadline=None)
@given(old=SEQUENCES, new=SEQUENCES)
def test_the_edits_make_the_new_text_and_never_touch(old: list[bytes], new: list[bytes]) -> None:
    found = difference(old, new)
    assert merged(old, found, (), gap=9) == new
    assert all(before.last < after.first for before, after in pairwise(found))
    assert all(tuple(old[edit.first : edit.last]) != edit.text for edit in found)


@settings(deadline=None)
@given(old=SEQUENCES, ours=SEQUENCES, theirs=SEQUENCES, gap=st.integers(0, 3))
def test_a_merge_is_the_same_from_both_sides(
    old: list[bytes], ours: list[bytes], theirs: list[bytes], gap: int
) -> None:
    mine, other = difference(old, ours), difference(old, theirs)
    both = merged(old, mine, other, gap=gap)
    assert both == merged(old, other, mine, gap=gap)
    assert merged(old, mine, mine, gap=gap) == ours
    if both is not None:
        assert merged(old, mine, other, gap=0) == both


def test_edits_that_meet_exclude_one_another() -> None:
    old = [b"a", b"b", b"c"]
    assert merged(old, difference(old, [b"x", b"b", b"c"]), difference(old, [b"y", b"b", b"c"]), gap=0) is None
    assert (
        merged(old, difference(old, [b"a", b"x", b"b", b"c"]), difference(old, [b"a", b"y", b"b", b"c"]), gap=0) is None
    )
    ours, theirs = difference(old, [b"x", b"b", b"c"]), difference(old, [b"a", b"b", b"z"])
    assert merged(old, ours, theirs, gap=1) == [b"x", b"b", b"z"]
    assert merged(old, ours, theirs, gap=2) is None


def test_the_longest_common_run_stays_together() -> None:
    old, new = [b"x", b"a", b"b", b"c"], [b"a", b"x", b"a", b"b", b"c"]
    assert difference(old, new) == (Edit(0, 0, (b"a",)),)


def test_work_is_bounded() -> None:
    with pytest.raises(OverBudgetError):
        difference([b"a", b"b"] * 20_000, [b"b", b"a", b"a"] * 20_000)
