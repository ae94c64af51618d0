"""What the past alone needed goes; what anybody may still ask for stays."""

from dataclasses import replace

from sqlalchemy import func, select

from app.store.database import SqlStore
from app.store.leftovers import KEPT, REPORTS_KEPT
from app.store.tables import intents, metadata
from bot.model.jobs import JobState
from bot.model.levels import LevelKind
from bot.model.reports import CommentContent, Surface
from tests.app.store.test_watch import FOOTPRINT, SEEN, VERDICT, WATCHED
from tests.app.store.words import ALICE, REPOSITORY, HandClock, claimed, moved, new_job

MONTH = KEPT.total_seconds()


async def count(store: SqlStore, name: str) -> int:
    async with store.engine.connect() as connection:
        query = select(func.count()).select_from(metadata.tables[name])
        return int((await connection.execute(query)).scalar_one())


async def test_what_the_watch_knew_goes_a_month_after_the_pull_request_closed(
    store: SqlStore, clock: HandClock
) -> None:
    await store.watch.seen(REPOSITORY, SEEN)
    await store.watch.keep(REPOSITORY, [VERDICT])
    await store.watch.judged(REPOSITORY, [WATCHED], [FOOTPRINT])
    clock.advance(MONTH * 3)
    assert await store.leftovers.remove(clock.now()) == {}, "it is open"
    closed = clock.now()
    await store.watch.seen(REPOSITORY, replace(SEEN, open=False, updated_at=closed))
    clock.advance(MONTH)
    assert await store.leftovers.remove(clock.now()) == {}
    clock.advance(1)
    removed = await store.leftovers.remove(clock.now())
    assert removed == {"merge_verdicts": 1, "head_footprints": 1, "watched_pulls": 1}
    assert await store.leftovers.remove(clock.now()) == {}


async def test_decisions_stay_longer_than_any_delivery_can_come_again(store: SqlStore, clock: HandClock) -> None:
    for key in ("done", "begun"):
        await store.intents.begin(key, delivery_id="d", name="resolve", actor=ALICE)
    await store.intents.finish("done", decision="allowed", rule="", message="", job_id=None)
    clock.advance(MONTH)
    assert await store.leftovers.remove(clock.now()) == {}
    clock.advance(1)
    assert await store.leftovers.remove(clock.now()) == {"intents": 1}
    async with store.engine.connect() as connection:
        assert list((await connection.execute(select(intents.c.key))).scalars()) == ["begun"]


async def test_a_level_goes_when_it_is_done_and_nobody_is_at_it(store: SqlStore, clock: HandClock) -> None:
    for key in ("github:1:1", "github:1:2"):
        await store.levels.raise_(LevelKind.PR_SYNC, key)
    lease = await store.levels.take(LevelKind.PR_SYNC, "github:1:1", until=clock.after(60))
    assert lease is not None
    await store.levels.complete(lease)
    clock.advance(MONTH + 1)
    assert await store.leftovers.remove(clock.now()) == {"levels": 1}
    assert [key for _, key in await store.levels.due(clock.now(), limit=9)] == ["github:1:2"]


async def test_a_report_goes_when_it_is_old_and_its_pull_request_has_no_job(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    target = await store.reports.want(REPOSITORY, 7, job.id, Surface.REPLY, CommentContent(marker="m", body="b"))
    report = await store.reports.get(target)
    assert report is not None
    clock.advance(REPORTS_KEPT.total_seconds() + 1)
    assert await store.leftovers.remove(clock.now()) == {}, "it was not written yet"
    await store.reports.wrote(target, content_hash=report.desired_hash, remote_id=1)
    assert await store.leftovers.remove(clock.now()) == {}, "there is a job"
    await moved(store, await claimed(store, job.id), JobState.PREPARING, JobState.REPORTED)
    assert await store.leftovers.remove(clock.now()) == {"report_targets": 1}


async def test_thousands_go_in_small_transactions(store: SqlStore, clock: HandClock) -> None:
    async with store.engine.begin() as connection:
        row = {
            "delivery_id": "d",
            "name": "help",
            "actor_id": 1,
            "actor_login": "a",
            "actor_kind": ALICE.kind,
            "began_at": clock.now(),
            "finished_at": clock.now(),
        }
        await connection.execute(intents.insert(), [{"key": f"k-{n}", **row} for n in range(2500)])
    clock.advance(MONTH + 1)
    assert await store.leftovers.remove(clock.now()) == {"intents": 2500}
    assert await count(store, "intents") == 0
