"""Runs of the repository's own commands: when one starts, what it finds, and what becomes of it when workers die."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.model.jobs import Job, JobState
from bot.model.runs import RunKind, RunOutcome, SandboxExited
from tests.app.store.backends import SqliteBackend
from tests.bot.handlers.bench import WAIT, Bench, open_bench
from tests.bot.handlers.puppet import workspace_of

LEASE = 301.0
PULL = r"/repos/acme/fees/pulls/1$"
CONFIG = """
version: 1
resolvers:
  regenerate:
    - {paths: [zeta.lock], command: make zeta}
    - {paths: ["*.lock"], command: "make 'all locks'"}
    - {paths: [unused.lock], command: make unused}
"""
LOCKS = ("alpha.lock", "zeta.lock")
MADE = {name: f"{name} made anew\n".encode() for name in LOCKS}
VERSIONS = {"base": "1.0.0", "ours": "1.1.0", "theirs": "1.2.0"}


@contextlib.asynccontextmanager
async def locked(databases: SqliteBackend, directory: Path, *, rates: bool = False) -> AsyncIterator[Bench]:
    """A bench whose pull request conflicts in two lock files and a version; with ``rates`` also for the agent."""

    def tree(side: str) -> dict[str, str]:
        more = {"fees.py": f"RATE = '{side}'\n"} if rates else {}
        locks = {name: f"{name} of {side}\n" for name in LOCKS}
        return {"setup.cfg": f"[metadata]\nversion = {VERSIONS[side]}\n", **locks, **more}

    base = {".flowforge.yml": CONFIG.lstrip(), **tree("base")}
    url = await databases.fresh()
    async with open_bench(directory, url, base=base, ours=tree("ours"), theirs=tree("theirs")) as bench:
        yield bench


@pytest.fixture
async def bench(databases: SqliteBackend, tmp_path: Path) -> AsyncIterator[Bench]:
    async with locked(databases, tmp_path) as bench:
        yield bench


def kinds(bench: Bench) -> list[RunKind]:
    return [puppet.task.kind for puppet in bench.runner.puppets]


async def proposed(bench: Bench) -> Job:
    job = await bench.job()
    assert job.state is JobState.AWAITING_APPROVAL, (job.state, job.message, bench.errors)
    return job


async def test_a_command_finds_the_settled_merge_with_the_base_branchs_generated_files(bench: Bench) -> None:
    await bench.until_running()
    files, context = await workspace_of(bench.store, bench.runner.last)
    assert context["commands"] == [["make", "zeta"], ["make", "all locks"]]
    found = {path.removeprefix("workspace/"): content for path, content in files.items()}
    assert found["setup.cfg"] == b"[metadata]\nversion = 1.2.0\n"
    assert {name: found[name] for name in LOCKS} == {name: f"{name} of theirs\n".encode() for name in LOCKS}
    await bench.finish(MADE)
    await bench.work()
    await proposed(bench)
    assert kinds(bench) == [RunKind.REGENERATE]


async def test_the_agent_comes_first_and_sees_no_markers_in_generated_files(
    databases: SqliteBackend, tmp_path: Path
) -> None:
    async with locked(databases, tmp_path, rates=True) as bench:
        await bench.until_running()
        files, context = await workspace_of(bench.store, bench.runner.last)
        assert [file["path"] for file in context["files"]] == ["fees.py"]
        assert not any(b"<<<<<<<" in content for path, content in files.items() if path.endswith(".lock"))
        await bench.finish({"fees.py": b"RATE = 'both'\n"})
        await bench.work()
        files, _ = await workspace_of(bench.store, bench.runner.last)
        assert b"RATE = 'both'\n" in files.values()
        await bench.finish(MADE)
        await bench.work()
        await proposed(bench)
        assert kinds(bench) == [RunKind.AGENT, RunKind.REGENERATE]


async def test_an_agent_may_not_write_generated_files(databases: SqliteBackend, tmp_path: Path) -> None:
    async with locked(databases, tmp_path, rates=True) as bench:
        await bench.until_running()
        await bench.finish({"fees.py": b"RATE = 'both'\n", "zeta.lock": b"by an agent\n"})
        await bench.work()
        assert kinds(bench) == [RunKind.AGENT, RunKind.AGENT], "its second try"
        await bench.finish({"fees.py": b"RATE = 'both'\n"})
        await bench.work()
        await bench.finish(MADE)
        await bench.work()
        await proposed(bench)


# --- workers that die, sandboxes that are lost


async def test_a_command_whose_launcher_died_is_not_started_a_second_time(bench: Bench) -> None:
    bench.runner.gate = asyncio.Event()
    bench.say("/flowforge resolve")
    dead = asyncio.create_task(bench.work())
    await asyncio.wait_for(bench.runner.at_gate.wait(), WAIT)
    assert (await bench.job()).state is JobState.VALIDATING
    bench.runner.at_gate.clear()
    bench.clock.advance(LEASE)
    await bench.work()
    assert (await bench.job()).state is JobState.RUNNING
    assert not bench.runner.at_gate.is_set()
    bench.runner.gate.set()
    await dead
    await bench.finish(MADE)
    await bench.work()
    await proposed(bench)
    assert len(bench.runner.puppets) == 1


async def test_what_was_made_is_proposed_also_when_that_takes_two_tries(bench: Bench) -> None:
    await bench.until_running()
    bench.sim.faults.secondary_limit("GET", PULL, retry_after=90)
    await bench.finish(MADE)
    for _ in range(6):
        await bench.work()
        bench.clock.advance(60)
    await proposed(bench)
    assert bench.errors != []
    assert len(bench.runner.puppets) == 1


async def test_a_command_that_was_never_started_is_started_after_all(bench: Bench) -> None:
    job = await bench.until_running()
    await bench.store.runs.ended(bench.runner.last.task.run_id, RunOutcome.INFRA_RETRYABLE, detail="")
    await bench.store.runs.create(
        run_id="0" * 32,
        job=job,
        token_sha256="0" * 64,
        model="m",
        limits=bench.runner.last.task.limits,
        kind=RunKind.REGENERATE,
    )
    bench.clock.advance(121)
    await bench.work()
    await bench.work()
    assert (await bench.job()).state is JobState.RUNNING
    assert len(bench.runner.puppets) == 2
    await bench.finish(MADE)
    await bench.work()
    await proposed(bench)


async def test_a_lost_sandbox_costs_nobody_another_answer(databases: SqliteBackend, tmp_path: Path) -> None:
    async with locked(databases, tmp_path, rates=True) as bench:
        await bench.until_running()
        await bench.finish({"fees.py": b"RATE = 'both'\n"})
        await bench.work()
        bench.runner.last.seen = SandboxExited(exit_code=None, signal=9)
        await bench.ended()
        await bench.work()
        bench.clock.advance(6)
        await bench.work()
        assert kinds(bench) == [RunKind.AGENT, RunKind.REGENERATE, RunKind.REGENERATE]
        await bench.finish(MADE)
        await bench.work()
        await proposed(bench)


async def test_sandboxes_that_are_lost_again_and_again_end_the_job(bench: Bench) -> None:
    await bench.until_running()
    for _ in range(10):
        bench.runner.last.seen = SandboxExited(exit_code=None, signal=9)
        await bench.ended()
        await bench.work()
        bench.clock.advance(301)
        await bench.work()
    job = await bench.job()
    assert (job.state, job.rule) == (JobState.UNRESOLVED, RunOutcome.INFRA_RETRYABLE.value)
    assert len(bench.runner.puppets) == 10
    assert "no fault of the command" in bench.stickies[0]


async def test_a_cancelled_command_ends_with_its_sandbox(bench: Bench) -> None:
    await bench.until_running()
    puppet = bench.runner.last
    bench.say("/flowforge cancel")
    await bench.work()
    bench.clock.advance(1)
    await asyncio.wait_for(puppet.stopped.wait(), WAIT)
    await bench.ended(puppet)
    await bench.work()
    assert (await bench.job()).state is JobState.CANCELLED
    assert bench.branches == {}
