"""Runs from start to end in sealed containers of Podman."""

import asyncio
import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.demo.model.attacker import Ordered
from app.demo.model.failures import HeldBack
from app.demo.model.resolver import HonestResolver
from app.system import SystemClock
from bot.errors import SandboxError, SettingsError
from bot.model.runs import RunOutcome, SandboxExited, SandboxMissing
from runners.backends.container import STARTED_LABEL, _make_places
from runners.guest.probe_words import Address, ProbeTargets
from runners.isolation import IsolationProbe
from runners.sandbox import (
    PROBE_AGED_SECONDS,
    PROBE_PENDING_SECONDS,
    PROBE_SECONDS,
    sandbox_labels,
    sandbox_name,
)
from tests.image.engine import Engine, needs_engine
from tests.runners.bench import CONFLICT, MODEL_KEY, RESOLVED, Bench, left_in
from tests.runners.container.bench import ContainerBench, alive_below, eventually, open_containers, spec

pytestmark = needs_engine("runc")

HONEST = HonestResolver()
RUNTIMES = [pytest.param(name, marks=needs_engine(name)) for name in ("runc", "crun", "runsc")]


def held() -> HeldBack:
    """A model that begins to answer and never goes on."""
    return HeldBack(script=HONEST, events=2)


@pytest.mark.parametrize("runtime", RUNTIMES)
async def test_a_conflict_is_resolved(
    bench: Bench, engine: Engine, loaded_image: str, places: Path, runtime: str
) -> None:
    async with open_containers(bench, engine, spec(loaded_image), places, runtime=runtime) as containers:
        ended = await containers.run(HONEST)
        assert ended.run.detail == ""
        assert ended.outcome is RunOutcome.SUCCEEDED
        assert ended.answer is not None
        assert ended.answer.changed == {"src/a.py": RESOLVED}
        assert ended.progress[-1].turns == 4
        assert containers.containers() == []
    assert MODEL_KEY not in json.dumps([call.body for call in bench.model.calls])


@pytest.mark.parametrize("runtime", RUNTIMES)
async def test_the_isolation_probe_finds_no_way_out(
    bench: Bench, engine: Engine, loaded_image: str, places: Path, runtime: str
) -> None:
    """The gateway answers, and everything that must fail does."""
    async with open_containers(bench, engine, spec(loaded_image), places, runtime=runtime) as containers:
        probe = IsolationProbe(
            containers.runner, gateway_url=bench.gateway_url, clock=SystemClock(), ids=containers.ids
        )
        host, _, port = bench.gateway_url.removeprefix("http://").partition(":")
        targets = ProbeTargets(
            nonce="",
            connect=(
                Address(name="the gateway beside its door", host=host, port=int(port)),
                Address(name="the Internet", host="1.1.1.1", port=443),
                Address(name="the metadata service", host="169.254.169.254", port=80),
            ),
            resolve=("github.com",),
            nameservers=("8.8.8.8",),
            absent=("/run/podman/podman.sock", "/var/run/docker.sock", str(places)),
            other_run="0" * 32,
            sealed=True,
            gvisor=runtime == "runsc",
        )
        report = await probe.prove(targets)
        assert report.reason() is None
        assert report.proved
        assert len(report.attempts) > 20
        assert report.claude_version.startswith("2.1.330")
        assert containers.containers() == []


SEALED = """
import json, os, socket
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
def tried(what):
    try:
        what()
    except OSError as error:
        return type(error).__name__
    return "it went"
writable = [path for path in os.listdir("/") if os.access("/" + path, os.W_OK)]
print(json.dumps({
    "user": [os.getuid(), os.getgid(), os.getgroups()],
    "capabilities": [int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")],
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "seccomp": status["Seccomp"].strip(),
    "interfaces": [name for _, name in socket.if_nameindex()],
    "writable": writable,
    "root": tried(lambda: open("/opt/x", "w")),
    "door": tried(lambda: open("/run/flowforge/x", "w")),
    "guest": tried(lambda: open("/proc/1/environ", "rb").read()),
    "memory": tried(lambda: open("/proc/1/mem", "rb").read(1)),
    "uids": open("/proc/self/uid_map").read().split(),
    "environment": sorted(os.environ),
    "shell": [name for name in ("/bin/sh", "/bin/bash", "/usr/bin/env") if os.path.exists(name)],
}))
"""


