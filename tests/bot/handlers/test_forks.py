"""Nothing runs on the head of a stranger's fork before somebody who may write here named it."""

import json
from dataclasses import dataclass, replace

from sqlalchemy import text

from app.demo.simulator.state import Account, Repository, Role
from bot.model.jobs import Job, JobState
from tests.bot.handlers.bench import Bench
from tests.scenarios.play import OURS


@dataclass(frozen=True, kw_only=True)
class Fork:
    """The bench's pull request is a stranger's now, from their fork."""

    repository: Repository
    owner: Account


async def fork(bench: Bench, *, owner: Account | None = None, head: str = "cart") -> Fork:
    people = bench.sim.people
    owner = owner or people.user("outsider")
    repository = await people.fork(bench.repository, owner)
    await people.commit(repository, head, OURS, author=owner, start="feature")
    bench.pull = await people.open_pull_request(bench.repository, author=owner, head=head, head_repository=repository)
    await bench.work()
    return Fork(repository=repository, owner=owner)


async def push(bench: Bench, of: Fork, text_: str) -> str:
    return await bench.sim.people.commit(of.repository, bench.pull.head_ref, {"more.py": text_}, author=of.owner)


async def job(bench: Bench) -> Job | None:
    return await bench.store.jobs.latest(bench.ref, bench.pull.number)


async def test_a_maintainers_word_names_no_head_so_nothing_runs_and_the_reply_says_what_to_say(bench: Bench) -> None:
    await fork(bench)
    bench.say("/flowforge resolve")
    await bench.work()
    [said] = bench.comments
    assert f"`/flowforge ok {bench.pull.head_sha}`" in said
    assert "Rule: `fork`" in said
    assert await job(bench) is None
    assert bench.branches == {}


async def test_after_an_ok_the_job_runs_on_that_head_and_the_audit_trail_tells_who_said_so(bench: Bench) -> None:
    await fork(bench)
    bench.say(f"/flowforge ok {bench.pull.head_sha[:39]}\n/flowforge resolve")
    await bench.work()
    assert any("the whole id of a commit" in said for said in bench.comments), "beginnings can be made equal"
    assert await job(bench) is None
    bench.say(f"/flowforge ok {bench.pull.head_sha}\n/flowforge resolve now")
    await bench.work()
    found = await job(bench)
    assert found is not None
    assert (found.state, found.head_sha) == (JobState.RUNNING, bench.pull.head_sha)
    assert any("may work on" in said for said in bench.comments)
    async with bench.store.engine.connect() as connection:
        rows = await connection.execute(text("SELECT actor, data FROM audit_events WHERE verb = 'fork.ok'"))
        [(actor, data)] = rows.all()
    assert bench.maintainer.login in actor
    told = json.loads(data) if isinstance(data, str) else data
    assert (told["head"], told["permission"]) == (bench.pull.head_sha, "maintain")


async def test_a_later_push_needs_a_new_ok(bench: Bench) -> None:
    of = await fork(bench)
    bench.say(f"/flowforge ok {bench.pull.head_sha}")
    await bench.work()
    moved = await push(bench, of, "x = 1\n")
    bench.say("/flowforge resolve")
    await bench.work()
    assert await job(bench) is None
    assert any(f"`/flowforge ok {moved}`" in said for said in bench.comments)
    bench.say(f"/flowforge ok {moved}\n/flowforge resolve please")
    await bench.work()
    found = await job(bench)
    assert found is not None
    assert (found.state, found.head_sha) == (JobState.RUNNING, moved)


async def test_an_ok_for_another_commit_or_by_a_stranger_counts_for_nothing(bench: Bench) -> None:
    of = await fork(bench)
    bench.say(f"/flowforge ok {bench.repository.branch('main')}")
    bench.say(f"/flowforge ok {bench.pull.head_sha}", who=of.owner)
    bench.say(f"/flowforge ok {bench.pull.head_sha}", who=bench.stranger)
    await bench.work()
    assert sum("Rule: `permission`" in said for said in bench.comments) >= 1
    assert any("Look at it before you say so" in said for said in bench.comments)
    bench.say("/flowforge resolve")
    await bench.work()
    assert await job(bench) is None


