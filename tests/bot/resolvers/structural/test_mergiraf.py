"""The row of the benchmark that an external program fills, with a stand-in for the program."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.corpus import FileRow
from benchmarks.mergiraf import find_mergiraf, measure_mergiraf
from bot.model.cases import PathHistory
from bot.model.conflicts import ConflictKind

ROW = FileRow(
    id="1",
    repo="o/r",
    merge="0" * 40,
    merge_class="sync",
    path="../-p/--output=x.py",
    kind=ConflictKind.CONTENT,
    language="python",
    stages={},
    base=b"a\n",
    ours=b"b\n",
    theirs=b"c\n",
    merged=None,
    resolved=b"  c\n",
    resolved_mode="100644",
    resolved_is="other",
    binary=False,
    history=PathHistory(),
)

STAND_IN = """#!/bin/sh
case "$1" in --version) echo "mergiraf 0"; exit 0;; esac
[ "$1" = merge ] && [ "$5" = -p ] && [ "$6" = "./--output=x.py" ] && [ $# = 6 ] || exit 9
case "$(cat "$3")" in conflict) exit 1;; abort) kill -9 $$;; esac
cat "$4"
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "mergiraf"
    path.write_text(STAND_IN, encoding="ascii")
    path.chmod(0o700)
    return path


def test_files_are_counted_as_taken_right_and_failed(program: Path) -> None:
    rows = [
        ROW,
        replace(ROW, resolved=b"b\n"),
        replace(ROW, resolved=None),
        replace(ROW, ours=b"conflict"),
        replace(ROW, ours=b"abort"),
        replace(ROW, kind=ConflictKind.ADD_ADD),
        replace(ROW, binary=True),
    ]
    found = measure_mergiraf(rows, program)
    assert found is not None
    assert (found.version, found.files, found.taken, found.right, found.failed) == ("mergiraf 0", 5, 3, 1, 1)


def test_without_the_program_there_is_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_mergiraf() is None
    assert measure_mergiraf([ROW]) is None


def test_it_is_found_where_cargo_puts_it(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / ".cargo/bin/mergiraf"
    installed.parent.mkdir(parents=True)
    program.rename(installed)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_mergiraf() == installed
