"""What the guest runs, as the same user, cannot look into the guest."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from runners.guest import hiding

SECRET = "the-run-token-of-this-test"

GUEST = f"""
{Path(hiding.__file__).read_text(encoding="utf-8")}
if sys.argv[1] == "hidden":
    hide()
print("ready", flush=True)
sys.stdin.read()
"""
LOOK = """
import os, sys
pid = int(sys.argv[1])
for name in ("environ", "mem", "maps"):
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
            print(name, file.read(4096) if name == "environ" else "opened")
    except PermissionError:
        print(name, "refused")
try:
    print("fd", len(os.listdir(f"/proc/{pid}/fd")))
except PermissionError:
    print("fd", "refused")
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


USER = 1777 if os.geteuid() == 0 else None
"""Root may look everywhere; so the test's processes are somebody else's."""


@pytest.fixture(scope="module")
def python() -> str:
    """A Python that this user may run."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            if subprocess.run([candidate, "-c", ""], user=USER, group=USER, cwd="/", check=False).returncode == 0:
                return candidate
    pytest.skip("no Python here can be run by another user")


@asynccontextmanager
async def guest(python: str, how: str) -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        *(python, "-c", GUEST, how),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"FLOWFORGE_RUN_TOKEN": SECRET},
        cwd="/",
        user=USER,
        group=USER,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGKILL)
        await process.communicate()


async def look(python: str, pid: int) -> dict[str, str]:
    process = await asyncio.create_subprocess_exec(
        *(python, "-c", LOOK, str(pid)), stdout=asyncio.subprocess.PIPE, cwd="/", user=USER, group=USER
    )
    said, _ = await process.communicate()
    return dict(line.split(" ", 1) for line in said.decode().splitlines())


async def test_a_process_of_the_same_user_cannot_look_into_the_guest(python: str) -> None:
    async with guest(python, "hidden") as pid:
        assert await look(python, pid) == {"environ": "refused", "mem": "refused", "maps": "refused", "fd": "refused"}


async def test_without_hiding_it_could(python: str) -> None:
    async with guest(python, "open") as pid:
        seen = await look(python, pid)
    assert SECRET in seen["environ"]
