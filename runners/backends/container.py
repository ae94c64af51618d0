"""Runs in containers of Podman or Docker on this machine, without a network.

The engine is its command line: no library of one engine or the other, and no socket of a daemon in this process. Each
container is attached to a client of ours: what the guest prints goes through it into a file of ours, and its standard
input is a pipe that ends when this process does, which ends the guest. So a container does not outlive its worker;
what a crash leaves nevertheless is found by its labels.

https://docs.podman.io/en/latest/markdown/podman-run.1.html
https://docs.docker.com/reference/cli/docker/container/run/
"""

import asyncio
import contextlib
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.errors import SandboxError, SettingsError
from bot.model.runs import (
    RunOutcome,
    RunTask,
    SandboxExited,
    SandboxLost,
    SandboxMissing,
    SandboxObservation,
    SandboxRunning,
)
from bot.ports.runner import RunDoors
from runners.backends.capped import CappedLog
from runners.environment import guest_environment
from runners.protocol import ENV_LIFELINE
from runners.sandbox import (
    AGED_SECONDS,
    CLAUDE,
    DOOR_DIR,
    DOOR_NAME,
    INSTANCE_LABEL,
    PROBE_AGED_SECONDS,
    PROBE_LABEL,
    RUN_LABEL,
    TASK_DIR,
    USER_ID,
    SandboxSpec,
    sandbox_labels,
    sandbox_name,
)
from runners.text import one_line

STARTED_LABEL: Final = "flowforge.dev/started"
GVISOR: Final = "runsc"

_RUN_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_ENGINE_SECONDS: Final = 30.0
_KILL_SECONDS: Final = 15.0
_BUSY_SECONDS: Final = 0.5
_GONE: Final = ("no such container",)
_MAX_WORDS: Final = 300
_MORE_LOG: Final = 2**16
_OPEN_FILES: Final = 4096
_PROCESSES: Final = 4096
_ENGINE_FAILED: Final = 125
_NOT_RUN: Final = frozenset({126, 127})
"""What the client ends with when the container did not come to run: its own fault, or the image's program's.

https://docs.podman.io/en/latest/markdown/podman-run.1.html#exit-status
"""

_LOCAL: Final = "localhost/"
_PROBE_MARK: Final = "probe"
_TMP_DIR: Final = "/tmp"  # noqa: S108 - files in the container's own memory
_KILLED: Final = 128 + signal.SIGKILL
_PASSED_ON: Final = ("HOME", "PATH", "XDG_RUNTIME_DIR", "TMPDIR")
_ENGINE_PREFIXES: Final = ("CONTAINER", "CONTAINERS_", "DOCKER_", "PODMAN_", "STORAGE_")
_HOPELESS: Final = (
    "no such image",
    "image not known",
    "unable to find image",
    "not found",
    "unknown runtime",
    "no valid executable",
)


_UNLIMITED: Final = (
    "a rootless Podman does not limit memory, processors and processes on a machine with cgroups of version 1: boot it"
    " with version 2, or let Podman run as root"
)

_USER_NAMESPACE: Final = "0:2000000000:65536"
"""Where a container's users are on the machine when the engine is root's: nobody. The range belongs to no one, see
https://systemd.io/UIDS-GIDS/ ; it is always the same, so that layers have to be given to it once at most."""


@dataclass(slots=True)
class _Attached:
    """A container that was started here, its client, and what the guest prints."""

    client: subprocess.Popen[bytes]
    said: CappedLog
    killed: bool = False


