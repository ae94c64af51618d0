"""What happens to the pull request, the App or the people while a run works (ADV-067): nothing is pushed or shown."""

import asyncio

import pytest

from app.demo.simulator.state import Role
from bot.model.jobs import Job, JobState
from bot.model.runs import RunOutcome
from tests.bot.handlers.bench import WAIT, Bench


def silenced(bench: Bench) -> int:
    """How much the bot has written so far: comments, check runs, reactions, pushes."""
    writes = ("POST", "PATCH", "PUT", "DELETE")
    return sum(
        1
        for one in bench.sim.record.exchanges
        if one.method in writes and one.status < 300 and not one.path.endswith(("/access_tokens", "/git-upload-pack"))
    )


async def ended_with_its_sandbox(bench: Bench) -> Job:
    """Wait until the sandbox is gone, and let a worker see to the job."""
    bench.clock.advance(1)
    await asyncio.wait_for(bench.runner.last.stopped.wait(), WAIT)
    await bench.ended()
    await bench.work()
    return await bench.job()


async def test_closing_the_pull_request_ends_the_run(bench: Bench) -> None:
    await bench.until_running()
    bench.sim.people.close(bench.pull, bench.author)
    await bench.work()
    job = await ended_with_its_sandbox(bench)
    assert (job.state, bench.branches) == (JobState.CANCELLED, {})
    assert await bench.outcome() is RunOutcome.CANCELLED
    assert not await bench.finish(), "its token is worth nothing any more"


async def test_a_pull_request_that_was_closed_unheard_gets_no_proposal(bench: Bench) -> None:
    await bench.until_running()
    bench.sim.webhooks.drop("pull_request")
    bench.sim.people.close(bench.pull, bench.author)
    await bench.finish()
    await bench.work()
    job = await bench.job()
    assert (job.state, job.rule, bench.branches) == (JobState.REFUSED, "closed", {})


@pytest.mark.parametrize("event", ["uninstall", "suspend"])
async def test_without_the_app_the_run_ends_and_nothing_more_is_written(bench: Bench, event: str) -> None:
    await bench.until_running()
    before = silenced(bench)
    if event == "uninstall":
        bench.sim.people.uninstall(bench.repository.owner)
    else:
        bench.sim.people.suspend(bench.repository.owner)
    await bench.work()
    job = await ended_with_its_sandbox(bench)
    assert job.state is JobState.CANCELLED
    assert silenced(bench) == before
    assert bench.branches == {}
    for _ in range(5):
        bench.clock.advance(3600)
        await bench.work()
    assert silenced(bench) == before
    assert await bench.due() == []


async def test_an_app_that_was_uninstalled_unheard_pushes_nothing(bench: Bench) -> None:
    await bench.until_running()
    before = silenced(bench)
    bench.sim.webhooks.drop("installation")
    bench.sim.people.uninstall(bench.repository.owner)
    await bench.finish()
    for _ in range(6):
        await bench.work()
        bench.clock.advance(301)
    job = await bench.job()
    assert job.state in {JobState.FAILED, JobState.REFUSED}
    assert (silenced(bench), bench.branches) == (before, {})


async def test_a_repository_that_left_the_installation_loses_its_jobs(bench: Bench) -> None:
    await bench.until_running()
    other = await bench.sim.people.repository("acme/other", files={"a": "b"})
    bench.sim.people.select_repositories(bench.repository.owner, (other,))
    await bench.work()
    assert (await ended_with_its_sandbox(bench)).state is JobState.CANCELLED


async def test_a_repository_that_stayed_keeps_its_jobs(bench: Bench) -> None:
    await bench.until_running()
    await bench.sim.people.repository("acme/other", files={"a": "b"})
    bench.sim.people.select_repositories(bench.repository.owner, (bench.repository,))
    await bench.work()
    await bench.finish()
    await bench.work()
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL


@pytest.mark.parametrize(("role", "state"), [(Role.NONE, JobState.REFUSED), (Role.WRITE, JobState.AWAITING_APPROVAL)])
async def test_whoever_lost_the_permission_gets_no_proposal(bench: Bench, role: Role, state: JobState) -> None:
    await bench.until_running()
    bench.sim.people.set_role(bench.repository, bench.maintainer, role)
    await bench.finish()
    await bench.work()
    job = await bench.job()
    assert job.state is state
    assert len(bench.branches) == (1 if state is JobState.AWAITING_APPROVAL else 0)
    if state is JobState.REFUSED:
        assert job.rule == "permission"
        assert "may no longer ask for this" in bench.stickies[0]
        assert "RATE = 2 + 3" not in bench.stickies[0]


async def test_a_command_after_the_app_is_gone_does_nothing(bench: Bench) -> None:
    bench.sim.webhooks.hold()
    bench.say("/flowforge resolve")
    bench.sim.people.uninstall(bench.repository.owner)
    bench.sim.webhooks.release(order=[1, 0])
    await bench.work()
    assert silenced(bench) == 0
    assert bench.runner.puppets == []
