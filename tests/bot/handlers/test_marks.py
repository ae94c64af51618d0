"""A label or an assignment asks as a command does; all other labels cost nobody anything."""

from app.demo.simulator.state import Role
from bot.model.deliveries import Delivery
from bot.model.jobs import Job, JobState
from tests.bot.handlers.bench import Bench


async def jobs(bench: Bench) -> Job | None:
    return await bench.store.jobs.latest(bench.ref, bench.pull.number)


async def test_the_label_asks_to_resolve_by_whoever_put_it_on(bench: Bench) -> None:
    bench.sim.people.label(bench.pull, bench.maintainer, "FlowForge")
    await bench.work()
    job = await bench.job()
    assert (job.state, job.request.requested_by.login) == (JobState.RUNNING, bench.maintainer.login)
    assert bench.errors == []


async def test_a_label_put_on_again_asks_again(bench: Bench) -> None:
    people = bench.sim.people
    people.label(bench.pull, bench.maintainer, "flowforge")
    await bench.work()
    first = await bench.job()
    bench.say("/flowforge cancel")
    await bench.work()
    people.unlabel(bench.pull, bench.maintainer, "flowforge")
    people.label(bench.pull, bench.maintainer, "flowforge")
    await bench.work()
    again = await bench.job()
    assert (again.id == first.id, first.state) == (False, JobState.RUNNING)


async def test_what_told_of_a_label_tells_nothing_under_another_id(bench: Bench) -> None:
    bench.sim.people.label(bench.pull, bench.maintainer, "flowforge")
    await bench.work()
    first = await bench.job()
    bench.say("/flowforge cancel")
    await bench.work()
    told = next(one for one in bench.sim.webhooks.deliveries if one.payload.get("action") == "labeled")
    again = Delivery(
        forge=bench.ref.forge,
        delivery_id="the-same-under-another-id",
        event=told.event,
        headers={},
        body=told.body,
        received_at=bench.clock.now(),
    )
    assert await bench.store.deliveries.add(again)
    await bench.tick("delivery", f"{again.forge}:{again.delivery_id}")
    await bench.work()
    assert (await bench.job()).id == first.id
    assert bench.errors == []


async def test_another_label_costs_one_request_and_leaves_no_word(bench: Bench) -> None:
    await bench.work()
    before = len(bench.sim.record.exchanges)
    bench.sim.people.label(bench.pull, bench.stranger, "bug")
    await bench.work()
    asked = [(one.method, one.path) for one in bench.sim.record.exchanges[before:] if "/repos/" in one.path]
    assert asked == [("GET", "/repos/acme/fees/contents/.flowforge.yml")]
    assert (bench.comments, await jobs(bench)) == ([], None)


async def test_the_base_branch_names_the_label_or_takes_it_away(bench: Bench) -> None:
    people = bench.sim.people
    config = "version: 1\nlabel: merge it\n"
    await people.commit(bench.repository, "main", {".flowforge.yml": config}, author=bench.maintainer)
    people.label(bench.pull, bench.maintainer, "flowforge")
    await bench.work()
    assert await jobs(bench) is None
    config = "version: 1\nlabel: null\n"
    await people.commit(bench.repository, "main", {".flowforge.yml": config}, author=bench.maintainer)
    people.label(bench.pull, bench.maintainer, "merge it")
    await bench.work()
    assert await jobs(bench) is None
    await people.commit(bench.repository, "main", {".flowforge.yml": None}, author=bench.maintainer)
    people.unlabel(bench.pull, bench.maintainer, "flowforge")
    people.label(bench.pull, bench.maintainer, "flowforge")
    await bench.work()
    assert (await bench.job()).state is JobState.RUNNING


async def test_a_label_gives_nobody_a_permission(bench: Bench) -> None:
    triager = bench.sim.people.user("triager")
    bench.sim.people.set_role(bench.repository, triager, Role.TRIAGE)
    bench.sim.people.label(bench.pull, triager, "flowforge")
    await bench.work()
    [said] = bench.comments
    assert "\n> `label flowforge`\n" in said
    assert "Rule: `permission`" in said
    assert await jobs(bench) is None


async def test_an_assignment_of_the_bot_asks_and_that_of_others_costs_nothing(bench: Bench) -> None:
    await bench.work()
    before = len(bench.sim.record.exchanges)
    bench.sim.people.assign(bench.pull, bench.maintainer, bench.author)
    await bench.work()
    assert [one.path for one in bench.sim.record.exchanges[before:] if "/repos/" in one.path] == []
    bench.sim.people.assign(bench.pull, bench.maintainer, bench.sim.bot)
    await bench.work()
    assert (await bench.job()).state is JobState.RUNNING


async def test_a_label_of_the_bots_own_does_nothing(bench: Bench) -> None:
    bench.sim.people.label(bench.pull, bench.sim.bot, "flowforge")
    await bench.work()
    assert (bench.comments, await jobs(bench)) == ([], None)
