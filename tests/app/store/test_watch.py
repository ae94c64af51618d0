"""The conflict watch's rows: what events tell in any order, and what is known about merges."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

from app.store.database import SqlStore
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
    footprint=FOOTPRINT,
    alarm=True,
    cause=BaseCommit(sha=NEW, subject="Title (#7)"),
    told_head=HEAD,
)
PUSH = Push(old=OLD, new=NEW, commits=frozenset({NEW}), touched=frozenset(), replaced=frozenset())


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
    for known in (WATCHED, replace(WATCHED, footprint=None, cause=None, told_head=None, alarm=False), WATCHED):
        await store.watch.judged(REPOSITORY, [known])
        assert await store.watch.open_pulls(REPOSITORY, "main") == [known]


async def test_another_base_branch_makes_all_unknown_and_takes_no_late_knowledge(store: SqlStore) -> None:
    await store.watch.seen(REPOSITORY, SEEN)
    await store.watch.judged(REPOSITORY, [WATCHED])
    await store.watch.seen(REPOSITORY, replace(SEEN, base_ref="next", updated_at=START + timedelta(seconds=1)))
    await store.watch.judged(REPOSITORY, [WATCHED])
    (pull,) = await store.watch.open_pulls(REPOSITORY, "next")
    assert (pull.state, pull.base_sha, pull.footprint) == (None, None, None)


async def test_a_verdict_is_carried_over_and_says_from_where(store: SqlStore) -> None:
    for number in (1, 2, 3, 4):
        await store.watch.seen(REPOSITORY, replace(SEEN, number=number))
    known = [replace(WATCHED, number=number) for number in (1, 2)]
    known += [replace(WATCHED, number=3, footprint=None), replace(WATCHED, number=4, base_sha=sha1("older"))]
    await store.watch.judged(REPOSITORY, known)
    await store.watch.carry(REPOSITORY, "main", PUSH, without=[2])
    after = {
        pull.number: (pull.base_sha, pull.verdict_base) for pull in await store.watch.open_pulls(REPOSITORY, "main")
    }
    assert after == {1: (NEW, OLD), 2: (OLD, OLD), 3: (OLD, OLD), 4: (sha1("older"), OLD)}


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
