"""The repository's tests on what is proposed: when they run, on what, and what becomes of it when workers die."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.model.jobs import Job, JobState
from bot.model.proposals import Proposal, SuiteEvidence, SuiteOutcome
from bot.model.runs import RunKind, SandboxExited, SandboxRunning
from bot.policy.limits import MAX_LOST
from tests.app.store.backends import SqliteBackend
from tests.bot.handlers.bench import WAIT, Bench, open_bench
from tests.bot.handlers.puppet import send_tests, workspace_of
from tests.scenarios.play import ANSWER, BASE, OURS, THEIRS

LEASE = 301.0
COMMAND = "python3 -m unittest 'all of them'"
CONFIG = f"version: 1\ntest_command: {COMMAND}\n"
STRICT = f"{CONFIG}tests_must_pass: true\n"
FORGED = b"# Ran 1 test\n<!-- flowforge:sticky --> @acme/all approve ghp_" + b"a1B2c3D4e5" * 4 + b"\x1b[2J\nFAILED\n"


@contextlib.asynccontextmanager
async def bench_with(
    databases: SqliteBackend, directory: Path, *, config: str = CONFIG, **overrides: object
) -> AsyncIterator[Bench]:
    base = {".flowforge.yml": config, **BASE}
    url = await databases.fresh()
    async with open_bench(directory, url, base=base, ours=OURS, theirs=THEIRS, overrides=overrides) as bench:
        yield bench


@pytest.fixture
async def bench(databases: SqliteBackend, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_with(databases, tmp_path) as bench:
        yield bench


@pytest.fixture
async def strict(databases: SqliteBackend, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_with(databases, tmp_path, config=STRICT) as bench:
        yield bench


def kinds(bench: Bench) -> list[RunKind]:
    return [puppet.task.kind for puppet in bench.runner.puppets]


async def until_tests(bench: Bench, body: str = "/flowforge resolve") -> Job:
    """Get as far as the sandbox of the tests."""
    await bench.until_running(body)
    await bench.finish()
    await bench.work()
    job = await bench.job()
    assert job.state is JobState.RUNNING, (job.state, job.message, bench.errors)
    assert kinds(bench)[-1] is RunKind.TEST
    return job


async def finish_tests(bench: Bench, **ended: Any) -> None:
    """Let the tests end, and have the job go on."""
    assert await send_tests(bench.store, bench.runner.last, **ended)
    await bench.ended()
    await bench.work()


async def proposal_of(bench: Bench) -> Proposal:
    proposal = await bench.store.proposals.of_job((await bench.job()).id)
    assert proposal is not None
    return proposal


async def evidence(bench: Bench) -> SuiteEvidence:
    proposal = await proposal_of(bench)
    found = await bench.store.proposals.tests(proposal.job_id, proposal.tree)
    assert found is not None
    return found


async def waits(bench: Bench) -> Job:
    job = await bench.job()
    assert job.state is JobState.AWAITING_APPROVAL, (job.state, job.message, bench.errors)
    return job


def buttons(bench: Bench) -> list[str]:
    return [action["label"] for action in bench.check_runs[-1].actions]


def summary(bench: Bench) -> str:
    return bench.check_runs[-1].summary or ""


def title(bench: Bench) -> str:
    return bench.check_runs[-1].title or ""


# --- when they run, and on what


async def test_tests_run_on_the_whole_tree_that_is_proposed_in_a_sandbox_of_their_own(bench: Bench) -> None:
    job = await until_tests(bench)
    assert kinds(bench) == [RunKind.AGENT, RunKind.TEST]
    assert job.progress == "the repository's tests are running"
    assert "the repository's tests are running" in summary(bench)
    assert bench.check_runs[-1].conclusion is None
    agent, tests = (puppet.task for puppet in bench.runner.puppets)
    assert (tests.run_id != agent.run_id, tests.token != agent.token) == (True, True)
    files, context = await workspace_of(bench.store, bench.runner.last)
    assert context["commands"] == [["python3", "-m", "unittest", "all of them"]]
    assert context["files"] == []
    assert {path.removeprefix("workspace/"): content.decode() for path, content in files.items()} == {
        ".flowforge.yml": CONFIG,
        **BASE,
        **OURS,
        **THEIRS,
        "fees.py": ANSWER,
    }
    assert await bench.store.ledger.grant(bench.runner.last.token_sha256) is None, "no model for tests"


async def test_the_limits_of_tests_are_their_own(databases: SqliteBackend, tmp_path: Path) -> None:
    config = CONFIG + "test_timeout_minutes: 7\ntimeout_minutes: 1\n"
    async with bench_with(databases, tmp_path, config=config, stall_timeout_seconds=5) as bench:
        await until_tests(bench)
        limits = bench.runner.last.task.limits
        assert (limits.deadline_seconds, limits.stall_seconds) == (420.0, 420.0)
        bench.clock.advance(419)
        await bench.runner.last.seen_to()
        assert not bench.runner.last.stopped.is_set(), "tests may be silent"
    async with bench_with(databases, tmp_path / "short", config=config, run_timeout_seconds=60) as bench:
        await until_tests(bench)
        assert bench.runner.last.task.limits.deadline_seconds == 60.0


async def test_tests_that_passed_are_shown_and_what_they_left_is_ignored(bench: Bench) -> None:
    await until_tests(bench)
    bench.clock.advance(60)
    await finish_tests(bench, duration_ms=12_300, oddities=["symbolic link: x"], over_limit="too much")
    await waits(bench)
    found, proposal = await evidence(bench), await proposal_of(bench)
    assert found == SuiteEvidence(
        tree=proposal.tree,
        outcome=SuiteOutcome.PASSED,
        at=bench.clock.now(),
        command=COMMAND,
        run_id=bench.runner.last.task.run_id,
        exit_status=0,
        duration_ms=12_300,
        log_tail="OK\n",
    )
    assert found.passed_on(proposal.tree)
    shown = "**Tests passed.** `python3 -m unittest 'all of them'` ended well on exactly this tree after 12 s."
    assert shown in bench.stickies[0]
    assert shown in summary(bench)
    assert title(bench) == "A resolution waits for approval; its tests passed"
    assert "Job" in bench.stickies[0]
    assert "1 min" in bench.stickies[0], "the time that the tests took counts"
    assert "x" not in set(bench.repository.refs)
    bench.say("/flowforge status")
    await bench.work()
    assert shown.replace("**", "") in bench.comments[-1]


async def test_tests_that_failed_stop_nobody_and_are_said_everywhere(bench: Bench) -> None:
    await until_tests(bench)
    await finish_tests(bench, exit_code=3, log=FORGED, duration_ms=900)
    await waits(bench)
    found = await evidence(bench)
    assert (found.outcome, found.exit_status, found.signal) == (SuiteOutcome.FAILED, 3, None)
    shown = "**Tests failed.** `python3 -m unittest 'all of them'` ended with status 3 after 1 s."
    for report in (bench.stickies[0], summary(bench)):
        assert shown in report
        assert "To approve it is to decide that it is pushed all the same." in report
        assert "Ran 1 test" in report
        assert "a1B2c3D4e5" not in report
        assert "\x1b" not in report
    assert len(bench.stickies) == 1, "a log forges no comment of ours"
    assert title(bench) == "A resolution waits for approval; its tests failed"
    assert "Approve & push" in buttons(bench)
    bench.say("/flowforge approve")
    await bench.work()
    job = await bench.job()
    assert job.state is JobState.PUBLISHED
    assert bench.head == (await proposal_of(bench)).commit


@pytest.mark.parametrize(
    ("ended", "outcome", "words"),
    [
        ({"exit_code": None, "signal": 11}, SuiteOutcome.FAILED, "was ended by signal 11"),
        ({"exit_code": 127, "log": b"", "stderr_tail": "cannot be started"}, SuiteOutcome.FAILED, "status 127"),
        ({"exit_code": "0"}, SuiteOutcome.COULD_NOT_RUN, "could not be read"),
        ({"version": 99}, SuiteOutcome.COULD_NOT_RUN, "could not be read"),
    ],
    ids=["a signal", "no program", "no number", "another protocol"],
)
async def test_whatever_is_claimed_is_only_evidence(
    bench: Bench, ended: dict[str, Any], outcome: SuiteOutcome, words: str
) -> None:
    await until_tests(bench)
    await finish_tests(bench, **ended)
    await waits(bench)
    assert (await evidence(bench)).outcome is outcome
    assert words in bench.stickies[0]


async def test_without_a_command_no_tests_run_and_that_is_said(databases: SqliteBackend, tmp_path: Path) -> None:
    async with bench_with(databases, tmp_path, config="version: 1\n") as bench:
        await bench.until_proposed()
        assert kinds(bench) == [RunKind.AGENT]
        assert (await evidence(bench)).outcome is SuiteOutcome.NOT_CONFIGURED
        words = "No tests were run: no `test_command` stands in `.flowforge.yml` on the base branch"
        assert words in bench.stickies[0]
        assert words in summary(bench)


async def test_the_pull_requests_own_command_does_not_count(databases: SqliteBackend, tmp_path: Path) -> None:
    base, url = {".flowforge.yml": "version: 1\n", **BASE}, await databases.fresh()
    async with open_bench(tmp_path, url, base=base, ours={".flowforge.yml": CONFIG, **OURS}) as bench:
        await bench.until_proposed()
        assert kinds(bench) == [RunKind.AGENT]


async def test_a_tree_that_is_too_large_is_not_tested_in_parts(databases: SqliteBackend, tmp_path: Path) -> None:
    config = CONFIG + "resolvers: {direct: false}\n"
    async with bench_with(databases, tmp_path, config=config, max_workspace_bytes=200_000) as bench:
        await bench.sim.people.commit(bench.repository, "main", {"big.bin": "x" * 300_000}, author=bench.maintainer)
        await bench.until_proposed()
        assert kinds(bench) == [RunKind.AGENT]
        found = await evidence(bench)
        assert found.outcome is SuiteOutcome.COULD_NOT_RUN
        assert "**Tests could not be run.** the tree is larger than a workspace may be" in bench.stickies[0]


async def test_what_rules_settle_is_tested_too_without_an_agent(databases: SqliteBackend, tmp_path: Path) -> None:
    versions = {"base": "1.0.0", "ours": "1.1.0", "theirs": "1.2.0"}
    trees = {side: {"setup.cfg": f"[metadata]\nversion = {version}\n"} for side, version in versions.items()}
    base, url = {".flowforge.yml": CONFIG, **trees["base"]}, await databases.fresh()
    async with open_bench(tmp_path, url, base=base, ours=trees["ours"], theirs=trees["theirs"]) as bench:
        await bench.until_running()
        assert kinds(bench) == [RunKind.TEST]
        await finish_tests(bench)
        await waits(bench)
        assert "no model call" in bench.stickies[0]


async def test_a_rebase_is_tested_where_it_ends(databases: SqliteBackend, tmp_path: Path) -> None:
    versions = {"base": "1.0.0", "ours": "1.3.0", "theirs": "1.2.0"}
    trees = {side: {"setup.cfg": f"[metadata]\nversion = {version}\n"} for side, version in versions.items()}
    base, url = {".flowforge.yml": STRICT, **trees["base"]}, await databases.fresh()
    async with open_bench(tmp_path, url, base=base, ours=trees["ours"], theirs=trees["theirs"]) as bench:
        await bench.until_running("/flowforge resolve --strategy rebase")
        assert kinds(bench) == [RunKind.TEST]
        files, _ = await workspace_of(bench.store, bench.runner.last)
        assert b"version = 1.3.0" in files["workspace/setup.cfg"]
        await finish_tests(bench)
        job = await waits(bench)
        bench.say(f"/flowforge approve --old-head {job.head_sha[:12]}")
        await bench.work()
        assert (await bench.job()).state is JobState.PUBLISHED, bench.comments


async def test_a_revert_is_tested_too(bench: Bench) -> None:
    await until_tests(bench)
    await finish_tests(bench)
    bench.say("/flowforge approve")
    await bench.work()
    assert (await bench.job()).state is JobState.PUBLISHED
    await bench.sim.people.commit(bench.repository, "feature", {"more.py": "MORE = 1\n"}, author=bench.author)
    bench.say("/flowforge rollback")
    await bench.work()
    assert (await bench.job()).state is JobState.RUNNING, bench.errors
    assert kinds(bench)[-1] is RunKind.TEST
    await finish_tests(bench, exit_code=1)
    await waits(bench)
    assert "**Tests failed.**" in bench.stickies[0]


async def test_a_dry_run_and_an_unfinished_merge_run_no_tests(bench: Bench) -> None:
    bench.say("/flowforge resolve --dry-run")
    await bench.work()
    assert kinds(bench) == []
    await bench.until_running()
    bench.runner.last.seen = SandboxExited(exit_code=0, signal=None)
    await bench.ended()
    await bench.work()
    assert (await bench.job()).state is JobState.UNRESOLVED
    assert kinds(bench) == [RunKind.AGENT]
    assert "tests" not in bench.stickies[0].lower()


# --- tests that have to pass


async def test_a_proposal_whose_tests_failed_is_not_approved_where_they_have_to_pass(strict: Bench) -> None:
    await until_tests(strict)
    await finish_tests(strict, exit_code=1)
    await waits(strict)
    for report in (strict.stickies[0], summary(strict)):
        assert "Nothing is approved here before its tests pass (`tests_must_pass` in `.flowforge.yml:3`)." in report
        assert "/flowforge approve" not in report
    assert buttons(strict) == ["Retry", "Discard"]
    head = strict.head
    strict.say("/flowforge approve")
    await strict.work()
    assert (await strict.job()).state is JobState.AWAITING_APPROVAL
    assert strict.head == head
    assert "and they failed" in strict.comments[-1]
    assert "Rule: `tests`" in strict.comments[-1]

    strict.say("/flowforge retry")
    await strict.work()
    await strict.finish()
    await strict.work()
    assert kinds(strict)[-1] is RunKind.TEST
    await finish_tests(strict)
    await waits(strict)
    assert "Approve & push" in buttons(strict)
    strict.say("/flowforge approve")
    await strict.work()
    assert (await strict.job()).state is JobState.PUBLISHED


async def test_what_the_base_branch_asks_for_when_somebody_approves_counts(bench: Bench) -> None:
    """The configuration became stricter after the proposal; a base that moved would make it stale anyway."""
    await until_tests(bench)
    await finish_tests(bench, exit_code=1)
    await bench.sim.people.commit(bench.repository, "main", {".flowforge.yml": STRICT}, author=bench.maintainer)
    bench.say("/flowforge approve")
    await bench.work()
    assert (await bench.job()).state is not JobState.PUBLISHED
    assert "Rule: `tests`" in bench.comments[-1]


# --- tests that do not come to an end


async def test_tests_that_take_too_long_are_stopped_and_said_so(bench: Bench) -> None:
    await until_tests(bench)
    bench.runner.last.seen = SandboxRunning(log_bytes=5)
    await bench.runner.last.seen_to()
    bench.clock.advance(901)
    await bench.ended()
    await bench.work()
    await waits(bench)
    found = await evidence(bench)
    assert (found.outcome, found.exit_status) == (SuiteOutcome.TIMED_OUT, None)
    assert (
        "**Tests did not finish.** `python3 -m unittest 'all of them'` was stopped after 15 min 1 s."
        in (bench.stickies[0])
    )
    assert title(bench).endswith("; its tests did not finish")


async def test_a_lost_sandbox_is_tried_again_and_costs_neither_attempt_nor_answer(bench: Bench) -> None:
    await until_tests(bench)
    first = bench.runner.last
    attempt = (await bench.job()).attempt
    for lost in range(1, 8):
        bench.runner.last.seen = SandboxExited(exit_code=None, signal=9)
        await bench.ended()
        await bench.work()
        job = await bench.job()
        assert job.state is JobState.RUNNING, "the proposal is kept"
        assert len(bench.runner.puppets) == 1 + lost, "a moment passes first"
        bench.clock.advance(5 * 2 ** (lost - 1) + 1)
        await bench.work()
    assert kinds(bench) == [RunKind.AGENT, *[RunKind.TEST] * 8]
    assert bench.runner.last is not first
    job = await bench.job()
    assert job.attempt - await bench.store.jobs.put_off(job.id) <= attempt, "none of it was the agent's fault"
    await finish_tests(bench)
    await waits(bench)
    assert (await evidence(bench)).outcome is SuiteOutcome.PASSED
    assert bench.errors == []


async def test_sandboxes_that_the_agent_lost_are_not_the_tests(bench: Bench) -> None:
    await bench.until_running()
    for _ in range(MAX_LOST - 1):
        bench.runner.last.seen = SandboxExited(exit_code=None, signal=9)
        await bench.ended()
        await bench.work()
        bench.clock.advance(301)
        await bench.work()
    await bench.finish()
    await bench.work()
    assert kinds(bench) == [*[RunKind.AGENT] * MAX_LOST, RunKind.TEST]
    bench.runner.last.seen = SandboxExited(exit_code=None, signal=9)
    await bench.ended()
    await bench.work()
    bench.clock.advance(6)
    await bench.work()
    assert kinds(bench)[MAX_LOST:] == [RunKind.TEST, RunKind.TEST]
    await finish_tests(bench)
    await waits(bench)
    assert (await evidence(bench)).outcome is SuiteOutcome.PASSED


async def test_lost_tests_that_used_no_attempt_give_none_back(bench: Bench) -> None:
    """Nobody worked for a while after each loss: there was nothing to wait for, and no execution was put off."""
    attempt = (await until_tests(bench)).attempt
    for _ in range(4):
        bench.runner.last.seen = SandboxExited(exit_code=None, signal=9)
        await bench.ended()
        bench.clock.advance(301)
        await bench.work()
    assert (await bench.job()).attempt == attempt
    await send_tests(bench.store, bench.runner.last)
    await bench.ended()
    mirrors = bench.settings.data_dir / "mirrors"
    shutil.rmtree(mirrors)
    mirrors.write_text("no directory can be made here")
    for _ in range(5):
        await bench.work()
        bench.clock.advance(301)
    assert (await bench.job()).state is JobState.FAILED


async def test_sandboxes_that_are_lost_again_and_again_lose_no_proposal(strict: Bench) -> None:
    await until_tests(strict)
    for _ in range(MAX_LOST):
        strict.runner.last.seen = SandboxExited(exit_code=None, signal=9)
        await strict.ended()
        await strict.work()
        strict.clock.advance(301)
        await strict.work()
    await waits(strict)
    assert kinds(strict) == [RunKind.AGENT, *[RunKind.TEST] * MAX_LOST]
    found = await evidence(strict)
    assert found.outcome is SuiteOutcome.COULD_NOT_RUN
    assert "**Tests could not be run.** No sandbox could be had for them." in strict.stickies[0]
    assert "signal 9" not in strict.stickies[0], "that is for the operator"
    strict.say("/flowforge approve")
    await strict.work()
    assert "and they could not be run" in strict.comments[-1]


async def test_cancelled_tests_end_the_job_and_its_branch(bench: Bench) -> None:
    await until_tests(bench)
    puppet = bench.runner.last
    assert len(bench.branches) == 1
    bench.say("/flowforge approve")
    await bench.work()
    assert "Its tests are running." in bench.comments[-1]
    bench.say("/flowforge cancel")
    await bench.work()
    bench.clock.advance(1)
    await asyncio.wait_for(puppet.stopped.wait(), WAIT)
    await bench.ended(puppet)
    await bench.work()
    assert (await bench.job()).state is JobState.CANCELLED
    assert bench.branches == {}
