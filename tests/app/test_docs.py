import itertools
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram

from app.docs import PAGES, ROOT, differences, main, manifest_comments, metrics_page, write
from app.settings import Settings, load_settings
from app.telemetry import render_metrics
from bot.commands import COMMANDS
from bot.config import parse_config
from bot.config_keys import BUILTIN_PROTECTED_PATHS, Permissions, RepositoryConfig
from bot.forges.github.app_auth import PERMISSIONS
from bot.forges.github.deliveries import DECODED_EVENTS
from bot.model.jobs import TERMINAL, TRANSITIONS, JobState
from bot.model.resolutions import Tier
from bot.model.runs import RunOutcome
from bot.policy.rules import RULES
from bot.report.endings import run_ended
from bot.resolvers.table import RESOLVERS


def page(name: str) -> str:
    return next(make() for path, make in PAGES if path == name)


def test_the_pages_in_the_repository_are_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--check"])
    assert status == 0, capsys.readouterr().err


def test_the_pages_lie_in_docs() -> None:
    names = [name for name, _ in PAGES]
    assert len(names) == len(set(names))
    for name in names:
        assert name.startswith("docs/")
        assert (ROOT / name).is_file()


def test_writing_makes_the_check_pass_and_does_nothing_twice(tmp_path: Path) -> None:
    assert write(tmp_path) == [name for name, _ in PAGES]
    assert differences(tmp_path) == []
    assert write(tmp_path) == []


def test_a_page_that_differs_fails_the_check_and_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    commands = tmp_path / "docs/commands.md"
    commands.write_text(commands.read_text(encoding="utf-8").replace("# Commands", "# Orders"), encoding="utf-8")
    (tmp_path / "docs/configuration.md").unlink()
    assert main(["--check"], root=tmp_path) == 1
    shown = capsys.readouterr().err
    assert "-# Orders" in shown
    assert "+# Commands" in shown
    assert "+# Configuration" in shown
    assert shown.endswith("2 page(s) of docs/ are out of date; run: python -m app.docs\n")
    assert commands.read_text(encoding="utf-8").startswith("# Orders")


def test_the_program_writes_and_says_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], root=tmp_path) == 0
    assert capsys.readouterr().out == "".join(f"wrote {name}\n" for name, _ in PAGES)
    assert main(["--chek"], root=tmp_path) == 2


def test_the_page_on_commands_shows_every_command_and_rule() -> None:
    text = page("docs/commands.md")
    for spec in COMMANDS:
        assert f"\n## {spec.name}\n" in text
    for rule in RULES:
        assert f"| `{rule.name}` | {rule.says} |" in text


def test_the_page_on_configuration_shows_every_key_and_every_protected_path() -> None:
    text = page("docs/configuration.md")
    for key in (*RepositoryConfig.__struct_fields__, *Permissions.__struct_fields__):
        assert f"\n| `{key}` | " in text
    for pattern in BUILTIN_PROTECTED_PATHS:
        assert f"\n| `{pattern}` | " in text


def test_the_example_of_the_page_on_configuration_is_valid() -> None:
    example = page("docs/configuration.md").split("```yaml\n", 1)[1].split("```", 1)[0]
    assert parse_config(example.encode()).budget_usd == 2.5


@pytest.mark.parametrize("name", [name for name, _ in PAGES if name.endswith(".md")])
def test_rows_of_tables_have_as_many_cells_as_their_header(name: str) -> None:
    lines = page(name).splitlines()
    for before, line in itertools.pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert line.replace("\\|", "").count("|") == before.replace("\\|", "").count("|"), line


def test_the_page_on_settings_shows_every_setting_and_which_are_secret() -> None:
    rows = dict(re.findall(r"^\| `(FLOWFORGE_\w+)` \| (.*)$", page("docs/settings.md"), re.MULTILINE))
    assert set(rows) == {f"FLOWFORGE_{name.upper()}" for name in Settings.model_fields}
    secret = {name for name, row in rows.items() if "| secret |" in row}
    assert secret == {
        "FLOWFORGE_DATABASE_URL",
        "FLOWFORGE_REDIS_URL",
        "FLOWFORGE_GITHUB_PRIVATE_KEY",
        "FLOWFORGE_GITHUB_WEBHOOK_SECRETS",
        "FLOWFORGE_GITHUB_OAUTH_CLIENT_SECRET",
        "FLOWFORGE_GITLAB_OAUTH_CLIENT_SECRET",
        "FLOWFORGE_GITLAB_OAUTH_REFRESH_TOKEN",
        "FLOWFORGE_GITLAB_TOKEN",
        "FLOWFORGE_GITLAB_WEBHOOK_SECRETS",
        "FLOWFORGE_ANTHROPIC_API_KEY",
    }
    assert all(
        row.startswith("required") == Settings.model_fields[_field(name)].is_required() for name, row in rows.items()
    )


