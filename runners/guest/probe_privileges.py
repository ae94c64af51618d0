"""What the probe tries on the kernel: privileges, namespaces, other processes, what the environment gives away.

Whatever would change this process is tried in a child.
"""

import contextlib
import ctypes
import errno
import os
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import runners.protocol
from runners.guest.probe_words import Found, Outcome, ProbeTargets, Trial, held, refused, succeeded

PRIVILEGES: Final = "privileges"
PROCESSES: Final = "processes"
ENVIRONMENT: Final = "environment"
KERNEL: Final = "kernel"

# https://man7.org/linux/man-pages/man2/clone.2.html
_CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWUSER: Final = 0x10000000
_NAMESPACES: Final[Mapping[str, int]] = {
    "mount": _CLONE_NEWNS,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "pid": 0x20000000,
    "network": 0x40000000,
}
# https://man7.org/linux/man-pages/man2/mount.2.html
_MS_REC_PRIVATE: Final = 0x4000 | 0x40000
_MNT_DETACH: Final = 2
_PR_GET_NO_NEW_PRIVS: Final = 39
_SYSLOG_ACTION_READ_ALL: Final = 3
_SECCOMP_FILTER: Final = "2"
_FAILED: Final = 255
_CAPABILITIES: Final = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")

_KNOWN: Final = frozenset(
    {value for name, value in vars(runners.protocol).items() if name.startswith("ENV_")}
    | {
        "PATH",
        "HOME",
        "HOSTNAME",
        "LANG",
        "LC_CTYPE",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "TERM",
        "TMPDIR",
        "TZ",
        "container",
        "_",
    }
    # Set by the probe itself.
    | {"RES_OPTIONS"}
    # An address and no credential; Kubernetes puts it into every pod, whatever ``enableServiceLinks`` says.
    | {"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBERNETES_SERVICE_PORT_HTTPS", "KUBERNETES_PORT"}
)
_KNOWN_PREFIXES: Final = ("PYTHON", "KUBERNETES_PORT_")


def privilege_trials(targets: ProbeTargets, environ: Mapping[str, str]) -> list[Trial]:
    """Everything about privileges, processes and the environment."""
    trials = [
        Trial(PRIVILEGES, "being root", _is_root),
        Trial(PRIVILEGES, "capabilities", _capabilities),
        Trial(PRIVILEGES, "new privileges by a program", _new_privileges),
        Trial(PRIVILEGES, "system calls without a filter", _unfiltered),
        Trial(PRIVILEGES, "becoming root", partial(_in_child, _become_root)),
        Trial(PRIVILEGES, "joining root's group", partial(_in_child, _join_root)),
        Trial(PRIVILEGES, "mounting", partial(_in_child, _mount)),
        Trial(PRIVILEGES, "changing the root directory", partial(_in_child, _change_root)),
        Trial(PRIVILEGES, "making a device", partial(_but_gvisors, _make_device)),
        Trial(PRIVILEGES, "a raw socket", _raw_socket),
        Trial(PRIVILEGES, "a packet socket", _packet_socket),
    ]
    trials += [
        Trial(PRIVILEGES, f"a {name} namespace", partial(_but_gvisors, partial(_in_child, partial(_unshare, flag))))
        for name, flag in _NAMESPACES.items()
    ]
    trials += [
        Trial(PRIVILEGES, "a user namespace", _user_namespace),
        Trial(KERNEL, "the kernel's log", _kernel_log),
        Trial(PROCESSES, "the memory of process 1", _memory_of_the_first),
        Trial(PROCESSES, "processes of others", _others),
        Trial(PROCESSES, "the guest's environment, from a child", _guest_environment),
        Trial(ENVIRONMENT, "variables that no guest needs", partial(_variables, environ)),
    ]
    if targets.gvisor:
        trials.append(Trial(KERNEL, "the host's kernel", _host_kernel))
    return trials


def _is_root() -> Found:
    if 0 in os.getresuid():
        return succeeded("the user is root")
    if 0 in {*os.getresgid(), *os.getgroups()}:
        return succeeded("the group is root's")
    return held(f"user {os.getuid()}, group {os.getgid()}")


