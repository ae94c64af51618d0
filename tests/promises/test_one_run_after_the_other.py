"""What a run leaves behind, and what its processes do once it is over: nothing (ADV-046, ADV-073)."""

import asyncio
import hashlib
import json
from pathlib import Path

from bot.model.runs import RunKind, RunOutcome
from tests.image.engine import needs_engine
from tests.promises import host
from tests.runners.container.bench import ContainerBench, eventually

pytestmark = needs_engine("runc")

PLACES = ("/tmp", "/task", "/task/workspace", "/task/home", "/dev/shm")
CANARY = "canary-of-another-repository"

LEAVES = f"""
import pathlib, time
for place in {PLACES}:
    pathlib.Path(place, {CANARY!r}).write_text("the code of another repository")
print("left", flush=True)
while True:
    time.sleep(1)
"""
LOOKS = f"""
import json, os, pathlib
found = [str(path) for place in {PLACES} for path in pathlib.Path(place).glob("canary*")]
doors = sorted(str(path) for path in pathlib.Path("/run/flowforge").iterdir())
processes = len([name for name in os.listdir("/proc") if name.isdigit()])
print(json.dumps({{"found": found, "doors": doors, "processes": processes}}))
"""
GOES_ON = """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        files = [os.open(name, os.O_WRONLY | os.O_APPEND) for name in ("a.txt", "z.txt")]
        while True:
            time.sleep(0.0001)
            for file in files:
                os.write(file, b"x")
    os._exit(0)
os.wait()
"""


async def test_two_runs_side_by_side_see_nothing_of_each_other(containers: ContainerBench) -> None:
    bench = containers.bench
    first = asyncio.create_task(containers.command(LEAVES, deadline_seconds=50))
    run_id = await eventually(lambda: next(iter(bench.ends), None), "the first run")
    await eventually(lambda: left_in(containers, run_id) == len(PLACES), "its canaries")
    ended = await containers.command(LOOKS)
    assert ended.left is not None
    found = json.loads(ended.left.log_tail)
    assert found == {"found": [], "doors": ["/run/flowforge/door.sock"], "processes": 2}
    await bench.store.runs.request_stop(run_id, RunOutcome.CANCELLED)
    assert (await first).outcome is RunOutcome.CANCELLED
    after = await containers.command(LOOKS)
    assert after.left is not None
    assert json.loads(after.left.log_tail)["found"] == []


def left_in(containers: ContainerBench, run_id: str) -> int:
    container = host.inspect(containers.engine, run_id)
    if not container.get("State", {}).get("Running"):
        return 0
    root = Path(f"/proc/{container['State']['Pid']}/root")
    return sum((root / place.lstrip("/") / CANARY).exists() for place in PLACES)


async def test_files_are_read_when_nothing_can_change_them_any_more(containers: ContainerBench) -> None:
    """ADV-046: a process that went on in the background and ignores every signal writes into two files in turn.

    Had they been read while it was alive, one would be far ahead of the other: a thousand files are read in between.
    """
    between = {f"b/{number:04}": b"between\n" for number in range(1000)}
    given = {"program.py": GOES_ON.encode(), "a.txt": b"", **between, "z.txt": b""}
    bench = containers.bench
    ended = await bench.command([["python3", "program.py"]], given, kind=RunKind.REGENERATE)
    assert ended.outcome is RunOutcome.SUCCEEDED, ended.run.detail
    assert ended.left is not None
    first, second = (len(ended.left.changed.get(name, b"")) for name in ("a.txt", "z.txt"))
    assert first > 0
    assert 0 <= first - second <= 1
    one, two = [await bench.store.runs.result(ended.run.id) for _ in range(2)]
    assert one is not None
    assert two is not None
    assert hashlib.sha256(one).digest() == hashlib.sha256(two).digest()
