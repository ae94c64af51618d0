"""The commands: one table behind the parser, the help, the documentation and the API.

Whoever adds a command adds a row here and a case where intents are made; everything else follows from the row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from bot.config import json_schema, level
from bot.config_keys import DEFAULT_CONFIG, MAX_BUDGET_USD, MODEL_PATTERN, RepositoryConfig
from bot.config_schema import at
from bot.model.cases import Choice
from bot.model.forge import PermissionLevel
from bot.model.intents import Strategy

PREFIX: Final = "/flowforge"
"""How a command starts; ``@<login of the bot>`` is an equal."""

MAX_COMMANDS: Final = 5
"""Commands that one comment may hold."""

_UNSEEN: Final = (
    # Control characters except the tab, and lone surrogates.
    r"\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff"
    # Line ends that Markdown does not know, direction overrides, and what has no shape: text could hide in them.
    # Joiners (U+200C, U+200D) stay, since scripts and emoji need them.
    r"\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\uffa0\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e0fff"
)


_COMMIT: Final = "[0-9a-fA-F]{7,64}"
_COMMIT_WORDS: Final = "the first 7 or more hexadecimal digits of a commit"

_WHOLE_COMMIT: Final = "[0-9a-fA-F]{40}([0-9a-fA-F]{24})?"
_WHOLE_COMMIT_WORDS: Final = "the whole id of a commit, of 40 or 64 hexadecimal digits"
"""Two commits whose ids begin alike are made in seconds, by one author."""


class CommandName(StrEnum):
    """The commands' names."""

    HELP = "help"
    RESOLVE = "resolve"
    STATUS = "status"
    CONFIG = "config"
    PAUSE = "pause"
    RESUME = "resume"
    APPROVE = "approve"
    TAKE = "take"
    REJECT = "reject"
    RETRY = "retry"
    CANCEL = "cancel"
    ROLLBACK = "rollback"
    OK = "ok"
    IMPLEMENT = "implement"
    PLAN = "plan"
    GO = "go"
    EXPLAIN = "explain"
    FIX = "fix"


class Place(StrEnum):
    """Where a command can be written."""

    PULL_REQUEST = "pull request"
    ISSUE = "issue"


