"""Draft pull requests for issues: one each, whenever a worker dies; and their branches."""

import asyncio
import contextlib
from datetime import timedelta

from app.demo.simulator.state import Issue, PullRequest
from bot.model.jobs import Job, JobState
from tests.bot.handlers.bench import WAIT, Bench
from tests.bot.handlers.puppet import workspace_of
from tests.scenarios.play import ANSWER

PULLS = r"/repos/acme/fees/pulls"
DAY = timedelta(days=1).total_seconds()
CHANGE = {"fees.py": ANSWER.encode()}


def on_issue(bench: Bench, words: str) -> Issue:
    issue = bench.sim.people.open_issue(bench.repository, author=bench.author, title="A fee below zero", body="Refuse.")
    bench.sim.people.comment(issue, bench.maintainer, words)
    return issue


async def job_of(bench: Bench, issue: Issue) -> Job:
    job = await bench.store.jobs.latest(bench.ref, -issue.number)
    assert job is not None
    return job


def drafts(bench: Bench) -> list[PullRequest]:
    return [one for one in bench.repository.pull_requests() if one.author is bench.sim.bot]


async def until_running(bench: Bench) -> Issue:
    issue = on_issue(bench, "/flowforge implement")
    await bench.work()
    assert (await job_of(bench, issue)).state is JobState.RUNNING, bench.errors
    return issue


async def published(bench: Bench, issue: Issue) -> PullRequest:
    """Let time pass until whoever comes next has done the rest; the only draft there is."""
    bench.clock.advance(900)
    await bench.work()
    job = await job_of(bench, issue)
    assert job.state is JobState.PUBLISHED, (job.message, bench.errors)
    (draft,) = drafts(bench)
    assert list(bench.branches) == [f"refs/heads/{draft.head_ref}"]
    return draft


async def test_a_worker_that_dies_after_the_branch_leaves_the_draft_to_the_next_one(bench: Bench) -> None:
    issue = await until_running(bench)
    bench.sim.faults.fail("POST", PULLS, status=502)
    await bench.finish(CHANGE)
    await bench.work()
    assert (await job_of(bench, issue)).state is JobState.PUBLISHING
    assert (len(bench.branches), drafts(bench)) == (1, [])
    await published(bench, issue)


async def test_a_worker_that_dies_after_the_draft_makes_no_second_one(bench: Bench) -> None:
    issue = await until_running(bench)
    hold = bench.sim.faults.hold("POST", PULLS, after=True)
    await bench.finish(CHANGE)
    worker = asyncio.create_task(bench.tick("job", (await job_of(bench, issue)).id))
    async with asyncio.timeout(WAIT):
        await hold.arrived.wait()
    worker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await worker
    bench.sim.faults.clear()
    assert (await job_of(bench, issue)).state is JobState.PUBLISHING
    (draft,) = drafts(bench)
    assert await published(bench, issue) is draft


async def test_a_draft_whose_answer_was_lost_is_found_again(bench: Bench) -> None:
    issue = await until_running(bench)
    bench.sim.faults.lose_answer("POST", PULLS)
    await bench.finish(CHANGE)
    await bench.work()
    await published(bench, issue)


async def test_who_asks_again_after_nothing_came_of_it_goes_on_from_there(bench: Bench) -> None:
    issue = on_issue(bench, "/flowforge implement in small steps")
    await bench.work()
    await bench.finish({**CHANGE, ".github/workflows/ci.yml": b"on: push\n"})
    await bench.work()
    assert (await job_of(bench, issue)).state is JobState.UNRESOLVED
    bench.sim.people.comment(issue, bench.maintainer, "/flowforge implement without the workflow")
    await bench.work()
    _, context = await workspace_of(bench.store, bench.runner.last)
    assert context["instructions"] == "without the workflow"
    said = [one["text"] for one in context["said"] if one["source"] == "what was asked for and done before"]
    assert said == ["in small steps", "Done."]


async def sweep(bench: Bench) -> None:
    bench.clock.advance(DAY)
    await bench.instance.ticks.sweep("branches")


async def test_the_branch_of_a_job_that_came_to_nothing_goes_and_that_of_a_draft_stays(bench: Bench) -> None:
    issue = await until_running(bench)
    await bench.finish(CHANGE)
    draft = await published(bench, issue)
    for _ in range(bench.settings.proposal_days + 1):
        await sweep(bench)
    assert list(bench.branches) == [f"refs/heads/{draft.head_ref}"]
    bench.sim.people.close(draft, bench.maintainer)
    await sweep(bench)
    assert bench.branches == {}


async def test_a_branch_that_a_dead_worker_left_is_swept(bench: Bench) -> None:
    issue = await until_running(bench)
    bench.sim.faults.fail("POST", PULLS, status=502, times=100)
    await bench.finish(CHANGE)
    await bench.work()
    lease = await bench.store.jobs.claim((await job_of(bench, issue)).id, owner="w", seconds=60)
    assert lease is not None
    await bench.store.jobs.move(lease, JobState.FAILED, rule="internal", message="its workers died")
    await bench.store.jobs.release(lease)
    await bench.work()
    assert len(bench.branches) == 1
    for _ in range(bench.settings.proposal_days + 1):
        await sweep(bench)
    assert bench.branches == {}
    assert drafts(bench) == []
