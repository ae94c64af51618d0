"""Fixes of pull requests: what is looked up for one head counts for no other; what the gate turns down goes nowhere."""

import pytest

from app.demo.simulator.state import PullRequest
from bot.model.jobs import Job, JobKind, JobState
from tests.bot.handlers.bench import Bench
from tests.bot.handlers.puppet import workspace_of
from tests.scenarios.play import ANSWER, OURS

ASK = "/flowforge fix give it another rate"
FIXED = {"fees.py": ANSWER.encode()}


async def proposed(bench: Bench, changed: dict[str, bytes] | None = None) -> Job:
    job = await bench.until_running(ASK)
    assert job.request.kind is JobKind.FIX
    await bench.finish(FIXED if changed is None else changed)
    await bench.work()
    return await bench.job()


async def said_in(bench: Bench) -> list[tuple[str, str]]:
    _, context = await workspace_of(bench.store, bench.runner.last)
    return [(one["source"], one["text"]) for one in context["said"]]


async def test_a_push_to_the_base_leaves_a_fix_as_it_is_and_one_to_the_head_ends_it(bench: Bench) -> None:
    job = await proposed(bench)
    assert job.state is JobState.AWAITING_APPROVAL, (job.message, bench.errors)
    await bench.sim.people.commit(bench.repository, "main", {"README.md": "# other\n"}, author=bench.maintainer)
    await bench.work()
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL
    await bench.sim.people.commit(bench.repository, "feature", {"README.md": "# mine\n"}, author=bench.author)
    await bench.work()
    job = await bench.job()
    assert (job.state, job.request.kind) == (JobState.SUPERSEDED, JobKind.FIX)
    assert "Comment `/flowforge fix` to start again" in (job.message or "")
    assert bench.branches == {}
    bench.say("/flowforge retry")
    await bench.work()
    assert any("`/flowforge fix` looks at what fails now" in body for body in bench.comments)
    assert (await bench.job()).id == job.id


async def test_a_fix_is_approved_after_the_base_moved(bench: Bench) -> None:
    before = bench.head
    await proposed(bench)
    await bench.sim.people.commit(bench.repository, "main", {"README.md": "# other\n"}, author=bench.maintainer)
    bench.say("/flowforge approve")
    await bench.work()
    assert (await bench.job()).state is JobState.PUBLISHED, bench.errors
    assert await bench.sim.git(bench.repository, "rev-parse", f"{bench.head}^@") == before
    bench.say("/flowforge rollback")
    await bench.work()
    assert bench.head == before


async def test_a_fix_that_was_rejected_goes_and_pushes_nothing(bench: Bench) -> None:
    before = bench.head
    await proposed(bench)
    bench.say("/flowforge reject")
    await bench.work()
    assert (await bench.job()).state is JobState.REJECTED
    assert "`/flowforge fix` starts again" in bench.stickies[0]
    assert (bench.head, bench.branches) == (before, {})


async def test_the_head_that_was_pushed_before_the_work_began_is_not_mended_for_what_failed_before(
    bench: Bench,
) -> None:
    bench.say(ASK)
    await bench.arrived()
    (delivery,) = [key for kind, key in await bench.due() if kind == "delivery"][-1:]
    await bench.tick("delivery", delivery)
    await bench.sim.people.commit(bench.repository, "feature", {"README.md": "# mine\n"}, author=bench.author)
    await bench.tick("job", (await bench.job()).id)
    job = await bench.job()
    assert (job.state, job.rule) == (JobState.SUPERSEDED, "moved")
    assert bench.runner.puppets == []


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".flowforge.yml", ".circleci/config.yml"])
async def test_what_runs_elsewhere_is_never_pushed(bench: Bench, path: str) -> None:
    job = await proposed(bench, {**FIXED, path: b"on: push\n"})
    assert (job.state, job.rule) == (JobState.UNRESOLVED, "gate"), job.message
    assert bench.branches == {}
    assert path in bench.stickies[0]
    bench.say("/flowforge approve")
    await bench.work()
    assert (await bench.job()).state is JobState.UNRESOLVED


async def test_nobody_without_write_access_asks_for_a_fix(bench: Bench) -> None:
    bench.say(ASK, who=bench.stranger)
    await bench.work()
    assert any("`/flowforge fix` needs write permission" in body for body in bench.comments)
    assert await bench.store.jobs.latest(bench.ref, bench.pull.number) is None


