"""``.flowforge.yml``: what the people of a repository decide about the bot.

The file is read from the base branch only, so nobody configures the bot by opening a pull request. Every key is
declared here with its limits; the parser, the error messages, the JSON Schema and ``docs/configuration.md`` follow
from these declarations. An unknown key is an error: a misspelt protection must not be silence.
"""

import difflib
import hashlib
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from bot.config_schema import at, expectation, keys
from bot.config_yaml import Document, Path, dotted, read_yaml
from bot.errors import ConfigError
from bot.model.forge import PermissionLevel
from bot.model.text import code_span

CONFIG_PATH: Final = ".flowforge.yml"

MAX_BUDGET_USD: Final = 100.0
"""The most that a job may cost by any configuration or command, in US dollars."""

MODEL_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""Names of models, as they stand in the configuration and in commands."""

_LOGIN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(\[bot\])?$"

# A segment is ``**``, or has no two stars in a row; ``.`` and ``..`` are no segments, nor is the empty text.
_SEGMENT: Final = r"(\*\*|(?!\.{1,2}(/|$))([^*/\\\x00-\x1f\x7f]|\*(?!\*))+)"
_GLOB: Final = rf"^/?({_SEGMENT}(/(?!/)|$))+$"

Level = Literal["read", "triage", "write", "maintain", "admin"]
OnConflict = Literal["report", "resolve", "off"]
WriterLevel = Literal["write", "maintain", "admin"]
"""What may be asked for commands that change something or cost money: never less than write."""


class Permissions(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The least permission on the repository that each command asks for."""

    help: Annotated[Level, Meta(description="Who may ask for the list of commands.")] = "read"
    resolve: Annotated[WriterLevel, Meta(description="Who may have conflicts resolved.")] = "write"
    status: Annotated[Level, Meta(description="Who may ask where things stand.")] = "read"
    approve: Annotated[WriterLevel, Meta(description="Who may have a proposal pushed.")] = "write"
    reject: Annotated[WriterLevel, Meta(description="Who may throw a proposal away.")] = "write"
    retry: Annotated[WriterLevel, Meta(description="Who may have a job done again.")] = "write"
    cancel: Annotated[Level, Meta(description="Who may stop a job.")] = "write"
    rollback: Annotated[WriterLevel, Meta(description="Who may undo a push.")] = "write"


_Glob = Annotated[
    str,
    Meta(
        description="a path pattern such as `infra/**` or `*.lock`, without `..` and with `**` only between slashes",
        pattern=_GLOB,
        max_length=256,
    ),
]
_SHELL_WORDS: Final = frozenset({"&&", "||", "|", ";", "&", ">", ">>", "<", "<<", "2>", "2>&1"})
_Command = Annotated[
    str,
    Meta(
        description="the program and its words in one line, such as `npm install --package-lock-only`",
        pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        max_length=500,
    ),
]
_Login = Annotated[str, Meta(description="the login of a bot, such as `renovate`", pattern=_LOGIN, max_length=106)]
_Model = Annotated[str, Meta(description="the name of a model", pattern=f"^{MODEL_PATTERN}$", max_length=100)]


