"""The outbox: each wish is written once, the latest wins."""

import asyncio
import hashlib
import json

import pytest

from app.store.database import SqlStore
from app.store.reports import encode
from bot.model.forge import Thread
from bot.model.reports import (
    Annotation,
    CheckAction,
    CheckActionName,
    CheckConclusion,
    CheckRunContent,
    CheckStatus,
    CommentContent,
    ReactionContent,
    ReportContent,
    ReportTarget,
    Surface,
)
from tests.app.store.words import REPOSITORY, HandClock, new_id

CHECK = CheckRunContent(
    head_sha="a" * 40,
    external_id="job-1",
    status=CheckStatus.COMPLETED,
    conclusion=CheckConclusion.ACTION_REQUIRED,
    title="Two conflicts resolved",
    summary="NUL \x00, a lone \udc80",
    text="…",
    actions=(CheckAction(label="Approve", description="Push it", identifier=CheckActionName.APPROVE),),
    annotations=(Annotation(path="a.py", start_line=1, end_line=2, level="notice", message="m", title="t"),),
)
COMMENT = CommentContent(marker="<!-- flowforge -->", body="first")
SECOND = CommentContent(marker="<!-- flowforge -->", body="second")
THIRD = CommentContent(marker="<!-- flowforge -->", body="third")
REACTION = ReactionContent(comment_id=1 << 40, reaction="eyes")


async def want(store: SqlStore, content: ReportContent = COMMENT, *, delay: float | None = None) -> str:
    clock_now = None if delay is None else HandClock().after(delay)
    return await store.reports.want(REPOSITORY, 7, "owner", Surface.STICKY_COMMENT, content, not_before=clock_now)


async def target(store: SqlStore, target_id: str) -> ReportTarget:
    found = await store.reports.get(target_id)
    assert found is not None
    return found


def hash_of(content: ReportContent) -> str:
    return encode(content)[1]


async def due(store: SqlStore, clock: HandClock) -> list[str]:
    return await store.reports.unreported(clock.now(), limit=100)


@pytest.mark.parametrize(
    ("surface", "content"),
    [(Surface.CHECK_RUN, CHECK), (Surface.REPLY, COMMENT), (Surface.REACTION, REACTION)],
)
async def test_a_wish_comes_back_as_it_was_made(store: SqlStore, surface: Surface, content: ReportContent) -> None:
    target_id = await store.reports.want(REPOSITORY, 7, "job-1", surface, content)
    found = await target(store, target_id)
    assert found == ReportTarget(
        id=target_id,
        forge=REPOSITORY.forge,
        repository_id=REPOSITORY.id,
        thread=Thread(number=7),
        owner="job-1",
        surface=surface,
        desired=content,
        desired_hash=found.desired_hash,
        reported_hash=None,
        remote_id=None,
        attempts=0,
        not_before=None,
    )
    assert await store.registry.find_repository(REPOSITORY.forge, REPOSITORY.id) == REPOSITORY


async def test_the_hash_is_that_of_the_tagged_json(store: SqlStore) -> None:
    found = await target(store, await want(store))
    text = '{"content":{"body":"first","marker":"<!-- flowforge -->"},"type":"comment"}'
    assert json.loads(text)["type"] == "comment"
    assert found.desired_hash == hashlib.sha256(text.encode()).hexdigest()


async def test_an_unknown_target_is_none(store: SqlStore) -> None:
    assert await store.reports.get(new_id()) is None
    assert await store.reports.remote_id("nobody", Surface.CHECK_RUN) is None


async def test_a_report_is_written_once(store: SqlStore, clock: HandClock) -> None:
    target_id = await want(store)
    assert await due(store, clock) == [target_id]
    found = await target(store, target_id)
    await store.reports.wrote(target_id, content_hash=found.desired_hash, remote_id=900)
    assert await due(store, clock) == []
    assert await want(store) == target_id
    assert await due(store, clock) == [], "an equal wish changes nothing"
    found = await target(store, target_id)
    assert (found.reported_hash, found.remote_id) == (found.desired_hash, 900)
    assert await store.reports.remote_id("owner", Surface.STICKY_COMMENT) == 900


