"""P8: trusted code starts no program on an agent's files and follows no link in them. Seen by strace.

Skipped by name where there is no strace.
"""

import base64
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.validation import parse_child
from tests.promises.judging import BEGIN, END, HONEST
from tests.runners.streams import result, stream
from tests.runners.test_ingest import member, pack, result_json

STRACE = shutil.which("strace")
pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed")

ROOT = Path(__file__).parents[2]
CALLS = (
    "execve,execveat,open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2,link,linkat,symlink,"
    "symlinkat,unlink,unlinkat,rmdir,truncate,chmod,fchmodat,chdir,chroot,mount,connect,bind,stat,newfstatat,statx"
)
CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
CHANGES = re.compile(r"^(creat|mkdir|mknod|rename|link|symlink|unlink|rmdir|truncate|chmod|fchmod|chdir|chroot|mount)")
OURS = (
    f"{ROOT}/app/",
    f"{ROOT}/bot/",
    f"{ROOT}/runners/",
    f"{ROOT}/tests/",
    *(f"{sys.prefix}/", f"{sys.base_prefix}/"),
)
OF_THE_SYSTEM = ("/usr/lib", "/usr/share/locale", "/lib", "/etc/ld.so", "/etc/localtime", "/proc/self", "/proc/meminfo")
SINGLE = {"/dev/null", "/etc/nsswitch.conf", "/etc/passwd", str(ROOT)}
"""The name of our own user, and the modules in our own directory."""

NAMES = ("evil", "config", "hooks", "CLAUDE.md", "sitecustomize", "src/a.py")
NAME_SERVICE = '"/var/run/nscd/socket"'
"""Asked by the C library for the name of the user; nobody listens there."""

WORKED = b"#!/bin/sh\ntouch /tmp/worked\n"


def archive(content: bytes, *more: tuple[tarfile.TarInfo, bytes]) -> bytes:
    transcript = b"\n".join(stream(result())) + b"\n"
    written = [] if content == b"" else [member("changed/src/a.py", content)]
    parts = [member("result.json", result_json(deleted=[])), member("transcript.jsonl", transcript)]
    return pack([*parts, *written, *more])


ARCHIVES: dict[str, tuple[bytes, str]] = {
    "honest": (archive(HONEST), "pass"),
    "does not parse": (archive(b"import (\n" * 1000), "refused"),
    "parser's nightmare": (archive(b"(" * 200_000), "refused"),
    "another file": (archive(HONEST, member("changed/evil.sh", WORKED, mode=0o755)), "refused"),
    "modules": (archive(HONEST, member("changed/sitecustomize.py", b"import evil\n")), "refused"),
    "settings": (archive(HONEST, member("changed/.claude/settings.json", b"{}")), "refused"),
    "workflow": (archive(HONEST, member("changed/.github/workflows/evil.yml", b"on: push\n")), "refused"),
    "link": (archive(b"", member("changed/src/a.py", type=tarfile.SYMTYPE, linkname="/etc/shadow")), "as a whole"),
    "link upwards": (archive(HONEST, member("changed/evil", type=tarfile.SYMTYPE, linkname="../..")), "as a whole"),
    "hard link": (archive(HONEST, member("changed/evil", type=tarfile.LNKTYPE, linkname="result.json")), "as a whole"),
    "a file behind a link": (
        archive(
            HONEST,
            member("changed/evil", type=tarfile.SYMTYPE, linkname="/tmp"),
            member("changed/evil/worked", b"x"),
        ),
        "as a whole",
    ),
    "device": (archive(HONEST, member("changed/evil", type=tarfile.CHRTYPE)), "as a whole"),
    "repository": (archive(HONEST, member("changed/.git/config", b"[core]\nfsmonitor = evil\n")), "as a whole"),
    "upwards": (archive(HONEST, member("changed/../../evil", b"x")), "as a whole"),
}


@dataclass(frozen=True)
class Seen:
    """What happened between the two marks, and what the program said."""

    said: list[str]
    calls: list[tuple[str, str, int]]

    def started(self) -> list[list[str]]:
        return [QUOTED.findall(rest) for name, rest, status in self.calls if name.startswith("execve") and status == 0]

    def opened(self) -> set[str]:
        """What was opened and was there."""
        found = [QUOTED.findall(rest) for name, rest, status in self.calls if name.startswith("open") and status >= 0]
        return {quoted[0] for quoted in found if quoted}

    def changes(self) -> list[str]:
        """What was written, made, removed or talked to."""
        return [
            f"{name} {rest}"
            for name, rest, _ in self.calls
            if CHANGES.match(name)
            or (name in {"connect", "bind"} and NAME_SERVICE not in rest)
            or (name.startswith("open") and re.search("O_WRONLY|O_RDWR|O_CREAT", rest) and '"/dev/null"' not in rest)
        ]


def judged(directory: Path, archives: Sequence[bytes], *words: str) -> Seen:
    trace = directory / "trace"
    given = json.dumps([base64.b64encode(one).decode() for one in archives])
    done = subprocess.run(
        [
            *(str(STRACE), "-f", "-qq", "-s", "4096", "-o", str(trace), "-e", f"trace={CALLS}"),
            *(sys.executable, "-m", "tests.promises.judging", *words),
        ],
        input=given,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = trace.read_text(errors="replace").splitlines()
    (begin,) = [number for number, line in enumerate(lines) if f'"{BEGIN}"' in line]
    (end,) = [number for number, line in enumerate(lines) if f'"{END}"' in line]
    matches = [CALL.match(line) for line in lines[begin + 1 : end]]
    calls = [(match[1], match[2], int(match[3])) for match in matches if match is not None]
    return Seen(said=json.loads(done.stdout), calls=calls)


def test_hostile_results_are_judged_without_a_program_a_link_or_a_file_of_theirs(tmp_path: Path) -> None:
    seen = judged(tmp_path, [one for one, _ in ARCHIVES.values()])
    for (name, (_, expected)), said in zip(ARCHIVES.items(), seen.said, strict=True):
        assert said.endswith(expected), f"{name}: {said}"
    parser = [sys.executable, "-I", str(Path(parse_child.__file__))]
    assert [argv for argv in seen.started() if argv != [sys.executable, *parser]] == []
    assert seen.started(), "the parser is a program of its own"
    assert seen.changes() == []
    strangers = {path for path in seen.opened() if not path.startswith((*OURS, *OF_THE_SYSTEM))}
    assert strangers <= SINGLE
    assert {path for path in seen.opened() if path.removeprefix(str(ROOT)).endswith(NAMES)} == set()


def test_the_trace_would_show_it(tmp_path: Path) -> None:
    """The control: unpacked as one would without a thought, they write and link, and the trace has it."""
    place = tmp_path / "unpacked"
    place.mkdir()
    seen = judged(tmp_path, [ARCHIVES["another file"][0], ARCHIVES["link"][0]], "careless", str(place))
    changes = "\n".join(seen.changes())
    assert f"{place}/changed/evil.sh" in changes
    assert 'symlink "/etc/shadow"' in changes
