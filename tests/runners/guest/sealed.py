"""A sandbox of this kernel's own parts, sealed by hand: each of its walls can be left out.

Run as a program, by root, it builds the walls around itself and becomes the guest. Linux only; it needs util-linux.
"""

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import runners

WALLS = frozenset(
    {"network", "names", "root", "user", "capabilities", "privileges", "seccomp", "processes", "tmp", "host"}
)
"""What keeps the guest in: a network namespace, no resolv.conf, a root that cannot be written, a user, ..."""

ROOT = Path(runners.__path__[0]).parent
USER = 1000

_CODE = "/opt/flowforge"

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_LAST_CAPABILITY = 40
_SECCOMP_MODE_FILTER = 2
_MNT_DETACH = 2
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


class _Calls(NamedTuple):
    """Numbers of system calls on one kind of machine."""

    unshare: int
    pivot_root: int


_CALLS = {"x86_64": _Calls(unshare=272, pivot_root=155), "aarch64": _Calls(unshare=97, pivot_root=41)}


def command(walls: frozenset[str]) -> list[str]:
    """The argument list that runs the guest inside ``walls``."""
    namespaces = ["--mount", "--ipc", "--uts", "--cgroup"]
    if "network" in walls:
        namespaces.append("--net")
    if "processes" in walls:
        namespaces += ["--pid", "--fork", "--kill-child"]
    return ["unshare", *namespaces, sys.executable, "-P", "-s", "-m", __name__, ",".join(sorted(walls))]


def _mount(*arguments: str) -> None:
    subprocess.run(["/bin/mount", *arguments], check=True)


def _build(walls: frozenset[str], environ: Mapping[str, str]) -> Path:
    """A root directory with what Python needs, and no more."""
    _mount("--make-rprivate", "/")
    root = Path(tempfile.mkdtemp(prefix="flowforge-sealed-"))
    _mount("-t", "tmpfs", "tmpfs", str(root))
    # The code gets a place of its own: where it lies may be below a directory that is made anew here.
    places = {place: place for place in ("/usr", "/bin", "/lib", "/lib64", sys.base_prefix)} | {str(ROOT): _CODE}
    for place in sorted(place for place in places if Path(place).is_dir()):
        target = root / places[place][1:]
        if Path(place).is_symlink():
            target.symlink_to(Path(place).readlink())
        elif not target.exists():
            target.mkdir(parents=True)
            _mount("--bind", place, str(target))
            if "root" in walls:
                _mount("-o", "remount,bind,ro", str(target))
    for name in ("proc", "dev", "etc", "tmp", "task", "run/flowforge", "dev/shm", "var"):
        (root / name).mkdir(parents=True, exist_ok=True)
    _fill(root, walls, environ)
    if "root" in walls:
        _mount("-o", "remount,ro", str(root))
    return root


def _fill(root: Path, walls: frozenset[str], environ: Mapping[str, str]) -> None:
    _mount("-t", "proc", "proc", str(root / "proc"))
    for name in ("task", "tmp"):
        _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(root / name))
    for name in ("null", "zero", "urandom"):
        (root / "dev" / name).touch()
        _mount("--bind", f"/dev/{name}", str(root / "dev" / name))
    if "names" not in walls:
        (root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    if "tmp" not in walls:
        (root / "tmp/of-another-run").touch()
    if "host" not in walls:
        (root / "run/docker.sock").touch()
    if door := environ.get("FLOWFORGE_SOCKET"):
        _mount("--bind", str(Path(environ["SEALED_DOOR"]).parent), str(root / door[1:]).rpartition("/")[0])
        _mount("-o", "remount,bind,ro", str(root / door[1:]).rpartition("/")[0])


def _enter(root: Path) -> None:
    """Take ``root`` for the root and leave the old one behind; a mere chroot would forbid user namespaces by itself."""
    os.chdir(root)
    _checked(_LIBC.syscall(_CALLS[os.uname().machine].pivot_root, b".", b"."))
    _checked(_LIBC.umount2(b".", _MNT_DETACH))


def _checked(status: int) -> None:
    if status != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _answer_names() -> None:
    """Be a name server in a child: every name is 192.0.2.7."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        fcntl.ioctl(asking, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", _IFF_UP))
        asking.bind(("127.0.0.1", 53))
        if os.fork() != 0:
            return
        while True:
            question, asker = asking.recvfrom(512)
            head = question[:2] + struct.pack("!5H", 0x8180, 1, 1, 0, 0)
            answer = struct.pack("!3HIH4B", 0xC00C, 1, 1, 60, 4, 192, 0, 2, 7)
            asked = question[12 : question.index(b"\0", 12) + 5]
            asking.sendto(head + asked + answer, asker)


def _drop(walls: frozenset[str]) -> None:
    # First, since without no_new_privs only root may set a filter.
    if "seccomp" in walls:
        _filter()
    if "capabilities" in walls:
        for capability in range(_LAST_CAPABILITY + 1):
            _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    if "user" in walls:
        os.setgroups([])
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)
    if "privileges" in walls:
        _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _filter() -> None:
    """Refuse unshare(2) and let all else pass: https://man7.org/linux/man-pages/man2/seccomp.2.html ."""
    program = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (0x20, 0, 0, 0),  # load the call's number
            (0x15, 0, 1, _CALLS[os.uname().machine].unshare),
            (0x06, 0, 0, 0x00050000 | 1),  # EPERM
            (0x06, 0, 0, 0x7FFF0000),  # allow
        )
    )
    kept = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(kept))
    _checked(_LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(head, len(head)), 0, 0))


def main() -> None:
    walls = frozenset(sys.argv[1].split(","))
    python = os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]  # typeshed does not know it
    _enter(_build(walls, os.environ))
    os.chdir("/task")
    if "names" not in walls:
        _answer_names()
    _drop(walls)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEALED_")}
    guest = [python, "-P", "-s", "-m", "runners.guest"]
    os.execve(python, guest, environment | {"PYTHONPATH": _CODE})  # noqa: S606 - this process becomes the guest


if __name__ == "__main__":
    main()
