"""What the probe tries on files: writing where nothing may be written, and finding what must not be there."""

import contextlib
import os
import secrets
import stat
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from runners.guest.probe_words import Found, ProbeTargets, Trial, held, refused, succeeded
from runners.protocol import ENV_SOCKET, ENV_TASK_DIR

FILES: Final = "files"

_DIRECTORIES: Final = (
    *("/", "/bin", "/dev", "/etc", "/home", "/lib", "/opt", "/opt/flowforge", "/root", "/run", "/srv", "/sys"),
    *("/sys/fs/cgroup", "/usr", "/usr/bin", "/usr/local/bin", "/var", "/var/lib"),
)
_WRITTEN: Final = (
    *("/etc/hosts", "/etc/passwd", "/etc/resolv.conf", "/usr/local/bin/claude", __file__),
    *("/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory", "/proc/sysrq-trigger"),
)
_READ: Final = ("/dev/kmem", "/dev/kmsg", "/dev/mem", "/dev/port", "/etc/shadow", "/proc/kcore", "/proc/timer_list")

_ABSENT: Final = (
    "/run/secrets/kubernetes.io",
    "/var/run/secrets/kubernetes.io",
    "/var/run/secrets/eks.amazonaws.com",
    "/var/run/secrets/azure",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/docker.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/var/run/docker.sock",
    "/var/lib/kubelet",
)
"""Credentials of a Kubernetes service account or of a cloud's workload identity, and the sockets of container engines.

https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-token-volume
"""

_EMPTY: Final = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - looked at, not used

_WRITABLE: Final = frozenset(
    {
        *("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue"),  # noqa: S108 - looked at, not used
        # Made by Kubernetes for every container: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
        "/dev/termination-log",
    }
)
"""Mount points that may be writable, besides the task's own directory: all of them in memory or bound in size."""

_DEVICES: Final = frozenset({(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)})
"""null, zero, full, random, urandom, tty, console and ptmx, which engines mount one by one.

https://www.kernel.org/doc/html/latest/admin-guide/devices.html
"""

_PTY_MAJORS: Final = range(136, 144)


def file_trials(targets: ProbeTargets, environ: Mapping[str, str]) -> list[Trial]:
    """Everything about files, one trial a path."""
    trials = [Trial(FILES, "a root that can be written", _root_is_writable)]
    trials += [Trial(FILES, f"writing into {path}", partial(_write_into, path)) for path in _DIRECTORIES]
    trials += [Trial(FILES, f"writing {_called(path)}", partial(_write, path)) for path in _WRITTEN]
    trials += [Trial(FILES, f"reading {path}", partial(_read, path)) for path in _READ]
    trials += [Trial(FILES, f"finding {path}", partial(_find, path)) for path in (*_ABSENT, *targets.absent)]
    task_dir, door = environ.get(ENV_TASK_DIR, ""), environ.get(ENV_SOCKET, "")
    trials.append(Trial(FILES, "a mount that can be written", partial(_writable_mounts, frozenset({task_dir}))))
    trials.append(Trial(FILES, "a block device", _block_devices))
    trials += [Trial(FILES, f"things left in {path}", partial(_left_in, path)) for path in _EMPTY]
    trials.append(Trial(FILES, "things left in the task's directory", partial(_left_in, task_dir)))
    trials.append(Trial(FILES, "another run's door", partial(_other_doors, door)))
    return trials


def _called(path: str) -> str:
    return "the guest's own code" if path == __file__ else path


def _root_is_writable() -> Found:
    options = next((mount.options for mount in reversed(_mounts()) if mount.place == "/"), frozenset())
    if os.statvfs("/").f_flag & os.ST_RDONLY or "ro" in options:
        return held("it is mounted read-only")
    return succeeded("it is mounted for reading and writing")


def _write_into(directory: str) -> Found:
    path = Path(directory) / f".flowforge-probe-{secrets.token_hex(8)}"
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        return refused(error)
    with contextlib.suppress(OSError):
        path.unlink()
    return succeeded("a file was made")


def _write(path: str) -> Found:
    """Only opened: nothing is changed where that can be done."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
    except OSError as error:
        return refused(error)
    return succeeded("it was opened for writing")


def _read(path: str) -> Found:
    """Of a file a byte has to come. Engines put the null device in the place of what nobody may read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return refused(error)
    try:
        facts = os.fstat(descriptor)
        if stat.S_ISCHR(facts.st_mode):
            return held("a harmless device is in its place") if _is_harmless(facts) else succeeded("it was opened")
        return succeeded("it can be read") if os.read(descriptor, 1) else held("it is empty")
    except OSError as error:
        return refused(error)
    finally:
        os.close(descriptor)


def _find(path: str) -> Found:
    return succeeded("it is there") if os.path.lexists(path) else held("it is not there")


class _Mount:
    """One line of mountinfo: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html ."""

    def __init__(self, line: str) -> None:
        words = line.split(" ")
        self.place = words[4].encode("latin-1", "replace").decode("unicode_escape")
        self.options = frozenset(words[5].split(","))


def _mounts() -> list[_Mount]:
    text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    return [_Mount(line) for line in text.splitlines()]


def _writable_mounts(allowed: frozenset[str]) -> Found:
    places = {mount.place for mount in _mounts()} - _WRITABLE - allowed
    found = sorted(place for place in places if os.access(place, os.W_OK) and not _is_harmless(Path(place).stat()))
    return succeeded(f"{found[0]} and {len(found) - 1} more") if found else held("there is none")


def _is_harmless(facts: os.stat_result) -> bool:
    device = (os.major(facts.st_rdev), os.minor(facts.st_rdev))
    return stat.S_ISCHR(facts.st_mode) and (device in _DEVICES or device[0] in _PTY_MAJORS)


def _block_devices() -> Found:
    for entry in os.scandir("/dev"):
        with contextlib.suppress(OSError):
            if stat.S_ISBLK(entry.stat(follow_symlinks=False).st_mode):
                os.close(os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC))
                return succeeded(f"{entry.path} can be opened")
    return held("none can be opened")


def _left_in(directory: str) -> Found:
    try:
        names = [entry.name for entry in Path(directory).iterdir()]
    except OSError as error:
        return refused(error)
    return succeeded(f"{len(names)} entries, such as {names[0]!r}") if names else held("it is empty")


def _other_doors(door: str) -> Found:
    if not door:
        return held("this sandbox has no door of that kind")
    place = Path(door)
    try:
        others = sorted({entry.name for entry in place.parent.iterdir()} - {place.name})
    except OSError as error:
        return refused(error)
    if others:
        return succeeded(f"{len(others)} more entries, such as {others[0]!r}")
    if os.access(place.parent, os.W_OK):
        return succeeded("the door's directory can be written")
    return held("there is none")
