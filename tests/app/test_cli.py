"""The command line: what there is, and errors as sentences."""

import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app import __version__
from app.cli import main

COMMANDS = (
    *("demo", "serve", "web", "worker", "gateway", "migrate", "doctor", "github", "gitlab"),
    *("audit", "resolve", "verify", "mergetool", "config", "pause", "resume", "recorded"),
)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("SECRETS_DIR", "DATABASE_URL", "REDIS_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(f"FLOWFORGE_{name}", raising=False)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_help_lists_the_commands() -> None:
    done = run("--help")
    assert done.exit_code == 0
    for command in COMMANDS:
        assert command in done.output
    assert run("--version").output.strip().endswith(__version__)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    assert run(command, "-h").exit_code == 0


@pytest.mark.parametrize("command", ["serve", "web", "worker", "gateway", "migrate"])
def test_missing_settings_are_named_in_a_sentence(environment: Path, command: str) -> None:
    done = run(command)
    assert environment.exists()
    assert done.exit_code == 1
    assert "FLOWFORGE_DATABASE_URL: Field required" in done.output
    assert "Traceback" not in done.output


def test_migrate_makes_the_tables_and_may_be_run_again(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = environment / "flowforge.db"
    monkeypatch.setenv("FLOWFORGE_DATABASE_URL", f"sqlite:///{database}")
    for _ in range(2):
        done = run("migrate")
        assert (done.exit_code, done.output.strip()) == (0, "The tables are current.")
    tables = {name for (name,) in sqlite3.connect(database).execute("SELECT name FROM sqlite_master")}
    assert {"jobs", "deliveries", "alembic_version"} <= tables


def test_a_database_that_cannot_be_opened_is_a_sentence(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWFORGE_DATABASE_URL", f"sqlite:///{environment / 'no' / 'such' / 'directory' / 'db'}")
    done = run("migrate")
    assert done.exit_code == 1
    assert "database" in done.output
    assert "Traceback" not in done.output


def test_a_demo_without_a_terminal_must_be_told_to_approve() -> None:
    done = run("demo", "--once")
    assert done.exit_code == 1
    assert "--yes" in done.output
