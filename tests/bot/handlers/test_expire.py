"""Proposals that nobody decides on end, and so do the branches of unfinished merges; nothing younger does."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.model.jobs import JobState
from bot.model.proposals import ProposalState
from bot.model.reports import Surface
from tests.app.store.backends import SqliteBackend
from tests.bot.handlers.bench import Bench, open_bench
from tests.bot.handlers.test_act_takes import BASE, OURS, THEIRS

DAYS = 3
AGE = timedelta(days=DAYS).total_seconds()


@pytest.fixture
async def patient(databases: SqliteBackend, tmp_path: Path) -> AsyncIterator[Bench]:
    overrides = {"proposal_days": DAYS}
    async with open_bench(tmp_path, await databases.fresh(), overrides=overrides) as bench:
        yield bench


async def expire(bench: Bench) -> None:
    await bench.instance.ticks.sweep("expire")
    await bench.work()


async def test_a_proposal_that_nobody_decided_on_expires_and_says_so(patient: Bench) -> None:
    job = await patient.until_proposed()
    patient.clock.advance(AGE)
    await expire(patient)
    assert (await patient.job()).state is JobState.AWAITING_APPROVAL, "not before its time"
    assert patient.branches
    patient.clock.advance(600)
    await expire(patient)
    ended = await patient.job()
    assert (ended.id, ended.state, ended.rule) == (job.id, JobState.REJECTED, "expired")
    proposal = await patient.store.proposals.of_job(job.id)
    assert proposal is not None
    assert proposal.state is ProposalState.EXPIRED
    assert patient.branches == {}
    check = patient.check_runs[-1]
    assert (check.conclusion, check.title) == ("neutral", "Proposal discarded")
    (sticky,) = patient.stickies
    for text in (check.summary or "", sticky):
        assert "Nobody decided on this proposal for 3 days, so it expired; its branch is deleted." in text
        assert "/flowforge resolve" in text
    assert patient.errors == []


async def test_nobody_can_approve_what_expired_and_asking_again_makes_a_new_one(patient: Bench) -> None:
    await patient.until_proposed()
    patient.clock.advance(AGE + 1)
    await expire(patient)
    head = patient.head
    patient.say("/flowforge approve")
    await patient.work()
    assert patient.head == head
    assert (await patient.job()).state is JobState.REJECTED
    first = (await patient.job()).id
    await patient.until_proposed()
    assert (await patient.job()).id != first


async def test_an_approval_that_a_worker_is_carrying_out_is_left_alone(patient: Bench) -> None:
    job = await patient.until_proposed()
    patient.clock.advance(AGE + 1)
    lease = await patient.store.jobs.claim(job.id, owner="intent:approve", seconds=60)
    assert lease is not None
    await patient.instance.ticks.sweep("expire")
    await patient.store.jobs.move(lease, JobState.PUBLISHING)
    await patient.store.jobs.release(lease)
    patient.clock.advance(600)
    await patient.instance.ticks.sweep("expire")
    assert (await patient.job()).state is JobState.PUBLISHING


async def test_a_worker_that_dies_between_proposal_and_job_leaves_it_to_the_next_pass(patient: Bench) -> None:
    job = await patient.until_proposed()
    proposal = await patient.store.proposals.of_job(job.id)
    assert proposal is not None
    patient.clock.advance(AGE + 1)
    await patient.store.proposals.settle(proposal.id, ProposalState.EXPIRED)
    await expire(patient)
    assert (await patient.job()).rule == "expired"


async def test_while_the_forge_is_away_the_end_is_kept_and_told_later(patient: Bench) -> None:
    await patient.until_proposed()
    patient.clock.advance(AGE + 1)
    patient.sim.faults.fail("POST", ".*/access_tokens", status=503, times=99)
    patient.sim.faults.fail("GET", ".*git-upload-pack", status=503, times=99)
    await patient.instance.ticks.sweep("expire")
    assert (await patient.job()).state is JobState.REJECTED
    assert patient.branches
    patient.sim.faults.clear()
    patient.clock.advance(180)
    await patient.work()
    assert patient.branches == {}
    assert "expired" in (patient.check_runs[-1].summary or "")


# --- unfinished merges


async def test_the_branch_of_an_unfinished_merge_expires_too(databases: SqliteBackend, tmp_path: Path) -> None:
    async with open_bench(
        tmp_path,
        await databases.fresh(),
        base=BASE,
        ours=OURS,
        theirs=THEIRS,
        overrides={"proposal_days": DAYS},
    ) as bench:
        bench.say("/flowforge resolve")
        await bench.work()
        bench.say("/flowforge take ours gone.txt")
        await bench.work()
        job = await bench.job()
        assert job.state is JobState.UNRESOLVED, (job.state, job.message)
        assert bench.branches, "what is settled lies on a branch"
        bench.clock.advance(AGE)
        await expire(bench)
        assert bench.branches
        bench.clock.advance(600)
        await expire(bench)
        assert bench.branches == {}
        proposal = await bench.store.proposals.of_job(job.id)
        assert proposal is not None
        assert proposal.state is ProposalState.EXPIRED
        assert proposal.branch not in (bench.check_runs[-1].summary or "")
        assert await bench.store.reports.remote_id(job.id, Surface.CHECK_RUN) is not None
