"""What is said about a lock file that no command makes."""

import pytest

from bot.config import parse_config, regenerating
from bot.resolvers.generated import nobodys


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("package-lock.json", "npm install --package-lock-only --ignore-scripts"),
        ("web/pnpm-lock.yaml", "pnpm install --lockfile-only --ignore-scripts"),
        ("go.sum", "go mod tidy"),
        ("Cargo.lock", "cargo update --workspace"),
    ],
)
def test_the_example_is_one_that_works(path: str, command: str) -> None:
    said = nobodys(path)
    assert said is not None
    example = said.partition("`")[2].partition("`")[0]
    entry = regenerating(parse_config(f"version: 1\n{example}\n".encode()), path)
    assert entry is not None
    assert entry.command == command


def test_only_lock_files_are_nobodys() -> None:
    assert nobodys("src/lock.py") is None
    assert nobodys("package.json") is None


@pytest.mark.parametrize("name", ["a`b.lock", "a, command: rm.lock", "a\u202eb.lock", "a}.lock"])
def test_a_strange_name_is_not_put_into_the_example(name: str) -> None:
    said = nobodys(name)
    assert said is not None
    assert name not in said
    assert "paths: […]" in said
