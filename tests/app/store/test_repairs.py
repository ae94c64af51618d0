"""What the sweeps ask of the rows of others."""

from dataclasses import replace
from datetime import timedelta

from structlog.testing import capture_logs

from app.store.database import SqlStore
from bot.model.jobs import Job, JobState
from bot.model.levels import LevelKind, PullKey
from bot.model.proposals import ProposalKind, ProposalState
from bot.model.reports import CheckRunContent, CheckStatus, CommentContent, Surface
from bot.model.sweeps import WrittenReport
from tests.app.store.test_watch import SEEN
from tests.app.store.words import OTHER, REPOSITORY, HandClock, claimed, moved, new_job, proposal, sha1

COMMENT = CommentContent(marker="m", body="b")
CHECK = CheckRunContent(
    head_sha=sha1("head"), external_id="e", status=CheckStatus.QUEUED, conclusion=None, title="t", summary="s", text=""
)
DAY = timedelta(days=1)


# --- leases


async def test_a_dead_workers_job_is_taken_back_once_and_said_to_be(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    await claimed(store, job.id, owner="the dead one", seconds=60)
    clock.advance(59)
    assert await store.repairs.take_back_jobs(clock.now(), limit=9) == 0
    clock.advance(1)
    with capture_logs() as said:
        assert await store.repairs.take_back_jobs(clock.now(), limit=9) == 1
        assert await store.repairs.take_back_jobs(clock.now(), limit=9) == 0
    assert [line["held_by"] for line in said] == ["the dead one"]
    assert await store.jobs.due(clock.now(), limit=9) == [job.id]
    await claimed(store, job.id, owner="another")


async def test_who_outlived_the_lease_may_still_write_as_long_as_nobody_else_holds_the_job(
    store: SqlStore, clock: HandClock
) -> None:
    job = await new_job(store)
    lease = await claimed(store, job.id, seconds=1)
    clock.advance(2)
    assert await store.repairs.take_back_jobs(clock.now(), limit=9) == 1
    assert (await store.jobs.move(lease, JobState.PREPARING)).job.state is JobState.PREPARING


async def test_what_ended_or_was_given_back_is_not_taken_back(store: SqlStore, clock: HandClock) -> None:
    ended, idle = await new_job(store), await new_job(store, number=8)
    await moved(store, await claimed(store, ended.id, seconds=1), JobState.PREPARING, JobState.REPORTED)
    await store.jobs.release(await claimed(store, idle.id, seconds=1))
    clock.advance(2)
    assert await store.repairs.take_back_jobs(clock.now(), limit=9) == 0


async def test_a_dead_workers_level_is_taken_back_once(store: SqlStore, clock: HandClock) -> None:
    await store.levels.raise_(LevelKind.PR_SYNC, "github:1:7")
    await store.levels.raise_(LevelKind.PR_SYNC, "github:1:8")
    ghost = await store.levels.take(LevelKind.PR_SYNC, "github:1:7", until=clock.after(60))
    assert ghost is not None
    clock.advance(59)
    assert await store.repairs.take_back_levels(clock.now(), limit=9) == 0
    clock.advance(1)
    assert await store.repairs.take_back_levels(clock.now(), limit=9) == 1
    assert await store.repairs.take_back_levels(clock.now(), limit=9) == 0
    assert len(await store.levels.due(clock.now(), limit=9)) == 2


# --- proposals


async def waiting(store: SqlStore, clock: HandClock, **changes: int) -> Job:
    """A job that waits for an answer to a proposal of this moment."""
    job = await new_job(store, **changes)
    await store.proposals.add(proposal(job, created_at=clock.now()))
    lease = await moved(store, await claimed(store, job.id), JobState.PREPARING, JobState.AWAITING_APPROVAL)
    await store.jobs.release(lease)
    return job


async def test_undecided_is_what_waits_and_was_made_long_ago(store: SqlStore, clock: HandClock) -> None:
    old = await waiting(store, clock)
    clock.advance(10)
    young = await waiting(store, clock, number=8)
    busy = await new_job(store, number=9)
    await store.proposals.add(proposal(busy, created_at=clock.after(-99)))
    assert await store.repairs.undecided(clock.now(), limit=9) == [old.id]
    assert await store.repairs.undecided(clock.after(1), limit=9) == [old.id, young.id]
    assert await store.repairs.undecided(clock.after(1), limit=1) == [old.id]
    await store.proposals.add(proposal(old, created_at=clock.now()))
    assert await store.repairs.undecided(clock.now(), limit=9) == [], "the newest proposal counts"


async def test_old_partials_are_open_parts_of_merges(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    part = proposal(job, kind=ProposalKind.PARTIAL, created_at=clock.now())
    whole = proposal(job, created_at=clock.now())
    closed = proposal(job, kind=ProposalKind.PARTIAL, created_at=clock.now(), state=ProposalState.STALE)
    for one in (part, whole, closed):
        await store.proposals.add(one)
    assert await store.repairs.old_partials(clock.now(), limit=9) == []
    assert await store.repairs.old_partials(clock.after(1), limit=9) == [part]


async def test_a_branch_is_owned_by_whose_proposal_it_holds(store: SqlStore) -> None:
    job = await new_job(store)
    first, second = proposal(job, commit=sha1("one")), proposal(job, commit=sha1("two"))
    await store.proposals.add(first)
    await store.proposals.add(second)

    async def owner(**changes: str | int) -> object:
        asked = {"number": 7, "short_id": job.short_id, "branch": first.branch, "commit": first.commit} | changes
        found = await store.repairs.branch_owner(REPOSITORY, **asked)  # type: ignore[arg-type]  # names are checked
        return None if found is None else (found[0].id, found[1])

    assert await owner() == (job.id, first)
    assert await owner(commit=second.commit) == (job.id, second)
    assert await owner(commit=sha1("somebody else's")) is None
    assert await owner(number=8) is None
    assert await owner(short_id="%") is None
    assert await owner(branch="flowforge/7-other") is None
    asked = {"number": 7, "short_id": job.short_id, "branch": first.branch, "commit": first.commit}
    assert await store.repairs.branch_owner(OTHER, **asked) is None  # type: ignore[arg-type]  # names are checked


# --- pull requests


async def test_open_pulls_are_known_once_they_were_listed(store: SqlStore) -> None:
    assert await store.repairs.open_pulls(REPOSITORY) is None
    await store.watch.seen(REPOSITORY, SEEN)
    assert await store.repairs.open_pulls(REPOSITORY) is None
    await store.watch.listed(REPOSITORY, [SEEN])
    assert await store.repairs.open_pulls(REPOSITORY) == {SEEN.number: SEEN.base_ref}
    await store.watch.listed(REPOSITORY, [])
    assert await store.repairs.open_pulls(REPOSITORY) == {}
    await store.watch.forget_list(REPOSITORY)
    assert await store.repairs.open_pulls(REPOSITORY) is None


async def test_jobs_that_somebody_is_about_to_look_at_are_left_out(store: SqlStore, clock: HandClock) -> None:
    seven, eight = await new_job(store), await new_job(store, number=8)
    ended = await new_job(store, number=9)
    await moved(store, await claimed(store, ended.id), JobState.PREPARING, JobState.REPORTED)

    async def found() -> list[str]:
        return [job.id for job in await store.repairs.unwatched_jobs(REPOSITORY)]

    assert await found() == [seven.id, eight.id]
    key = str(PullKey(forge=REPOSITORY.forge, repository_id=REPOSITORY.id, number=7))
    await store.levels.raise_(LevelKind.PR_SYNC, key)
    assert await found() == [eight.id]
    lease = await store.levels.take(LevelKind.PR_SYNC, key, until=clock.after(60))
    assert lease is not None
    assert await found() == [eight.id]
    await store.levels.complete(lease)
    assert await found() == [seven.id, eight.id]
    assert await store.repairs.unwatched_jobs(OTHER) == []


# --- reports


async def written(store: SqlStore, owner: str, surface: Surface, content: CommentContent | CheckRunContent) -> str:
    target = await store.reports.want(REPOSITORY, 7, owner, surface, content)
    report = await store.reports.get(target)
    assert report is not None
    await store.reports.wrote(target, content_hash=report.desired_hash, remote_id=11)
    return target


async def test_reports_of_jobs_under_way_and_of_those_that_ended_just_now_should_be_there(
    store: SqlStore, clock: HandClock
) -> None:
    job = await new_job(store)
    check = await written(store, job.id, Surface.CHECK_RUN, CHECK)
    sticky = await written(store, f"{REPOSITORY.id}#7", Surface.STICKY_COMMENT, COMMENT)
    await written(store, "a reply", Surface.REPLY, COMMENT)

    async def found(since: timedelta = DAY) -> list[WrittenReport]:
        return await store.repairs.written_reports(REPOSITORY, clock.now() - since, limit=9)

    assert [(one.id, one.content, one.remote_id) for one in await found()] == [
        (check, CHECK, 11),
        (sticky, COMMENT, 11),
    ]
    await moved(store, await claimed(store, job.id), JobState.PREPARING, JobState.REPORTED)
    assert [one.id for one in await found()] == [check]
    clock.advance(100)
    assert await found(timedelta(seconds=99)) == []
    assert await store.repairs.written_reports(OTHER, clock.now() - DAY, limit=9) == []


async def test_a_report_is_written_again_unless_another_one_is_wished_for(store: SqlStore, clock: HandClock) -> None:
    job = await new_job(store)
    target = await written(store, job.id, Surface.CHECK_RUN, CHECK)
    (report,) = await store.repairs.written_reports(REPOSITORY, clock.now(), limit=9)
    assert await store.reports.unreported(clock.now(), limit=9) == []
    assert await store.repairs.write_again(report, gone=False)
    assert await store.reports.unreported(clock.now(), limit=9) == [target]
    assert await store.reports.remote_id(job.id, Surface.CHECK_RUN) == 11
    assert not await store.repairs.write_again(report, gone=True), "that is under way already"
    assert await store.repairs.written_reports(REPOSITORY, clock.now(), limit=9) == []
    await store.reports.wrote(target, content_hash=report.content_hash, remote_id=11)
    assert await store.repairs.write_again(report, gone=True)
    assert await store.reports.remote_id(job.id, Surface.CHECK_RUN) is None
    await store.reports.wrote(target, content_hash=report.content_hash, remote_id=12)
    await store.reports.want(REPOSITORY, 7, job.id, Surface.CHECK_RUN, replace(CHECK, title="new"))
    assert not await store.repairs.write_again(report, gone=False)
