"""What was approved is pushed once, whatever dies in between; what changed since is not pushed at all."""

from typing import Any

import pytest
from sqlalchemy import text

from app.demo.simulator.record import Exchange, SentWebhook
from app.demo.simulator.state import Role
from bot.model.jobs import Job, JobState
from bot.model.proposals import ProposalState, Publication, PushPurpose
from bot.report import pauses
from tests.bot.handlers.bench import Bench

RECEIVE = "/acme/fees.git/git-receive-pack"
INFO = "/acme/fees.git/info/refs"


async def approved(bench: Bench) -> tuple[Job, str]:
    """A job whose proposal was approved and not yet pushed, and the proposed commit."""
    await bench.until_proposed()
    (commit,) = bench.branches.values()
    bench.say("/flowforge approve")
    await bench.arrived()
    for kind, key in await bench.due():
        if kind == "delivery":
            await bench.tick(kind, key)
    job = await bench.job()
    assert job.state is JobState.PUBLISHING
    return job, commit


async def rows(bench: Bench, query: str, **values: object) -> list[tuple[Any, ...]]:
    async with bench.store.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query), values)]


def lose_sight(bench: Bench) -> None:
    """The next push happens, its answer is lost, and a look at the forge right after it fails."""

    def then(entry: Exchange | SentWebhook) -> None:
        if isinstance(entry, Exchange) and entry.lost:
            bench.sim.faults.fail("GET", INFO, status=503)

    bench.sim.faults.lose_answer("POST", RECEIVE)
    bench.sim.record.listeners.append(then)


async def pushes(bench: Bench, job: Job) -> list[tuple[Any, ...]]:
    """Purpose and status of the job's operations on refs."""
    query = "SELECT operation, status FROM git_operations WHERE job_id = :job ORDER BY serial"
    return await rows(bench, query, job=job.id)


async def change(bench: Bench, statement: str, **values: object) -> None:
    """What somebody with access to the database could do."""
    async with bench.store.engine.begin() as connection:
        await connection.execute(text(statement), values)


# --- the push, and its record


async def test_a_push_that_happened_and_was_not_recorded_is_recorded_and_not_repeated(bench: Bench) -> None:
    job, commit = await approved(bench)
    await bench.sim.people.move_branch(bench.repository, "feature", commit, actor=bench.sim.bot)
    received = len(bench.asked("POST", RECEIVE))
    await bench.work()
    assert (bench.head, (await bench.job()).state) == (commit, JobState.PUBLISHED)
    assert len(bench.asked("POST", RECEIVE)) == received + 1, "only the proposal's branch goes"
    assert ("publish", "done") in await pushes(bench, job)
    bench.say("/flowforge rollback")
    await bench.work()
    assert (await bench.job()).state is JobState.PUBLISHED


async def test_a_push_that_was_recorded_and_taken_back_is_not_repeated(bench: Bench) -> None:
    """The worker died between the record and the end of the job, and a person put the old head back meanwhile."""
    job, commit = await approved(bench)
    before = bench.head
    proposal = await bench.store.proposals.of_job(job.id)
    assert proposal is not None
    push = Publication(
        purpose=PushPurpose.PUBLISH,
        job_id=job.id,
        proposal_id=proposal.id,
        ref="refs/heads/feature",
        old=before,
        new=commit,
    )
    await bench.store.proposals.end_push(push, status="done")
    await bench.work()
    assert (bench.head, (await bench.job()).state) == (before, JobState.SUPERSEDED)
    assert [one for one in await pushes(bench, job) if one[0] == "publish"] == [("publish", "done")]


async def test_a_proposals_branch_that_was_recorded_is_one_push(bench: Bench) -> None:
    """The worker died between the record and the next state of the job, which is validated again."""
    job = await bench.until_proposed()
    await change(bench, "UPDATE jobs SET state = 'validating', conclude_at = NULL WHERE id = :job", job=job.id)
    received = len(bench.asked("POST", RECEIVE))
    await bench.work()
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL
    assert len(bench.asked("POST", RECEIVE)) == received
    assert await pushes(bench, job) == [("propose", "done")]


async def test_a_rollback_that_was_recorded_and_undone_is_not_repeated(bench: Bench) -> None:
    """The worker died between the record and the end of the job, and a person pushed the resolution again."""
    before = bench.head
    _, commit = await approved(bench)
    await bench.work()
    bench.say("/flowforge rollback")
    await bench.work()
    assert bench.head == before
    job = await bench.job()
    await bench.sim.people.move_branch(bench.repository, "feature", commit, actor=bench.author)
    await change(bench, "UPDATE jobs SET state = 'publishing', finished_at = NULL WHERE id = :job", job=job.id)
    await bench.work()
    ended = await bench.job()
    assert (bench.head, ended.state, ended.rule) == (commit, JobState.FAILED, "stale")
    assert await pushes(bench, job) == [("roll_back", "done")]


