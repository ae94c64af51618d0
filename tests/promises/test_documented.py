"""docs/security.md names code and tests for every promise, and all of them exist."""

import re
from pathlib import Path

import pytest

from tests.adversarial.test_cases import functions_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMES = re.findall(r"`((?:app|bot|runners|charts|tests|benchmarks)/[\w./-]+)(?:::(\w+))?`", PAGE)
PROMISES = dict(re.findall(r"^### (P\d+) [^\n]+\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))
CLOSED_ISSUES = ("issue 1", "issue 2", "issue 3", "issue 4", "issue 5")


@pytest.mark.parametrize(("path", "function"), sorted(set(NAMES)))
def test_what_the_page_names_exists(path: str, function: str) -> None:
    assert (ROOT / path).exists()
    assert not function or function in functions_of(path)


def test_every_promise_is_there_with_code_and_tests() -> None:
    assert list(PROMISES) == [f"P{number}" for number in range(1, 15)]
    for name, words in PROMISES.items():
        assert "* Code: `" in words, name
        assert "* Tests: `" in words, name


def test_nothing_waits_for_what_is_done() -> None:
    assert not [issue for issue in CLOSED_ISSUES if issue in PAGE]
