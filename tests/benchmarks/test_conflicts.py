"""The benchmark of the resolvers counts right, on documents of our own making in the corpus's two formats."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.conflicts import main

BASE = "first\nvalue = 1\nlast\n"


def a_file(**changes: Any) -> dict[str, Any]:
    """A row in which both sides changed the same word in white space only."""
    row = {
        "id": "us/ours@1:a.go",
        "repo": "us/ours",
        "merge": "1" * 40,
        "path": "a.go",
        "kind": "content",
        "language": "go",
        "stage_oids": {"1": "a" * 40, "2": "b" * 40, "3": "c" * 40},
        "stage_modes": {"1": "100644", "2": "100644", "3": "100644"},
        "base": BASE,
        "ours": BASE.replace("value = 1", "value = 2"),
        "theirs": BASE.replace("value = 1", "value  =  2"),
        "resolved": BASE.replace("value = 1", "value = 2"),
        "resolved_mode": "100644",
    }
    return row | changes


def a_hunk(**changes: Any) -> dict[str, Any]:
    """A row in which the larger version was taken."""
    row = {
        "repo": "us/ours",
        "merge": "1" * 40,
        "path": "package.json",
        "language": "json",
        "kind": "content",
        "hunk": 0,
        "n_hunks": 1,
        "before": "{\n",
        "ours": '"v": "1.2.0"\n',
        "base": '"v": "1.0.0"\n',
        "theirs": '"v": "1.1.0"\n',
        "after": "}\n",
        "human": '"v": "1.2.0"\n',
    }
    return row | changes


def written(path: Path, *rows: dict[str, Any]) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def numbers(files: Path, hunks: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    assert main(["--files", str(files), "--hunks", str(hunks), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_was_taken_and_what_was_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built_on = {"ours": ["b" * 40], "theirs": ["c" * 40, "b" * 40]}
    files = written(
        tmp_path / "files.jsonl.gz",
        a_file(),
        a_file(theirs=BASE.replace("1", "3"), resolved=BASE.replace("1", "3"), history=built_on, merge="2" * 40),
        a_file(theirs=BASE.replace("1", "3"), resolved=BASE.replace("1", "2"), history=built_on, merge="3" * 40),
        a_file(resolved=BASE.replace("value = 1", "value = 2").replace("last", "edited"), merge="4" * 40),
    )
    hunks = written(
        tmp_path / "hunks.jsonl",
        a_hunk(),
        a_hunk(merge="2" * 40, human='"v": "1.1.0"\n'),
        a_hunk(merge="3" * 40, n_hunks=2),
    )
    found = numbers(files, hunks, capsys)
    tier = {row["tiers"]: row for row in found["hunks"]["tiers"]}["A"]
    assert (tier["taken"], tier["right"], tier["right_share"]) == (3, 2, 66.7)
    whole = found["hunks"]["files"]
    assert (whole["count"], whole["tiers"][0]["taken"], whole["tiers"][0]["right"]) == (2, 2, 1)
    rules = {row["name"]: (row["taken"], row["right"]) for row in found["files"]["rules"]}
    assert (rules["history"], rules["identical"]) == ((2, 1), (1, 1))
    assert found["files"]["left_out"] == {"hunks next to which the person edited more": 1}
    whole = found["files"]["files"]["tiers"][0]
    assert (whole["taken"], whole["right"], whole["equal"]) == (4, 2, 2)
    assert [row["what"] for row in found["files"]["disagreements"]] == [
        "history gave theirs; the person took ours whole"
    ]
    assert found["hunks"]["by_language"][0]["name"] == "json"
    assert found["files"]["milliseconds_per_case"]["max"] >= 0


def test_rows_that_are_no_text_conflicts_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    binary = {"base64": base64.b64encode(b"\0\1").decode()}
    files = written(
        tmp_path / "files.jsonl",
        a_file(kind="binary", base=binary, ours=binary, theirs=binary, resolved=binary),
        a_file(kind="modify/delete", theirs=None, resolved=None),
        a_file(kind="something new", base=None, theirs=None),
        a_file(resolved=None),
        a_file(base=None, kind="add/add", merge_class=None, history=None),
    )
    hunks = written(tmp_path / "hunks.jsonl", a_hunk(human=None), a_hunk(base=None, theirs=None))
    found = numbers(files, hunks, capsys)
    assert sum(found["files"]["left_out"].values()) == 4
    assert found["files"]["hunks"] == 1
    assert found["files"]["tiers"][0]["right_share"] == 100.0
    assert found["hunks"]["left_out"] == {"hunks next to which the person edited more": 1}
    assert found["hunks"]["hunks"] == 1


def test_the_table_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = written(tmp_path / "files.jsonl", a_file())
    assert main(["--files", str(files), "--hunks", str(written(tmp_path / "hunks.jsonl", a_hunk()))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Single hunks: 1 hunks, 1 whole files" in lines
    assert any(line.split() == ["version", "A", "1", "100.0", "100.0", "100.0", "100.0"] for line in lines)


def test_empty_documents_and_missing_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = written(tmp_path / "empty.jsonl")
    found = numbers(empty, empty, capsys)
    assert found["hunks"]["tiers"][0]["share"] is None
    assert main(["--files", str(tmp_path / "none"), "--hunks", str(empty)]) == 2
    assert "cannot read" in capsys.readouterr().err
