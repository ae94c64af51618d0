"""Jobs: the table of states, leases and fencing."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import Row, select

from app.store.database import SqlStore
from app.store.tables import audit_events, job_executions
from bot.errors import FencingLostError, IllegalTransitionError, StoreError
from bot.model.cases import Choice, Take
from bot.model.forge import Actor, ForgeKind
from bot.model.jobs import TERMINAL, TRANSITIONS, JobKind, JobState
from tests.app.store.words import (
    ALICE,
    OTHER,
    REPOSITORY,
    HandClock,
    claimed,
    moved,
    new_id,
    new_job,
    new_run,
    request,
    sha1,
)

WAYS = {
    JobState.QUEUED: (),
    JobState.PREPARING: (JobState.PREPARING,),
    JobState.RUNNING: (JobState.PREPARING, JobState.RUNNING),
    JobState.VALIDATING: (JobState.PREPARING, JobState.VALIDATING),
    JobState.AWAITING_APPROVAL: (JobState.PREPARING, JobState.AWAITING_APPROVAL),
    JobState.PUBLISHING: (JobState.PUBLISHING,),
}
"""How a queued job comes to each state that is not an end."""


async def executions(store: SqlStore, job_id: str) -> list[tuple[int, str, str, str]]:
    query = select(job_executions).where(job_executions.c.job_id == job_id).order_by(job_executions.c.attempt)
    async with store.engine.connect() as connection:
        rows = (await connection.execute(query)).all()
    return [(row.attempt, row.status, row.error_class, row.error) for row in rows]


async def events(store: SqlStore, subject: str) -> list[Row[tuple[object, ...]]]:
    query = select(audit_events).where(audit_events.c.subject == subject).order_by(audit_events.c.id)
    async with store.engine.connect() as connection:
        return list((await connection.execute(query)).all())


async def test_a_job_comes_back_as_it_was_asked_for(store: SqlStore, clock: HandClock) -> None:
    takes = (
        Take(path="caf\udce9/\x10 ü", choice=Choice.BASE, taken_by="alice"),
        Take(path="b", choice=Choice.OURS, taken_by="bob"),
    )
    odd = "NUL \x00 and a lone \ud800 surrogate \x10"
    asked = request(
        instructions=odd, dry_run=True, comment_id=None, takes=takes, asked_before=(Actor(id=2, login="bob"),)
    )
    await store.registry.config_version(REPOSITORY, asked.config_version, "")
    job_id = new_id()
    job = await store.jobs.create(asked, job_id=job_id)
    assert job is not None
    assert job == await store.jobs.get(job_id)
    assert job.request == asked
    assert (job.id, job.state, job.attempt, job.fencing) == (job_id, JobState.QUEUED, 0, 0)
    assert (job.head_sha, job.base_sha) == (asked.head_sha, None)
    assert job.created_at == job.updated_at == clock.now()
    assert (job.finished_at, job.cancel_requested, job.rule, job.message, job.progress) == (None, None, None, None, "")


async def test_an_unknown_job_is_none(store: SqlStore) -> None:
    assert await store.jobs.get(new_id()) is None
    assert await store.jobs.claim(new_id(), owner="w", seconds=1) is None
    assert await store.jobs.request_end(new_id(), JobState.CANCELLED, actor=ALICE, message="") is None


async def test_the_same_origin_gives_the_same_job(store: SqlStore) -> None:
    job = await new_job(store, origin_key="comment:1")
    again = await store.jobs.create(request("comment:1", instructions="other"), job_id=new_id())
    assert again == job


async def test_the_same_origin_supersedes_nothing_twice(store: SqlStore) -> None:
    first = await new_job(store, origin_key="comment:1")
    second = await store.jobs.create(request("comment:2"), job_id=new_id(), supersede=first.id)
    assert second is not None
    again = await store.jobs.create(request("comment:2"), job_id=new_id(), supersede=second.id)
    assert again == second
    assert await store.jobs.active(REPOSITORY, 7) == second


async def test_a_pull_request_has_one_active_job(store: SqlStore) -> None:
    job = await new_job(store)
    assert await store.jobs.create(request(), job_id=new_id()) is None
    assert await store.jobs.active(REPOSITORY, 7) == job
    assert await store.jobs.create(request(number=8), job_id=new_id()) is not None
    assert await store.jobs.create(request(repository=OTHER), job_id=new_id()) is not None
    elsewhere = replace(REPOSITORY, forge=ForgeKind.GITLAB)
    assert await store.jobs.create(request(repository=elsewhere), job_id=new_id()) is not None


async def test_requests_at_once_make_one_job(store: SqlStore, neighbour: SqlStore) -> None:
    await store.registry.config_version(REPOSITORY, request().config_version, "")
    made = await asyncio.gather(
        *(each.jobs.create(request(), job_id=new_id()) for each in (store, neighbour) for _ in range(10)),
    )
    assert len([job for job in made if job is not None]) == 1


async def test_one_request_delivered_many_times_at_once_makes_one_job(store: SqlStore, neighbour: SqlStore) -> None:
    await store.registry.config_version(REPOSITORY, request().config_version, "")
    made = await asyncio.gather(
        *(each.jobs.create(request("comment:1"), job_id=new_id()) for each in (store, neighbour) for _ in range(10)),
    )
    assert None not in made
    assert len({job.id for job in made if job is not None}) == 1


async def test_a_job_cannot_name_an_unkept_configuration(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="configuration version 'nope'"):
        await store.jobs.create(request(config_version="nope"), job_id=new_id())


async def test_latest_and_active_follow_the_jobs(store: SqlStore) -> None:
    assert await store.jobs.latest(REPOSITORY, 7) is None
    first = await new_job(store)
    await moved(store, await claimed(store, first.id), JobState.FAILED)
    assert await store.jobs.active(REPOSITORY, 7) is None
    latest = await store.jobs.latest(REPOSITORY, 7)
    assert latest is not None
    assert (latest.id, latest.state) == (first.id, JobState.FAILED)
    second = await new_job(store)
    assert await store.jobs.latest(REPOSITORY, 7) == second == await store.jobs.active(REPOSITORY, 7)


async def test_a_renamed_repository_keeps_its_jobs(store: SqlStore) -> None:
    job = await new_job(store)
    renamed = replace(REPOSITORY, owner="acme-inc", name="store", installation_id=78)
    await store.registry.repository(renamed)
    found = await store.jobs.get(job.id)
    assert found is not None
    assert found.request.repository == renamed
    # an event that was on its way since before does not bring the old name back
    await store.jobs.create(request(), job_id=new_id())
    assert await store.registry.find_repository(REPOSITORY.forge, REPOSITORY.id) == renamed


async def published(store: SqlStore, **changes: object) -> str:
    job = await new_job(store, **changes)
    await moved(store, await claimed(store, job.id), JobState.PUBLISHING, JobState.PUBLISHED)
    return job.id


async def test_the_last_published_job_is_the_newest_not_rolled_back(store: SqlStore) -> None:
    assert await store.jobs.last_published(REPOSITORY, 7) is None
    first = await published(store)
    second = await published(store)
    await published(store, number=8)
    failed = await new_job(store, kind=JobKind.ROLLBACK, target_job_id=second)
    await moved(store, await claimed(store, failed.id), JobState.FAILED)
    found = await store.jobs.last_published(REPOSITORY, 7)
    assert found is not None
    assert found.id == second
    await published(store, kind=JobKind.ROLLBACK, target_job_id=second)
    found = await store.jobs.last_published(REPOSITORY, 7)
    assert found is not None
    assert found.id == first
    await published(store, kind=JobKind.ROLLBACK, target_job_id=first)
    assert await store.jobs.last_published(REPOSITORY, 7) is None


async def test_of_many_claims_one_wins(store: SqlStore, neighbour: SqlStore) -> None:
    job = await new_job(store)
    leases = await asyncio.gather(
        *(
            each.jobs.claim(job.id, owner=f"worker-{index}", seconds=60)
            for each in (store, neighbour)
            for index in range(15)
        ),
    )
    won = [lease for lease in leases if lease is not None]
    assert len(won) == 1
    assert won[0].fencing == won[0].job.fencing == 1


async def test_a_live_lease_keeps_everybody_out_until_it_ends(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    first = await claimed(store, job.id, owner="a", seconds=60)
    assert first.until == clock.after(60)
    clock.advance(59)
    assert await store.jobs.claim(job.id, owner="a", seconds=60) is None
    assert await store.jobs.claim(job.id, owner="b", seconds=60) is None
    clock.advance(1)
    second = await claimed(store, job.id, owner="b")
    assert second.fencing == first.fencing + 1


async def test_a_released_lease_can_be_taken_at_once(store: SqlStore) -> None:
    job = await new_job(store)
    first = await claimed(store, job.id, owner="a")
    await store.jobs.release(first)
    second = await claimed(store, job.id, owner="b")
    assert second.fencing == 2
    await store.jobs.release(first)  # lost long ago: harmless
    assert await store.jobs.claim(job.id, owner="c", seconds=1) is None


async def test_whoever_lost_the_lease_writes_nothing(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    lost = await claimed(store, job.id, owner="same name", seconds=10)
    clock.advance(10)
    await claimed(store, job.id, owner="same name")
    before = await store.jobs.get(job.id)
    with pytest.raises(FencingLostError):
        await store.jobs.move(lost, JobState.PREPARING)
    with pytest.raises(FencingLostError):
        await store.jobs.begin_execution(lost, worker="w")
    with pytest.raises(FencingLostError):
        await store.jobs.end_execution(lost, status="done")
    with pytest.raises(FencingLostError):
        await store.jobs.set_retry(lost, not_before=clock.after(1), error="")
    assert await store.jobs.get(job.id) == before
    assert await executions(store, job.id) == []


@pytest.mark.parametrize("start", list(WAYS))
async def test_every_arrow_of_the_table_and_no_other(store: SqlStore, start: JobState) -> None:
    for number, to in enumerate(JobState, start=1):
        job = await new_job(store, number=number)
        lease = await moved(store, await claimed(store, job.id), *WAYS[start])
        if to in TRANSITIONS[start]:
            assert (await store.jobs.move(lease, to)).job.state is to
        else:
            with pytest.raises(IllegalTransitionError, match=f"from {start.value} to {to.value}"):
                await store.jobs.move(lease, to)
            unmoved = await store.jobs.get(job.id)
            assert unmoved is not None
            assert unmoved.state is start


async def test_a_move_from_a_state_that_changed_is_refused(store: SqlStore) -> None:
    job = await new_job(store)
    old = await claimed(store, job.id)
    await store.jobs.move(old, JobState.PREPARING)
    with pytest.raises(FencingLostError):
        await store.jobs.move(old, JobState.FAILED)


async def test_a_move_carries_what_was_found_out(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    lease = await claimed(store, job.id)
    clock.advance(5)
    lease = await store.jobs.move(
        lease, JobState.PREPARING, progress="fetching", base_sha=sha1("base"), head_sha=sha1("new head")
    )
    assert lease.job == await store.jobs.get(job.id)
    assert (lease.job.progress, lease.job.base_sha, lease.job.head_sha) == ("fetching", sha1("base"), sha1("new head"))
    assert lease.job.request.head_sha == sha1("head")
    assert (lease.job.updated_at, lease.job.finished_at) == (clock.now(), None)
    lease = await store.jobs.move(lease, JobState.REFUSED, rule="protected", message="no", actor=ALICE)
    assert (lease.job.rule, lease.job.message, lease.job.finished_at) == ("protected", "no", clock.now())
    assert lease.job.base_sha == sha1("base")


async def test_each_move_is_in_the_audit_with_its_actor(store: SqlStore) -> None:
    job = await new_job(store)
    lease = await claimed(store, job.id, owner="worker-9")
    lease = await store.jobs.move(lease, JobState.PREPARING)
    await store.jobs.move(lease, JobState.CANCELLED, actor=ALICE, message="enough")
    with pytest.raises(FencingLostError):
        await store.jobs.move(lease, JobState.FAILED)
    found = await events(store, f"job:{job.id}")
    assert [(event.actor, event.verb) for event in found] == [
        ("user:1:alice", "job.created"),
        ("worker:worker-9", "job.moved"),
        ("user:1:alice", "job.moved"),
    ]
    assert found[-1].data == {"from": "preparing", "to": "cancelled", "rule": "", "message": "enough"}
    assert await store.audit.first_broken() is None


@pytest.mark.parametrize("end", sorted(TERMINAL))
async def test_nothing_changes_a_job_that_ended(store: SqlStore, clock: HandClock, end: JobState) -> None:
    job = await new_job(store)
    way = next(way for start, way in WAYS.items() if end in TRANSITIONS[start])
    lease = await moved(store, await claimed(store, job.id), *way, end)
    ended = await store.jobs.get(job.id)
    clock.advance(600)
    for to in JobState:
        with pytest.raises(IllegalTransitionError):
            await store.jobs.move(lease, to)
    with pytest.raises(FencingLostError):
        await store.jobs.set_retry(lease, not_before=clock.now(), error="")
    with pytest.raises(FencingLostError):
        await store.jobs.begin_execution(lease, worker="w")
    await store.jobs.progress(job.id, "still at it")
    assert await store.jobs.request_end(job.id, JobState.CANCELLED, actor=ALICE, message="") is None
    assert await store.jobs.claim(job.id, owner="b", seconds=1) is None
    assert await store.jobs.due(clock.now(), limit=10) == []
    with pytest.raises(FencingLostError):
        await new_run(store, job)
    assert await store.jobs.get(job.id) == ended


async def test_progress_needs_no_lease(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    clock.advance(3)
    await store.jobs.progress(job.id, "Reading `a.py`")
    found = await store.jobs.get(job.id)
    assert found is not None
    assert (found.progress, found.updated_at) == ("Reading `a.py`", clock.now())


async def test_attempts_are_counted_and_closed(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    lease = await claimed(store, job.id)
    assert await store.jobs.begin_execution(lease, worker="w-1") == 1
    assert await executions(store, job.id) == [(1, "open", "", "")]
    await store.jobs.set_retry(lease, not_before=clock.after(30), error="the forge is away")
    assert await store.jobs.begin_execution(lease, worker="w-1") == 2
    await store.jobs.end_execution(lease, status="failed", error_class="GitError", error="no such ref")
    await store.jobs.end_execution(lease, status="again")  # none is open: nothing happens
    assert await store.jobs.begin_execution(lease, worker="w-1") == 3
    assert await store.jobs.begin_execution(lease, worker="w-2") == 4
    lease = await store.jobs.move(lease, JobState.PREPARING)
    assert lease.job.attempt == 4
    await store.jobs.move(lease, JobState.NOTHING_TO_DO)
    with pytest.raises(FencingLostError):  # nobody holds what ended
        await store.jobs.end_execution(lease, status="too late")
    assert not await store.jobs.held(job.id)
    assert await executions(store, job.id) == [
        (1, "retry", "", "the forge is away"),
        (2, "failed", "GitError", "no such ref"),
        (3, "abandoned", "", ""),
        (4, "nothing_to_do", "", ""),
    ]
