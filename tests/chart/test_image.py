"""The Containerfile of FlowForge itself."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
TEXT: Final = (ROOT / "Containerfile").read_text(encoding="utf-8")
PROJECT: Final = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def commands() -> list[str]:
    """The instructions, each in one line and without comments."""
    bare = re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE).replace("\\\n", " ")
    return [" ".join(line.split()) for line in bare.splitlines() if line]


COMMANDS: Final = commands()


def test_what_it_is_built_on_is_named_by_digest() -> None:
    arguments = dict(command.removeprefix("ARG ").split("=", 1) for command in COMMANDS if command.startswith("ARG "))
    assert set(arguments) == {"BASE", "DOCKER_CLIENT"}
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", image) for image in arguments.values())
    stages = {command.split()[1] for command in COMMANDS if command.startswith("FROM ")}
    assert stages == {"${BASE}", "${DOCKER_CLIENT}", "runtime"}


def test_it_runs_as_nobody_in_particular() -> None:
    assert [command for command in COMMANDS if command.startswith("USER ")][-1] == "USER 10001:10001"
    assert COMMANDS[-1] == "FROM runtime AS app"


def test_it_says_its_version() -> None:
    (version,) = re.findall(r'^version = "(.+)"$', PROJECT, flags=re.MULTILINE)
    assert f'org.opencontainers.image.version="{version}"' in TEXT


def test_claude_code_is_not_in_it() -> None:
    (install,) = (command for command in COMMANDS if "pip install" in command)
    assert "--constraint constraints.txt ." in install
    assert "[dev]" not in install
    assert "rm -rf /opt/flowforge/lib/python3.*/site-packages/claude_agent_sdk/_bundled" in install


def test_only_what_it_is_built_from_goes_to_the_engine() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    copied = {
        word
        for command in COMMANDS
        if command.startswith("COPY ") and "--from" not in command
        for word in command.split()[1:-1]
    }
    assert ignored[0] == "*"
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
