import itertools
from pathlib import Path

import pytest

from app.docs import PAGES, ROOT, differences, main, write
from bot.commands import COMMANDS
from bot.config import BUILTIN_PROTECTED_PATHS, Permissions, RepositoryConfig, parse_config
from bot.policy.rules import RULES


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