async def test_what_a_repository_s_command_finds_inside(containers: ContainerBench) -> None:
    ended = await containers.command(SEALED)
    assert ended.left is not None
    found = json.loads(ended.left.log_tail)
    assert found["user"] == [1000, 1000, [1000]]
    assert found["capabilities"] == [0, 0, 0, 0, 0]
    assert (found["no_new_privileges"], found["seccomp"]) == ("1", "2")
    assert found["interfaces"] == ["lo"]
    assert set(found["writable"]) == {"task", "tmp"}
    assert found["root"] == "OSError"
    assert found["door"] in {"OSError", "PermissionError"}
    assert found["guest"] == found["memory"] == "PermissionError"
    assert found["uids"] == ["0", "2000000000", "65536"]
    assert not [name for name in found["environment"] if name.startswith(("FLOWFORGE", "ANTHROPIC"))]
    assert found["shell"] == []


async def test_no_argument_holds_a_secret_and_nothing_of_ours_gets_in(
    containers: ContainerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", MODEL_KEY)
    monkeypatch.setenv("FLOWFORGE_GITHUB_PRIVATE_KEY", "our-own-secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:our-own-secret@proxy:1")
    run_id = await containers.bench.launch(held())
    await containers.bench.asked()
    processes = containers.processes(run_id)
    assert {process.name() for process in processes} >= {"claude", "python3"}
    told = [" ".join(process.environ().values()) for process in processes]
    assert not any(secret in text for text in told for secret in (MODEL_KEY, "our-own-secret"))
    token = containers.bench.tokens[run_id]
    assert not any(token in word for process in psutil.process_iter() for word in _arguments(process))
    assert any(token in text for text in told)
    await containers.bench.store.runs.request_stop(run_id, RunOutcome.CANCELLED)
    await containers.bench.ended(run_id)


def _arguments(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


@pytest.mark.parametrize("runtime", RUNTIMES)
async def test_a_stop_ends_the_container_and_everything_in_it(
    bench: Bench, engine: Engine, loaded_image: str, places: Path, runtime: str
) -> None:
    async with open_containers(bench, engine, spec(loaded_image), places, runtime=runtime) as containers:
        run_id = await containers.bench.launch(held())
        await containers.bench.asked()
        processes = await asyncio.to_thread(containers.processes, run_id)
        assert len(processes) >= 2
        began = time.monotonic()
        await bench.store.runs.request_stop(run_id, RunOutcome.CANCELLED)
        ended = await bench.ended(run_id)
        assert time.monotonic() - began < 30, "the sandbox would hold for minutes"
        assert ended.outcome is RunOutcome.CANCELLED
        assert alive_below(processes) == []
        assert containers.containers() == []
        assert await containers.runner.observe(run_id) == SandboxMissing()


@pytest.mark.parametrize(
    ("limits", "outcome"),
    [({"deadline_seconds": 2.5}, RunOutcome.TIMED_OUT), ({"stall_seconds": 2.5}, RunOutcome.STALLED)],
    ids=["deadline", "stall"],
)
async def test_a_limit_of_time_ends_everything(
    containers: ContainerBench, limits: dict[str, Any], outcome: RunOutcome
) -> None:
    ended = await containers.run(held(), **limits)
    assert ended.outcome is outcome
    assert containers.containers() == []


async def test_what_is_printed_without_end_does_not_fill_our_disk(containers: ContainerBench) -> None:
    program = "import os\nwhile True: os.write(1, b'x' * 65535 + b'\\n')"
    launched = asyncio.create_task(containers.command(program, max_log_bytes=2**20))
    sizes = [0]

    def ended() -> bool:
        sizes.extend(log.stat().st_size for log in containers.directory.glob("*/log"))
        return launched.done()

    await eventually(ended, "the end of the run")
    assert (await launched).outcome is RunOutcome.MAX_OUTPUT
    assert 2**20 <= max(sizes) <= 2**20 + 2**17


HOG = "import mmap\nkept = []\nwhile True: kept.append(b'x' * 2**24)"


async def test_an_agent_without_room_is_out_of_memory(
    bench: Bench, engine: Engine, loaded_image: str, places: Path
) -> None:
    async with open_containers(bench, engine, spec(loaded_image, memory_bytes=2**26), places) as containers:
        ended = await containers.run(HONEST)
        assert ended.outcome is RunOutcome.OUT_OF_MEMORY


async def test_a_command_without_room_is_killed_and_the_next_one_is_not(
    bench: Bench, engine: Engine, loaded_image: str, places: Path
) -> None:
    async with open_containers(bench, engine, spec(loaded_image, memory_bytes=2**27), places) as containers:
        ended = await containers.command(HOG)
        assert ended.outcome is RunOutcome.COMMAND_FAILED
        assert "signal 9" in ended.run.detail
        after = await containers.command("print('well')")
        assert after.outcome is RunOutcome.SUCCEEDED


async def test_memory_full_of_files_is_limited_too(containers: ContainerBench) -> None:
    program = """
import errno, os
written = 0
try:
    with open("big", "wb") as file:
        while True:
            written += file.write(b"x" * 2**20)
            file.flush()
except OSError as error:
    print(errno.errorcode[error.errno], written // 2**20)
os.truncate("big", 0)
"""
    ended = await containers.command(program)
    assert ended.left is not None
    name, _, written = ended.left.log_tail.partition(" ")
    assert name == "ENOSPC"
    assert 200 <= int(written) <= 256


async def test_processes_without_end_are_limited_and_gone_in_the_end(containers: ContainerBench) -> None:
    program = """
import os, signal, sys, time
made = 0
try:
    while True:
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.setsid()
            time.sleep(600)
        made += 1
except OSError as error:
    print(type(error).__name__, made, flush=True)
"""
    began = time.monotonic()
    ended = await containers.command(program)
    assert time.monotonic() - began < 30
    assert ended.left is not None
    name, made = ended.left.log_tail.split()
    assert name == "BlockingIOError"
    assert 200 < int(made) < 256
    assert not [process for process in psutil.process_iter() if "program.py" in _arguments(process)]


async def test_a_hostile_model_reads_nothing_and_leaves_nothing(containers: ContainerBench) -> None:
    """Whatever Claude Code would allow: the token and the other side of the walls are out of reach."""
    paths = ("/proc/self/environ", "/proc/1/environ", "/etc/shadow", "/task/context.json", "/run/flowforge/door.sock")
    calls = [("Read", {"file_path": path}) for path in paths]
    calls += [("Bash", {"command": "id"}), ("Edit", {"file_path": "/opt/x", "old_string": "", "new_string": "x"})]
    ended = await containers.run(Ordered(calls), {"src/a.py": CONFLICT})
    assert ended.outcome is RunOutcome.SUCCEEDED
    assert ended.answer is not None
    assert ended.answer.changed == {"src/a.py": RESOLVED}
    sent = json.dumps([request.body for request in containers.bench.model.requests])
    assert containers.bench.tokens[ended.run.id] not in sent
    assert MODEL_KEY not in sent


async def test_two_runs_have_doors_of_their_own(containers: ContainerBench) -> None:
    first = await containers.bench.launch(HONEST)
    second = await containers.bench.launch(HONEST)
    ended = [await containers.bench.ended(first), await containers.bench.ended(second)]
    assert [one.outcome for one in ended] == [RunOutcome.SUCCEEDED] * 2


async def test_what_a_crashed_worker_left_is_found_by_its_labels(containers: ContainerBench, loaded_image: str) -> None:
    """Ours and old without a live run: removed. Young, another installation's, or of a live run: left alone.

    A probe has no run; it is old when nobody can be waiting for it any longer.
    """
    task, _ = await containers.bench.prepare(HONEST)
    old, young, foreign, probing, probed = (digit * 32 for digit in "12345")
    now = int(time.time())
    ours = spec(loaded_image)
    for run_id, made_for, started in (
        (old, ours, now - 61),
        (young, ours, now),
        (foreign, spec(loaded_image, instance="somebody-else"), now - 61),
        (task.run_id, ours, now - 61),
        (probing, ours, now - int(PROBE_PENDING_SECONDS + PROBE_SECONDS)),
        (probed, ours, now - int(PROBE_AGED_SECONDS) - 1),
    ):
        probe = run_id in {probing, probed}
        labels = {**sandbox_labels(run_id, made_for, probe=probe), STARTED_LABEL: str(started)}
        words = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
        containers.engine.run("create", "--name", sandbox_name(run_id), *words, loaded_image)
    assert set(await containers.runner.aged()) == {old, probed, task.run_id}
    assert await containers.supervisor.sink() == 2
    left = (young, foreign, probing, task.run_id)
    assert set(containers.containers()) == {sandbox_name(run_id) for run_id in left}
    for run_id in left:
        await containers.runner.forget(run_id)


async def test_directories_that_a_crash_left_are_found_by_their_age(containers: ContainerBench, places: Path) -> None:
    """That of a probe, which the doctor may have started beside this worker, when nobody waits for it any longer."""
    now = time.time()
    for run_id, probe, age in (
        ("1" * 32, False, 61),
        ("2" * 32, False, 30),
        ("3" * 32, True, PROBE_PENDING_SECONDS + PROBE_SECONDS),
        ("4" * 32, True, PROBE_AGED_SECONDS + 1),
    ):
        _make_places(places / run_id, probe=probe)
        os.utime(places / run_id, (now - age, now - age))
    assert set(await containers.runner.aged()) == {"1" * 32, "4" * 32}
    assert await containers.supervisor.sink() == 2
    assert set(left_in(places)) == {"2" * 32, "3" * 32}
    for run_id in ("2" * 32, "3" * 32):
        await containers.runner.forget(run_id)


async def test_a_killed_worker_s_guest_ends_by_itself(containers: ContainerBench) -> None:
    """Its client loses the pipe that only the worker held."""
    run_id = await containers.bench.launch(held())
    await containers.bench.asked()
    processes = containers.processes(run_id)
    client = containers.runner._attached[run_id].client
    assert client.stdin is not None
    client.stdin.close()
    await eventually(lambda: alive_below(processes) == [], "the end of the guest")
    assert (await containers.bench.ended(run_id)).outcome is RunOutcome.INFRA_RETRYABLE


async def test_starting_a_run_twice_starts_one_container(containers: ContainerBench) -> None:
    task, _ = await containers.bench.prepare(held())
    await containers.runner.start(task)
    await containers.runner.start(task)
    assert containers.containers() in ([], [sandbox_name(task.run_id)])
    await eventually(lambda: containers.containers() == [sandbox_name(task.run_id)], "the container")
    await containers.runner.stop(task.run_id)
    seen = await containers.runner.observe(task.run_id)
    assert isinstance(seen, SandboxExited)
    assert not seen.out_of_memory
    await containers.runner.forget(task.run_id)


@pytest.mark.parametrize(
    ("image", "runtime", "words"),
    [("localhost/not-there:1", None, "not known"), (None, "/usr/bin/no-such-runtime", "no-such-runtime")],
    ids=["image", "runtime"],
)
async def test_what_is_missing_is_said(  # noqa: PLR0917 - fixtures and parameters
    bench: Bench,
    engine: Engine,
    loaded_image: str,
    places: Path,
    image: str | None,
    runtime: str | None,
    words: str,
) -> None:
    async with open_containers(bench, engine, spec(image or loaded_image), places, runtime=runtime) as containers:
        ended = await containers.run(HONEST)
        assert ended.outcome is RunOutcome.INFRA_TERMINAL
        assert words in ended.run.detail


async def test_an_engine_that_fails_is_said_and_leaves_nothing(
    bench: Bench, engine: Engine, loaded_image: str, places: Path
) -> None:
    broken = Engine(command=("/bin/false",), environment=engine.environment)
    async with open_containers(bench, broken, spec(loaded_image), places) as containers:
        task, _ = await containers.bench.prepare(HONEST)
        with pytest.raises(SandboxError, match="failed"):
            await containers.runner.start(task)
        assert left_in(places) == []
        assert await containers.runner.observe(task.run_id) == SandboxMissing()
        assert "failed" in (await containers.runner.check())[0]


async def test_an_engine_that_is_not_there_is_refused(containers: ContainerBench, places: Path) -> None:
    for engine in ("", "no-such-engine", "'"):
        with pytest.raises(SettingsError, match="FLOWFORGE_CONTAINER_ENGINE"):
            type(containers.runner)(places, spec=spec("x"), doors=containers.runner._doors, engine=engine)


async def test_the_engine_is_checked(containers: ContainerBench) -> None:
    assert await containers.runner.check() == []
    assert await containers.runner.image_label("dev.flowforge.claude-code") == "2.1.330"
