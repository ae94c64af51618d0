"""Parser, help, API and documentation follow from the one table; each of these tests fails when something does not."""

import json

import pytest

from app.docs import commands_page
from bot.command_parser import parse_comment
from bot.command_words import ParsedCommand
from bot.commands import BY_NAME, COMMANDS, CommandName, CommandSpec, Place, commands_as_json, help_text
from bot.config import level
from bot.config_keys import DEFAULT_CONFIG, Permissions, RepositoryConfig
from bot.model.forge import PermissionLevel
from tests.conftest import Golden

EACH = pytest.mark.parametrize("spec", COMMANDS, ids=lambda spec: spec.name)


def parameters(spec: CommandSpec) -> list[str]:
    options = [f"--{option.name}" for option in spec.options]
    return [*options, *(shown(argument.placeholder) for argument in spec.arguments)]


def shown(text: str) -> str:
    """As it stands in a table of Markdown."""
    return text.replace("|", "\\|")


def test_every_command_has_one_row() -> None:
    assert [spec.name for spec in COMMANDS] == list(CommandName)
    assert set(BY_NAME) == set(CommandName)


def test_no_word_means_two_commands() -> None:
    words = [word for spec in COMMANDS for word in (spec.name.value, *spec.aliases)]
    assert len(words) == len(set(words))


def test_every_permission_of_the_configuration_belongs_to_a_command() -> None:
    assert {f"permissions.{name}" for name in Permissions.__struct_fields__} == {
        spec.permission_key for spec in COMMANDS
    }
    borrowed = {spec.name: spec.permission for spec in COMMANDS if spec.permission is not None}
    assert borrowed == {
        CommandName.TAKE: CommandName.RESOLVE,
        CommandName.CONFIG: CommandName.STATUS,
        CommandName.GO: CommandName.IMPLEMENT,
        CommandName.RESUME: CommandName.PAUSE,
    }


@EACH
def test_the_default_permission_is_that_of_the_configuration(spec: CommandSpec) -> None:
    assert spec.default_permission is level(DEFAULT_CONFIG, spec.permission or spec.name)
    strict = RepositoryConfig(version=1, permissions=Permissions(resolve="admin"))
    asks_as_resolve = spec.name in {CommandName.RESOLVE, CommandName.TAKE}
    assert (spec.needed_permission(strict) is PermissionLevel.ADMIN) is asks_as_resolve
    looks_only = spec.name in {CommandName.HELP, CommandName.STATUS, CommandName.CONFIG}
    stops_all = spec.name in {CommandName.PAUSE, CommandName.RESUME}
    most = PermissionLevel.MAINTAIN if stops_all else PermissionLevel.WRITE
    assert spec.default_permission is (PermissionLevel.READ if looks_only else most)


@EACH
def test_examples_and_names_are_understood(spec: CommandSpec) -> None:
    assert spec.examples
    needs_more = any(argument.required for argument in spec.arguments)
    bare = () if needs_more else (spec.name.value, *spec.aliases)
    for line in (*spec.examples, *(f"/flowforge {word}" for word in bare)):
        (parsed,) = parse_comment(line, mention="flowforge-bot")
        assert isinstance(parsed, ParsedCommand)
        assert parsed.name is spec.name


@EACH
def test_help_shows_everything(spec: CommandSpec) -> None:
    text = help_text("flowforge-bot")
    assert f"`/flowforge {shown(spec.usage)}`" in text
    assert spec.summary in text
    for word in (*spec.aliases, *parameters(spec)):
        assert word in text


@EACH
def test_the_documentation_shows_everything(spec: CommandSpec) -> None:
    section = commands_page().split(f"\n## {spec.name}\n", 1)[1].split("\n## ", 1)[0]
    assert f"`/flowforge {spec.usage}`" in section
    assert spec.permission_key in section
    # Long paragraphs are wrapped.
    assert " ".join(spec.summary.split()) in " ".join(section.split())
    names = [*(f"--{option.name}" for option in spec.options), *(argument.name for argument in spec.arguments)]
    for word in (*spec.examples, *spec.aliases, *names, *spec.where):
        assert word in section


@EACH
def test_the_json_shows_everything(spec: CommandSpec) -> None:
    rows = {row["name"]: row for row in json.loads(json.dumps(commands_as_json()))["commands"]}
    row = rows[spec.name.value]
    assert row["summary"] == spec.summary
    assert row["aliases"] == list(spec.aliases)
    assert row["examples"] == list(spec.examples)
    assert row["permission"]["key"] == spec.permission_key
    assert row["permission"]["default"] in row["permission"]["allowed"]
    assert [option["name"] for option in row["options"]] == [option.name for option in spec.options]
    arguments = [(argument["name"], argument["required"]) for argument in row["arguments"]]
    assert arguments == [(argument.name, argument.required) for argument in spec.arguments]


def test_the_json_is_as_agreed(golden: Golden) -> None:
    golden.check("commands.json", json.dumps(commands_as_json(), indent=2, ensure_ascii=False) + "\n")


def test_help_reads_well(golden: Golden) -> None:
    golden.check("help.md", help_text("flowforge-bot") + "\n")


def test_help_shows_the_repository_s_own_permissions() -> None:
    config = RepositoryConfig(version=1, permissions=Permissions(approve="admin"))
    row = next(line for line in help_text("x", config).splitlines() if "/flowforge approve" in line)
    assert row.endswith("| admin |")


def test_help_holds_no_command_and_mentions_nobody() -> None:
    text = help_text("flowforge-bot")
    assert parse_comment(text, mention="flowforge-bot") == []
    assert "@" not in text.replace("`@flowforge-bot`", "")


def test_conflicts_are_no_matter_of_issues() -> None:
    on_issues = {spec.name for spec in COMMANDS if Place.ISSUE in spec.where}
    assert not on_issues & {CommandName.RESOLVE, CommandName.TAKE}
    assert {CommandName.HELP, CommandName.STATUS, CommandName.PLAN, CommandName.CANCEL} <= on_issues