class ContainerRunner:
    """``AgentRunner`` over containers without a network; ``doors`` lead to the gateway.

    Each run has a directory of its own below ``directory``: the door's socket, which the container sees, and the log.
    """

    def __init__(
        self, directory: Path, *, spec: SandboxSpec, doors: RunDoors, engine: str = "podman", runtime: str | None = None
    ) -> None:
        """Run ``spec``'s image by ``engine``, a command line as a shell reads it, and by ``runtime`` if one is named.

        Raises:
            SettingsError: the engine is no command line, or there is no such program.
        """
        self._directory = directory.resolve()
        self._spec = spec
        self._doors = doors
        self._runtime = runtime
        self._engine = _words(engine)
        self._is_docker = _is_docker(self._engine)
        self._walls: list[str] | None = None
        self._attached: dict[str, _Attached] = {}

    @property
    def name(self) -> str:
        """The backend's name."""
        return "container"

    @property
    def outlives_us(self) -> bool:
        """A guest ends with whoever started it."""
        return False

    @property
    def is_docker(self) -> bool:
        """Whether the engine is Docker's; the two differ in few options."""
        return self._is_docker

    @property
    def _owner(self) -> str:
        """Lets the container's user write files in memory: Podman's word for it, or what every engine knows."""
        return "mode=1777" if self.is_docker else "U"

    async def start(self, task: RunTask) -> None:
        """Start a container; starting one that exists already does nothing. Raises ``SandboxError``."""
        place = self._place(task.run_id)
        if task.run_id in self._attached or place.exists():
            return
        try:
            door = await asyncio.to_thread(_make_places, place, probe=bool(task.probe))
            await self._doors.open(task, door)
            walls = await self._more_walls()
            self._attached[task.run_id] = await asyncio.to_thread(self._spawn, task, place, walls)
        except (OSError, SandboxError) as error:
            # No client came to be, so no container either.
            await self._doors.close(task.run_id)
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
            if isinstance(error, SandboxError):
                raise
            raise SandboxError(f"the container cannot be started ({type(error).__name__})") from None

    async def observe(self, run_id: str) -> SandboxObservation:
        """What the container of a run is doing now; one that another process started is not known here."""
        attached = self._attached.get(run_id)
        if attached is None:
            return SandboxMissing()
        status = attached.client.poll()
        if status is None:
            return SandboxRunning(log_bytes=attached.said.size)
        await asyncio.to_thread(attached.said.whole)
        if status == _ENGINE_FAILED or status in _NOT_RUN:
            return await asyncio.to_thread(self._why_not_run, run_id)
        if status < 0:
            return SandboxLost(outcome=RunOutcome.INFRA_RETRYABLE, detail="the engine's client was killed")
        # A kernel without room ends the guest like this, and on some hosts the engine does not say so.
        # https://docs.docker.com/engine/containers/resource_constraints/
        ended_by_kernel = status == _KILLED and not attached.killed
        return SandboxExited(exit_code=status, signal=None, out_of_memory=ended_by_kernel)

    async def read_log(self, run_id: str, *, offset: int, limit: int) -> bytes:
        """Up to ``limit`` bytes of what the guest printed, from byte ``offset``."""
        return await asyncio.to_thread(_read, self._log(run_id), offset, limit)

    async def stop(self, run_id: str) -> None:
        """End the container and everything in it; when this returns no process of it is left.

        Raises:
            SandboxError: the engine cannot end it.
        """
        attached = self._attached.get(run_id)
        if attached is not None and attached.client.poll() is None:
            attached.killed = True
            # The end of its first process is the end of every process of a container.
            await self._call("kill", sandbox_name(run_id), bears=(*_GONE, "not running"))
            await asyncio.to_thread(self._wait_for_client, attached)
        await self._doors.close(run_id)

    async def forget(self, run_id: str) -> None:
        """Remove the container, whoever started it, and the run's directory. Raises ``SandboxError``."""
        attached = self._attached.pop(run_id, None)
        try:
            await self._remove(sandbox_name(run_id))
        finally:
            await self._doors.close(run_id)
            await asyncio.to_thread(shutil.rmtree, self._place(run_id), ignore_errors=True)
            if attached is not None:
                await asyncio.to_thread(self._wait_for_client, attached)

    async def _remove(self, container: str) -> None:
        """Remove a container. A mount that is still busy for a moment makes the first attempt fail at times."""
        at_once = [] if self.is_docker else ["--time", "0"]
        removing = ["rm", "--force", "--volumes", *at_once, container]
        try:
            await self._call(*removing, bears=_GONE)
        except SandboxError:
            await asyncio.sleep(_BUSY_SECONDS)
            await self._call(*removing, bears=_GONE)

    async def aged(self) -> list[str]:
        """The runs of which containers or directories are left that are a minute old and older.

        Of probes, those that no worker waits for any longer: this one may have been started by ``flowforge doctor``.
        """
        ours = f"label={INSTANCE_LABEL}={self._spec.instance}"
        ids = (await self._call("ps", "--all", "--quiet", "--no-trunc", "--filter", ours)).split()
        shown = " ".join(f'{{{{index .Config.Labels "{name}"}}}}' for name in (RUN_LABEL, STARTED_LABEL, PROBE_LABEL))
        lines = (await self._call("inspect", "--format", shown, *ids, bears=("no such",))).splitlines() if ids else []
        now = time.time()
        found = [line.split(" ")[0] for line in lines if _is_aged_line(line, now)]
        left = await asyncio.to_thread(_old_places, self._directory, now)
        return list(dict.fromkeys([*found, *(run_id for run_id in left if run_id not in self._attached)]))

    async def check(self) -> list[str]:
        """What is missing before a container can run, in sentences for the operator; empty when nothing is."""
        try:
            await self._call("version")
            labels = '{{index .Config.Labels "dev.flowforge.protocol"}}'
            found = (await self._call("image", "inspect", "--format", labels, self._spec.image)).strip()
            unlimited = not self.is_docker and await self._ignores_limits()
        except SandboxError as error:
            return [str(error)]
        return [
            *([] if found else [f"{self._spec.image} is no guest image of FlowForge's"]),
            *([_UNLIMITED] if unlimited else []),
        ]

    async def _ignores_limits(self) -> bool:
        """Whether Podman lets a container have all the memory and processes there are: it warns and goes on."""
        said = await self._call("info", "--format", "{{.Host.Security.Rootless}} {{.Host.CgroupsVersion}}")
        return said.split() == ["true", "v1"]

    async def image_label(self, name: str) -> str:
        """A label of the guest image, empty where it has none. Raises ``SandboxError`` where there is no image."""
        shown = f'{{{{index .Config.Labels "{name}"}}}}'
        return (await self._call("image", "inspect", "--format", shown, self._spec.image)).strip()

    def _place(self, run_id: str) -> Path:
        if not _RUN_ID.fullmatch(run_id):
            raise SandboxError("a run's id has a form that is not allowed")
        return self._directory / run_id

    def _log(self, run_id: str) -> Path:
        return self._place(run_id) / "log"

    async def _more_walls(self) -> list[str]:
        """Options that depend on the engine, which is asked once.

        Podman as root makes a user namespace, in which root is nobody. A rootless one has one anyway, gVisor makes one
        of its own, and Docker's stands in the daemon's configuration. Where there are still cgroups of version 1, crun
        mounts them on a directory that everybody may write in; elsewhere programs read their limits there.
        """
        if self._walls is not None or self.is_docker:
            return self._walls or []
        asked = "{{.Host.Security.Rootless}} {{.Host.CgroupsVersion}} {{.Host.OCIRuntime.Name}}"
        rootless, cgroups, runtime = (await self._call("info", "--format", asked)).split()
        named = Path(self._runtime or runtime).name
        mapped = rootless == "false" and not self._is_gvisor
        self._walls = [
            *(["--uidmap", _USER_NAMESPACE, "--gidmap", _USER_NAMESPACE] if mapped else []),
            *(["--security-opt", "mask=/sys/fs/cgroup"] if cgroups == "v1" and named == "crun" else []),
        ]
        return self._walls

    def _spawn(self, task: RunTask, place: Path, walls: Sequence[str]) -> _Attached:
        environment = self._guest(task)
        options = [*walls, *self.options(task, place, environment)]
        client = subprocess.Popen(
            [*self._engine, *self._runtime_options(), "run", *options, self._spec.image],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=place,
            # What the guest is told goes through the client's environment: nothing of it stands in an argument.
            env={**_engine_environment(), **environment},
            start_new_session=True,
        )
        return _Attached(client, CappedLog(client, self._log(task.run_id), cap=task.limits.max_log_bytes + _MORE_LOG))

    def _guest(self, task: RunTask) -> dict[str, str]:
        door = f"{DOOR_DIR}/{DOOR_NAME}"
        told = guest_environment(task, claude=CLAUDE, task_dir=TASK_DIR, socket=door)
        return {**told, ENV_LIFELINE: "stdin"}

    @property
    def _is_gvisor(self) -> bool:
        return self._runtime is not None and Path(self._runtime).name.startswith(GVISOR)

    def _runtime_options(self) -> list[str]:
        """Podman takes a runtime's own flags as options of its own; Docker's stand in the daemon's configuration."""
        if self._runtime is None or self.is_docker:
            return []
        flags = ("network=none", "host-uds=open") if self._is_gvisor else ()
        return ["--runtime", self._runtime, *(part for flag in flags for part in ("--runtime-flag", flag))]

    def options(self, task: RunTask, place: Path, environment: Mapping[str, str]) -> list[str]:
        """The options of ``run``: all that makes the container a sandbox."""
        spec = self._spec
        labels = {**sandbox_labels(task.run_id, spec, probe=bool(task.probe)), STARTED_LABEL: str(int(time.time()))}
        room = min(spec.disk_bytes, spec.memory_bytes // 2)
        return [
            *("--name", sandbox_name(task.run_id)),
            *(part for name, value in labels.items() for part in ("--label", f"{name}={value}")),
            *(["--runtime", self._runtime] if self._runtime is not None and self.is_docker else []),
            *("--interactive", "--rm=false", "--log-driver", "none"),
            # What is only here is in no registry: asking one would take time and tell it about us.
            *("--pull", "never" if spec.image.startswith(_LOCAL) else "missing"),
            *("--network", "none", "--hostname", "sandbox"),
            *("--user", f"{USER_ID}:{USER_ID}", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            # Podman would put tmpfs of its own on the root, and its own proxy into the environment.
            *("--read-only", *([] if self.is_docker else ["--read-only-tmpfs=false", "--http-proxy=false"])),
            # Files in memory count as memory: what both together may take is what the container may.
            *("--tmpfs", f"{TASK_DIR}:rw,exec,nosuid,nodev,size={room},{self._owner}"),
            *("--tmpfs", f"{_TMP_DIR}:rw,exec,nosuid,nodev,size={room // 2},{self._owner}"),
            *("--volume", f"{place / 'door'}:{DOOR_DIR}:ro"),
            *("--memory", f"{spec.memory_bytes}b", "--memory-swap", f"{spec.memory_bytes}b"),
            *("--cpus", f"{spec.cpus:g}", "--pids-limit", str(spec.pids), "--shm-size", "16m"),
            *(part for limit in _ulimits() for part in ("--ulimit", limit)),
            *(part for name in sorted(environment) for part in ("--env", name)),
        ]

    def _why_not_run(self, run_id: str) -> SandboxLost:
        said = _read(self._log(run_id), max(0, _size(self._log(run_id)) - _MAX_WORDS * 4), _MAX_WORDS * 4)
        # The cause stands at a line's end. Docker tells where its help is after it told what is wrong.
        lines = [line for line in said.decode("utf-8", "replace").splitlines() if line and "--help" not in line]
        words = one_line(lines[-1][-_MAX_WORDS:], _MAX_WORDS) if lines else "the engine does not say why"
        hopeless = any(word in words.lower() for word in _HOPELESS)
        outcome = RunOutcome.INFRA_TERMINAL if hopeless else RunOutcome.INFRA_RETRYABLE
        return SandboxLost(outcome=outcome, detail=f"the container did not start: {words}")

    def _wait_for_client(self, attached: _Attached) -> None:
        with contextlib.suppress(BrokenPipeError):
            if attached.client.stdin is not None:
                attached.client.stdin.close()
        try:
            attached.client.wait(timeout=_KILL_SECONDS)
        except subprocess.TimeoutExpired:
            attached.client.kill()
            attached.client.wait()
            raise SandboxError("the container cannot be ended") from None

    async def _call(self, *arguments: str, bears: Sequence[str] = ()) -> str:
        """One short call of the engine; what it says when it cannot do what it was asked is an error of ours.

        ``bears`` are words in what it says, in lower case, after which all is as it was wanted to be.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *self._engine,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_engine_environment(),
            )
        except OSError as error:
            raise SandboxError(f"{self._engine[0]} cannot be started ({type(error).__name__})") from None
        try:
            async with asyncio.timeout(_ENGINE_SECONDS):
                said, complained = await process.communicate()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise SandboxError(f"{self._engine[0]} {arguments[0]} did not end in time") from None
        words = one_line(complained.decode("utf-8", "replace"), _MAX_WORDS)
        if process.returncode != 0 and not any(word in words.lower() for word in bears):
            raise SandboxError(f"{self._engine[0]} {arguments[0]} failed: {words}")
        return said.decode("utf-8", "replace")


def _words(engine: str) -> list[str]:
    try:
        words = shlex.split(engine)
    except ValueError:
        words = []
    if not words:
        raise SettingsError("FLOWFORGE_CONTAINER_ENGINE is no command line")
    program = shutil.which(words[0])
    if program is None:
        raise SettingsError(f"FLOWFORGE_CONTAINER_ENGINE: there is no program {words[0]!r}")
    return [program, *words[1:]]


def _is_docker(engine: Sequence[str]) -> bool:
    """Whether a command line is Docker's own: a program of that name may be Podman, so its word counts."""
    asked = [*engine, "--version"]
    try:
        done = subprocess.run(
            asked, env=_engine_environment(), capture_output=True, timeout=_ENGINE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"{engine[0]} does not say its version ({type(error).__name__})") from None
    return done.stdout.lower().startswith(b"docker")


def _engine_environment() -> dict[str, str]:
    """What an engine's client wants to know of us, and nothing else."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_ON or name.startswith(_ENGINE_PREFIXES) or name == "DBUS_SESSION_BUS_ADDRESS"
    }


def _ulimits() -> list[str]:
    """Limits that an engine without ``CAP_SYS_RESOURCE`` can set: its own defaults may be above ours.

    Of processes, ``--pids-limit`` is what counts: this one is shared by all containers of a user.
    """
    limits = ["core=0:0"]
    for name, which, wanted in (
        ("nofile", resource.RLIMIT_NOFILE, _OPEN_FILES),
        ("nproc", resource.RLIMIT_NPROC, _PROCESSES),
    ):
        ours = resource.getrlimit(which)[1]
        most = wanted if ours == resource.RLIM_INFINITY else min(wanted, ours)
        limits.append(f"{name}={most}:{most}")
    return limits


def _make_places(place: Path, *, probe: bool) -> Path:
    """The run's directory, and in it the one that the container sees: whoever it is there, it may look in."""
    door = place / "door"
    door.mkdir(parents=True)
    place.chmod(0o711)
    door.chmod(0o755)
    if probe:
        (place / _PROBE_MARK).touch()
    return door


def _old_places(directory: Path, now: float) -> list[str]:
    if not directory.is_dir():
        return []
    places = [place for place in directory.iterdir() if _RUN_ID.fullmatch(place.name)]
    return [place.name for place in places if _is_old_place(place, now)]


def _is_old_place(place: Path, now: float) -> bool:
    return place.stat().st_mtime < now - _age(probe=(place / _PROBE_MARK).exists())


def _is_aged_line(line: str, now: float) -> bool:
    """Whether a container is old enough, by its run, its start and whether it is a probe; an unknown start is old."""
    _, started, probe = [*line.split(" "), "", ""][:3]
    return not started.isdecimal() or int(started) < now - _age(probe=probe == "true")


def _age(*, probe: bool) -> float:
    return PROBE_AGED_SECONDS if probe else AGED_SECONDS


def _read(path: Path, offset: int, limit: int) -> bytes:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as log:
        log.seek(offset)
        return log.read(limit)
    return b""


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