class Regenerate(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Generated files, and the repository's own command that makes them anew."""

    paths: Annotated[
        tuple[_Glob, ...],
        Meta(
            description="The files that the command writes. Their conflicts are not merged: the command is run.",
            min_length=1,
            max_length=20,
        ),
    ]
    command: _Command

    @property
    def argv(self) -> tuple[str, ...]:
        """The command's words, as it is run: by nobody's shell."""
        return split_command(self.command)


class Resolvers(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may resolve conflicts here, cheapest first."""

    rules: Annotated[
        bool,
        Meta(description="Rules that settle a hunk by themselves, such as both sides having made the same change."),
    ] = True
    recorded: Annotated[
        bool,
        Meta(description="What people approved for exactly the same conflict before, and imported rerere caches."),
    ] = True
    regenerate: Annotated[
        tuple[Regenerate, ...],
        Meta(description="Generated files such as lock files, and the commands that make them anew.", max_length=10),
    ] = ()
    structural: Annotated[
        bool,
        Meta(description="Merges by syntax tree: keys of JSON, TOML and YAML, and edits that the syntax bears out."),
    ] = True
    direct: Annotated[
        bool,
        Meta(description="One call of the model for a few small hunks, where the server allows it."),
    ] = True
    direct_max_hunks: Annotated[
        int,
        Meta(description="The most hunks that are put into such a call; more are left to the agent.", ge=1, le=50),
    ] = 6
    agent: Annotated[
        bool,
        Meta(description="The agent in a sandbox. Without it, what is left goes to people."),
    ] = True


class RepositoryConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One version of a repository's configuration."""

    version: Annotated[Literal[1], Meta(description="The version of this format.")]
    enabled: Annotated[
        bool,
        Meta(description="When false, only `help`, `status`, `cancel` and `reject` work; everything else is refused."),
    ] = True
    permissions: Annotated[
        Permissions,
        Meta(description="The least permission on the repository that each command asks for."),
    ] = Permissions()
    bots: Annotated[
        tuple[_Login, ...],
        Meta(
            description="Bots whose commands count, with or without `[bot]`. They need the same permissions as people; "
            "all other bots are ignored.",
            max_length=50,
        ),
    ] = ()
    model: Annotated[
        _Model | None,
        Meta(description="The model to use. It has to be one that the server allows; without it the server chooses."),
    ] = None
    budget_usd: Annotated[
        float,
        Meta(
            description="The most that one job may cost, in US dollars. `--budget` can ask for less, never for more. "
            "The server's own limit holds as well.",
            gt=0,
            le=MAX_BUDGET_USD,
        ),
    ] = 5.0
    timeout_minutes: Annotated[
        int,
        Meta(description="How long one run of the agent may take. The server's own limit holds as well.", ge=1, le=120),
    ] = 30
    max_conflicted_files: Annotated[
        int,
        Meta(description="A merge with more conflicted files than this is left to people.", ge=1, le=1000),
    ] = 50
    protected_paths: Annotated[
        tuple[_Glob, ...],
        Meta(
            description="Paths whose conflicts are always left to people, in addition to the built-in ones.",
            max_length=100,
        ),
    ] = ()
    resolvers: Annotated[
        Resolvers,
        Meta(description="Who may resolve conflicts, and with which of the repository's own commands."),
    ] = Resolvers()
    test_command: Annotated[
        _Command | None,
        Meta(
            description="The repository's tests. They are run on what is about to be proposed, and how they ended is "
            "shown with it.",
        ),
    ] = None
    test_timeout_minutes: Annotated[
        int,
        Meta(description="How long the tests may take. The server's own limit holds as well.", ge=1, le=120),
    ] = 15
    tests_must_pass: Annotated[
        bool,
        Meta(
            description="When true, nothing can be approved unless the tests passed on exactly that tree; it needs a "
            "`test_command`.",
        ),
    ] = False
    on_conflict: Annotated[
        OnConflict,
        Meta(
            description="What happens when a push to the base branch brings an open pull request into conflict: "
            "`report` puts a check run with a *Resolve* button on it, `resolve` starts a job by itself, `off` does "
            "nothing.",
        ),
    ] = "report"
    allow_fork_pull_requests: Annotated[
        bool,
        Meta(description="Whether the bot works on pull requests that come from forks."),
    ] = True


DEFAULT_CONFIG: Final = RepositoryConfig(version=1)
"""What holds where the file is absent."""

BUILTIN_PROTECTED_PATHS: Final[Mapping[str, str]] = {
    ".git*": "git's own files (`.gitmodules`, `.gitattributes`, …), `.github/` and `.gitlab-ci.yml`",
    ".lfsconfig": "says where git LFS fetches from",
    "/.flowforge.yml": "this bot's configuration",
    "CODEOWNERS": "says who has to review what",
    ".claude": "configures agents: settings, hooks, commands",
    ".claude.json": "configures agents",
    ".mcp.json": "starts programs for agents",
    "CLAUDE.md": "instructs agents",
    "CLAUDE.local.md": "instructs agents",
    "AGENTS.md": "instructs agents",
    ".cursor": "configures agents",
    ".ripgreprc": "configures a program that agents run",
    ".husky": "hooks that run on developers' machines",
    ".pre-commit-config.yaml": "hooks that run on developers' machines",
    ".vscode": "tasks that run on developers' machines",
    ".devcontainer": "runs on developers' machines",
    "/.circleci": "continuous integration",
    "/.buildkite": "continuous integration",
    "/.travis.yml": "continuous integration",
    "/azure-pipelines.yml": "continuous integration",
    "Jenkinsfile": "continuous integration",
}
"""Patterns that no configuration takes away, each with its reason: what runs code elsewhere, or says who may."""


def parse_config(data: bytes, *, path: str = CONFIG_PATH) -> RepositoryConfig:
    """Read a configuration file.

    Raises:
        ConfigError: with the line, the dotted key, and a sentence that says what is wrong and what is allowed.
    """
    document = read_yaml(data, file=path)
    if document.data is None:
        raise ConfigError("The file is empty. It has to say `version: 1`.", path=path, key="version")
    _refuse_unknown_keys(document.data, (), document, path)
    if isinstance(document.data, dict) and document.data.get("on_conflict") is False:
        document.data["on_conflict"] = "off"  # which YAML reads as a boolean
    try:
        config = msgspec.convert(document.data, RepositoryConfig)
    except msgspec.ValidationError as error:
        raise _explain(str(error), document, path) from error
    _check_commands(config, document, path)
    return config


def _check_commands(config: RepositoryConfig, document: Document, file: str) -> None:
    commands: dict[Path, str] = {
        ("resolvers", "regenerate", index, "command"): entry.command
        for index, entry in enumerate(config.resolvers.regenerate)
    }
    if config.test_command is not None:
        commands["test_command",] = config.test_command
    for where, command in commands.items():
        try:
            split_command(command)
        except ValueError as error:
            message = f"{code_span(dotted(where))} cannot be run: {error}."
            raise ConfigError(message, path=file, line=document.line_of(where), key=dotted(where)) from None
    if config.tests_must_pass and config.test_command is None:
        message = (
            "`tests_must_pass` needs a `test_command`: without one nothing could ever be approved. Name the command, "
            "or take `tests_must_pass` out."
        )
        key: Path = ("tests_must_pass",)
        raise ConfigError(message, path=file, line=document.line_of(key), key=dotted(key))


def config_version(data: bytes) -> str:
    """The name of a version of the file: the SHA-256 of its bytes, in hexadecimal. An absent file is ``b""``."""
    return hashlib.sha256(data).hexdigest()


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the file."""
    schema = msgspec.json.schema(RepositoryConfig)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": CONFIG_PATH, **schema}


def level(config: RepositoryConfig, key: str) -> PermissionLevel:
    """The least permission that ``permissions.<key>`` asks for."""
    return PermissionLevel[getattr(config.permissions, key).upper()]


def listed_bot(config: RepositoryConfig, login: str) -> str | None:
    """The entry of ``bots`` that names ``login``, None when there is none; case and ``[bot]`` do not matter."""
    wanted = _plain_login(login)
    return next((entry for entry in config.bots if _plain_login(entry) == wanted), None)


def split_command(command: str) -> tuple[str, ...]:
    """The words of a command, quoted as in a shell; there is no shell, so nothing else of one works.

    Raises:
        ValueError: a quote is not closed, no word is there, or something is there that only a shell understands.
    """
    try:
        words = tuple(shlex.split(command))
    except ValueError:
        raise ValueError("a quote or backslash is not closed") from None
    if not words or not words[0]:
        raise ValueError("it names no program")
    if "=" in words[0]:
        raise ValueError("there is no shell to set variables; write a script and name that")
    shellish = next((word for word in words if word in _SHELL_WORDS), None)
    if shellish is not None:
        raise ValueError(f"there is no shell to understand {code_span(shellish)}; write a script and name that")
    return words


def regenerating(config: RepositoryConfig, path: str) -> Regenerate | None:
    """The first entry of ``resolvers.regenerate`` that covers a path, None when there is none."""
    return next((entry for entry in config.resolvers.regenerate if matches(path, entry.paths) is not None), None)


def protected_paths(config: RepositoryConfig) -> tuple[str, ...]:
    """All patterns that protect a path: the built-in ones, then the configured ones."""
    return (*BUILTIN_PROTECTED_PATHS, *config.protected_paths)


def matches(path: str, patterns: Iterable[str]) -> str | None:
    """The first pattern that covers ``path``, None when none does.

    The rules are those of ``.gitignore`` (https://git-scm.com/docs/gitignore#_pattern_format) without negation and
    character classes: ``*`` and ``?`` stand for characters of one name, ``**`` for any number of directories; a
    pattern without a slash inside holds at any depth; what matches a directory covers everything below it. Two things
    are stricter: a pattern for the contents of a directory covers its own name too, which might become a file, and case
    does not matter, since there are file systems where it does not.
    """
    names = path.casefold().split("/")
    return next((pattern for pattern in patterns if _covers(pattern.casefold(), names)), None)


def _covers(pattern: str, names: list[str]) -> bool:
    body = pattern.removesuffix("/")
    anchored = "/" in body
    segments = body.removeprefix("/").split("/")
    if not anchored:
        segments = ["**", *segments]
    return _match_wild([*segments, "**"], names, star="**", same=_match_name)


def _match_name(pattern: str, name: str) -> bool:
    return _match_wild(pattern, name, star="*", same=lambda one, other: one in ("?", other))


def _match_wild(pattern: Sequence[str], items: Sequence[str], *, star: str, same: Callable[[str, str], bool]) -> bool:
    """Match with wildcards in time proportional to the product of the lengths: the last star is the only way back."""
    p = i = 0
    retry: tuple[int, int] | None = None
    while i < len(items):
        if p < len(pattern) and pattern[p] == star:
            retry = (p, i)
            p += 1
        elif p < len(pattern) and same(pattern[p], items[i]):
            p += 1
            i += 1
        elif retry is not None:
            retry = (retry[0], retry[1] + 1)
            p, i = retry[0] + 1, retry[1]
        else:
            return False
    return all(part == star for part in pattern[p:])


def _plain_login(login: str) -> str:
    return login.casefold().removesuffix("[bot]")


_MAX_MAPPINGS: Final = 20
"""Items of a list that are looked into for strange keys; no list of mappings may be as long."""

_PATH: Final = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(.*)`")
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


def _explain(message: str, document: Document, file: str) -> ConfigError:
    """Turn msgspec's message (``what - at `$.path` ``) into ours; all keys are known by now."""
    found = _PATH.fullmatch(message)
    what, where = (found["what"], found["path"] or "") if found else (message, "")
    path: Path = tuple(name or int(index) for name, index in _STEP.findall(where))
    root = json_schema()
    if missing := _MISSING.fullmatch(what):
        path = (*path, missing[1])
        sentence = f"{code_span(dotted(path))} is missing; it must be {expectation(at(root, path), root)}."
    elif path:
        sentence = f"{code_span(dotted(path))} must be {expectation(at(root, path), root)}."
    else:
        sentence = "The file must hold keys and values, such as `version: 1`."
    return ConfigError(sentence, path=file, line=document.line_of(path), key=dotted(path) or None)


def _refuse_unknown_keys(data: Any, path: Path, document: Document, file: str) -> None:
    """Done before msgspec is asked, whose message about a strange key could not be taken apart for certain."""
    root = json_schema()
    if isinstance(data, list):
        of_mappings = bool(keys(root, (*path, 0)))
        for index, item in enumerate(data[:_MAX_MAPPINGS] if of_mappings else ()):
            _refuse_unknown_keys(item, (*path, index), document, file)
        return
    known = keys(root, path)
    if not isinstance(data, dict) or not known:
        return
    for key, value in data.items():
        here = (*path, key)
        if key not in known:
            line = document.line_of(here)
            raise ConfigError(_unknown_key(key, known), path=file, line=line, key=dotted(here))
        _refuse_unknown_keys(value, here, document, file)


def _unknown_key(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key[:60], known, n=1)
    hint = f"Did you mean {code_span(close[0])}?" if close else f"Known are {', '.join(map(code_span, known))}."
    return f"There is no key {code_span(key)} here. {hint}"
