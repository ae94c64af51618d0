"""The table of adversarial cases: every case is held by tests that exist, or says which issue it waits for.

A case held in part says which part, and why not the rest. One that waits for nothing is a known limit that stays. What
comes from a forge, or goes to one, is held on GitHub and on GitLab, or is the same on every forge and says why.
"""

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared" / "corpus" / "adversarial.jsonl"
CASES: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "cases.json").read_text(encoding="utf-8"))
ISSUES = {7}
"""Those that are not done: a case waits for nothing that is."""

OF_FORGES = {"forge", "webhook", "prompt-injection", "model-output", "privacy", "service"}
"""The categories in which a forge has a part."""


@cache
def functions_of(path: str) -> frozenset[str]:
    """The test functions of a file, as pytest would collect them."""
    tree = ast.parse((ROOT / path).read_bytes())
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


@pytest.mark.parametrize("case", CASES)
def test_a_case_is_held_or_waits(case: str) -> None:
    row = CASES[case]
    assert set(row) <= {"tests", "gitlab", "every_forge", "part", "waits_for", "reason"}
    assert row.get("tests") or row.get("waits_for")
    assert ("reason" in row) == ("part" in row or "waits_for" in row)
    assert row.get("waits_for", 7) in ISSUES
    assert not ("gitlab" in row and "every_forge" in row)
    assert "tests" in row or "part" not in row
    assert "part" in row or not ("tests" in row and "waits_for" in row), "a case held in part says which part"
    assert all(row.get(sentence, ".").endswith(".") for sentence in ("part", "reason", "every_forge"))


@pytest.mark.parametrize("case", [case for case, row in CASES.items() if "tests" in row])
def test_the_tests_of_a_case_exist(case: str) -> None:
    shown, on_gitlab = CASES[case]["tests"], CASES[case].get("gitlab", [])
    assert len(set(shown)) == len(shown)
    assert len(set(on_gitlab)) == len(on_gitlab)
    for name in (*shown, *on_gitlab):
        path, _, function = name.partition("::")
        assert function in functions_of(path), f"{case} names {name}"


def test_every_case_of_the_corpus_is_in_the_table() -> None:
    if not CORPUS.exists():
        pytest.skip(f"{CORPUS} is not here")
    rows = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == list(CASES)
    of_forges = {row["id"] for row in rows if row["category"] in OF_FORGES}
    assert of_forges == {case for case, row in CASES.items() if "gitlab" in row or "every_forge" in row}