@pytest.mark.parametrize("begun", [True, False])
async def test_a_branch_that_is_gone_is_on_record_as_deleted_by_whoever_began_to(bench: Bench, *, begun: bool) -> None:
    """The worker died between the deletion and its record; or a person was quicker."""
    job = await bench.until_proposed()
    proposal = await bench.store.proposals.of_job(job.id)
    assert proposal is not None
    if begun:
        deletion = Publication(
            purpose=PushPurpose.CLEAN_UP,
            job_id=job.id,
            proposal_id=proposal.id,
            ref=f"refs/heads/{proposal.branch}",
            old=proposal.commit,
            new="",
        )
        await bench.store.proposals.begin_push(deletion)
    await bench.sim.people.move_branch(bench.repository, proposal.branch, None, actor=bench.author)
    bench.say("/flowforge reject")
    await bench.work()
    assert (await bench.job()).state is JobState.REJECTED
    assert await pushes(bench, job) == [("propose", "done"), *([("clean_up", "done")] if begun else [])]


async def test_a_push_that_could_not_be_seen_is_found_by_looking_later(bench: Bench) -> None:
    job, commit = await approved(bench)
    lose_sight(bench)
    await bench.work()
    assert (await bench.job()).state is JobState.PUBLISHING
    assert bench.head == commit
    bench.clock.advance(60)
    await bench.work()
    assert (await bench.job()).state is JobState.PUBLISHED
    assert [one for one in await pushes(bench, job) if one[0] == "publish"] == [("publish", "done")]


async def test_the_branch_of_a_proposal_that_was_pushed_and_not_recorded_is_taken_as_it_is(bench: Bench) -> None:
    await bench.until_running()
    await bench.finish()
    lose_sight(bench)
    await bench.work()
    (commit,) = bench.branches.values()
    assert (await bench.job()).state is JobState.VALIDATING
    bench.clock.advance(60)
    await bench.work()
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL
    assert list(bench.branches.values()) == [commit], "the same work gives the same commit"


async def test_a_rollback_that_happened_and_was_not_recorded_is_recorded(bench: Bench) -> None:
    before = bench.head
    await approved(bench)
    await bench.work()
    bench.say("/flowforge rollback")
    await bench.arrived()
    lose_sight(bench)
    await bench.work()
    assert bench.head == before
    assert (await bench.job()).state is JobState.PUBLISHING
    bench.clock.advance(60)
    await bench.work()
    assert (await bench.job()).state is JobState.PUBLISHED


async def test_a_revert_that_was_begun_goes_on(bench: Bench) -> None:
    await approved(bench)
    await bench.work()
    await bench.sim.people.commit(bench.repository, "feature", {"README.md": "# more\n"}, author=bench.author)
    bench.say("/flowforge rollback")
    await bench.arrived()
    bench.sim.faults.fail("POST", RECEIVE, status=500, times=1)
    await bench.work()
    assert (await bench.job()).state is JobState.PREPARING
    bench.clock.advance(60)
    await bench.work()
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL
    assert len(bench.branches) == 1


async def test_a_forge_that_is_away_at_the_push_is_waited_for_longer(bench: Bench) -> None:
    _, commit = await approved(bench)
    bench.sim.faults.fail("GET", INFO, status=503, times=10)
    for _ in range(10):
        await bench.work()
        assert (await bench.job()).state is JobState.PUBLISHING
        bench.clock.advance(301)
    await bench.work()
    assert (await bench.job()).state is JobState.PUBLISHED
    assert bench.head == commit


async def test_a_push_that_nobody_could_see_is_not_called_undone(bench: Bench) -> None:
    await approved(bench)
    bench.sim.faults.fail("GET", INFO, status=503, times=99)
    for _ in range(12):
        await bench.work()
        bench.clock.advance(301)
    assert (await bench.job()).state is JobState.FAILED
    assert "could not see whether its push arrived" in bench.stickies[0]
    assert "Nothing was changed" not in bench.stickies[0]


# --- what changed since it was shown (ADV-052, ADV-072)


async def test_commits_that_came_between_approval_and_push_make_it_void(bench: Bench) -> None:
    _, commit = await approved(bench)
    moved = await bench.sim.people.commit(
        bench.repository, "feature", {"README.md": "# slipped in\n"}, author=bench.author
    )
    await bench.work()
    job = await bench.job()
    assert (job.state, job.rule) == (JobState.SUPERSEDED, "stale")
    assert bench.head == moved != commit
    assert bench.branches == {}


