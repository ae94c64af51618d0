"""A pause, by command or by file, holds what was asked for before it: nothing begins, nothing is pushed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.demo.simulator.state import Repository
from bot.model.jobs import JobState
from bot.model.pauses import HeldBy, Hold
from bot.model.proposals import Approval, ApprovalVia, ProposalState, Publication, PushPurpose
from bot.report import pauses
from tests.app.store.backends import Lender
from tests.bot.handlers.bench import Bench, open_bench
from tests.bot.handlers.test_drafts import CHANGE, drafts, job_of
from tests.bot.handlers.test_drafts import until_running as until_implementing
from tests.bot.handlers.test_publish import approved
from tests.bot.handlers.test_testing import finish_tests, proposal_of, until_tests
from tests.scenarios.play import BASE, OURS, THEIRS

OFF, FAULT = (pauses.held(Hold(by=by, reason="")) for by in (HeldBy.SWITCH, HeldBy.FAULT))
LATER = 150.0
"""Seconds after which held jobs are looked at again."""


async def organisation(bench: Bench, text: str, shared: Repository | None = None) -> Repository:
    """Have the organisation's file say something; no branch of the pull request moves by it."""
    people, files = bench.sim.people, {"flowforge.yml": f"version: 1\n{text}\n"}
    if shared is None:
        return await people.repository("acme/.flowforge", files=files)
    await people.commit(shared, "main", files, author=bench.maintainer)
    return shared


async def later(bench: Bench) -> None:
    bench.clock.advance(LATER)
    await bench.work()


async def queued(bench: Bench) -> None:
    """Ask for a resolution that no worker has begun with."""
    bench.say("/flowforge resolve")
    await bench.arrived()
    for forge, key in await bench.store.deliveries.waiting(limit=100):
        await bench.tick("delivery", f"{forge}:{key}")


async def test_a_job_that_was_asked_for_before_a_file_paused_does_not_begin(bench: Bench) -> None:
    await queued(bench)
    shared = await organisation(bench, "paused: true")
    for held in (pauses.WAITING, pauses.WAITING, OFF, FAULT):
        if held is OFF:
            await organisation(bench, "enabled: false", shared)
        if held is FAULT:
            await organisation(bench, "enabled: perhaps", shared)
        await later(bench)
        job = await bench.job()
        assert (job.state, job.attempt, job.progress) == (JobState.QUEUED, 1, held)
        assert bench.runner.puppets == []
    await organisation(bench, "budget_usd: 5", shared)
    await later(bench)
    assert ((await bench.job()).state, (await bench.job()).attempt) == (JobState.RUNNING, 1)


async def test_a_job_that_a_dead_worker_had_begun_to_prepare_does_not_begin_again_in_a_pause(bench: Bench) -> None:
    await queued(bench)
    jobs, job = bench.store.jobs, await bench.job()
    lease = await jobs.claim(job.id, owner="dies", seconds=60)
    assert lease is not None
    await jobs.begin_execution(lease, worker="dies")
    base = bench.repository.branch("main")
    await jobs.move(lease, JobState.PREPARING, head_sha=bench.head, base_sha=base)
    await bench.store.pauses.begin(bench.ref, by=None, reason="")
    await later(bench)
    job = await bench.job()
    assert (job.state, job.progress, bench.runner.puppets) == (JobState.QUEUED, pauses.WAITING, [])
    assert await bench.store.pauses.end(bench.ref, by=None)
    await later(bench)
    assert (await bench.job()).state is JobState.RUNNING


@pytest.mark.parametrize("command", ["cancel", "reject"])
async def test_what_a_pause_keeps_from_being_pushed_can_be_taken_back(bench: Bench, command: str) -> None:
    await approved(bench)
    head = bench.head
    if command == "cancel":
        shared = await organisation(bench, "paused: true")
    else:
        await bench.store.pauses.begin(bench.ref, by=None, reason="")
    await later(bench)
    waiting = await bench.job()
    assert (waiting.state, waiting.progress, bench.head) == (JobState.PUBLISHING, pauses.WAITING, head)
    bench.say(f"/flowforge {command}")
    await bench.work()
    ended, state = {
        "cancel": (JobState.CANCELLED, ProposalState.STALE),
        "reject": (JobState.REJECTED, ProposalState.REJECTED),
    }[command]
    assert ((await bench.job()).state, bench.branches, bench.errors) == (ended, {}, [])
    assert (await proposal_of(bench)).state is state
    if command == "cancel":
        await organisation(bench, "paused: false", shared)
    else:
        assert await bench.store.pauses.end(bench.ref, by=None)
    await later(bench)
    assert (bench.head, (await bench.job()).state) == (head, ended)