def _field(name: str) -> str:
    return name.removeprefix("FLOWFORGE_").lower()


def test_settings_come_from_files_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "flowforge_environment": "development",
        "flowforge_database_url": "sqlite:///x\n",
        "flowforge_redis_url": "redis://localhost",
        "flowforge_github_app_id": " 7\n",
        "flowforge_github_app_slug": "from-a-file",
        "flowforge_github_private_key": "-----BEGIN\nKEY-----\n",
        "flowforge_github_webhook_secrets": "a-secret-of-some-length,another-secret-of-it\n",
        "flowforge_anthropic_api_key": "key",
    }
    for name, value in files.items():
        (tmp_path / name).write_text(value, encoding="utf-8")
    monkeypatch.setenv("FLOWFORGE_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("FLOWFORGE_GITHUB_APP_SLUG", "from-the-environment")
    settings = load_settings(Settings)
    assert settings.github_app_id == 7
    assert settings.database_url.get_secret_value() == "sqlite:///x"
    assert [one.get_secret_value() for one in settings.github_webhook_secrets] == [
        "a-secret-of-some-length",
        "another-secret-of-it",
    ]
    assert settings.github_app_slug == "from-the-environment"


def test_the_page_on_metrics_shows_each_with_its_labels() -> None:
    registry = CollectorRegistry()
    Counter("apples_total", "eaten apples", ["sort", "size"], registry=registry)
    Histogram("pear_seconds", "Time of a pear", registry=registry)
    text = metrics_page(registry)
    assert "| `apples_total` | counter | `sort`, `size` | Eaten apples. |" in text
    assert "| `pear_seconds` | histogram |  | Time of a pear. |" in text


def test_the_page_on_metrics_shows_what_the_service_answers() -> None:
    kinds = r"^# TYPE (flowforge_\w+)(?<!_created) (?:counter|gauge|histogram)$"
    served = re.findall(kinds, render_metrics().decode(), re.MULTILINE)
    assert re.findall(r"^\| `(\w+)`", page("docs/metrics.md"), re.MULTILINE) == sorted(served)


def test_the_page_on_events_shows_every_event_and_permission() -> None:
    text = page("docs/events.md")
    for event in DECODED_EVENTS:
        assert len(re.findall(rf"^\| `{event}` \| (?!write \|)\S", text, re.MULTILINE)) == 1
    for name in {name for act in PERMISSIONS.values() for name in act}:
        level = "write" if any(act.get(name) == "write" for act in PERMISSIONS.values()) else "read"
        assert len(re.findall(rf"^\| `{name}` \| {level} \| \S", text, re.MULTILINE)) == 1


def test_comments_of_the_manifest_belong_to_the_entry_below_them() -> None:
    assert manifest_comments("default_events")["push"] == "A base branch moved."
    assert manifest_comments("default_permissions")["checks"].startswith("To show how a job stands")
    assert manifest_comments("no_such_section") == {}


def test_the_page_on_jobs_shows_every_state_and_every_end_of_a_run() -> None:
    text = page("docs/jobs.md")
    for state in JobState:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{state.value}` | "))
        assert set(re.findall(r"`(\w+)`", row.rsplit(" | ", 1)[1])) == {one.value for one in TRANSITIONS[state]}
    for outcome in RunOutcome:
        assert f"| `{outcome.value}` | {run_ended(outcome)} |" in text


def test_the_page_on_resolvers_is_the_table() -> None:
    text = page("docs/resolvers.md")
    assert re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE) == [one.name for one in RESOLVERS]
    assert all(one.summary in text for one in RESOLVERS)
    shown = re.findall(r"^\| `([\w-]+)` \| B \| shown \|", text, re.MULTILINE)
    assert shown == [one.name for one in RESOLVERS if one.tier is Tier.B]


def test_the_picture_of_the_states_is_the_table() -> None:
    text = page("docs/jobs.md")
    ended = re.findall(r'^ +state "(.*)" as ended$', text, re.MULTILINE)[0].split(", ")
    nodes = {"active": [one.value for one in JobState if one not in TERMINAL], "ended": ended}
    arrows = re.findall(r"^ +(\w+) --> (\w+)$", text, re.MULTILINE)
    drawn = [(a, b) for left, right in arrows for a in nodes.get(left, [left]) for b in nodes.get(right, [right])]
    assert sorted(drawn) == sorted((a.value, b.value) for a, targets in TRANSITIONS.items() for b in targets)


@pytest.mark.parametrize("name", [name for name, _ in PAGES if name.endswith(".md")])
def test_paragraphs_are_wrapped(name: str) -> None:
    lines = [line for line in page(name).splitlines() if not line.startswith("|")]
    assert [line for line in lines if len(line) > 120] == []
