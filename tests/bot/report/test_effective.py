"""The configuration that holds, as people read it."""

from bot.config_layers import Effective, all_keys, read_layers
from bot.model.forge import ConfigFile, ThreadKind
from bot.report.effective import render_config
from bot.report.reply import render_reply
from tests.bot.report.parts import ORIGIN

ORGANISATION = b"version: 1\nbudget_usd: 2\nprotected_paths: ['deploy/**']\npermissions: {approve: maintain}\n"
REPOSITORY = b"version: 1\nbudget_usd: 9\nprotected_paths: ['a|b`<c>@octocat']\ntest_command: make test\n"


def table(effective: Effective) -> list[str]:
    return [line for line in render_reply(ORIGIN, render_config(effective)).body.splitlines() if line.startswith("| ")]


def test_each_key_has_its_value_and_where_it_was_said() -> None:
    org, own = "acme/.flowforge/flowforge.yml", ".flowforge.yml"
    rows = table(read_layers([ConfigFile(path=org, data=ORGANISATION), ConfigFile(path=own, data=REPOSITORY)]))
    assert len(rows) == 1 + len(all_keys())
    assert f"| `budget_usd` | `2.0` | `{org}:2` |" in rows
    assert f'| `permissions.approve` | `"maintain"` | `{org}:4` |' in rows
    assert '| `permissions.reject` | `"write"` | default |' in rows
    assert f'| `test_command` | `"make test"` | `{own}:4` |' in rows
    assert "| `model` | `null` | default |" in rows


def test_what_a_file_holds_stays_in_its_cell_and_calls_nobody() -> None:
    rows = table(read_layers([ConfigFile(path=".flowforge.yml", data=REPOSITORY)]))
    assert '| `protected_paths` | ``["a\\|b`<c>@octocat"]`` | `.flowforge.yml:3` |' in rows


def test_a_long_value_is_cut() -> None:
    patterns = ", ".join(f"'{'x' * 200}{number}'" for number in range(100))
    data = f"version: 1\nprotected_paths: [{patterns}]\n".encode()
    (row,) = [row for row in table(read_layers([ConfigFile(path="f", data=data)])) if "protected_paths" in row]
    assert len(row) < 600
    assert "…" in row


def test_under_an_issue_it_is_the_default_branch_that_counts() -> None:
    text = render_config(read_layers([]), ThreadKind.ISSUE)
    assert "default branch" in text
    assert "pull request" not in text