@pytest.mark.parametrize("column", ["commit", "diff_sha256", "tree", "base_sha"])
async def test_a_proposal_that_was_edited_in_the_database_is_not_pushed(bench: Bench, column: str) -> None:
    before = bench.head
    job, _ = await approved(bench)
    other = before if column == "commit" else "f" * (64 if column == "diff_sha256" else 40)
    await change(bench, f'UPDATE proposals SET "{column}" = :other WHERE job_id = :job', other=other, job=job.id)  # noqa: S608 - our own columns
    await bench.work()
    assert bench.head == before
    assert (await bench.job()).state is JobState.SUPERSEDED


async def test_another_proposed_commit_than_the_approved_one_is_not_pushed(bench: Bench) -> None:
    """Somebody puts a whole, consistent proposal of another commit in the place of the one that was shown."""
    await bench.until_proposed()
    first = await bench.store.proposals.of_job((await bench.job()).id)
    assert first is not None
    bench.say("/flowforge retry")
    await bench.work()
    await bench.finish({"fees.py": b"RATE = 3 + 2\n\n\ndef fee(amount):\n    return amount * RATE\n"})
    await bench.work()
    second = await bench.store.proposals.of_job((await bench.job()).id)
    assert second is not None
    assert second.commit != first.commit
    before = bench.head
    bench.say("/flowforge approve")
    await bench.arrived()
    for kind, key in await bench.due():
        if kind == "delivery":
            await bench.tick(kind, key)
    names = ("commit", "tree", "diff_sha256")
    values = {name: getattr(first, name) for name in names}
    settings = ", ".join(f'"{name}" = :{name}' for name in names)
    await change(bench, f"UPDATE proposals SET {settings} WHERE id = :id", id=second.id, **values)  # noqa: S608 - our own columns
    await bench.work()
    assert bench.head == before
    assert "not what was approved" in bench.stickies[0]


# --- a pause


async def test_what_was_approved_before_a_pause_is_pushed_after_it(bench: Bench) -> None:
    _, commit = await approved(bench)
    before = bench.head
    await bench.store.pauses.begin(None, by=None, reason="")
    await bench.work()
    job = await bench.job()
    assert (bench.head, job.state, job.progress) == (before, JobState.PUBLISHING, pauses.WAITING)
    await bench.store.pauses.end(None, by=None)
    bench.clock.advance(600)
    await bench.work()
    assert (bench.head, (await bench.job()).state) == (commit, JobState.PUBLISHED)


# --- who approved


async def test_the_approval_of_somebody_who_lost_the_right_meanwhile_is_void(bench: Bench) -> None:
    job, commit = await approved(bench)
    before = bench.head
    bench.sim.people.set_role(bench.repository, bench.maintainer, Role.READ)
    await bench.work()
    assert bench.head == before
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL
    assert bench.check_runs[-1].conclusion == "action_required"
    bench.say("/flowforge approve", who=bench.author)
    await bench.work()
    assert bench.head == commit
    approvals = await rows(bench, "SELECT actor_login, via FROM approvals ORDER BY serial")
    assert approvals == [("maintainer", "comment"), ("maintainer", "withdrawn"), ("robin", "comment")]
    assert ("publish", "done") in await pushes(bench, job)


@pytest.mark.parametrize("begun", [ProposalState.APPROVED, ProposalState.REJECTED, ProposalState.STALE])
@pytest.mark.parametrize("command", ["approve", "reject"])
async def test_a_decision_that_a_dead_worker_began_can_be_taken_again(
    bench: Bench, begun: ProposalState, command: str
) -> None:
    await bench.until_proposed()
    (commit,) = bench.branches.values()
    proposal = await bench.store.proposals.of_job((await bench.job()).id)
    assert proposal is not None
    await bench.store.proposals.settle(proposal.id, begun)
    bench.say(f"/flowforge {command}")
    await bench.work()
    wanted = JobState.PUBLISHED if command == "approve" else JobState.REJECTED
    assert (await bench.job()).state is wanted
    assert (bench.head == commit) is (command == "approve")
    assert bench.branches == {}


async def test_a_forge_that_refuses_the_push_leaves_the_branch_and_the_commands(bench: Bench) -> None:
    _, commit = await approved(bench)
    before = bench.head
    bench.sim.people.protect(bench.repository, "feature")
    await bench.work()
    job = await bench.job()
    assert (job.state, job.rule, bench.head) == (JobState.REFUSED, "push_refused", before)
    assert list(bench.branches.values()) == [commit]
    assert f"git merge --ff-only {commit}" in bench.stickies[0]
