"""People settle single conflicts: by command, by button, one after the other, and only those that are open."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.demo.simulator.state import CheckRun
from bot.model.cases import Choice, Take
from bot.model.jobs import Job, JobState
from tests.app.store.backends import SqliteBackend
from tests.bot.handlers.bench import Bench, open_bench

TEXT = "one\ntwo\nthree\nfour\nfive\n"
BASE = {"old name.md": TEXT, "gone.txt": TEXT.upper(), "README.md": "# fees\n"}
OURS = {"old name.md": TEXT + "ours\n", "gone.txt": TEXT.upper() + "OURS\n"}
THEIRS: dict[str, str | None] = {"old name.md": None, "gone.txt": None}
ONE_THEIRS: dict[str, str | None] = {"gone.txt": None}


@pytest.fixture
async def two(databases: SqliteBackend, tmp_path: Path) -> AsyncIterator[Bench]:
    """A pull request that changes two files which the base branch deletes."""
    async with open_bench(tmp_path, await databases.fresh(), base=BASE, ours=OURS, theirs=THEIRS) as bench:
        yield bench


@pytest.fixture
async def one(databases: SqliteBackend, tmp_path: Path) -> AsyncIterator[Bench]:
    """A pull request that changes one file which the base branch deletes."""
    async with open_bench(tmp_path, await databases.fresh(), base=BASE, ours=OURS, theirs=ONE_THEIRS) as bench:
        yield bench


async def after(bench: Bench, body: str) -> Job:
    """The newest job when all that a comment brings about is done."""
    bench.say(body)
    await bench.work()
    assert bench.errors == []
    return await bench.job()


def newest_check(bench: Bench) -> CheckRun:
    return max(bench.check_runs, key=lambda run: run.id)


def takes_of(job: Job) -> set[tuple[str, Choice]]:
    return {(take.path, take.choice) for take in job.request.takes}


async def files(bench: Bench, ref: str) -> set[str]:
    listed = await bench.sim.git(bench.repository, "ls-tree", "-r", "--name-only", ref)
    return set(listed.splitlines())


async def test_several_takes_add_up_to_a_whole_merge(two: Bench) -> None:
    first = await after(two, "/flowforge resolve")
    assert first.state is JobState.UNRESOLVED
    second = await after(two, "/flowforge take theirs `gone.txt`")
    assert (second.id != first.id, second.state) == (True, JobState.UNRESOLVED)
    assert second.request.takes == (Take(path="gone.txt", choice=Choice.THEIRS, taken_by="maintainer"),)
    third = await after(two, "/flowforge take ours old name.md")
    assert third.state is JobState.AWAITING_APPROVAL, third.message
    assert takes_of(third) == {("gone.txt", Choice.THEIRS), ("old name.md", Choice.OURS)}
    assert (await after(two, "/flowforge approve")).state is JobState.PUBLISHED
    assert two.runner.puppets == [], "no sandbox was needed"
    assert await files(two, two.head) == {"old name.md", "README.md"}


async def test_a_take_keeps_what_was_asked_for_and_counts_once(two: Bench) -> None:
    asked = await after(two, "/flowforge resolve --budget 2.50 keep the names")
    taken = await after(two, "/flowforge take delete gone.txt")
    assert (taken.request.instructions, taken.request.budget_usd) == ("keep the names", 2.5)
    assert (taken.request.head_sha, taken.request.strategy) == (asked.request.head_sha, asked.request.strategy)
    for delivery in two.sim.webhooks.deliveries:
        await two.tick("delivery", f"github:{delivery.guid}")
    await two.work()
    assert (await two.job()).id == taken.id


async def test_a_take_whose_record_was_lost_is_not_done_twice(two: Bench) -> None:
    await after(two, "/flowforge resolve")
    taken = await after(two, "/flowforge take delete gone.txt")
    async with two.store.engine.begin() as connection:
        # as a worker leaves it that dies between the deed and its record
        await connection.execute(text("UPDATE intents SET finished_at = NULL, job_id = NULL WHERE name = 'takeside'"))
        await connection.execute(text("UPDATE deliveries SET state = 'new' WHERE event = 'issue_comment'"))
    comments = len(two.comments)
    await two.sim.people.commit(two.repository, "main", {"README.md": "# moved\n"}, author=two.maintainer)
    await two.work()
    assert ((await two.job()).id, two.errors, len(two.comments)) == (taken.id, [], comments)
    async with two.store.engine.begin() as connection:
        found = await connection.execute(text("SELECT job_id FROM intents WHERE name = 'takeside'"))
        assert found.scalar_one() == taken.id


async def test_an_unfinished_merge_cannot_be_approved(two: Bench) -> None:
    await after(two, "/flowforge resolve")
    unfinished = await after(two, "/flowforge take ours gone.txt")
    head = two.head
    assert (await after(two, "/flowforge approve")).id == unfinished.id
    assert "Conflicts are open: `old name.md`." in two.comments[-1]
    assert "Rule: `partial`" in two.comments[-1]
    assert two.head == head


async def test_what_is_not_open_is_refused_with_what_is(two: Bench) -> None:
    unresolved = await after(two, "/flowforge resolve")
    assert (await after(two, "/flowforge take ours README.md")).id == unresolved.id
    assert "`README.md` is no open conflict here. Open: `gone.txt`, `old name.md`." in two.comments[-1]
    assert "Rule: `take`" in two.comments[-1]


async def test_a_base_that_moved_is_named_and_nothing_is_taken(two: Bench) -> None:
    unresolved = await after(two, "/flowforge resolve")
    await two.sim.people.commit(two.repository, "main", {"README.md": "# moved\n"}, author=two.maintainer)
    assert (await after(two, "/flowforge take ours gone.txt")).id == unresolved.id
    assert "The base branch moved since the conflicts were found." in two.comments[-1]
    assert "Rule: `stale`" in two.comments[-1]


async def test_a_head_that_moved_is_named_and_nothing_is_taken(two: Bench) -> None:
    unresolved = await after(two, "/flowforge resolve")
    await two.sim.people.commit(two.repository, "feature", {"README.md": "# moved\n"}, author=two.author)
    assert (await after(two, "/flowforge take ours gone.txt")).id == unresolved.id
    assert "The head moved from" in two.comments[-1]


async def test_a_retry_keeps_the_decisions_while_head_and_base_stay(two: Bench) -> None:
    await after(two, "/flowforge resolve")
    taken = await after(two, "/flowforge take theirs gone.txt")
    again = await after(two, "/flowforge retry")
    assert again.id != taken.id
    assert again.request.takes == taken.request.takes
    await two.sim.people.commit(two.repository, "main", {"README.md": "# moved\n"}, author=two.maintainer)
    assert (await after(two, "/flowforge retry")).request.takes == ()


async def test_strangers_take_nothing(two: Bench) -> None:
    unresolved = await after(two, "/flowforge resolve")
    two.say("/flowforge take ours gone.txt", who=two.stranger)
    await two.work()
    assert (await two.job()).id == unresolved.id
    assert "needs write permission" in two.comments[-1]


@pytest.mark.parametrize("button", ["take_ours", "take_delete"])
async def test_a_button_settles_the_only_open_conflict(one: Bench, button: str) -> None:
    unresolved = await after(one, "/flowforge resolve")
    assert unresolved.state is JobState.UNRESOLVED
    one.sim.people.send_requested_action(newest_check(one), one.maintainer, button)
    await one.work()
    job = await one.job()
    assert (job.state, one.errors) == (JobState.AWAITING_APPROVAL, [])
    (take,) = job.request.takes
    assert (take.path, take.choice) == ("gone.txt", Choice(button.removeprefix("take_")))
    assert ("gone.txt" in await files(one, next(iter(one.branches.values())))) is (button == "take_ours")


async def test_who_asked_first_does_not_become_another_person_by_somebody_elses_take(
    databases: SqliteBackend, tmp_path: Path
) -> None:
    base = {**BASE, ".flowforge.yml": "version: 1\napprovals: {requester_may_approve: false}\n"}
    async with open_bench(tmp_path, await databases.fresh(), base=base, ours=OURS, theirs=ONE_THEIRS) as bench:
        bench.say("/flowforge resolve in my words", who=bench.author)
        await bench.work()
        assert (await after(bench, "/flowforge take ours gone.txt")).state is JobState.AWAITING_APPROVAL
        for who in (bench.author, bench.maintainer):
            bench.say("/flowforge approve", who=who)
            await bench.work()
            assert "somebody else has to approve it" in bench.comments[-1]
            assert (await bench.job()).state is JobState.AWAITING_APPROVAL
