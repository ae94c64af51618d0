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
    of_rules = {row["name"]: row for row in found["files"]["rules"]}
    assert of_rules["history"]["files"]["alone"] == of_rules["history"]["files"]["part"]
    assert (of_rules["history"]["files"]["alone"]["taken"], of_rules["history"]["files"]["alone"]["right"]) == (2, 1)
    assert of_rules["history"]["by_language"]["go"] == {"taken": 2, "share": 66.7, "right": 1, "right_share": 50.0}
    assert of_rules["history"]["by_kind"]["content"]["taken"] == 2
    assert of_rules["history"]["milliseconds"]["median"] >= 0
    assert of_rules["union"]["milliseconds"] is None
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
    right = ["100.0"] * 2
    shown = ["version", "A", "1", *right, *right, "1", *right, "1", *right]
    assert any(line.split()[:-1] == shown for line in lines)
    assert any("--calls" in line for line in lines)
    assert "The gate" in lines


def test_empty_documents_and_missing_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = written(tmp_path / "empty.jsonl")
    found = numbers(empty, empty, capsys)
    assert found["hunks"]["tiers"][0]["share"] is None
    assert main(["--files", str(tmp_path / "none"), "--hunks", str(empty)]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_each_rule_has_its_part_in_whole_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = "a 1\nb\nc\nd\n" + "same\n" * 9 + "value = 1\n"
    ours = base.replace("a 1", "a 1.2.0").replace("value = 1", "value = 2")
    base, theirs = base.replace("a 1", "a 1.0.0"), ours.replace("1.2.0", "1.1.0").replace("value = 2", "value  =  2")
    row = a_file(base=base, ours=ours, theirs=theirs, resolved=ours)
    found = numbers(written(tmp_path / "files.jsonl", row), written(tmp_path / "none.jsonl"), capsys)
    rules = {rule["name"]: rule["files"] for rule in found["files"]["rules"]}
    for name in ("identical", "version"):
        assert (rules[name]["part"]["taken"], rules[name]["part"]["right_share"]) == (1, 100.0)
        assert rules[name]["alone"]["taken"] == 0
    assert rules["history"]["part"]["taken"] == 0


def test_a_rule_that_only_proposes_is_not_counted_with_what_it_applies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = "".join(f"word{number} " for number in range(40)) + "\n"
    added, changed = base.replace("word9 ", "word9 new "), base.replace("word9 ", "other ")
    files = written(
        tmp_path / "files.jsonl",
        a_file(base=base, ours=added, theirs=added.replace("word30 ", "word30 more "), resolved=base),
        a_file(base=base, ours=changed, theirs=changed.replace("word30 ", "those "), resolved=base, merge="2" * 40),
    )
    found = numbers(files, written(tmp_path / "none.jsonl"), capsys)
    rows = [row for row in found["files"]["rules"] if row["name"] == "superset"]
    assert [(row["tier"], row["taken"], row["files"]["part"]["taken"]) for row in rows] == [("A", 1, 1), ("B", 1, 1)]


def test_what_the_service_leaves_to_people_is_counted_and_not_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = written(
        tmp_path / "files.jsonl",
        a_file(),
        a_file(path="deep/yarn.lock"),
        a_file(path=".github/workflows/a.yml"),
        a_file(kind="file location"),
        a_file(kind="modify/delete", theirs=None),
        a_file(ours=BASE.replace("value = 1", "\udcff"), theirs=BASE.replace("value = 1", "\udcfe")),
        a_file(base="x\n", ours="x" * 2**21 + "\n", theirs="y\n", resolved="y\n"),
    )
    hunks = written(
        tmp_path / "hunks.jsonl",
        a_hunk(),
        a_hunk(path="Cargo.lock"),
        a_hunk(path=".github/a.json", human='"v": "1.1.0"\n'),
        a_hunk(path="b.json", ours="\udcff\n"),
        a_hunk(path="c.json", ours="no newline"),
    )
    found = numbers(files, hunks, capsys)
    assert (found["files"]["hunks"], found["files"]["files"]["count"]) == (1, 1)
    assert sum(found["files"]["left_out"].values()) == 6
    assert found["files"]["left_out"]["left to people: a directory rename conflict is for a person to decide"] == 1
    assert found["files"]["left_out"]["left to people: this path is protected (`.git*`)"] == 1
    assert found["files"]["left_out"]["left to people: the file is larger than 2 MiB"] == 1
    assert found["hunks"]["left_out"]["left to people: a lock file is written by its tool and never merged"] == 1
    tier = found["hunks"]["tiers"][0]
    assert (tier["right_share"], tier["with_people"]["taken"], tier["with_people"]["right_share"]) == (100.0, 2, 50.0)
    assert main(["--hunks", str(hunks)]) == 0
    assert "and with what people decide" in capsys.readouterr().out


def test_who_has_to_see_to_a_conflict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    choice = {"ours": BASE.replace("value = 1", "value = add(2)"), "theirs": BASE.replace("value = 1", "limit = 5")}
    many = [f"value {number} = {{}}\n" + "same\n" * 4 for number in range(7)]
    texts = {name: "".join(many).replace("{}", name * 2) for name in ("base", "ours", "theirs")}
    files = written(
        tmp_path / "files.jsonl",
        a_file(),
        a_file(**choice, resolved=None),
        a_file(path="notes.txt", **texts, resolved=texts["ours"]),
        a_file(path="b.txt", **{name: text.replace("last", name * 3000) for name, text in choice.items()}),
        a_file(kind="submodule", base=None, ours=None, theirs=None, resolved=None),
    )
    found = numbers(files, written(tmp_path / "none.jsonl"), capsys)["files"]["routes"]
    assert {row["name"]: row["count"] for row in found["routes"]} == {
        "rules alone": 1,
        "a direct call": 1,
        "an agent": 2,
        "people": 1,
    }
    why = {row["name"]: row["why"] for row in found["routes"]}
    assert why["an agent"] == {"more than 6 hunks are open": 1, "A hunk of the file is too large for one call.": 1}
    assert why["people"] == {"a submodule conflict is for a person to decide": 1}
    assert 5_000 < found["direct_request_bytes"]["median"] < 20_000


def test_one_document_alone_and_one_part_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, hunks = written(tmp_path / "files.jsonl", a_file()), written(tmp_path / "hunks.jsonl", a_hunk())

    def parts(*arguments: str) -> set[str]:
        assert main([*arguments, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        return {name for name in ("hunks", "files", "gate") if found[name] is not None}

    assert parts("--files", str(files)) == {"files", "gate"}
    assert parts("--hunks", str(hunks)) == {"hunks"}
    assert parts("--files", str(files), "--hunks", str(hunks), "--only", "rules") == {"hunks", "files"}
    assert parts("--files", str(files), "--only", "gate") == {"gate"}
    with pytest.raises(SystemExit):
        main(["--hunks", str(hunks), "--only", "gate"])
    assert "--files" in capsys.readouterr().err


def test_progress_goes_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--hunks", str(written(tmp_path / "hunks.jsonl", *[a_hunk()] * 101)), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["hunks"]["hunks"] == 101
    assert captured.err.splitlines() == ["rules, hunks: 100", "rules, hunks: 101, done"]
