"""The conflict watch's rows: what events tell in any order, and what is known about merges."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from app.store.database import SqlStore
from bot.model.reports import CheckConclusion, CheckRunContent, CheckStatus, Surface
from bot.model.watch import (
    BaseCommit,
    Footprint,
    MergeState,
    Pair,
    Push,
    SeenPull,
    WatchedPull,
    WatchVerdict,
)
from tests.app.store.words import OTHER, REPOSITORY, START, HandClock, sha1

OLD, NEW, HEAD = sha1("old"), sha1("new"), sha1("head")
SEEN = SeenPull(number=5, open=True, base_ref="main", base_sha=OLD, head_sha=HEAD, updated_at=START)
ODD = "Ä \udc80 .txt"
VERDICT = WatchVerdict(
    pair=Pair(base_sha=OLD, head_sha=HEAD),
    git_version="git version 2.39.5",
    state=MergeState.CONFLICT,
    paths=("a", ODD),
)
FOOTPRINT = Footprint(
    merge_base=sha1("fork"),
    head_sha=HEAD,
    paths=frozenset({b"d/a", "Ä".encode(), b"\x80\n"}),
    directories=frozenset({b"d"}),
    commits=frozenset({HEAD, sha1("work")}),
)
WATCHED = WatchedPull(
    number=5,
    base_ref="main",
    head_sha=HEAD,
    recorded_base=OLD,
    base_sha=OLD,
    verdict_base=OLD,
    state=MergeState.CONFLICT,
    merge_base=FOOTPRINT.merge_base,
    alarm=True,
    cause=BaseCommit(sha=NEW, subject="Title (#7)"),
    told_head=HEAD,
)
PUSH = Push(old=OLD, new=NEW, commits=frozenset({NEW}), touched=frozenset({b"touched"}), replaced=frozenset())


async def numbers(store: SqlStore, base_ref: str = "main") -> list[int]:
    return [pull.number for pull in await store.watch.open_pulls(REPOSITORY, base_ref)]


async def test_what_is_told_counts_by_its_own_time_in_whatever_order_it_comes(store: SqlStore) -> None:
    opened = SEEN
    closed = replace(SEEN, open=False, updated_at=START + timedelta(seconds=1))
    reopened = replace(SEEN, base_ref="next", updated_at=START + timedelta(seconds=2))
    for number, order in enumerate(permutations((opened, closed, reopened)), start=1):
        for told in (*order, *order):
            await store.watch.seen(REPOSITORY, replace(told, number=number))
    assert await numbers(store) == []
    assert await numbers(store, "next") == [1, 2, 3, 4, 5, 6]
    assert await store.watch.bases(REPOSITORY) == ["next"]
    assert await store.watch.bases(OTHER) == []


async def test_the_open_pull_requests_of_a_head_are_found_by_it(store: SqlStore) -> None:
    pulls = (SEEN, replace(SEEN, number=8, base_ref="next"), replace(SEEN, number=9, head_sha=OLD))
    for pull in (*pulls, replace(SEEN, number=10, open=False)):
        await store.watch.seen(REPOSITORY, pull)
    assert await store.watch.at_head(REPOSITORY, SEEN.head_sha) == {SEEN.number: SEEN.base_ref, 8: "next"}
    assert await store.watch.at_head(OTHER, SEEN.head_sha) == {}


async def test_two_things_told_of_one_moment_have_the_list_read_anew(store: SqlStore, clock: HandClock) -> None:
    await store.watch.listed(REPOSITORY, [SEEN])
    assert await store.watch.listed_at(REPOSITORY) == clock.now()
    await store.watch.seen(REPOSITORY, SEEN)
    assert await store.watch.listed_at(REPOSITORY) == clock.now()
    await store.watch.seen(REPOSITORY, replace(SEEN, open=False))
    assert await store.watch.listed_at(REPOSITORY) is None


async def test_a_list_closes_what_is_not_on_it(store: SqlStore) -> None:
    await store.watch.seen(REPOSITORY, replace(SEEN, number=1))
    await store.watch.seen(REPOSITORY, replace(SEEN, number=2, open=False))
    await store.watch.listed(REPOSITORY, [replace(SEEN, number=2), replace(SEEN, number=3)])
    assert await numbers(store) == [2, 3]
    await store.watch.listed(REPOSITORY, [])
    assert await numbers(store) == []


async def test_repositories_are_listed_anew_in_turn(store: SqlStore, clock: HandClock) -> None:
    await store.watch.noticed(REPOSITORY)
    await store.watch.listed(OTHER, [])
    clock.advance(60)
    assert {one.id for one in await store.watch.take_unlisted(clock.now(), limit=5)} == {REPOSITORY.id, OTHER.id}
    assert await store.watch.take_unlisted(clock.after(-1), limit=5) == [], "they were just taken"
    clock.advance(30)
    await store.watch.listed(REPOSITORY, [])
    clock.advance(60)
    assert [one.id for one in await store.watch.take_unlisted(clock.after(-70), limit=5)] == [OTHER.id]


async def test_what_is_known_comes_back_as_it_was(store: SqlStore) -> None:
    await store.watch.seen(REPOSITORY, SEEN)
    for known in (WATCHED, replace(WATCHED, merge_base=None, cause=None, told_head=None, alarm=False), WATCHED):
        await store.watch.judged(REPOSITORY, [known])
        assert await store.watch.open_pulls(REPOSITORY, "main") == [known]


async def test_another_base_branch_makes_all_unknown_and_takes_no_late_knowledge(store: SqlStore) -> None:
    await store.watch.seen(REPOSITORY, SEEN)
    await store.watch.judged(REPOSITORY, [WATCHED])
    await store.watch.seen(REPOSITORY, replace(SEEN, base_ref="next", updated_at=START + timedelta(seconds=1)))
    await store.watch.judged(REPOSITORY, [WATCHED])
    (pull,) = await store.watch.open_pulls(REPOSITORY, "next")
    assert (pull.state, pull.base_sha, pull.merge_base) == (None, None, None)


async def test_a_verdict_is_carried_over_and_says_from_where(store: SqlStore) -> None:
    """1 lies apart; 2 meets; 3 has no footprint; 4 is known for another base, 5 for another head."""
    near = replace(FOOTPRINT, head_sha=sha1("near"), paths=frozenset({b"x", b"touched"}))
    for number in (1, 2, 3, 4, 5):
        await store.watch.seen(REPOSITORY, replace(SEEN, number=number))
    known = [replace(WATCHED, number=1), replace(WATCHED, number=2, head_sha=near.head_sha)]
    known += [replace(WATCHED, number=3, merge_base=None), replace(WATCHED, number=4, base_sha=sha1("older"))]
    await store.watch.judged(REPOSITORY, [*known, replace(WATCHED, number=5)], [FOOTPRINT, near])
    heads = {1: HEAD, 2: near.head_sha, 3: HEAD, 4: HEAD, 5: sha1("newer")}
    assert await store.watch.carry(REPOSITORY, "main", PUSH, heads=heads) == {1}
    after = {
        pull.number: (pull.base_sha, pull.verdict_base) for pull in await store.watch.open_pulls(REPOSITORY, "main")
    }
    stays = (OLD, OLD)
    assert after == {1: (NEW, OLD), 2: stays, 3: stays, 4: (sha1("older"), OLD), 5: stays}


@pytest.mark.parametrize(
    "push",
    [
        replace(PUSH, touched=frozenset({b"d/a"})),
        replace(PUSH, touched=frozenset({b"\x80\n"})),
        replace(PUSH, replaced=frozenset({b"d"})),
        replace(PUSH, commits=frozenset({sha1("work")})),
    ],
)
async def test_a_push_that_meets_a_footprint_in_any_way_carries_nothing(store: SqlStore, push: Push) -> None:
    await store.watch.seen(REPOSITORY, SEEN)
    await store.watch.judged(REPOSITORY, [WATCHED], [FOOTPRINT])
    assert await store.watch.carry(REPOSITORY, "main", push, heads={5: HEAD}) == frozenset()
    assert await store.watch.carry(REPOSITORY, "main", PUSH, heads={5: HEAD}) == {5}


async def test_only_those_that_people_were_told_of_or_should_be_are_troubled(store: SqlStore) -> None:
    known = [replace(WATCHED, number=1, alarm=False), replace(WATCHED, number=2, told_head=None)]
    known += [replace(WATCHED, number=3, alarm=False, told_head=None)]
    for pull in known:
        await store.watch.seen(REPOSITORY, replace(SEEN, number=pull.number))
    await store.watch.judged(REPOSITORY, known)
    assert await store.watch.troubled(REPOSITORY, "main") == known[:2]


async def test_the_first_verdict_on_a_pair_stays(store: SqlStore) -> None:
    later = replace(VERDICT, state=MergeState.CLEAN, paths=())
    passing = replace(VERDICT, pair=Pair(base_sha=NEW, head_sha=HEAD), state=MergeState.IMPOSSIBLE, lasting=False)
    other_git = replace(later, git_version="git version 2.50.0")
    await store.watch.keep(REPOSITORY, [VERDICT])
    await store.watch.keep(REPOSITORY, [later, passing, other_git])
    pairs = [VERDICT.pair, passing.pair]
    assert await store.watch.verdicts(REPOSITORY, pairs, git_version=VERDICT.git_version) == {VERDICT.pair: VERDICT}
    assert await store.watch.verdicts(REPOSITORY, pairs, git_version=other_git.git_version) == {VERDICT.pair: other_git}
    assert await store.watch.verdicts(OTHER, pairs, git_version=VERDICT.git_version) == {}


async def test_that_a_conflict_was_told_is_kept_with_the_wish_to_show_it(store: SqlStore) -> None:
    """Kept one after the other, a crash in between would leave the check run of a conflict that is over."""
    await store.watch.listed(REPOSITORY, [SEEN])
    (pull,) = await store.watch.open_pulls(REPOSITORY, "main")
    shown = CheckRunContent(
        head_sha=HEAD,
        external_id="watch-5",
        status=CheckStatus.COMPLETED,
        conclusion=CheckConclusion.ACTION_REQUIRED,
        title="In conflict",
        summary="",
        text="",
    )
    told = replace(pull, told_head=HEAD)
    target = await store.watch.tell(REPOSITORY, told, owner="watch:5", content=shown)
    assert await store.watch.open_pulls(REPOSITORY, "main") == [told]
    wanted = await store.reports.get(target)
    assert wanted is not None
    assert (wanted.owner, wanted.surface, wanted.desired) == ("watch:5", Surface.CHECK_RUN, shown)
