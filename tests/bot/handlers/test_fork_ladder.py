"""The ladder for forks, rung by rung, with real git: into the fork, beside it, or into people's hands; and back."""

from dataclasses import dataclass

import pytest
from sqlalchemy import text

from app.demo.simulator.state import Account, CheckRun, PullRequest, Repository
from bot.model.jobs import Job, JobState
from tests.bot.handlers.bench import Bench
from tests.scenarios.play import ANSWER, OURS

GIT_PUSH = r"/.*/fees\.git/git-receive-pack"


@dataclass(frozen=True, kw_only=True)
class Fork:
    """A stranger's fork, and the pull request from it."""

    repository: Repository
    owner: Account
    pull: PullRequest


async def proposed(bench: Bench, *, owned_by: str = "outsider", editable: bool = True, private: bool = False) -> Fork:
    """A pull request from a fork whose head somebody answers for, with a proposal that waits."""
    people = bench.sim.people
    outsider = people.user("outsider")
    owner = outsider if owned_by == "outsider" else people.account(owned_by, kind=bench.repository.owner.kind)
    repository = await people.fork(bench.repository, owner)
    repository.private = private
    await people.commit(repository, "cart", OURS, author=outsider, start="feature")
    bench.pull = await people.open_pull_request(
        bench.repository,
        author=outsider,
        head="cart",
        head_repository=repository,
        title="Another rate",
        maintainer_can_modify=editable,
    )
    await bench.work()
    await bench.until_running(f"/flowforge ok {bench.pull.head_sha}\n/flowforge resolve")
    await bench.finish()
    await bench.work()
    job = await bench.job()
    assert job.state is JobState.AWAITING_APPROVAL, (job.message, bench.errors)
    return Fork(repository=repository, owner=owner, pull=bench.pull)


def check(bench: Bench) -> CheckRun:
    return [one for one in bench.check_runs if one.head_sha == bench.pull.head_sha][-1]


async def approve(bench: Bench) -> Job:
    bench.say("/flowforge approve")
    await bench.work()
    return await bench.job()


def beside(bench: Bench) -> list[PullRequest]:
    return [one for one in bench.repository.pull_requests() if one.author is bench.sim.bot]


async def test_an_editable_fork_of_its_author_is_pushed_to_and_given_back(bench: Bench) -> None:
    fork = await proposed(bench)
    before = fork.pull.head_sha
    assert "It is pushed there if the forge lets us" in bench.stickies[0]
    job = await approve(bench)
    assert job.state is JobState.PUBLISHED, job.message
    after = fork.repository.branch("cart")
    assert after == fork.pull.head_sha != before
    assert await bench.sim.git(fork.repository, "show", f"{after}:fees.py") == ANSWER.strip()
    assert "was pushed to `outsider/fees:cart`" in bench.stickies[0]
    assert beside(bench) == []
    bench.say("/flowforge rollback")
    await bench.work()
    assert (await bench.job()).state is JobState.PUBLISHED
    assert fork.repository.branch("cart") == fork.pull.head_sha == before
    assert bench.branches == {}


@pytest.mark.parametrize(
    ("fork", "reason"),
    [
        ({"editable": False}, "does not let maintainers change `outsider/fees`"),
        ({"owned_by": "umbrella"}, "The fork `umbrella/fees` does not belong to the author"),
    ],
    ids=["not editable", "an organisation's"],
)
async def test_a_fork_that_is_closed_to_us_gets_a_draft_beside_it_with_the_reason(
    bench: Bench, fork: dict[str, object], reason: str
) -> None:
    made = await proposed(bench, **fork)  # type: ignore[arg-type]
    before = made.repository.branch("cart")
    assert reason in bench.stickies[0]
    job = await approve(bench)
    assert job.state is JobState.PUBLISHED, job.message
    [pull] = beside(bench)
    assert (pull.draft, pull.open, pull.base_ref) == (True, True, "main")
    assert pull.head_ref == f"flowforge/for-{made.pull.number}-{job.short_id}"
    assert f"#{made.pull.number}" in pull.body
    assert reason in pull.body
    assert made.repository.branch("cart") == before == made.pull.head_sha
    assert f"#{pull.number}" in bench.stickies[0]
    assert reason in bench.stickies[0]
    parents = await bench.sim.git(bench.repository, "rev-parse", f"{pull.head_sha}^1", f"{pull.head_sha}^2")
    assert parents.split() == [before, bench.repository.branch("main")]


async def test_merging_the_one_beside_merges_the_original_as_well(bench: Bench) -> None:
    made = await proposed(bench, editable=False)
    await approve(bench)
    [pull] = beside(bench)
    await bench.sim.people.merge(pull, bench.maintainer)
    assert made.pull.merged_at is not None
    bench.pull = pull
    bench.say("/flowforge rollback")
    await bench.work()
    assert any("merged already" in one.body for one in bench.sim.comments(pull, bench.sim.bot))


