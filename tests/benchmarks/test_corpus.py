"""Documents that are not in the corpus's formats end the benchmark with a sentence."""

import gzip
import json
from pathlib import Path

import pytest

from benchmarks.conflicts import main
from benchmarks.gate_cases import lines_of_report, measure_gate
from tests.benchmarks.test_conflicts import a_file, a_hunk, written


@pytest.mark.parametrize(
    "line", ["[1]", "5", "null", "{", '"a"', "{}", '{"path": 5}', json.dumps(a_file(ours="\ud800"))]
)
def test_a_line_that_is_no_row(tmp_path: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    hunks = written(tmp_path / "hunks.jsonl", a_hunk())
    files = tmp_path / "files.jsonl"
    files.write_text(f"\n{line}\n")
    assert main(["--files", str(files), "--hunks", str(hunks)]) == 2
    assert "cannot read the conflicts" in capsys.readouterr().err
    assert main(["--files", str(written(tmp_path / "good.jsonl", a_file())), "--hunks", str(files)]) == 2


def test_a_packed_document_that_was_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = tmp_path / "files.jsonl.gz"
    files.write_bytes(gzip.compress(json.dumps(a_file()).encode())[:-12])
    assert main(["--files", str(files), "--hunks", str(written(tmp_path / "hunks.jsonl"))]) == 2
    assert "files.jsonl.gz" in capsys.readouterr().err


def test_a_fault_without_a_case_has_no_share() -> None:
    lines = list(lines_of_report(measure_gate([])))
    assert "    markers left: 0 (0) of 0, none to judge by" in lines
