"""The process backend ends everything, however stubborn, and whoever dies first."""

import asyncio
import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from app.demo.model.failures import HeldBack
from app.demo.model.resolver import HonestResolver
from bot.errors import SandboxError
from bot.model.runs import RunOutcome, RunTask, SandboxExited, SandboxMissing, SandboxRunning
from runners.backends.process import ProcessRunner
from tests.runners.bench import CLAUDE, Bench

PARENT = """
import asyncio, json, sys
from pathlib import Path
from bot.model.runs import RunKind, RunLimits, RunTask
from runners.backends.process import ProcessRunner

async def main():
    given = json.loads(sys.stdin.readline())
    task = RunTask(**given | {"kind": RunKind(given["kind"]), "limits": RunLimits(**given["limits"])})
    await ProcessRunner(Path(sys.argv[1]), claude=Path(sys.argv[2]), development=True).start(task)
    await asyncio.Event().wait()

asyncio.run(main())
"""

STUBBORN = """#!{python}
# Ignores every wish to end; so does its child, which has left the session, the directory and the environment behind.
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    os.chdir("/")
    if os.fork() == 0:
        os.execve({python!r}, [{python!r}, {child!r}], {{}})
    os._exit(0)
time.sleep(600)
"""
CHILD = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open({fifo!r}, "w") as fifo:
    print(os.getpid(), file=fifo)
time.sleep(600)
"""


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def died(processes: list[psutil.Process], *, seconds: float) -> bool:
    _, left = await asyncio.to_thread(psutil.wait_procs, processes, timeout=seconds)
    return not left


async def test_when_the_parent_is_killed_the_sandbox_goes(bench: Bench) -> None:
    task, _ = await bench.prepare(HeldBack(script=HonestResolver(), events=2))
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, str(bench.directory), str(CLAUDE)), stdin=asyncio.subprocess.PIPE
    )
    assert parent.stdin is not None
    parent.stdin.write(json.dumps(dataclasses.asdict(task)).encode() + b"\n")
    await bench.asked()
    processes = bench.processes(task.run_id)
    assert len(processes) == 2
    parent.kill()
    await parent.wait()
    assert await died(processes, seconds=5)
    assert await bench.store.runs.result(task.run_id) is None
    await bench.runner.forget(task.run_id)


@dataclass(frozen=True, slots=True)
class Stubborn:
    """A run of a program that does not want to end, in the place of Claude Code."""

    task: RunTask
    words: asyncio.StreamReader

    async def child(self) -> psutil.Process:
        """Its child, as soon as that says that it is there."""
        return psutil.Process(int(await asyncio.wait_for(self.words.readline(), timeout=60)))


@pytest.fixture
async def stubborn(bench: Bench, tmp_path: Path) -> AsyncIterator[Stubborn]:
    fifo, child, program = tmp_path / "fifo", tmp_path / "child.py", tmp_path / "stubborn"
    os.mkfifo(fifo)
    child.write_text(CHILD.format(fifo=str(fifo)))
    program.write_text(STUBBORN.format(python=sys.executable, child=str(child)))
    program.chmod(0o700)
    bench.runner._claude = program
    task, _ = await bench.prepare(HonestResolver())
    words = asyncio.StreamReader()
    pipe = os.fdopen(os.open(fifo, os.O_RDWR | os.O_NONBLOCK), "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), pipe)
    yield Stubborn(task, words)
    await bench.runner.forget(task.run_id)
    transport.close()


async def test_stop_leaves_no_descendant_whatever_it_does(bench: Bench, stubborn: Stubborn) -> None:
    run_id = stubborn.task.run_id
    await bench.runner.start(stubborn.task)
    everything = [await stubborn.child(), *bench.processes(run_id)]
    assert len(everything) == 3
    began = time.monotonic()
    await bench.runner.stop(run_id)
    assert time.monotonic() - began < 20, "it ignores SIGTERM, and would go on for minutes"
    assert not any(alive(process) for process in everything)
    assert await bench.runner.observe(run_id) == SandboxExited(exit_code=143, signal=None)
    await bench.runner.stop(run_id)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_the_guest_itself_ends_all_on_a_signal(bench: Bench, stubborn: Stubborn, number: signal.Signals) -> None:
    run_id = stubborn.task.run_id
    await bench.runner.start(stubborn.task)
    child = await stubborn.child()
    (guest,) = [one for one in bench.processes(run_id) if "runners.guest" in one.cmdline()]
    guest.send_signal(number)
    assert await died([child], seconds=5)
    status = await asyncio.to_thread(bench.runner._children[run_id].guest.wait, 5)
    assert status == 143


async def test_starting_twice_is_starting_once(bench: Bench) -> None:
    task, _ = await bench.prepare(HeldBack(script=HonestResolver(), events=2))
    await bench.runner.start(task)
    await bench.runner.start(task)
    await bench.asked()
    assert len(bench.processes(task.run_id)) == 2
    await bench.runner.forget(task.run_id)


async def test_the_log_can_be_read_in_pieces(bench: Bench) -> None:
    task, _ = await bench.prepare(HeldBack(script=HonestResolver(), events=2))
    await bench.runner.start(task)
    await bench.asked()
    running = await bench.runner.observe(task.run_id)
    assert isinstance(running, SandboxRunning)
    assert running.log_bytes > 0
    whole = await bench.runner.read_log(task.run_id, offset=0, limit=2**20)
    pieces = [
        await bench.runner.read_log(task.run_id, offset=offset, limit=100) for offset in range(0, len(whole), 100)
    ]
    assert b"".join(pieces) == whole
    assert b'"subtype":"init"' in whole
    await bench.runner.forget(task.run_id)


async def test_of_an_unknown_run_there_is_nothing(bench: Bench) -> None:
    assert isinstance(await bench.runner.observe("0" * 32), SandboxMissing)
    assert await bench.runner.read_log("0" * 32, offset=0, limit=10) == b""
    await bench.runner.stop("0" * 32)
    await bench.runner.forget("0" * 32)


@pytest.mark.parametrize("run_id", ["", "..", "../x", "a/b", "/etc", ".hidden"])
async def test_an_id_that_is_no_name_is_refused(bench: Bench, run_id: str) -> None:
    task, _ = await bench.prepare(HonestResolver())
    with pytest.raises(SandboxError):
        await bench.runner.start(replace(task, run_id=run_id))
    with pytest.raises(SandboxError):
        await bench.runner.forget(run_id)


async def test_a_guest_that_cannot_be_started_ends_the_run(bench: Bench, tmp_path: Path) -> None:
    bench.supervisor._runner = ProcessRunner(
        bench.directory, claude=CLAUDE, python=str(tmp_path / "no-python"), development=True
    )
    task, job_id = await bench.prepare(HonestResolver())
    bench.ends[task.run_id] = asyncio.Event()
    await bench.supervisor.launch(task, job_id=job_id)
    ended = await bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.INFRA_RETRYABLE
    assert ended.run.detail == "the guest cannot be started (FileNotFoundError)"
    await bench.runner.forget(task.run_id)
