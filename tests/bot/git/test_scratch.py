"""Object directories to throw away: nothing of them stays, whoever dies."""

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.git.scratch import Scratch, throw_away

HOLDING = """
import asyncio, sys
from pathlib import Path
from bot.git.scratch import throw_away

async def main():
    async with throw_away(Path(sys.argv[1]), Path(sys.argv[2])) as scratch:
        (scratch.objects / "00").mkdir()
        (scratch.objects / "00" / "object").write_bytes(b"merged")
        print(scratch.objects, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


def left(root: Path) -> list[str]:
    return sorted(place.name for place in root.iterdir() if place.name != "lock")


@contextlib.asynccontextmanager
async def thrown_away(root: Path, mirror: Path) -> AsyncIterator[Scratch]:
    """An object directory that is gone in the end: its removal lets go of the lock last of all."""
    async with throw_away(root, mirror) as scratch:
        lock = os.open(scratch.objects.parent, os.O_RDONLY | os.O_DIRECTORY)
        yield scratch
    await asyncio.wait_for(asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX), 60)
    os.close(lock)


def borrowed(objects: Path) -> Path:
    return Path((objects / "info" / "alternates").read_text().strip()).readlink()


async def test_it_borrows_the_mirrors_objects_and_goes_in_the_end(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mirror.git" / "objects").mkdir(parents=True)
    async with thrown_away(root, tmp_path / "mirror.git") as scratch:
        assert borrowed(scratch.objects) == tmp_path / "mirror.git" / "objects"
        (scratch.objects / "00").mkdir()
    assert left(root) == []


async def test_what_a_killed_process_left_goes_with_the_next(root: Path, tmp_path: Path) -> None:
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDING, str(root), str(tmp_path)), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    held = Path((await asyncio.wait_for(holder.stdout.readline(), 60)).decode().strip()).parent.name
    async with thrown_away(root, tmp_path):
        assert held in left(root), "another process is at work there"
    holder.send_signal(signal.SIGKILL)
    await holder.wait()
    assert left(root) == [held]
    async with thrown_away(root, tmp_path) as scratch:
        assert left(root) == [scratch.objects.parent.name]
    assert left(root) == []


async def test_what_a_killed_process_left_stays_while_its_git_writes_there(root: Path, tmp_path: Path) -> None:
    async with throw_away(root, tmp_path) as scratch:
        git = os.dup(scratch.lock)
        held = scratch.objects.parent
        aside = held.rename(held.with_name("watch-aside"))
    async with throw_away(root, tmp_path):
        assert aside.is_dir()
    os.close(git)
    async with throw_away(root, tmp_path):
        assert not aside.exists()
