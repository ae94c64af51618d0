"""Branches that a dead worker left behind go; nobody else's do."""

from datetime import timedelta

from app.telemetry import REPAIRS
from bot.model.jobs import JobState
from bot.model.sweeps import RepairKind
from tests.bot.handlers.bench import Bench

DAY = timedelta(days=1).total_seconds()


def removed() -> float:
    return REPAIRS.labels(kind=RepairKind.BRANCH.value)._value.get()  # type: ignore[no-any-return]  # no other way


async def left_behind(bench: Bench) -> str:
    """The branch of a rejected proposal whose worker died before it could delete it; its name."""
    await bench.until_proposed()
    (ref,) = bench.branches
    tip = bench.branches[ref]
    bench.say("/flowforge reject")
    await bench.work()
    assert bench.branches == {}
    await bench.sim.people.move_branch(bench.repository, ref.removeprefix("refs/heads/"), tip, actor=bench.author)
    return ref


async def sweep(bench: Bench) -> None:
    await bench.instance.ticks.sweep("branches")


async def test_a_branch_whose_job_ended_goes_after_an_hour_once_a_day(bench: Bench) -> None:
    ref = await left_behind(bench)
    before = removed()
    bench.clock.advance(3500)
    await sweep(bench)
    assert list(bench.branches) == [ref], "whoever concludes the job may still be at it"
    bench.clock.advance(3600)
    await sweep(bench)
    assert list(bench.branches) == [ref], "a repository is looked at once a day"
    bench.clock.advance(DAY)
    await sweep(bench)
    assert bench.branches == {}
    assert removed() == before + 1


async def test_the_branch_of_a_proposal_that_waits_stays(bench: Bench) -> None:
    await bench.until_proposed()
    there = bench.branches
    bench.clock.advance(DAY)
    await sweep(bench)
    assert bench.branches == there != {}


async def test_what_others_put_there_stays(bench: Bench) -> None:
    ref = await left_behind(bench)
    head, number = bench.head, bench.pull.number
    short = ref.rpartition("-")[2]
    theirs = {
        f"flowforge/{number}-{short}0": head,
        f"flowforge/{number}-ffffffff": head,
        f"flowforge/{number + 1}-{short}": bench.branches[ref],
        "flowforge/notes": head,
        f"other/flowforge/{number}-{short}": head,
    }
    for name, tip in theirs.items():
        await bench.sim.people.move_branch(bench.repository, name, tip, actor=bench.author)
    bench.clock.advance(DAY)
    await sweep(bench)
    left = {name: bench.repository.refs.get(f"refs/heads/{name}") for name in theirs}
    assert left == theirs
    assert ref not in bench.branches


async def test_a_branch_that_somebody_worked_on_stays(bench: Bench) -> None:
    ref = await left_behind(bench)
    await bench.sim.people.commit(
        bench.repository, ref.removeprefix("refs/heads/"), {"notes.md": "mine\n"}, author=bench.author
    )
    bench.clock.advance(DAY)
    await sweep(bench)
    assert list(bench.branches) == [ref]


async def test_what_a_person_may_still_want_to_take_stays_as_long_as_a_proposal(bench: Bench) -> None:
    job = await bench.until_proposed()
    lease = await bench.store.jobs.claim(job.id, owner="w", seconds=60)
    assert lease is not None
    await bench.store.jobs.move(lease, JobState.REFUSED, rule="push_refused", message="protected")
    await bench.store.jobs.release(lease)
    await bench.work()
    there = bench.branches
    for _ in range(bench.settings.proposal_days - 1):
        bench.clock.advance(DAY)
        await sweep(bench)
        assert bench.branches == there != {}
    bench.clock.advance(DAY + 60)
    await sweep(bench)
    assert bench.branches == {}


async def test_a_repository_that_cannot_be_read_stops_no_other(bench: Bench) -> None:
    await left_behind(bench)
    bench.sim.people.suspend(bench.repository.owner)
    bench.clock.advance(DAY)
    await sweep(bench)
    (beat,) = [one for one in await bench.store.sweeps.beats() if one.name == "branches"]
    assert beat.failures == 0
