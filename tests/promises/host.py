"""The sandbox seen from outside, by the machine's root."""

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from runners.sandbox import sandbox_name
from tests.image.engine import Engine
from tests.promises.sweep import Sweep

OF_A_PROCESS = ("environ", "cmdline", "maps", "mountinfo", "status", "cgroup")


def inspect(engine: Engine, run_id: str) -> dict[str, Any]:
    """What the engine knows of a run's container, empty where there is none."""
    done = engine.run("inspect", sandbox_name(run_id), check=False)
    found: list[dict[str, Any]] = json.loads(done.stdout) if done.returncode == 0 else []
    return found[0] if found else {}


def processes_of(container: dict[str, Any]) -> list[psutil.Process]:
    """The living processes in the control group of a container; its first process is the first."""
    group, first = container["State"]["CgroupPath"], container["State"]["Pid"]
    found = {
        int(word)
        for tasks in Path("/sys/fs/cgroup").glob(f"*{group}/cgroup.procs")
        for word in tasks.read_text().split()
    }
    return [psutil.Process(pid) for pid in sorted(found, key=lambda pid: (pid != first, pid)) if psutil.pid_exists(pid)]


def roots_of(process: psutil.Process) -> list[Path]:
    """The places of a sandbox's file system, without those that are no files."""
    root = Path(f"/proc/{process.pid}/root")
    return [place for place in root.iterdir() if place.name not in {"proc", "sys", "dev"}]


def take_processes(sweep: Sweep, name: str, processes: Iterable[psutil.Process]) -> None:
    """Take as evidence what the kernel says of some processes."""
    for process in processes:
        program = process.name()
        for about in OF_A_PROCESS:
            with contextlib.suppress(OSError):
                sweep.add(f"{name}: {about} of {program}", Path(f"/proc/{process.pid}/{about}").read_bytes())
        with contextlib.suppress(OSError):
            links = [str(link.readlink()) for link in Path(f"/proc/{process.pid}/fd").iterdir()]
            sweep.add(f"{name}: files of {program}", "\n".join(links))


def take_arguments(sweep: Sweep, name: str) -> None:
    """Take as evidence the arguments of every process on this machine."""
    lines = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            lines.append(" ".join(process.cmdline()))
    sweep.add(f"{name}: arguments of every process", "\n".join(lines))