async def test_the_latest_wish_wins(store: SqlStore, clock: HandClock) -> None:
    target_id = await want(store)
    assert await want(store, SECOND) == target_id
    assert (await target(store, target_id)).desired == SECOND
    assert await due(store, clock) == [target_id]


async def test_a_wish_that_comes_during_the_writing_stays_open(store: SqlStore, clock: HandClock) -> None:
    target_id = await want(store)
    writing = await target(store, target_id)
    await want(store, SECOND)
    await store.reports.wrote(target_id, content_hash=writing.desired_hash, remote_id=900)
    assert await due(store, clock) == [target_id]
    found = await target(store, target_id)
    assert (found.desired, found.reported_hash, found.remote_id) == (SECOND, writing.desired_hash, 900)
    await want(store, COMMENT)
    assert await due(store, clock) == [], "what was written is wanted again"


async def test_surfaces_of_one_owner_are_apart(store: SqlStore, clock: HandClock) -> None:
    comment = await store.reports.want(REPOSITORY, 7, "owner", Surface.REPLY, COMMENT)
    reaction = await store.reports.want(REPOSITORY, 7, "owner", Surface.REACTION, REACTION)
    assert await due(store, clock) == [comment, reaction]
    await store.reports.wrote(comment, content_hash=(await target(store, comment)).desired_hash, remote_id=1)
    assert await due(store, clock) == [reaction]
    assert await store.reports.remote_id("owner", Surface.REACTION) is None


async def test_a_failure_waits_and_is_counted(store: SqlStore, clock: HandClock) -> None:
    target_id = await want(store)
    await store.reports.failed(target_id, error="503", not_before=clock.after(30))
    await store.reports.failed(target_id, error="503", not_before=clock.after(60))
    found = await target(store, target_id)
    assert (found.attempts, found.not_before) == (2, clock.after(60))
    assert await due(store, clock) == []
    clock.advance(60)
    assert await due(store, clock) == [target_id]
    await store.reports.wrote(target_id, content_hash=found.desired_hash, remote_id=1)
    assert (await target(store, target_id)).attempts == 0


async def test_a_new_wish_does_not_cut_the_pause_after_a_failure(store: SqlStore, clock: HandClock) -> None:
    target_id = await want(store)
    await store.reports.failed(target_id, error="rate limited", not_before=clock.after(60))
    await want(store, SECOND)
    assert await due(store, clock) == []
    found = await target(store, target_id)
    assert (found.attempts, found.not_before) == (1, clock.after(60))
    clock.advance(60)
    assert await due(store, clock) == [target_id]


async def test_a_given_up_target_rests_until_there_is_something_new(store: SqlStore, clock: HandClock) -> None:
    target_id = await want(store)
    assert await store.reports.give_up(target_id, content_hash=hash_of(COMMENT), error="404")
    clock.advance(3600)
    await want(store)
    assert await due(store, clock) == []
    await want(store, SECOND)
    assert await due(store, clock) == [target_id]
    assert (await target(store, target_id)).attempts == 0


async def test_what_is_given_up_is_what_was_tried(store: SqlStore, clock: HandClock) -> None:
    target_id = await want(store)
    begun = await store.reports.begin(target_id, until=clock.after(60))
    assert begun is not None
    await store.reports.failed(target_id, error="503", not_before=clock.after(60))
    await want(store, SECOND)
    assert not await store.reports.give_up(target_id, content_hash=begun.desired_hash, error="422")
    assert await due(store, clock) == [target_id], "the newer wish has not been tried"
    assert (await target(store, target_id)).attempts == 0


async def test_a_report_that_waits_for_the_forge_did_not_fail(store: SqlStore, clock: HandClock) -> None:
    target_id = await want(store)
    await store.reports.begin(target_id, until=clock.after(180))
    await store.reports.postponed(target_id, error="rate limited", not_before=clock.after(60))
    found = await target(store, target_id)
    assert (found.attempts, found.not_before) == (0, clock.after(60))
    assert await due(store, clock) == []
    clock.advance(60)
    assert await due(store, clock) == [target_id]


