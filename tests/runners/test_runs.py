"""Runs from start to end: the real Claude Code, supervised, with a scripted model."""

import asyncio
import contextlib
import hashlib
import os
import sqlite3
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.demo.model.attacker import Ordered
from app.demo.model.failures import (
    Always,
    Costly,
    EndlessTools,
    HeldBack,
    overloaded,
    rate_limited,
    refusal,
    server_error,
)
from app.demo.model.liars import ClaimsSuccess, ReportsInstead
from app.demo.model.messages import ModelRequest
from app.demo.model.replies import Call, Message, Reply, Script, Tokens
from app.demo.model.resolver import HonestResolver
from app.store.database import SqlStore
from app.system import SystemClock, SystemIds
from bot.errors import SandboxError, SettingsError
from bot.model.runs import RunOutcome, RunState, SandboxMissing, SandboxObservation
from bot.ports.git import WorkspaceFile
from runners.backends.process import ProcessRunner
from runners.supervise import Supervisor
from tests.runners.bench import CLAUDE, CONFLICT, MODEL_KEY, RESOLVED, Bench

HONEST = HonestResolver()


def held() -> HeldBack:
    """A model that begins to answer and never goes on."""
    return HeldBack(script=HONEST, events=2)


async def test_a_conflict_is_resolved(bench: Bench) -> None:
    ended = await bench.run(HONEST, {"src/a.py": CONFLICT, "README.md": b"hello\n"})
    assert ended.outcome is RunOutcome.SUCCEEDED
    assert ended.answer is not None
    assert ended.answer.changed == {"src/a.py": RESOLVED}
    assert (ended.answer.deleted, ended.answer.oddities) == ((), ())
    assert [(file.path, [hunk.resolved for hunk in file.hunks]) for file in ended.answer.files] == [
        ("src/a.py", [True])
    ]
    lines = [progress.line for progress in ended.progress]
    assert {"reading src/a.py", "editing src/a.py"} & set(lines)  # looked at now and then: not every step is seen
    assert ended.progress[-1].turns == 4
    usage = await bench.store.runs.usage(ended.run.job_id)
    assert usage.model_calls == 4
    assert usage.request_bytes[0] < 8000


async def test_after_the_end_nothing_is_left_and_the_token_is_worth_nothing(bench: Bench) -> None:
    ended = await bench.run(HONEST)
    assert not bench.place(ended.run.id).exists()
    assert bench.processes(ended.run.id) == []
    assert isinstance(await bench.runner.observe(ended.run.id), SandboxMissing)
    assert await bench.store.ledger.grant(bench.tokens[ended.run.id]) is None