class ValueKind(StrEnum):
    """What a parameter takes."""

    TEXT = "text"
    CHOICE = "choice"
    MONEY = "money"
    MODEL = "model"
    COMMIT = "commit"
    PATH = "path"
    FLAG = "flag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One argument or option. ``pattern`` has to match the whole value; ``allowed`` says so in words.

    ``placeholder`` stands for the value in usage lines; it is empty for flags.
    """

    name: str
    kind: ValueKind
    summary: str
    placeholder: str
    pattern: str
    allowed: str
    max_length: int
    choices: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSpec:
    """One command. ``arguments`` follow the name and the options; free text and a path can only be the last.

    ``permission`` names the command whose permission it asks for where that is not its own.
    """

    name: CommandName
    summary: str
    examples: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    arguments: tuple[Parameter, ...] = ()
    options: tuple[Parameter, ...] = ()
    where: frozenset[Place] = frozenset({Place.PULL_REQUEST})
    permission: CommandName | None = None

    @property
    def permission_key(self) -> str:
        """The key in the configuration that says who may run it."""
        return f"permissions.{self.permission or self.name}"

    @property
    def default_permission(self) -> PermissionLevel:
        """The least permission it asks for where the configuration says nothing else."""
        return self.needed_permission(DEFAULT_CONFIG)

    def needed_permission(self, config: RepositoryConfig) -> PermissionLevel:
        """The least permission that it asks for in a repository with this configuration."""
        return level(config, self.permission or self.name)

    @property
    def usage(self) -> str:
        """What can be written, without the prefix."""
        options = [f"[--{option.name} {option.placeholder}".rstrip() + "]" for option in self.options]
        arguments = [each.placeholder if each.required else f"[{each.placeholder}]" for each in self.arguments]
        return " ".join([self.name, *options, *arguments])


_INSTRUCTIONS: Final = Parameter(
    name="instructions",
    kind=ValueKind.TEXT,
    summary="What the agent should know, in your words; the rest of the line.",
    placeholder="instructions…",
    pattern=f"[^{_UNSEEN}]*",
    allowed="text without control characters and without characters that cannot be seen",
    max_length=2000,
)

_SPENDING: Final = (
    Parameter(
        name="budget",
        kind=ValueKind.MONEY,
        summary="The most that this job may cost, in US dollars; never more than the repository allows.",
        placeholder="USD",
        pattern=r"\$?([0-9]{1,3}(\.[0-9]{1,2})?)",
        allowed=f"an amount in US dollars above 0 and at most {MAX_BUDGET_USD:g}, such as `2.50`",
        max_length=10,
    ),
    Parameter(
        name="model",
        kind=ValueKind.MODEL,
        summary="The model to use; one that the server allows.",
        placeholder="NAME",
        pattern=MODEL_PATTERN,
        allowed="the name of a model: letters, digits, dots, hyphens and underscores",
        max_length=100,
    ),
)
"""What a job may cost, and by which model it is done."""

_BOTH: Final = frozenset({Place.PULL_REQUEST, Place.ISSUE})
_ISSUE: Final = frozenset({Place.ISSUE})

COMMANDS: Final = (
    CommandSpec(
        name=CommandName.HELP,
        summary="Show the commands.",
        examples=("/flowforge help",),
        where=_BOTH,
    ),
    CommandSpec(
        name=CommandName.RESOLVE,
        summary="Prepare the merge with the base branch, resolve its conflicts, and propose the result.",
        arguments=(_INSTRUCTIONS,),
        options=(
            Parameter(
                name="strategy",
                kind=ValueKind.CHOICE,
                summary="`merge` adds one merge commit; `rebase` makes the commits anew on top of the base branch, one "
                "by one, and replaces the old ones by a force push.",
                placeholder="STRATEGY",
                pattern="|".join(Strategy),
                allowed=" or ".join(f"`{strategy}`" for strategy in Strategy),
                max_length=20,
                choices=tuple(Strategy),
            ),
            *_SPENDING,
            Parameter(
                name="dry-run",
                kind=ValueKind.FLAG,
                summary="Only say what conflicts and how each conflict would be handled.",
                placeholder="",
                pattern="",
                allowed="no value",
                max_length=0,
            ),
        ),
        examples=(
            "/flowforge resolve",
            "/flowforge resolve --budget 2.50 keep the new names from our side",
            "/flowforge resolve --strategy rebase",
            "/flowforge resolve --dry-run",
        ),
    ),
    CommandSpec(
        name=CommandName.STATUS,
        summary="Say where things stand.",
        examples=("/flowforge status",),
        where=_BOTH,
    ),
    CommandSpec(
        name=CommandName.CONFIG,
        summary="Show the configuration that holds here, key by key, and which file and line says so.",
        permission=CommandName.STATUS,
        examples=("/flowforge config",),
        where=_BOTH,
    ),
    CommandSpec(
        name=CommandName.PAUSE,
        summary="Let nothing begin and nothing be pushed in this repository, until `resume`. What runs goes on until "
        "it would push; `cancel`, `reject` and `status` work on.",
        arguments=(
            Parameter(
                name="reason",
                kind=ValueKind.TEXT,
                summary="Why, in your words; refusals show it.",
                placeholder="reason…",
                pattern=f"[^{_UNSEEN}]*",
                allowed="text without control characters and without characters that cannot be seen",
                max_length=200,
            ),
        ),
        examples=("/flowforge pause", "/flowforge pause release week"),
        where=frozenset({Place.PULL_REQUEST, Place.ISSUE}),
    ),
    CommandSpec(
        name=CommandName.RESUME,
        summary="End the pause of this repository.",
        permission=CommandName.PAUSE,
        examples=("/flowforge resume",),
        where=frozenset({Place.PULL_REQUEST, Place.ISSUE}),
    ),
    CommandSpec(
        name=CommandName.APPROVE,
        summary="Push exactly what was proposed to the pull request.",
        arguments=(
            Parameter(
                name="sha",
                kind=ValueKind.COMMIT,
                summary="The proposed commit you looked at; the approval then counts for no other.",
                placeholder="sha",
                pattern=_COMMIT,
                allowed=_COMMIT_WORDS,
                max_length=64,
            ),
        ),
        options=(
            Parameter(
                name="old-head",
                kind=ValueKind.COMMIT,
                summary="The commit that the push replaces. Approving a rebase has to name it: it is pushed by force.",
                placeholder="SHA",
                pattern=_COMMIT,
                allowed=_COMMIT_WORDS,
                max_length=64,
            ),
        ),
        examples=(
            "/flowforge approve",
            "/flowforge approve 1f3870b",
            "/flowforge approve --old-head 9ae0f6c 1f3870b",
        ),
    ),
    CommandSpec(
        name=CommandName.TAKE,
        summary="Settle one open conflict yourself, whole: `ours` is the pull request's version, `theirs` the base "
        "branch's, `base` the one that both started from; `delete` removes the path. Several add up. In a rebase it "
        "counts for each commit that conflicts at this path, and only there.",
        permission=CommandName.RESOLVE,
        arguments=(
            Parameter(
                name="side",
                kind=ValueKind.CHOICE,
                summary="Whose version the path gets: `ours` is the pull request. A side that lacks it deletes it.",
                placeholder="|".join(Choice),
                pattern="|".join(Choice),
                allowed="one of " + ", ".join(f"`{choice}`" for choice in Choice),
                max_length=20,
                choices=tuple(Choice),
                required=True,
            ),
            Parameter(
                name="path",
                kind=ValueKind.PATH,
                summary="The path as the report shows it; the rest of the line, with or without quotes or backticks.",
                placeholder="path",
                pattern=rf"[^\t{_UNSEEN}]+",
                allowed="a path without control characters and without characters that cannot be seen",
                max_length=4096,
                required=True,
            ),
        ),
        examples=(
            "/flowforge take theirs package-lock.json",
            "/flowforge take delete docs/old name.md",
            "/flowforge take ours `src/app.py`",
        ),
    ),
    CommandSpec(
        name=CommandName.REJECT,
        aliases=("discard",),
        summary="Throw the proposal away.",
        examples=("/flowforge reject",),
    ),
    CommandSpec(
        name=CommandName.RETRY,
        summary="Do the last job again, from the start.",
        examples=("/flowforge retry",),
        where=_BOTH,
    ),
    CommandSpec(
        name=CommandName.CANCEL,
        summary="Stop the job that is under way.",
        examples=("/flowforge cancel",),
        where=_BOTH,
    ),
    CommandSpec(
        name=CommandName.ROLLBACK,
        aliases=("undo",),
        summary="Undo the last push: restore the old head, or propose a revert when commits came on top; "
        "on an issue, close the draft pull request and delete its branch.",
        examples=("/flowforge rollback",),
        where=_BOTH,
    ),
    CommandSpec(
        name=CommandName.OK,
        summary="Let FlowForge work on this head of a pull request from a fork. Later pushes need a new `ok`.",
        arguments=(
            Parameter(
                name="sha",
                kind=ValueKind.COMMIT,
                summary="The head you looked at, in full: its author could make two commits with equal beginnings.",
                placeholder="sha",
                pattern=_WHOLE_COMMIT,
                allowed=_WHOLE_COMMIT_WORDS,
                max_length=64,
                required=True,
            ),
        ),
        examples=("/flowforge ok 9ae0f6c1d2b84e7735f1a0c96d28e4b1705c3fa8",),
    ),
    CommandSpec(
        name=CommandName.IMPLEMENT,
        summary="Do what the issue asks for, on a branch of its own, and open a draft pull request with the result.",
        arguments=(_INSTRUCTIONS,),
        options=_SPENDING,
        where=_ISSUE,
        examples=("/flowforge implement", "/flowforge implement --budget 3 keep the old names working"),
    ),
    CommandSpec(
        name=CommandName.PLAN,
        summary="Read the issue and the repository, and answer with a plan. Nothing is changed.",
        arguments=(_INSTRUCTIONS,),
        options=_SPENDING,
        where=_ISSUE,
        examples=("/flowforge plan", "/flowforge plan without a new dependency"),
    ),
    CommandSpec(
        name=CommandName.GO,
        summary="Do what the last plan says, and open a draft pull request with the result.",
        arguments=(_INSTRUCTIONS,),
        options=_SPENDING,
        where=_ISSUE,
        permission=CommandName.IMPLEMENT,
        examples=("/flowforge go", "/flowforge go but leave the second step out"),
    ),
    CommandSpec(
        name=CommandName.EXPLAIN,
        summary="Read the pull request and answer in words: what it does, or what you ask. Nothing is changed.",
        arguments=(_INSTRUCTIONS,),
        options=_SPENDING,
        examples=("/flowforge explain", "/flowforge explain why the cache is cleared twice"),
    ),
    CommandSpec(
        name=CommandName.FIX,
        summary="Mend what the failing checks and the comments of this pull request say, and propose a commit.",
        arguments=(_INSTRUCTIONS,),
        options=_SPENDING,
        examples=("/flowforge fix", "/flowforge fix --budget 3 only the linter"),
    ),
)
"""The table."""

BY_WORD: Final[Mapping[str, CommandSpec]] = MappingProxyType(
    {word: spec for spec in COMMANDS for word in (spec.name.value, *spec.aliases)},
)
"""Every word that names a command, lower case."""

BY_NAME: Final[Mapping[CommandName, CommandSpec]] = MappingProxyType({spec.name: spec for spec in COMMANDS})


def help_text(mention: str, config: RepositoryConfig = DEFAULT_CONFIG) -> str:
    """The answer to ``help``: the commands as they are in a repository with this configuration, as Markdown."""
    rows = [
        f"| `{PREFIX} {_cell(spec.usage)}` | {spec.summary}{_aliases(spec)} | {_needed(spec, config)} |"
        for spec in COMMANDS
    ]
    options = [
        f"- `{spec.name} --{option.name}{' ' + option.placeholder if option.placeholder else ''}`: {option.summary}"
        for spec in COMMANDS
        for option in spec.options
    ]
    return "\n".join(
        [
            f"A command is a line that starts with `{PREFIX}` or `@{mention}`, outside of quotes, lists and code.",
            "",
            "| Command | What it does | Least permission |",
            "|---|---|---|",
            *rows,
            "",
            "Options stand right after the command's name:",
            "",
            *options,
            "",
            "Nothing is pushed before somebody approves it.",
        ],
    )


def commands_as_json() -> dict[str, Any]:
    """The table as plain data, for the API and for tools."""
    return {"prefix": PREFIX, "max_commands": MAX_COMMANDS, "commands": [_command_json(spec) for spec in COMMANDS]}


def _needed(spec: CommandSpec, config: RepositoryConfig) -> str:
    return spec.needed_permission(config).name.lower()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _aliases(spec: CommandSpec) -> str:
    return f" Also: {', '.join(f'`{alias}`' for alias in spec.aliases)}." if spec.aliases else ""


def _command_json(spec: CommandSpec) -> dict[str, Any]:
    schema = json_schema()
    return {
        "name": spec.name.value,
        "aliases": list(spec.aliases),
        "summary": spec.summary,
        "usage": f"{PREFIX} {spec.usage}",
        "arguments": [_parameter_json(argument) for argument in spec.arguments],
        "options": [_parameter_json(option) for option in spec.options],
        "where": sorted(place.value for place in spec.where),
        "permission": {
            "key": spec.permission_key,
            "default": spec.default_permission.name.lower(),
            "allowed": at(schema, tuple(spec.permission_key.split(".")))["enum"],
        },
        "examples": list(spec.examples),
    }


def _parameter_json(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "kind": parameter.kind.value,
        "summary": parameter.summary,
        "allowed": parameter.allowed,
        "max_length": parameter.max_length,
        "choices": list(parameter.choices),
        "required": parameter.required,
    }