async def test_a_wish_can_wait_for_its_moment(store: SqlStore, clock: HandClock) -> None:
    target_id = await want(store, delay=10)
    assert await due(store, clock) == []
    assert (await target(store, target_id)).not_before == clock.after(10)
    clock.advance(10)
    assert await due(store, clock) == [target_id]


async def test_wishes_in_quick_succession_do_not_put_each_other_off(store: SqlStore, clock: HandClock) -> None:
    target_id = await want(store, delay=10)
    await want(store, SECOND, delay=12)
    await want(store, THIRD, delay=14)
    clock.advance(10)
    assert await due(store, clock) == [target_id]
    assert (await target(store, target_id)).desired == THIRD


async def test_an_urgent_wish_does_not_wait(store: SqlStore, clock: HandClock) -> None:
    target_id = await want(store, delay=10)
    await want(store, SECOND)
    assert await due(store, clock) == [target_id]
    await want(store, THIRD, delay=20)
    assert await due(store, clock) == [target_id], "what is due already stays due"


async def test_the_pause_of_a_fulfilled_wish_is_over(store: SqlStore, clock: HandClock) -> None:
    target_id = await want(store)
    await store.reports.wrote(target_id, content_hash=(await target(store, target_id)).desired_hash, remote_id=1)
    await want(store, SECOND, delay=10)
    assert await due(store, clock) == []
    clock.advance(10)
    assert await due(store, clock) == [target_id]


async def test_wishes_at_once_make_one_target(store: SqlStore, neighbour: SqlStore, clock: HandClock) -> None:
    ids = await asyncio.gather(
        *(want(each, content) for each in (store, neighbour) for content in (COMMENT, SECOND, THIRD) for _ in range(4)),
    )
    assert len(set(ids)) == 1
    assert await due(store, clock) == [ids[0]]


async def test_the_longest_waiting_are_written_first(store: SqlStore, clock: HandClock) -> None:
    made = []
    for index in range(4):
        made.append(await store.reports.want(REPOSITORY, 7, f"owner-{index}", Surface.REPLY, COMMENT))
        clock.advance(1)
    await store.reports.want(REPOSITORY, 7, "owner-0", Surface.REPLY, SECOND)
    assert await store.reports.unreported(clock.now(), limit=2) == made[1:3]
    assert await due(store, clock) == [*made[1:], made[0]]


# --- one writer at a time


async def test_of_several_writers_one_begins(store: SqlStore, neighbour: SqlStore, clock: HandClock) -> None:
    target_id = await want(store)
    begun = await asyncio.gather(
        *(each.reports.begin(target_id, until=clock.after(60)) for each in (store, neighbour) for _ in range(6)),
    )
    assert len([found for found in begun if found is not None]) == 1
    assert await due(store, clock) == []


async def test_a_writer_that_died_is_followed_after_its_time(store: SqlStore, clock: HandClock) -> None:
    target_id = await want(store)
    first = await store.reports.begin(target_id, until=clock.after(60))
    assert first is not None
    assert first.desired == COMMENT
    clock.advance(60)
    assert await due(store, clock) == [target_id]
    assert await store.reports.begin(target_id, until=clock.after(60)) is not None


async def test_there_is_nothing_to_begin_when_all_is_written(store: SqlStore, clock: HandClock) -> None:
    assert await store.reports.begin(new_id(), until=clock.after(60)) is None
    target_id = await want(store)
    begun = await store.reports.begin(target_id, until=clock.after(60))
    assert begun is not None
    await store.reports.wrote(target_id, content_hash=begun.desired_hash, remote_id=1)
    assert await store.reports.begin(target_id, until=clock.after(60)) is None


async def test_a_wish_during_the_writing_can_be_begun_right_afterwards(store: SqlStore, clock: HandClock) -> None:
    target_id = await want(store)
    begun = await store.reports.begin(target_id, until=clock.after(60))
    assert begun is not None
    await want(store, SECOND)
    assert await store.reports.begin(target_id, until=clock.after(60)) is None, "the first is still at it"
    await store.reports.wrote(target_id, content_hash=begun.desired_hash, remote_id=1)
    second = await store.reports.begin(target_id, until=clock.after(60))
    assert second is not None
    assert (second.desired, second.remote_id) == (SECOND, 1)
