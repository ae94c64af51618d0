"""The guest's environment is checked before anything is done with it."""

from pathlib import Path

import pytest

from bot.model.runs import RunTask
from runners.environment import guest_environment
from runners.guest.claude import command_line, environment
from runners.guest.task import GuestError, task_from_environment
from runners.protocol import EXIT_MISUSED
from tests.runners.test_ingest import LIMITS

TOKEN = "Zm9vYmFy-run-token_1"


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    task = RunTask(
        run_id="0123456789abcdef0123456789abcdef",
        token=TOKEN,
        gateway_url="http://gateway:8080",
        model="claude-sonnet-5-5",
        limits=LIMITS,
    )
    (tmp_path / "task").mkdir()
    return guest_environment(task, claude="/opt/claude", task_dir=str(tmp_path / "task"))


def test_what_a_backend_gives_is_what_the_guest_reads(given: dict[str, str], tmp_path: Path) -> None:
    task = task_from_environment(given)
    assert (task.run_id, task.token, task.model) == ("0123456789abcdef0123456789abcdef", TOKEN, "claude-sonnet-5-5")
    assert task.gateway_url == "http://gateway:8080"
    assert (task.claude, task.directory) == (Path("/opt/claude"), tmp_path / "task")
    assert (task.max_turns, task.budget_usd, task.stall_seconds) == (10, 1.0, 30.0)
    assert (task.max_workspace_bytes, task.max_result_bytes) == (2**20, 10_000)
    assert (task.max_result_files, task.max_log_bytes) == (5, 20_000)


BAD = {
    "FLOWFORGE_RUN_ID": ["", "../x", "a/b", "x" * 65],
    "FLOWFORGE_RUN_TOKEN": ["", "short", "with blank in it", "line\nbreak-in-it"],
    "FLOWFORGE_GATEWAY_URL": [
        "",
        "file:///etc/passwd",
        "ftp://host/",
        "http://user:pw@host/",
        "//host",
        "http://",
        "unix:/socket",
        "http://host/?key=1",
    ],
    "FLOWFORGE_MODEL": ["", "--dangerously-skip-permissions", "-p", "a b", "x" * 200, "a\nb"],
    "FLOWFORGE_CLAUDE": [""],
    "FLOWFORGE_TASK_DIR": ["", "/does/not/exist", "/etc"],
    "FLOWFORGE_MAX_TURNS": ["", "0", "-1", "1.5", "many", "nan", "inf"],
    "FLOWFORGE_BUDGET_USD": ["", "0", "-1", "nan", "inf", "1e999"],
    "FLOWFORGE_STALL_SECONDS": ["", "0"],
    "FLOWFORGE_MAX_LOG_BYTES": ["", "1k"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_wrong_variable_is_named_and_never_quoted(given: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(GuestError) as caught:
        task_from_environment(given | {name: value})
    assert caught.value.exit_code == EXIT_MISUSED
    assert str(caught.value).startswith(name)
    assert not value or value not in str(caught.value).removeprefix(name).removesuffix("a positive number")


@pytest.mark.parametrize("name", ["a(b", "a)", "a*", "a,b", "{a}", "[a]", "a!", "a\nb"])
def test_a_directory_that_would_mean_something_in_a_rule_is_refused(
    given: dict[str, str], tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(GuestError):
        task_from_environment(given | {"FLOWFORGE_TASK_DIR": str(tmp_path / name)})


def test_the_directory_must_be_empty(given: dict[str, str]) -> None:
    (Path(given["FLOWFORGE_TASK_DIR"]) / "left-over").touch()
    with pytest.raises(GuestError, match="empty"):
        task_from_environment(given)


def test_the_command_line_is_the_measured_one(given: dict[str, str], tmp_path: Path) -> None:
    command = command_line(task_from_environment(given))
    schema = command[command.index("--json-schema") + 1]
    assert [argument if argument != schema else "SCHEMA" for argument in command] == [
        "/opt/claude",
        "-p",
        "--bare",
        "--setting-sources",
        "",
        "--strict-mcp-config",
        "--disable-slash-commands",
        "--no-session-persistence",
        "--permission-mode",
        "dontAsk",
        "--tools",
        "Read,Edit",
        "--allowedTools",
        "Edit(./**)",
        f"Read(/{tmp_path}/task/context.json)",
        "--disallowedTools",
        "Edit(.git/**)",
        "Edit(.github/**)",
        "Edit(.gitlab-ci.yml)",
        "Edit(CLAUDE.md)",
        "Read(//proc/**)",
        "Bash",
        "WebFetch",
        "WebSearch",
        "--json-schema",
        "SCHEMA",
        "--max-turns",
        "10",
        "--max-budget-usd",
        "1.0000",
        "--model",
        "claude-sonnet-5-5",
        "--output-format",
        "stream-json",
        "--verbose",
    ]
    assert TOKEN not in " ".join(command)


def test_the_environment_is_the_measured_one(given: dict[str, str], tmp_path: Path) -> None:
    task = f"{tmp_path}/task"
    assert environment(task_from_environment(given)) == {
        "PATH": "/usr/bin:/bin",
        "HOME": f"{task}/home",
        "TMPDIR": f"{task}/tmp",
        "CLAUDE_CONFIG_DIR": f"{task}/config",
        "LANG": "C.UTF-8",
        "ANTHROPIC_API_KEY": TOKEN,
        "ANTHROPIC_BASE_URL": "http://gateway:8080",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_DISABLE_ATTACHMENTS": "1",
        "CLAUDE_CODE_DISABLE_CLAUDE_MDS": "1",
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_MAX_RETRIES": "3",
        "CLAUDE_ENABLE_BYTE_WATCHDOG": "1",
        "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS": "10000",
        "API_TIMEOUT_MS": "30000",
        "GIT_CEILING_DIRECTORIES": task,
    }
