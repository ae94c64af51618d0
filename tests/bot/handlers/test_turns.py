"""Only so many jobs are at work: the others say why they wait, and begin the moment that a place is free."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest
from pydantic import ValidationError

from app.demo.simulator.state import PullRequest
from app.jobs.queue import ArqQueue
from app.settings import ServiceSettings
from app.wiring import open_flowforge
from app.wiring_parts import Parts
from bot.model.jobs import Job, JobState
from tests.app.store.backends import SqliteBackend
from tests.bot.handlers.bench import Bench, open_bench

ONE = {"max_jobs_per_repository": 1}
WAITS = "waits: 1 job of this repository is at work, and no more may be"


@dataclass(slots=True)
class Bell:
    """The ``Queue`` port: remembers who rang."""

    rung: list[tuple[str, str]] = field(default_factory=list)

    async def ring(self, kind: str, key: str) -> None:
        self.rung.append((kind, key))

    def jobs(self) -> list[str]:
        rung = [key for kind, key in self.rung if kind == "job"]
        self.rung.clear()
        return rung


@contextlib.asynccontextmanager
async def heard(bench: Bench) -> AsyncIterator[Bell]:
    """Have the bench's work done by a worker whose rings are heard."""
    bell = Bell()

    def around(parts: Parts) -> Parts:
        return replace(parts, queue=cast("ArqQueue", bell))

    opened = open_flowforge(bench.settings, worker="heard", clock=bench.clock, runner=bench.runner, around=around)
    before = bench.instance
    async with opened as instance:
        bench.instance = instance
        yield bell
        bench.instance = before


@pytest.fixture
async def narrow(databases: SqliteBackend, tmp_path: Path) -> AsyncIterator[Bench]:
    """A bench on which one job of a repository may be at work."""
    async with open_bench(tmp_path, await databases.fresh(), overrides=ONE) as bench:
        yield bench


async def another(bench: Bench, number: int) -> PullRequest:
    """One more pull request in the same conflict."""
    branch = f"feature-{number}"
    people = bench.sim.people
    await people.commit(bench.repository, branch, {f"{branch}.txt": "too\n"}, author=bench.author, start="feature")
    return await people.open_pull_request(bench.repository, author=bench.author, head=branch, title=f"Rate {number}")


async def job_on(bench: Bench, pull: PullRequest) -> Job:
    job = await bench.store.jobs.latest(bench.ref, pull.number)
    assert job is not None
    return job


def shown(bench: Bench, pull: PullRequest) -> str:
    """What the check run of a pull request says last."""
    runs = [run for run in bench.check_runs if run.head_sha == bench.repository.refs[f"refs/heads/{pull.head_ref}"]]
    return runs[-1].summary or ""


async def test_a_job_beyond_the_cap_says_why_it_waits_and_begins_when_the_other_proposes(narrow: Bench) -> None:
    second = await another(narrow, 2)
    async with heard(narrow) as bell:
        first = await narrow.until_running()
        narrow.sim.people.comment(second, narrow.maintainer, "/flowforge resolve")
        await narrow.work()
        waiting = await job_on(narrow, second)
        assert (waiting.state, waiting.attempt, waiting.progress) == (JobState.QUEUED, 0, WAITS)
        assert WAITS in shown(narrow, second)
        assert await narrow.store.jobs.waiting(narrow.clock.now()) == 1
        assert await narrow.due() == [], "there is nothing to do for it, and nobody looks at it again and again"
        bell.jobs()
        await narrow.finish()
        await narrow.tick("job", first.id)
        assert (await job_on(narrow, narrow.pull)).state is JobState.AWAITING_APPROVAL
        assert waiting.id in bell.jobs(), "whoever gives a place away rings"
        await narrow.tick("job", waiting.id)
        assert (await job_on(narrow, second)).state is JobState.RUNNING


async def test_a_job_that_is_cancelled_hands_its_place_on(narrow: Bench) -> None:
    second = await another(narrow, 2)
    async with heard(narrow) as bell:
        first = await narrow.until_running()
        narrow.sim.people.comment(second, narrow.maintainer, "/flowforge resolve")
        await narrow.work()
        waiting = await job_on(narrow, second)
        narrow.say("/flowforge cancel")
        await narrow.work()
        narrow.clock.advance(1)
        await narrow.ended()
        bell.jobs()
        await narrow.tick("job", first.id)
        assert (await job_on(narrow, narrow.pull)).state is JobState.CANCELLED
        assert waiting.id in bell.jobs()


async def test_a_job_that_waits_for_its_turn_can_be_cancelled_at_once(narrow: Bench) -> None:
    second = await another(narrow, 2)
    await narrow.until_running()
    narrow.sim.people.comment(second, narrow.maintainer, "/flowforge resolve")
    await narrow.work()
    narrow.sim.people.comment(second, narrow.maintainer, "/flowforge cancel")
    await narrow.work()
    assert (await job_on(narrow, second)).state is JobState.CANCELLED


async def test_who_approves_does_not_wait_for_a_place(narrow: Bench) -> None:
    await narrow.until_proposed()
    second = await another(narrow, 2)
    narrow.sim.people.comment(second, narrow.maintainer, "/flowforge resolve")
    await narrow.work()
    assert (await job_on(narrow, second)).state is JobState.RUNNING
    narrow.say("/flowforge approve")
    await narrow.work()
    assert (await narrow.job()).state is JobState.PUBLISHED


@pytest.mark.parametrize("name", ["max_jobs_per_repository", "max_jobs_per_installation", "max_jobs"])
async def test_a_cap_of_nothing_is_refused(bench: Bench, name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        ServiceSettings.model_validate(bench.settings.model_dump() | {name: 0})