async def test_what_is_pushed_between_the_question_and_the_fetch_is_not_run(bench: Bench) -> None:
    of = await fork(bench)
    bench.say(f"/flowforge ok {bench.pull.head_sha}\n/flowforge resolve")
    await bench.arrived()
    for forge, key in await bench.store.deliveries.waiting(limit=100):
        await bench.tick("delivery", f"{forge}:{key}")
    queued = await job(bench)
    assert queued is not None
    assert queued.state is JobState.QUEUED
    moved = await push(bench, of, "import os\n")
    await bench.tick("job", queued.id)
    ended = await job(bench)
    assert ended is not None
    assert (ended.id, ended.state, ended.rule) == (queued.id, JobState.REFUSED, "fork")
    assert f"`/flowforge ok {moved}`" in (ended.message or "")
    await bench.work()
    assert (await job(bench) or ended).id == queued.id
    assert bench.branches == {}


async def test_a_push_while_the_job_runs_is_never_run_by_itself(bench: Bench) -> None:
    of = await fork(bench)
    bench.say(f"/flowforge ok {bench.pull.head_sha}\n/flowforge resolve")
    await bench.work()
    moved = await push(bench, of, "import os\n")
    for _ in range(3):
        await bench.work()
        bench.clock.advance(120)
    await bench.finish()
    await bench.work()
    assert moved not in await heads(bench)
    assert len(bench.runner.puppets) == 1


async def heads(bench: Bench) -> list[str]:
    async with bench.store.engine.connect() as connection:
        return [row.head_sha for row in await connection.execute(text("SELECT head_sha FROM jobs"))]


async def test_who_may_write_here_answers_for_their_own_fork(bench: Bench) -> None:
    await fork(bench, owner=bench.author)
    bench.say("/flowforge resolve")
    await bench.work()
    found = await job(bench)
    assert found is not None
    assert found.state is JobState.RUNNING


async def test_an_authors_permission_is_that_of_now_and_a_fork_of_others_is_nobodys(bench: Bench) -> None:
    await fork(bench, owner=bench.author)
    bench.sim.people.set_role(bench.repository, bench.author, Role.READ)
    bench.say("/flowforge resolve")
    await bench.work()
    assert await job(bench) is None
    bench.sim.people.set_role(bench.repository, bench.author, Role.WRITE)
    bench.pull.author = bench.maintainer  # as if the maintainer had opened it from somebody else's fork
    bench.say("/flowforge resolve once more")
    await bench.work()
    assert await job(bench) is None


async def test_the_configuration_may_ask_nobody_or_turn_forks_off(bench: Bench) -> None:
    people = bench.sim.people

    async def configure(value: str) -> None:
        config = {".flowforge.yml": f"version: 1\nfork_pull_requests: {value}\n"}
        await people.commit(bench.repository, "main", config, author=bench.maintainer)

    await fork(bench)
    await configure("off")
    bench.say("/flowforge resolve")
    await bench.work()
    assert any("fork_pull_requests: off" in said for said in bench.comments)
    assert await job(bench) is None
    await configure("allow")
    bench.say("/flowforge resolve now")
    await bench.work()
    found = await job(bench)
    assert found is not None
    assert found.state is JobState.RUNNING


async def test_a_label_names_no_head_either(bench: Bench) -> None:
    await fork(bench)
    bench.sim.people.label(bench.pull, bench.maintainer, "flowforge")
    await bench.work()
    assert await job(bench) is None
    assert any("/flowforge ok" in said for said in bench.comments)


async def test_the_same_head_in_another_pull_request_needs_its_own_ok(bench: Bench) -> None:
    of = await fork(bench)
    bench.say(f"/flowforge ok {bench.pull.head_sha}")
    await bench.work()
    people = bench.sim.people
    await people.commit(bench.repository, "next", {"a": "b"}, author=bench.maintainer, start="main")
    bench.pull = await people.open_pull_request(
        bench.repository, author=of.owner, head="cart", base="next", head_repository=of.repository
    )
    bench.say("/flowforge resolve")
    await bench.work()
    assert await job(bench) is None
    other = replace(bench.ref, id=bench.ref.id + 1)
    assert await bench.store.forks.ok_by(other, bench.pull.number, bench.pull.head_sha) is None


async def test_an_ok_stands_while_its_giver_may_give_one_and_somebody_else_can_give_it_again(bench: Bench) -> None:
    await fork(bench)
    ok = f"/flowforge ok {bench.pull.head_sha}"
    bench.say(ok, who=bench.author)
    await bench.work()
    bench.sim.people.set_role(bench.repository, bench.author, Role.READ)
    bench.say("/flowforge resolve")
    await bench.work()
    assert await job(bench) is None
    bench.say(f"{ok}\n/flowforge resolve now")
    await bench.work()
    found = await job(bench)
    assert found is not None
    assert found.state is JobState.RUNNING