async def test_the_model_key_is_nowhere_in_the_sandbox(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", MODEL_KEY)
    monkeypatch.setenv("FLOWFORGE_GITHUB_PRIVATE_KEY", "our-own-secret")
    run_id = await bench.launch(held())
    await bench.asked()
    processes = bench.processes(run_id)
    known = [f"{process.cmdline()} {process.environ()}" for process in processes]
    assert {Path(process.exe()).name for process in processes} >= {"claude"}
    assert len(processes) == 2
    assert not any(secret in text for text in known for secret in (MODEL_KEY, "our-own-secret"))
    assert not any(bench.tokens[run_id] in str(process.cmdline()) for process in processes)
    await bench.store.runs.request_stop(run_id, RunOutcome.CANCELLED)
    await bench.ended(run_id)


async def test_the_sandbox_stays_in_our_process_group(bench: Bench) -> None:
    run_id = await bench.launch(held())
    await bench.asked()
    groups = {os.getpgid(process.pid) for process in bench.processes(run_id)}
    await bench.store.runs.request_stop(run_id, RunOutcome.CANCELLED)
    await bench.ended(run_id)
    assert groups == {os.getpgrp()}


@pytest.mark.parametrize("outcome", [RunOutcome.CANCELLED, RunOutcome.SUPERSEDED])
async def test_a_stop_that_was_asked_for_ends_everything_at_once(bench: Bench, outcome: RunOutcome) -> None:
    run_id = await bench.launch(held())
    await bench.asked()
    assert len(bench.processes(run_id)) == 2
    began = time.monotonic()
    await bench.store.runs.request_stop(run_id, outcome)
    ended = await bench.ended(run_id)
    assert time.monotonic() - began < 20, "the sandbox would hold for minutes"
    assert ended.outcome is outcome
    assert bench.processes(run_id) == []
    assert not bench.place(run_id).exists()
    assert await bench.store.runs.result(run_id) is None


@pytest.mark.parametrize(
    ("limits", "outcome"),
    [
        ({"deadline_seconds": 1.5}, RunOutcome.TIMED_OUT),
        ({"stall_seconds": 1.5}, RunOutcome.STALLED),
        ({"max_log_bytes": 1000}, RunOutcome.MAX_OUTPUT),
    ],
    ids=["deadline", "stall", "log"],
)
async def test_a_limit_of_the_supervisor_ends_everything(
    bench: Bench, limits: dict[str, Any], outcome: RunOutcome
) -> None:
    run_id = await bench.launch(held(), **limits)
    ended = await bench.ended(run_id)
    assert ended.outcome is outcome
    assert ended.run.detail
    assert bench.processes(run_id) == []


async def test_an_overloaded_model_ends_soon_because_retries_are_few(bench: Bench) -> None:
    began = time.monotonic()
    ended = await bench.run(Always(overloaded()))
    assert ended.outcome is RunOutcome.MODEL_OVERLOADED
    assert time.monotonic() - began < 30
    assert "waiting for the model (attempt 1 of 3, overloaded)" in [progress.line for progress in ended.progress]


@pytest.mark.parametrize(
    ("script", "limits", "outcome"),
    [
        (Always(refusal()), {}, RunOutcome.AGENT_REFUSED),
        (Always(rate_limited(3600)), {}, RunOutcome.MODEL_RATE_LIMITED),
        (Always(server_error()), {}, RunOutcome.MODEL_UNREACHABLE),
        (EndlessTools(), {"max_turns": 3}, RunOutcome.MAX_TURNS),
        (ReportsInstead(HONEST, None), {}, RunOutcome.NO_REPORT),
        (ReportsInstead(HONEST, {"summary": "no files"}), {}, RunOutcome.INVALID_OUTPUT),
        (Costly(EndlessTools(), Tokens(input=200_000, output=2000)), {"budget_usd": 1.5}, RunOutcome.BUDGET_EXHAUSTED),
        (HONEST, {"max_result_bytes": 10}, RunOutcome.INVALID_OUTPUT),
    ],
    ids=["refusal", "429", "500", "turns", "no report", "bad report", "budget", "too much changed"],
)
async def test_other_ends(bench: Bench, script: Script, limits: dict[str, Any], outcome: RunOutcome) -> None:
    ended = await bench.run(script, **limits)
    assert ended.outcome is outcome
    assert not bench.place(ended.run.id).exists()


async def test_a_lie_is_a_success_here_and_the_gates_matter(bench: Bench) -> None:
    ended = await bench.run(ClaimsSuccess())
    assert ended.outcome is RunOutcome.SUCCEEDED
    assert ended.answer is not None
    assert ended.answer.changed == {}
    assert ended.answer.files[0].hunks[0].resolved


async def test_other_files_that_the_agent_touches_come_out_with_their_names(bench: Bench) -> None:
    calls = [
        ("Read", {"file_path": "README.md"}),
        ("Edit", {"file_path": "README.md", "old_string": "hello", "new_string": "bye"}),
        ("Edit", {"file_path": "new/file.txt", "old_string": "", "new_string": "new\n"}),
    ]
    run = WorkspaceFile(path="run.sh", executable=True, content=b"#!/bin/sh\n")
    ended = await bench.run(Ordered(calls), {"src/a.py": CONFLICT, "README.md": b"hello\n", "run.sh": run})
    assert ended.answer is not None
    assert ended.answer.changed == {"src/a.py": RESOLVED, "README.md": b"bye\n", "new/file.txt": b"new\n"}
    assert ended.answer.oddities == ()


async def test_an_edit_keeps_the_executable_bit(bench: Bench) -> None:
    script = WorkspaceFile(path="run.sh", executable=True, content=CONFLICT)
    ended = await bench.run(HONEST, {"run.sh": script})
    assert ended.answer is not None
    assert ended.answer.changed == {"run.sh": RESOLVED}
    assert ended.answer.oddities == ()


async def test_runs_side_by_side(bench: Bench) -> None:
    first = await bench.launch(HONEST)
    second = await bench.launch(HONEST)
    ended = [await bench.ended(first), await bench.ended(second)]
    assert [one.outcome for one in ended] == [RunOutcome.SUCCEEDED] * 2


@dataclass(slots=True)
class KillsTheGuest:
    """In the middle of a run, the guest is killed as by the kernel."""

    directory: Path

    def reply(self, request: ModelRequest) -> Reply:
        for process in psutil.process_iter():
            if process.ppid() == psutil.Process().pid and "runners.guest" in process.cmdline():
                process.kill()
        return HONEST.reply(request)


async def test_a_guest_that_is_killed_leaves_no_claude_behind(bench: Bench) -> None:
    ended = await bench.run(KillsTheGuest(bench.directory))
    assert ended.outcome is RunOutcome.INFRA_RETRYABLE
    assert "signal 9" in ended.run.detail
    assert bench.processes(ended.run.id) == []


async def test_without_claude_code_the_run_says_so(bench: Bench, tmp_path: Path) -> None:
    bench.runner._claude = tmp_path / "nowhere"
    ended = await bench.run(HONEST)
    assert ended.outcome is RunOutcome.MISCONFIGURED
    assert "Claude Code cannot be started" in ended.run.detail


async def test_a_workspace_that_was_fetched_already_is_not_handed_out_again(bench: Bench) -> None:
    task, job_id = await bench.prepare(HONEST)
    bench.ends[task.run_id] = asyncio.Event()
    digest = hashlib.sha256(task.token.encode()).hexdigest()
    assert await bench.store.runs.take_workspace(task.run_id, digest) is not None
    await bench.supervisor.launch(task, job_id=job_id)
    ended = await bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.INFRA_RETRYABLE
    assert ended.run.detail == "GET of the workspace: HTTP 403"


async def test_closing_the_supervisor_stops_its_runs(bench: Bench) -> None:
    run_id = await bench.launch(held())
    await bench.asked()
    await bench.supervisor.close()
    run = await bench.store.runs.get(run_id)
    assert run is not None
    assert (run.state, run.outcome) == (RunState.ENDED, RunOutcome.INFRA_RETRYABLE)
    assert bench.processes(run_id) == []
    assert not bench.ends[run_id].is_set()
    task, job_id = await bench.prepare(HONEST)
    with pytest.raises(SandboxError):
        await bench.supervisor.launch(task, job_id=job_id)


def supervisor_of(bench: Bench, **options: Any) -> Supervisor:
    """As of another process: it knows nothing of the first one's runs."""

    async def on_progress(*_: object) -> None:
        """Nothing."""

    async def on_end(_job_id: str, run_id: str) -> None:
        bench.ends[run_id].set()

    usual: dict[str, Any] = {
        "runner": ProcessRunner(bench.directory, claude=CLAUDE, development=True),
        "runs": bench.store.runs,
        "clock": SystemClock(),
        "owner": SystemIds().new_id(),
        "on_progress": on_progress,
        "on_end": on_end,
        "poll_seconds": 0.05,
    }
    return Supervisor(**(usual | options))


async def abandon(bench: Bench, script: Script) -> str:
    """A run whose supervisor never comes back; its sandbox goes on."""
    task, _ = await bench.prepare(script)
    bench.ends[task.run_id] = asyncio.Event()
    now = SystemClock().now()
    deadline = now + timedelta(minutes=5)
    await bench.store.runs.started(task.run_id, owner="dead", deadline=deadline, lease_until=now - timedelta(seconds=1))
    await bench.runner.start(task)
    return task.run_id


async def test_an_abandoned_run_is_ended_with_its_processes(bench: Bench) -> None:
    run_id = await abandon(bench, held())
    await bench.asked()
    await supervisor_of(bench).reap(SystemClock().now())
    ended = await bench.ended(run_id)
    assert ended.outcome is RunOutcome.INFRA_RETRYABLE
    assert bench.processes(run_id) == []
    await bench.runner.forget(run_id)


async def test_the_result_of_an_abandoned_run_is_not_lost(bench: Bench) -> None:
    run_id = await abandon(bench, HONEST)
    await asyncio.to_thread(psutil.wait_procs, bench.processes(run_id), timeout=30)
    await supervisor_of(bench).reap(SystemClock().now())
    ended = await bench.ended(run_id)
    assert ended.outcome is RunOutcome.SUCCEEDED
    assert ended.answer is not None
    assert ended.answer.changed == {"src/a.py": RESOLVED}
    await bench.runner.forget(run_id)


async def test_a_supervised_run_is_not_reaped(bench: Bench) -> None:
    run_id = await bench.launch(held())
    await bench.asked()
    await supervisor_of(bench).reap(SystemClock().now())
    assert len(bench.processes(run_id)) == 2
    await bench.store.runs.request_stop(run_id, RunOutcome.CANCELLED)
    assert (await bench.ended(run_id)).outcome is RunOutcome.CANCELLED


async def test_a_run_that_another_supervisor_took_is_left_to_it(bench: Bench) -> None:
    run_id = await bench.launch(held())
    await bench.asked()
    await bench.store.runs.ended(run_id, RunOutcome.INFRA_RETRYABLE, detail="taken")
    ended = await bench.ended(run_id)
    assert ended.run.detail == "taken"
    assert bench.processes(run_id) == []


def test_production_gets_no_such_runner(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        ProcessRunner(tmp_path, claude=CLAUDE, development=False)


async def test_a_message_of_its_own(bench: Bench) -> None:
    """A report in the very first turn is a success too: one call, one turn."""
    report = Call(id="toolu_1", name="StructuredOutput", input={"summary": "Nothing to do.", "files": []})
    ended = await bench.run(Always(Message(content=(report,))))
    assert ended.outcome is RunOutcome.SUCCEEDED


class Unseen(ProcessRunner):
    """A sandbox behind a network that broke: it goes on, and nobody sees it."""

    async def observe(self, run_id: str) -> SandboxObservation:
        raise SandboxError(f"no answer about {run_id}")


async def test_a_sandbox_that_cannot_be_seen_is_given_up(bench: Bench) -> None:
    runner = Unseen(bench.directory, claude=CLAUDE, development=True)
    task, job_id = await bench.prepare(held())
    bench.ends[task.run_id] = asyncio.Event()
    await supervisor_of(bench, runner=runner, blind_seconds=1).launch(task, job_id=job_id)
    ended = await bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.INFRA_RETRYABLE
    assert bench.processes(task.run_id) == []


async def test_a_supervisor_that_lost_its_run_ends_the_sandbox_and_records_nothing(bench: Bench) -> None:
    """Its lease ran out while it was away, and another one took the run."""
    mine = supervisor_of(bench, lease_seconds=0.01)
    task, job_id = await bench.prepare(held())
    await mine.launch(task, job_id=job_id)
    await bench.asked()
    processes = bench.processes(task.run_id)
    later = SystemClock().now() + timedelta(minutes=1)
    await bench.store.runs.heartbeat(task.run_id, owner="the other", lease_until=later)
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, timeout=60)
    assert alive == []
    run = await bench.store.runs.get(task.run_id)
    assert run is not None
    assert run.state is RunState.STARTED
    await mine.close()


async def test_without_a_database_a_run_goes_on_until_its_lease_is_over(bench: Bench) -> None:
    store = SqlStore.open(bench.url, SystemClock(), SystemIds(), busy_seconds=0.1)
    task, job_id = await bench.prepare(held())
    mine = supervisor_of(bench, runs=store.runs, lease_seconds=2)
    await mine.launch(task, job_id=job_id)
    await bench.asked()
    processes = bench.processes(task.run_id)
    with contextlib.closing(sqlite3.connect(bench.url.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        _, alive = await asyncio.to_thread(psutil.wait_procs, processes, timeout=60)
        assert alive == []
        assert time.monotonic() - began > 1
        other.rollback()
    run = await bench.store.runs.get(task.run_id)
    assert run is not None
    assert run.state is RunState.STARTED
    bench.ends[task.run_id] = asyncio.Event()
    await mine.close()
    await supervisor_of(bench).reap(SystemClock().now())
    assert (await bench.ended(task.run_id)).outcome is RunOutcome.INFRA_RETRYABLE
    await store.close()