async def test_a_push_that_has_begun_is_not_cancelled_and_its_end_is_known_after_the_pause(bench: Bench) -> None:
    job, commit = await approved(bench)
    push = Publication(
        purpose=PushPurpose.PUBLISH,
        job_id=job.id,
        proposal_id=(await proposal_of(bench)).id,
        ref="refs/heads/feature",
        old=bench.head,
        new=commit,
    )
    await bench.store.proposals.begin_push(push)
    await bench.store.pauses.begin(bench.ref, by=None, reason="")
    for command in ("cancel", "reject"):
        bench.say(f"/flowforge {command}")
        await bench.work()
    assert [said for said in bench.comments if "is being pushed right now" in said]
    assert [said for said in bench.comments if "approved already and being pushed" in said]
    assert ((await bench.job()).state, (await bench.job()).cancel_requested) == (JobState.PUBLISHING, None)
    assert await bench.store.pauses.end(bench.ref, by=None)
    await later(bench)
    assert (bench.head, (await bench.job()).state) == (commit, JobState.PUBLISHED)


async def test_what_an_agent_made_of_an_issue_is_not_opened_while_the_file_pauses(bench: Bench) -> None:
    issue = await until_implementing(bench)
    people = bench.sim.people
    await people.commit(
        bench.repository, "main", {".flowforge.yml": "version: 1\npaused: true\n"}, author=bench.maintainer
    )
    await bench.finish(CHANGE)
    await bench.work()
    job = await job_of(bench, issue)
    assert (job.state, job.progress, drafts(bench)) == (JobState.PUBLISHING, pauses.WAITING, [])
    await people.commit(bench.repository, "main", {".flowforge.yml": None}, author=bench.maintainer)
    await later(bench)
    assert ((await job_of(bench, issue)).state, len(drafts(bench))) == (JobState.PUBLISHED, 1)


@pytest.fixture
async def auto(databases: Lender, tmp_path: Path) -> AsyncIterator[Bench]:
    """A bench on which tests that pass are approval enough."""
    config = "version: 1\npaths: [{match: fees.py, tier: auto}]\ntest_command: 'true'\n"
    base = {**BASE, ".flowforge.yml": config}
    async with open_bench(tmp_path, await databases.fresh(), base=base, ours=OURS, theirs=THEIRS) as bench:
        yield bench


async def test_what_needs_no_approval_needs_one_in_a_pause_and_by_the_configuration_of_now(auto: Bench) -> None:
    head, shared = auto.head, await organisation(auto, "budget_usd: 5")
    await until_tests(auto)
    await organisation(auto, "paused: true", shared)
    await finish_tests(auto)
    job, proposal = await auto.job(), await proposal_of(auto)
    assert (job.state, auto.head) == (JobState.AWAITING_APPROVAL, head)
    # As if the pause had come a moment later, when it was approved already.
    unasked = Approval(
        proposal_id=proposal.id,
        actor=await auto.instance.forge.bot_user(auto.ref.forge),
        via=ApprovalVia.CONFIGURATION,
        permission="",
        commit=proposal.commit,
        diff_sha256=proposal.diff_sha256,
    )
    lease = await auto.store.jobs.claim(job.id, owner="worker", seconds=60)
    assert lease is not None
    await auto.store.proposals.approve(unasked)
    await auto.store.jobs.release(await auto.store.jobs.move(lease, JobState.PUBLISHING))
    await later(auto)
    assert ((await auto.job()).progress, auto.head) == (pauses.WAITING, head)
    await organisation(auto, "paths: [{match: fees.py, tier: approve}]", shared)
    await later(auto)
    assert ((await auto.job()).state, auto.head) == (JobState.AWAITING_APPROVAL, head)
    auto.say("/flowforge approve")
    await auto.work()
    assert (auto.head, (await auto.job()).state) == (proposal.commit, JobState.PUBLISHED)
