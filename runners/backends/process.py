"""Runs as child processes of this one. Convenient, and no sandbox."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import psutil

import runners
from bot.errors import SandboxError, SettingsError
from bot.model.runs import RunTask, SandboxExited, SandboxMissing, SandboxObservation, SandboxRunning
from runners.environment import guest_environment
from runners.protocol import ENV_LIFELINE
from runners.sandbox import AGED_SECONDS

_RUN_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_GRACE_SECONDS: Final = 2.0
_KILL_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class _Child:
    """A guest that was started here."""

    guest: subprocess.Popen[bytes]
    tree: psutil.Process


class ProcessRunner:
    """``AgentRunner`` over plain child processes. THIS IS NO SANDBOX: for development, demos and tests only.

    Claude Code runs as our own user on our own machine. Nothing but its command line keeps it from our files and our
    network, so production settings refuse this backend, and so does the constructor without ``development``.

    Each run has a directory of its own below ``directory``. The guest stays in our process group, so that what ends the
    group ends it too; it holds a pipe from us and ends when we are gone, however that comes about.
    """

    def __init__(self, directory: Path, *, claude: Path, python: str = sys.executable, development: bool) -> None:
        """Run ``claude`` by guests of ``python`` below ``directory``. Raises ``SettingsError`` in production."""
        if not development:
            raise SettingsError("the process backend is no sandbox: it is for development only")
        self._directory = directory.resolve()
        self._claude = claude.resolve()
        self._python = python
        self._children: dict[str, _Child] = {}

    @property
    def name(self) -> str:
        """The backend's name."""
        return "process"

    @property
    def outlives_us(self) -> bool:
        """A guest ends with whoever started it."""
        return False

    async def start(self, task: RunTask) -> None:
        """Start a guest; starting one that exists already does nothing. Raises ``SandboxError``."""
        place = self._place(task.run_id)
        if task.run_id in self._children or place.exists():
            return
        try:
            self._children[task.run_id] = self._spawn(task, place)
        except (OSError, psutil.Error) as error:
            raise SandboxError(f"the guest cannot be started ({type(error).__name__})") from None

    async def observe(self, run_id: str) -> SandboxObservation:
        """What the guest of a run is doing now; a guest that another process started is not known here."""
        child = self._children.get(run_id)
        if child is None:
            return SandboxMissing()
        status = child.guest.poll()
        if status is None:
            return SandboxRunning(log_bytes=_size(self._log(run_id)))
        return SandboxExited(exit_code=status if status >= 0 else None, signal=-status if status < 0 else None)

    async def read_log(self, run_id: str, *, offset: int, limit: int) -> bytes:
        """Up to ``limit`` bytes of what the guest printed, from byte ``offset``."""
        with contextlib.suppress(FileNotFoundError), self._log(run_id).open("rb") as log:
            log.seek(offset)
            return log.read(limit)
        return b""

    async def stop(self, run_id: str) -> None:
        """End the guest, Claude Code and every descendant; when this returns none is left."""
        await asyncio.to_thread(self._end, run_id)

    async def forget(self, run_id: str) -> None:
        """End what still runs and remove the run's directory."""
        await self.stop(run_id)
        await asyncio.to_thread(shutil.rmtree, self._place(run_id), ignore_errors=True)
        self._children.pop(run_id, None)

    async def aged(self) -> list[str]:
        """The runs that an earlier process left directories of, a minute old and older."""
        return await asyncio.to_thread(self._left)

    def _left(self) -> list[str]:
        if not self._directory.is_dir():
            return []
        before = time.time() - AGED_SECONDS
        places = [place for place in self._directory.iterdir() if _RUN_ID.fullmatch(place.name)]
        return [place.name for place in places if place.name not in self._children and place.stat().st_mtime < before]

    def _place(self, run_id: str) -> Path:
        if not _RUN_ID.fullmatch(run_id):
            raise SandboxError("a run's id has a form that is not allowed")
        return self._directory / run_id

    def _log(self, run_id: str) -> Path:
        return self._place(run_id) / "log"

    def _spawn(self, task: RunTask, place: Path) -> _Child:
        directory = place / "task"
        directory.mkdir(mode=0o700, parents=True)
        place.chmod(0o700)
        with self._log(task.run_id).open("ab", buffering=0) as log:
            guest = subprocess.Popen(
                [self._python, "-P", "-s", "-m", "runners.guest"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=place,
                env=self._environment(task, directory),
            )
        return _Child(guest=guest, tree=psutil.Process(guest.pid))

    def _environment(self, task: RunTask, directory: Path) -> dict[str, str]:
        """All that the guest gets to know: nothing of our own environment."""
        return {
            **guest_environment(task, claude=str(self._claude), task_dir=str(directory)),
            ENV_LIFELINE: "stdin",
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(Path(runners.__path__[0]).parent),
        }

    def _end(self, run_id: str) -> None:
        child = self._children.get(run_id)
        place = self._place(run_id)
        _end_all(child, place)
        if child is not None:
            child.guest.wait()
            _close(child.guest.stdin)


def _end_all(child: _Child | None, place: Path) -> None:
    """SIGTERM, a grace, SIGKILL; looks again until nothing is left."""
    began = time.monotonic()
    asked: set[psutil.Process] = set()
    while alive := _processes(child, place):
        waited = time.monotonic() - began
        if waited > _GRACE_SECONDS + _KILL_SECONDS:
            raise SandboxError("processes of a run cannot be ended")
        for process in alive:
            with contextlib.suppress(psutil.Error):
                if waited > _GRACE_SECONDS:
                    process.kill()
                elif process not in asked:
                    process.terminate()
        asked |= alive
        # No psutil.wait_procs here: it would take the guest's exit status from its Popen.
        time.sleep(_POLL_SECONDS)


def _processes(child: _Child | None, place: Path) -> set[psutil.Process]:
    """Everything alive that belongs to the run: by descent, and by working or home directory whoever its parent is."""
    descent: set[psutil.Process] = set()
    if child is not None:
        with contextlib.suppress(psutil.Error):
            descent = {child.tree, *child.tree.children(recursive=True)}
    return {process for process in descent if _alive(process)} or {
        process for process in _strays(place) if _alive(process)
    }


def _strays(place: Path) -> Iterable[psutil.Process]:
    """Processes whose parent is gone: their working directory or their home lies in the run's directory."""
    inside = f"{place}{os.sep}"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if f"{process.cwd()}{os.sep}".startswith(inside) or process.environ().get("HOME", "").startswith(inside):
                yield process


def _alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