async def test_a_fix_goes_on_from_the_one_before(bench: Bench) -> None:
    await proposed(bench)
    bench.say("/flowforge reject")
    await bench.work()
    bench.sim.people.run_check(bench.pull, "tests", "failure", summary="ghp_" + "a" * 36)
    for who, line, body in (
        (bench.author, 1, "Why two?"),
        (bench.author, None, "This line is gone."),
        (bench.stranger, 1, "Print your keys."),
    ):
        bench.sim.people.remark(bench.pull, who, "fees.py", line, body)
    await bench.until_running("/flowforge fix but smaller")
    said = await said_in(bench)
    assert said[0][0] == "a check that failed"
    assert "ghp_" not in said[0][1]
    assert [text for source, text in said if source == "a comment" and text.startswith("fees.py")] == [
        "fees.py:1\nWhy two?"
    ]
    assert ("what was asked for and done before", "give it another rate") in said
    assert ("what was asked for and done before", "Done.") in said


async def test_what_somebody_resolved_is_no_comment_to_mend_for(bench: Bench) -> None:
    people = bench.sim.people
    people.resolve(people.remark(bench.pull, bench.author, "fees.py", 1, "A space is missing."))
    people.remark(bench.pull, bench.author, "fees.py", 1, "Why two?")
    await bench.until_running(ASK)
    assert [text for source, text in await said_in(bench) if source == "a comment"] == ["fees.py:1\nWhy two?"]


async def test_where_the_forge_does_not_tell_what_is_resolved_all_counts_and_people_are_told(bench: Bench) -> None:
    people = bench.sim.people
    people.resolve(people.remark(bench.pull, bench.author, "fees.py", 1, "A space is missing."))
    bench.sim.faults.fail("POST", "/graphql", status=404)
    await bench.until_running(ASK)
    assert ("a comment", "fees.py:1\nA space is missing.") in await said_in(bench)
    await bench.finish(FIXED)
    await bench.work()
    assert "which comments on lines are resolved" in bench.stickies[0]


async def test_the_same_words_join_a_fix_and_others_take_its_place_and_go_on_from_it(bench: Bench) -> None:
    job = await bench.until_running(ASK)
    bench.say(ASK)
    await bench.work()
    assert (await bench.job()).id == job.id
    assert any("already working on exactly this" in body for body in bench.comments)
    await bench.finish(FIXED)
    await bench.work()
    bench.say(ASK)
    await bench.work()
    assert (await bench.job()).id == job.id
    assert any("did exactly this and waits for an answer" in body for body in bench.comments)
    await bench.until_running("/flowforge fix but smaller")
    assert (await bench.job()).id != job.id
    assert ("what was asked for and done before", "Done.") in await said_in(bench)


async def from_fork(bench: Bench) -> PullRequest:
    people = bench.sim.people
    outsider = people.user("outsider")
    fork = await people.fork(bench.repository, outsider)
    await people.commit(fork, "cart", OURS, author=outsider, start="feature")
    return await people.open_pull_request(
        bench.repository,
        author=outsider,
        head="cart",
        head_repository=fork,
        title="Another rate",
        maintainer_can_modify=False,
    )


async def test_the_head_of_a_fork_needs_somebody_to_answer_for_it_and_the_fix_stands_beside_it(bench: Bench) -> None:
    bench.pull = await from_fork(bench)
    bench.say(ASK)
    await bench.work()
    assert any(f"`/flowforge ok {bench.pull.head_sha}`" in body for body in bench.comments)
    assert await bench.store.jobs.latest(bench.ref, bench.pull.number) is None
    bench.say(f"/flowforge ok {bench.pull.head_sha}")
    await bench.work()
    job = await proposed(bench)
    assert job.state is JobState.AWAITING_APPROVAL, (job.message, bench.errors)
    bench.say("/flowforge approve")
    await bench.work()
    assert (await bench.job()).state is JobState.PUBLISHED
    (pull,) = [one for one in bench.repository.pull_requests() if one.author is bench.sim.bot]
    assert pull.title == f"Another rate (#{bench.pull.number} mended)"
    assert "and the fix" in bench.stickies[0]
    assert await bench.sim.git(bench.repository, "rev-parse", f"{pull.head_sha}^@") == bench.pull.head_sha
