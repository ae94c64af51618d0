"""What Claude Code does to the machine in a run, seen by strace: where it writes, whom it calls, what it starts.

Skipped by name where there is no strace.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.demo.model.resolver import HonestResolver
from bot.model.runs import RunOutcome
from tests.runners.bench import CLAUDE, Bench

STRACE = shutil.which("strace")
pytestmark = pytest.mark.skipif(STRACE is None, reason="strace is not installed")

WRITES = re.compile(r"^\d+ +(?:open|openat|creat|mkdir|mkdirat|rename\w*|symlink\w*|link\w*|unlink\w*)\((.*)\) += ")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
CALLS = "open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,symlink,symlinkat,link,linkat,unlink,unlinkat"


@pytest.fixture
def trace(bench: Bench, tmp_path: Path) -> Path:
    """The trace of the next run."""
    trace, wrapper = tmp_path / "trace", tmp_path / "traced-claude"
    options = f"-f -qq -s 4096 -o {trace} -e trace={CALLS},bind,connect,execve"
    wrapper.write_text(f'#!/bin/sh\nexec {STRACE} {options} {CLAUDE} "$@"\n')
    wrapper.chmod(0o700)
    bench.runner._claude = wrapper
    return trace


def lines_of(trace: Path) -> list[str]:
    return trace.read_text(errors="replace").splitlines()


def written(trace: Path) -> Iterator[str]:
    """Every absolute path that it made, changed or removed, or tried to."""
    for line in lines_of(trace):
        match = WRITES.match(line)
        if match and ("O_WRONLY" in line or "O_RDWR" in line or "O_CREAT" in line or "open" not in line):
            yield from (path for path in QUOTED.findall(match[1]) if path.startswith("/"))


async def test_a_run_touches_its_own_directory_and_its_gateway_only(bench: Bench, trace: Path) -> None:
    ended = await bench.run(HonestResolver())
    assert ended.outcome is RunOutcome.SUCCEEDED
    own = f"{bench.place(ended.run.id)}/"
    paths = set(written(trace))
    assert any(path.startswith(own) for path in paths)
    assert {path for path in paths if not path.startswith((own, "/proc/self/fd/"))} <= {"/dev/null"}
    lines = lines_of(trace)
    port = bench.gateway_url.rpartition(":")[2]
    reached = [line for line in lines if " connect(" in line or " bind(" in line]
    assert reached
    assert all(f"htons({port})" in line and 'inet_addr("127.0.0.1")' in line for line in reached)
    started = {QUOTED.findall(line)[0] for line in lines if " execve(" in line and line.endswith("= 0")}
    assert started <= {str(CLAUDE), "/usr/bin/git", "/bin/git"}
