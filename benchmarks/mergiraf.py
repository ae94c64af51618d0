"""Mergiraf on the same files, as a row to compare with.

Mergiraf (https://mergiraf.org, GPL-3.0) is run as a program of its own, the way git calls a merge driver, when it is on
the PATH or where cargo puts it: ``cargo install mergiraf --version 0.20.0``. Nothing of it is used anywhere else. Run
``.venv/bin/python -m benchmarks.mergiraf [files.jsonl]``.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from benchmarks.corpus import CORPUS, FileRow, read_files, same
from bot.model.conflicts import ConflictKind

_TIMEOUT_SECONDS: Final = 20.0
_CONFLICTED: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MergirafNumbers:
    """Of ``files`` content conflicts: how many came out without a conflict, and how many of those as the person's.

    Equal means equal but for white space. ``failed`` counts the files on which the program gave no answer at all (it
    aborted or took longer than 20 seconds). ``seconds`` is the median time for a file, the program's start included.
    """

    version: str
    files: int
    taken: int
    right: int
    failed: int
    seconds: float


def find_mergiraf() -> Path | None:
    """The program, None when it is not installed."""
    found = shutil.which("mergiraf", path=f"{os.environ.get('PATH', os.defpath)}:{Path.home() / '.cargo/bin'}")
    return None if found is None else Path(found)


def measure_mergiraf(rows: Iterable[FileRow], program: Path | None = None) -> MergirafNumbers | None:
    """Merge every content conflict among the rows; None when the program is not installed."""
    program = program or find_mergiraf()
    if program is None:
        return None
    times: list[float] = []
    taken = right = failed = 0
    with tempfile.TemporaryDirectory(prefix="mergiraf-") as name:
        directory = Path(name)
        version = _run(program, directory, "--version")
        for row in rows:
            if row.kind is not ConflictKind.CONTENT or row.binary:
                continue
            started = time.perf_counter()
            merged = _merge(program, directory, row)
            times.append(time.perf_counter() - started)
            if merged is None or merged.returncode not in {0, _CONFLICTED}:
                failed += 1
            elif merged.returncode == 0:
                taken += 1
                right += row.resolved is not None and same(merged.stdout, row.resolved)
    return MergirafNumbers(
        version="" if version is None else version.stdout.decode("utf-8", "replace").strip(),
        files=len(times),
        taken=taken,
        right=right,
        failed=failed,
        seconds=sorted(times)[len(times) // 2] if times else 0.0,
    )


def _merge(program: Path, directory: Path, row: FileRow) -> subprocess.CompletedProcess[bytes] | None:
    paths = []
    for side, content in (("base", row.base), ("ours", row.ours), ("theirs", row.theirs)):
        path = directory / side
        path.write_bytes(content or b"")
        paths.append(str(path))
    # Only the name counts for the language, and only a name cannot be taken for an option or leave the directory.
    return _run(program, directory, "merge", *paths, "-p", f"./{PurePosixPath(row.path).name}")


def _run(program: Path, directory: Path, *arguments: str) -> subprocess.CompletedProcess[bytes] | None:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(directory), "LC_ALL": "C"}
    try:
        return subprocess.run(
            [str(program), *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None


def main() -> None:
    """Print the numbers as JSON."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else CORPUS / "files.jsonl.gz"
    numbers = measure_mergiraf(read_files(path))
    print("mergiraf is not installed" if numbers is None else json.dumps(asdict(numbers)))


if __name__ == "__main__":
    main()
