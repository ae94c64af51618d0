"""Holds the programs of a test: whatever becomes of the test, none of them outlives it and nothing of theirs stays.

Run as a process of its own (``python keeper.py DIRECTORY [CGROUP]``, standard library only), because only another
process can clean up after one that was killed. It takes one JSON object a line on standard input and answers each with
one on standard output. When its input ends, it ends all programs, the newest first, and removes what they left.

As the first process of a PID namespace it also ends what its programs have started and forgotten: containers.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG, https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
_DETACH: Final = 2  # MNT_DETACH, https://man7.org/linux/man-pages/man2/umount.2.html
_LOOK_SECONDS: Final = 1.0
_ENDING_SECONDS: Final = 10.0
_CGROUPS: Final = Path("/sys/fs/cgroup")


class Keeper:
    """The programs, by name, in the order in which they were started."""

    def __init__(self, directory: Path, cgroup: str) -> None:
        self._directory = directory
        self._cgroup = cgroup
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._first = os.getpid() == 1
        self._libc = ctypes.CDLL(None)
        self._commands: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "start": self._start,
            "stop": self._stop,
            "run": self._run,
            "state": self._state,
        }

    def serve(self) -> None:
        """Do what is asked until the asking process closes the pipe or is no more."""
        pending = b""
        while True:
            readable, _, _ = select.select([0], [], [], _LOOK_SECONDS)
            self._reap()
            if not readable:
                continue
            read = os.read(0, 2**16)
            if not read:
                return
            *lines, pending = (pending + read).split(b"\n")
            for line in lines:
                self._answer(json.loads(line))

    def end(self) -> None:
        """Kill every program: nothing of theirs is to last. Then remove files and control groups."""
        for name in reversed(list(self._children)):
            self._end(name, 0)
        if self._first:
            self._end_all()
            self._unmount()
        if self._cgroup:
            self._remove_cgroups()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _answer(self, asked: Mapping[str, Any]) -> None:
        try:
            answer = self._commands[asked["do"]](asked)
        except (OSError, subprocess.SubprocessError, KeyError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()

    def _start(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        with Path(asked["log"]).open("ab") as log:
            self._children[asked["name"]] = child = subprocess.Popen(
                asked["argv"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **asked["environment"]},
                preexec_fn=self._die_with_keeper,  # noqa: PLW1509 - this process has one thread
            )
        return {"pid": child.pid}

    def _die_with_keeper(self) -> None:
        self._libc.prctl(_DEATH_SIGNAL, signal.SIGKILL)

    def _stop(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return {"returncode": self._end(asked["name"], asked["seconds"])}

    def _end(self, name: str, seconds: float) -> int | None:
        child = self._children.pop(name, None)
        if child is None:
            return None
        if seconds:
            child.terminate()
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()

    def _run(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        done = subprocess.run(
            asked["argv"],
            input=asked["input"].encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=asked["seconds"],
            check=False,
        )
        return {"returncode": done.returncode, "output": done.stdout.decode(errors="replace")}

    def _state(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: {"returncode": child.poll(), "memory_bytes": _memory_bytes(child.pid)}
            for name, child in self._children.items()
        }

    def _reap(self) -> None:
        """Take up the orphans that fell to the first process; the programs' own ends are left to ``Popen``."""
        ours = {child.pid for child in self._children.values()}
        while self._first:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None or ended.si_pid in ours:
                return
            os.waitpid(ended.si_pid, 0)

    def _end_all(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # nobody else is there
            os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()

    def _unmount(self) -> None:
        """What is mounted below the directory cannot be removed, though the mounts end with this namespace."""
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
        for place in reversed(mounts):
            if Path(place).is_relative_to(self._directory):
                self._libc.umount2(place.encode(), _DETACH)

    def _remove_cgroups(self) -> None:
        """A control group goes once it is empty, and the kernel takes a moment to see that."""
        until = time.monotonic() + _ENDING_SECONDS
        candidates = [_CGROUPS / self._cgroup, *(each / self._cgroup for each in _CGROUPS.iterdir())]
        while roots := [root for root in candidates if root.is_dir()]:
            for root in roots:
                for group, _, _ in os.walk(root, topdown=False):
                    _remove_directory(Path(group))
            if time.monotonic() > until:
                return


def _remove_directory(group: Path) -> None:
    try:
        group.rmdir()
    except OSError:
        time.sleep(0.01)


def _memory_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    sizes = [line.split() for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(sizes[0][1]) * 1024 if sizes else 0


def main() -> None:
    """Keep the programs that standard input names; end with it."""
    keeper = Keeper(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
    for passed_over in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(passed_over, lambda *_: None)  # not SIG_IGN, which programs would inherit
    try:
        keeper.serve()
    finally:
        keeper.end()


if __name__ == "__main__":
    main()
