"""A push to head or base ends what is under way and begins it afresh; whatever is proposed becomes void with it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.demo.simulator.state import CheckRun, Role
from bot.model.jobs import Job, JobState
from bot.model.levels import LevelKind
from bot.model.proposals import ProposalState
from bot.model.runs import RunOutcome
from bot.policy.sync import MAX_AFRESH, afresh_key
from tests.bot.handlers.bench import Bench
from tests.bot.handlers.test_route import rows
from tests.scenarios.play import THEIRS

DEBOUNCE = 15.0
ASKED = "/flowforge resolve keep both rates"


async def push(bench: Bench, branch: str, word: str) -> str:
    files = {f"{branch}.md": f"# {word}\n"}
    return await bench.sim.people.commit(bench.repository, branch, files, author=bench.author)


async def overtaken(bench: Bench) -> None:
    """Do what is due, with the end of the sandbox that this stops."""
    puppet = bench.runner.last
    await bench.work()
    bench.clock.advance(1)  # the supervisor's heartbeat
    await bench.ended(puppet)
    await bench.work()


async def began_afresh(bench: Bench, old: Job) -> Job:
    """Wait out the debounce; the job that is at work then."""
    waiting = await bench.job()
    assert (waiting.state, waiting.attempt) == (JobState.QUEUED, 0), "not before the debounce is over"
    bench.clock.advance(DEBOUNCE)
    await bench.work()
    job = await bench.job()
    assert job.id != old.id
    assert (job.state, bench.errors) == (JobState.RUNNING, [])
    return job


async def states(bench: Bench) -> list[str]:
    return [str(state) for (state,) in await rows(bench, "SELECT state FROM jobs ORDER BY serial")]


def on(bench: Bench, head: str) -> list[CheckRun]:
    return [check for check in bench.check_runs if check.head_sha == head]


async def reread(bench: Bench, job: Job) -> Job:
    found = await bench.store.jobs.get(job.id)
    assert found is not None
    return found


@pytest.mark.parametrize("branch", ["feature", "main"])
async def test_a_push_during_a_run_ends_it_and_begins_afresh_for_what_is_there_now(bench: Bench, branch: str) -> None:
    old = await bench.until_running(ASKED)
    puppet, before, base = bench.runner.last, bench.head, old.base_sha
    moved = await push(bench, branch, "moved")
    await overtaken(bench)
    assert puppet.stopped.is_set()
    assert await bench.store.runs.latest(old.id) is not None
    ended = await reread(bench, old)
    what = f"The head moved from `{before[:12]}`" if branch == "feature" else f"`main` moved from `{(base or '')[:12]}`"
    assert (ended.state, ended.message) == (
        JobState.SUPERSEDED,
        f"{what} to `{moved[:12]}`. The work begins afresh.",
    )
    assert f"{what} to `{moved[:12]}`." in bench.stickies[0]
    run = await bench.store.runs.latest(old.id)
    assert run is not None
    assert run.outcome is RunOutcome.SUPERSEDED

    new = await began_afresh(bench, old)
    assert (new.head_sha, new.base_sha) == (bench.head, bench.repository.refs["refs/heads/main"])
    assert new.request.instructions == old.request.instructions == "keep both rates"
    assert new.request.requested_by == old.request.requested_by
    first, second = bench.check_runs
    assert (first.head_sha, first.status, first.conclusion, first.actions) == (before, "completed", "neutral", [])
    assert f"{what} to `{moved[:12]}`." in (first.summary or "")
    assert (second.head_sha, second.status) == (bench.head, "in_progress")
    assert await states(bench) == ["superseded", "running"]
    assert await bench.store.audit.first_broken() is None


async def test_ten_pushes_make_one_fresh_job_for_the_last_of_them(bench: Bench) -> None:
    old = await bench.until_running()
    before = bench.head
    await push(bench, "feature", "0")
    await overtaken(bench)
    first_seen = bench.head
    for number in range(1, 9):
        bench.clock.advance(1)
        await push(bench, "feature" if number % 2 else "main", f"{number}")
        await bench.work()
    last = await push(bench, "feature", "9")
    await bench.work()
    bench.clock.advance(DEBOUNCE)
    await bench.work()
    new = await bench.job()
    assert (new.head_sha, new.base_sha) == (last, bench.repository.refs["refs/heads/main"])
    assert await states(bench) == ["superseded", "running"]
    assert len(bench.runner.puppets) == 2
    by_head = [(check.head_sha, check.conclusion) for check in bench.check_runs]
    assert by_head == [(before, "neutral"), (first_seen, "neutral"), (last, None)]
    assert f"it is about `{last[:12]}`" in (on(bench, first_seen)[0].summary or "")
    await bench.finish()
    await bench.work()
    assert (await reread(bench, old)).state is JobState.SUPERSEDED
    assert on(bench, last)[0].conclusion == "action_required"


async def test_what_is_not_fetched_yet_takes_the_newest_and_nothing_is_superseded(bench: Bench) -> None:
    bench.say("/flowforge resolve")
    await bench.arrived()
    for kind, key in await bench.due():
        await bench.tick(kind, key)
    assert (await bench.job()).state is JobState.QUEUED
    newest = await push(bench, "feature", "newer")
    await bench.work()
    assert await states(bench) == ["running"]
    assert (await bench.job()).head_sha == newest
    assert [check.status for check in on(bench, newest)] == ["in_progress"]


async def test_a_push_while_head_and_base_are_fetched_is_not_overlooked(bench: Bench) -> None:
    """A worker fetched, and did not say so yet: the comparison waits for what it says."""
    bench.say("/flowforge resolve")
    await bench.arrived()
    for kind, key in await bench.due():
        await bench.tick(kind, key)
    job = await bench.job()
    lease = await bench.store.jobs.claim(job.id, owner="somebody", seconds=200)
    assert lease is not None
    old_head, old_base = bench.head, bench.repository.refs["refs/heads/main"]
    await push(bench, "main", "meanwhile")
    await bench.work()
    assert await states(bench) == ["queued"]
    moved = await bench.store.jobs.move(lease, JobState.PREPARING, head_sha=old_head, base_sha=old_base)
    await bench.store.jobs.release(moved)
    bench.clock.advance(3)
    await bench.work()
    assert await states(bench) == ["superseded", "queued"]


@pytest.mark.parametrize("branch", ["feature", "main"])
async def test_a_proposal_is_void_as_soon_as_head_or_base_moved_and_says_what_moved(bench: Bench, branch: str) -> None:
    job = await bench.until_proposed()
    shown = bench.check_runs[-1]
    before = bench.repository.refs[f"refs/heads/{branch}"]
    if branch == "main":
        await bench.sim.people.commit(
            bench.repository,
            "main",
            {"README.md": "# moved\n"},
            author=bench.maintainer,
            message="Merge pull request #77 from acme/x",
        )
    else:
        await push(bench, branch, "moved")
    now = bench.repository.refs[f"refs/heads/{branch}"]
    await bench.work()
    ended = await bench.job()
    assert (ended.id, ended.state, ended.rule) == (job.id, JobState.SUPERSEDED, "stale")
    proposal = await bench.store.proposals.of_job(job.id)
    assert proposal is not None
    assert proposal.state is ProposalState.STALE
    what, by = ("The head", "") if branch == "feature" else ("`main`", ", which names pull request 77")
    assert f"{what} moved from `{before[:12]}` to `{now[:12]}`{by}." in bench.stickies[0]
    assert (shown.conclusion, shown.actions, bench.branches) == ("neutral", [], {})
    bench.clock.advance(600)
    await bench.work()
    assert await states(bench) == ["superseded"], "nobody asked for another one"
    bench.sim.people.send_requested_action(shown, bench.maintainer, "approve")
    await bench.work()
    assert ("The head moved" if branch == "feature" else "out of date") in bench.comments[-1]
    assert bench.errors == []


async def test_closing_ends_it_whatever_was_pushed_before_and_reopening_starts_nothing(bench: Bench) -> None:
    await bench.until_running()
    await push(bench, "feature", "and closed")
    bench.sim.people.close(bench.pull, bench.author)
    await overtaken(bench)
    assert await states(bench) == ["cancelled"]
    assert bench.check_runs[0].conclusion == "cancelled"
    await bench.sim.people.reopen(bench.pull, bench.author)
    bench.clock.advance(60)
    await bench.work()
    assert (await states(bench), len(bench.runner.puppets)) == (["cancelled"], 1)


async def test_closing_during_the_debounce_takes_the_fresh_start_back(bench: Bench) -> None:
    await bench.until_running()
    await push(bench, "feature", "moved")
    await overtaken(bench)
    bench.sim.people.close(bench.pull, bench.author)
    await bench.work()
    assert (await states(bench), len(bench.runner.puppets)) == (["superseded", "cancelled"], 1)


async def test_another_base_branch_begins_afresh_too(bench: Bench) -> None:
    old = await bench.until_running()
    await bench.sim.people.commit(
        bench.repository, "next", {"fees.py": THEIRS["fees.py"].replace("3", "9")}, author=bench.author, start="main~1"
    )
    await bench.work()
    assert await states(bench) == ["running"], "that branch is no matter of this pull request"
    await bench.sim.people.retarget(bench.pull, bench.author, base="next")
    await overtaken(bench)
    ended = await reread(bench, old)
    assert (ended.message or "").startswith("The pull request goes to `next` now, and not to `main`.")
    new = await began_afresh(bench, old)
    assert (new.request.base_ref, new.base_sha) == ("next", bench.repository.refs["refs/heads/next"])
    assert len(bench.check_runs) == 2


async def test_fresh_starts_come_to_an_end_and_a_person_begins_a_new_row(bench: Bench) -> None:
    job = await bench.until_running()
    for number in range(MAX_AFRESH):
        await push(bench, "main", f"{number}")
        await overtaken(bench)
        job = await began_afresh(bench, job)
    await push(bench, "main", "once more")
    await overtaken(bench)
    bench.clock.advance(60)
    await bench.work()
    assert await states(bench) == ["superseded"] * (MAX_AFRESH + 1)
    assert f"afresh {MAX_AFRESH} times in a row" in bench.stickies[0]
    again = await bench.until_running()
    await push(bench, "main", "and again")
    await overtaken(bench)
    assert (await began_afresh(bench, again)).request.origin_key.startswith("github:afresh:1:")


async def test_whoever_may_no_longer_ask_gets_no_fresh_start(bench: Bench) -> None:
    await bench.until_running()
    bench.sim.people.set_role(bench.repository, bench.maintainer, Role.READ)
    await push(bench, "feature", "moved")
    await overtaken(bench)
    bench.clock.advance(60)
    await bench.work()
    assert (await states(bench), len(bench.runner.puppets)) == (["superseded"], 1)
    assert "`maintainer` may no longer ask for this here" in bench.stickies[0]


async def test_a_cancel_during_the_debounce_holds(bench: Bench) -> None:
    await bench.until_running()
    await push(bench, "feature", "moved")
    await overtaken(bench)
    bench.say("/flowforge cancel")
    bench.clock.advance(60)
    await bench.work()
    assert (await states(bench), len(bench.runner.puppets)) == (["superseded", "cancelled"], 1)


async def test_a_push_under_our_push_does_not_interrupt_it_and_our_push_supersedes_nothing(bench: Bench) -> None:
    await bench.until_proposed()
    bench.say("/flowforge approve")
    key = await heard(bench)
    assert (await bench.job()).state is JobState.PUBLISHING
    await bench.store.levels.raise_(LevelKind.PR_SYNC, key)
    assert await bench.tick("pr_sync", key)
    assert (await bench.job()).cancel_requested is None
    await bench.work()
    bench.clock.advance(60)
    await bench.work()
    assert (await states(bench), bench.errors) == (["published"], [])


async def test_a_proposal_that_somebody_pushed_by_hand_has_arrived(bench: Bench) -> None:
    await bench.until_proposed()
    (commit,) = bench.branches.values()
    await bench.sim.people.move_branch(bench.repository, "feature", commit, actor=bench.author)
    await bench.work()
    assert (await states(bench), bench.branches) == (["superseded"], {})
    assert "somebody pushed it" in bench.stickies[0]


async def heard(bench: Bench) -> str:
    """Route what people did, and nothing else; the key of the level that this raised."""
    await bench.arrived()
    for kind, key in await bench.due():
        if kind == "delivery":
            await bench.tick(kind, key)
    return f"github:{bench.repository.id}:{bench.pull.number}"


async def test_a_worker_that_dies_before_it_did_anything_is_replaced(bench: Bench) -> None:
    old = await bench.until_running()
    moved = await push(bench, "feature", "moved")
    key = await heard(bench)
    until = bench.clock.now() + timedelta(seconds=60)
    assert await bench.store.levels.take(LevelKind.PR_SYNC, key, until=until) is not None
    await bench.work()
    assert await states(bench) == ["running"], "somebody is at it"
    bench.clock.advance(61)
    await overtaken(bench)
    assert await states(bench) == ["superseded", "queued"]
    assert (await began_afresh(bench, old)).head_sha == moved


async def test_a_worker_that_dies_right_after_the_commit_loses_nothing(bench: Bench) -> None:
    """The end of the old job and the beginning of the new one are one commit; the sweep finds what follows."""
    old = await bench.until_running()
    moved = await push(bench, "feature", "moved")
    key = await heard(bench)
    until = bench.clock.now() + timedelta(seconds=60)
    assert await bench.store.levels.take(LevelKind.PR_SYNC, key, until=until) is not None
    request = replace(old.request, origin_key=afresh_key(old), head_sha=moved)
    later = bench.clock.now() + timedelta(seconds=DEBOUNCE)
    new = await bench.store.jobs.create(
        request, job_id="d" * 32, supersede=old.id, because="It moved.", not_before=later
    )
    assert new is not None
    bench.clock.advance(61)
    await overtaken(bench)
    assert (await states(bench), (await bench.job()).id) == (["superseded", "running"], new.id)
    assert [check.conclusion for check in bench.check_runs] == ["neutral", None]
    assert len(bench.stickies) == 1
    assert bench.errors == []


async def test_what_is_missed_is_found_when_somebody_looks(bench: Bench) -> None:
    old = await bench.until_running()
    bench.sim.webhooks.drop(times=99)
    await push(bench, "main", "unheard")
    await push(bench, "feature", "unheard")
    await bench.work()
    assert await states(bench) == ["running"]
    assert await bench.store.levels.raise_for_jobs(bench.ref) == [f"github:{bench.repository.id}:1"]
    await overtaken(bench)
    assert await states(bench) == ["superseded", "queued"]
    assert "The head moved" in ((await reread(bench, old)).message or "")


async def test_pull_requests_without_work_cost_no_call(bench: Bench) -> None:
    asked = len(bench.asked("GET", "/pulls/1"))
    await push(bench, "feature", "quiet")
    await bench.work()
    for number in ("1", "2", "99"):
        await bench.store.levels.raise_for_jobs(bench.ref)
        await bench.tick("pr_sync", f"github:{bench.repository.id}:{number}")
    for nonsense in ("", "github", "github:x:1", f"gitlab:{bench.repository.id}:1", "github:1:", "github:1:-1"):
        assert await bench.tick("pr_sync", nonsense)
    assert len(bench.asked("GET", "/pulls/1")) == asked