def _status() -> dict[str, str]:
    """https://man7.org/linux/man-pages/man5/proc_pid_status.5.html ."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _capabilities() -> Found:
    status = _status()
    kept = [f"{name} {status[name]}" for name in _CAPABILITIES if int(status.get(name, "0"), 16)]
    if kept:
        return succeeded(", ".join(kept))
    return held("none") if "CapEff" in status else (Outcome.UNCLEAR, "the kernel does not say")


def _new_privileges() -> Found:
    if _libc().prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1:
        return held("no_new_privs is set")
    return succeeded("no_new_privs is not set")


def _unfiltered() -> Found:
    if is_gvisor():
        return held("the calls go to gVisor")
    if _status().get("Seccomp") == _SECCOMP_FILTER:
        return held("seccomp filters them")
    return succeeded("seccomp does not filter them")


def is_gvisor() -> bool:
    """Whether the kernel says that it is gVisor.

    https://github.com/google/gvisor/blob/master/pkg/sentry/kernel/version.go ; its log begins with "Starting gVisor".
    """
    name = os.uname()
    return "gvisor" in f"{name.release} {name.version}".lower() or b"gvisor" in _read_log().lower()


def _but_gvisors(attempt: Callable[[], Found]) -> Found:
    """No capability is asked for by gVisor where what is made is its own: such devices and namespaces lead nowhere."""
    outcome, words = attempt()
    return held("it is gVisor's own") if outcome is Outcome.SUCCEEDED and is_gvisor() else (outcome, words)


def _host_kernel() -> Found:
    return held("it is gVisor") if is_gvisor() else succeeded(f"it is {os.uname().release}, no gVisor")


def _read_log() -> bytes:
    buffer = ctypes.create_string_buffer(2**14)
    count = _libc().klogctl(_SYSLOG_ACTION_READ_ALL, buffer, len(buffer))
    return buffer.raw[: max(0, count)]


def _kernel_log() -> Found:
    said = _read_log()
    if not said:
        return held("it cannot be read")
    return held("it is gVisor's own") if is_gvisor() else succeeded("it can be read")


def _become_root() -> None:
    os.setresuid(0, 0, 0)


def _join_root() -> None:
    os.setresgid(0, 0, 0)


def _change_root() -> None:
    os.chroot("/")


def _mount() -> None:
    libc = _libc()
    # In a namespace of its own where that can be had, so that nothing stays behind.
    if libc.unshare(_CLONE_NEWNS) == 0:
        libc.mount(None, b"/", None, _MS_REC_PRIVATE, None)
    place = b"/proc" if Path("/proc").is_dir() else b"/"
    _checked(libc.mount(b"none", place, b"tmpfs", 0, None))
    libc.umount2(place, _MNT_DETACH)


def _unshare(flag: int) -> None:
    _checked(_libc().unshare(flag))


def _user_namespace() -> Found:
    """Root in a namespace of one's own is root over nothing, but reaches more of the kernel."""
    outcome, words = _in_child(partial(_unshare, _CLONE_NEWUSER))
    return (Outcome.WEAK, "one can be made") if outcome is Outcome.SUCCEEDED else (outcome, words)


def _make_device() -> Found:
    with tempfile.TemporaryDirectory(prefix="flowforge-probe-") as directory:
        try:
            os.mknod(Path(directory) / "device", stat.S_IFCHR | 0o600, os.makedev(1, 1))
        except OSError as error:
            return refused(error)
        return succeeded("one was made")


def _raw_socket() -> Found:
    return _socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


def _packet_socket() -> Found:
    return _socket(socket.AF_PACKET, socket.SOCK_RAW, 0)


def _socket(family: int, kind: int, protocol: int) -> Found:
    try:
        with socket.socket(family, kind, protocol):
            return succeeded("one was made")
    except OSError as error:
        return refused(error)


def _memory_of_the_first() -> Found:
    if os.getpid() == 1:
        return held("that is the guest itself")
    try:
        os.close(os.open("/proc/1/mem", os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return refused(error)
    return succeeded("it was opened")


def _others() -> Found:
    """Processes that are neither ours, nor children of ours, nor the chain that started us."""
    parents = _parents()
    ours = {os.getpid()}
    walker = os.getpid()
    while walker := parents.get(walker, 0):
        ours.add(walker)
    strangers = [pid for pid in parents if pid not in ours and not _descends(pid, os.getpid(), parents)]
    return succeeded(f"{len(strangers)} of them") if strangers else held("there are none")


def _guest_environment() -> Found:
    """The run's token is in it; a repository's commands are such children (see ``runners.guest.hiding``)."""
    path = f"/proc/{os.getpid()}/environ"
    outcome, words = _in_child(partial(_read_byte, path))
    return (Outcome.WEAK, "it can be read") if outcome is Outcome.SUCCEEDED else (outcome, words)


def _read_byte(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if not os.read(descriptor, 1):
        raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))


def _parents() -> dict[int, int]:
    found: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # After the command in parentheses, which may hold anything: state, parent.
            found[int(entry.parent.name)] = int(entry.read_bytes().rpartition(b")")[2].split()[1])
    return found


def _descends(pid: int, ancestor: int, parents: Mapping[int, int]) -> bool:
    seen: set[int] = set()
    while pid and pid not in seen:
        if pid == ancestor:
            return True
        seen.add(pid)
        pid = parents.get(pid, 0)
    return False


def _variables(environ: Mapping[str, str]) -> Found:
    unknown = sorted(name for name in environ if name not in _KNOWN and not name.startswith(_KNOWN_PREFIXES))
    if unknown:
        return succeeded(f"{unknown[0]!a} and {len(unknown) - 1} more")
    return held("there are none")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(status: int) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _in_child(act: Callable[[], None]) -> Found:
    """Try ``act`` in a child: it tells by its exit status what came of it, or dies of the filter that forbids it."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        number = _FAILED
        try:
            act()
            number = 0
        except OSError as error:
            number = error.errno or _FAILED
        finally:
            os._exit(number)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return held(f"ended by {signal.Signals(os.WTERMSIG(status)).name}")
    number = os.WEXITSTATUS(status)
    return held(os.strerror(number)) if number else succeeded("it worked")