@pytest.mark.parametrize("private", [False, True], ids=["protected", "not shown to us"])
async def test_a_fork_whose_forge_refuses_after_all_gets_one_beside_it(bench: Bench, private: bool) -> None:
    made = await proposed(bench, private=private)
    if not private:
        made.repository.protected.add("cart")
    before = made.repository.branch("cart")
    job = await approve(bench)
    assert job.state is JobState.PUBLISHED, job.message
    assert made.repository.branch("cart") == before
    assert len(beside(bench)) == 1
    assert "The forge refused the push into the fork `outsider/fees`" in bench.stickies[0]


async def test_rolling_back_closes_the_one_beside_and_deletes_its_branch(bench: Bench) -> None:
    await proposed(bench, editable=False)
    await approve(bench)
    [pull] = beside(bench)
    bench.say("/flowforge rollback")
    await bench.work()
    assert not pull.open
    assert bench.branches == {}
    assert f"#{pull.number} is closed, and its branch is deleted." in bench.stickies[0].replace("`", "")
    assert (await bench.job()).rule == "rolled_back"


async def test_a_branch_that_somebody_built_on_is_not_deleted(bench: Bench) -> None:
    await proposed(bench, editable=False)
    await approve(bench)
    [pull] = beside(bench)
    await bench.sim.people.commit(bench.repository, pull.head_ref, {"more.py": "x\n"}, author=bench.maintainer)
    bench.say("/flowforge rollback")
    await bench.work()
    assert not pull.open
    assert bench.repository.branch(pull.head_ref) == pull.head_sha
    assert "Its branch stays" in bench.stickies[0]


async def test_where_no_pull_request_is_taken_the_branch_goes_and_the_commands_say_how(bench: Bench) -> None:
    made = await proposed(bench, editable=False)
    bench.sim.faults.fail("POST", ".*/pulls", status=403, times=9, message="Resource not accessible by integration")
    job = await approve(bench)
    assert (job.state, job.rule) == (JobState.REFUSED, "push_refused")
    sticky = bench.stickies[0]
    for words in ("does not let maintainers change", "no branch or pull request", "git fetch", "outsider/fees.git"):
        assert words in sticky
    assert list(bench.branches) == [f"refs/heads/flowforge/{made.pull.number}-{job.short_id}"]
    assert beside(bench) == []


async def test_a_lost_answer_makes_no_second_pull_request(bench: Bench) -> None:
    await proposed(bench, editable=False)
    bench.sim.faults.lose_answer("POST", ".*/pulls")
    await approve(bench)
    bench.clock.advance(120)
    await bench.work()
    assert (await bench.job()).state is JobState.PUBLISHED
    assert len(beside(bench)) == 1


async def test_whoever_goes_on_after_a_refusal_asks_no_second_time_and_says_why(bench: Bench) -> None:
    made = await proposed(bench)
    made.repository.protected.add("cart")
    bench.sim.faults.fail("POST", r"/repos/acme/fees/pulls", status=502)
    await approve(bench)
    bench.clock.advance(900)
    await bench.work()
    assert (await bench.job()).state is JobState.PUBLISHED
    [pull] = beside(bench)
    assert "into the fork `outsider/fees`: `" in pull.body
    async with bench.store.database.reading() as connection:
        refused = await connection.execute(text("SELECT count(*) FROM audit_events WHERE verb = 'push.refused'"))
        assert refused.scalar_one() == 1


async def test_a_lost_answer_to_the_push_into_the_fork_is_no_second_push(bench: Bench) -> None:
    made = await proposed(bench)
    bench.sim.faults.lose_answer("POST", GIT_PUSH)
    await approve(bench)
    bench.clock.advance(120)
    await bench.work()
    assert (await bench.job()).state is JobState.PUBLISHED
    assert made.repository.branch("cart") == made.pull.head_sha == (await published(bench))
    assert beside(bench) == []


async def published(bench: Bench) -> str:
    publication = await bench.store.proposals.publication((await bench.job()).id)
    assert publication is not None
    assert publication.fork == "outsider/fees"
    return publication.new


async def test_a_push_to_the_fork_before_the_approval_wins(bench: Bench) -> None:
    made = await proposed(bench)
    moved = await bench.sim.people.commit(made.repository, "cart", {"x.py": "1\n"}, author=made.owner)
    job = await approve(bench)
    assert job.state is JobState.SUPERSEDED
    assert made.repository.branch("cart") == moved
    assert beside(bench) == []


async def test_a_rebase_is_never_forced_into_a_fork(bench: Bench) -> None:
    people, outsider = bench.sim.people, bench.sim.people.user("outsider")
    repository = await people.fork(bench.repository, outsider)
    files = {"notes.md": "one\n"}
    await people.commit(repository, "cart", files, author=outsider, start=str(bench.pull.base_sha))
    bench.pull = await people.open_pull_request(
        bench.repository, author=outsider, head="cart", head_repository=repository
    )
    before = repository.branch("cart")
    await people.commit(bench.repository, "main", {"other.md": "x\n"}, author=bench.maintainer)
    bench.say(f"/flowforge ok {before}\n/flowforge resolve --strategy rebase")
    await bench.work()
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL
    bench.say(f"/flowforge approve --old-head {before}")
    await bench.work()
    assert len(beside(bench)) == 1
    assert "does not do that in forks" in bench.stickies[0]
    assert repository.branch("cart") == before
