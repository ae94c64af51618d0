"""The keys of ``.flowforge.yml``, each declared with its limits, and what holds where the file is absent.

The parser, the error messages, the JSON Schema and ``docs/configuration.md`` follow from these declarations.
"""

import shlex
from collections.abc import Mapping
from typing import Annotated, Final, Literal, get_args

from msgspec import Meta, Struct

from bot.globs import GLOB
from bot.model.text import code_span

CONFIG_PATH: Final = ".flowforge.yml"

SHARED_REPOSITORY: Final = ".flowforge"
"""The repository of an organisation or group whose file holds for all of its repositories."""

SHARED_PATH: Final = "flowforge.yml"
"""That file, on the default branch."""

WHERE_SHARED: Final = (
    f"It stands in `{SHARED_PATH}` of its repository `{SHARED_REPOSITORY}` on GitHub, of its project "
    f"`{SHARED_REPOSITORY.removeprefix('.')}` on GitLab."
)
"""For people: where an organisation or a group says it, whichever forge they ask on."""

MAX_BUDGET_USD: Final = 100.0
"""The most that a job may cost by any configuration or command, in US dollars."""

MODEL_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""Names of models, as they stand in the configuration and in commands."""

_LOGIN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(\[bot\])?$"

Level = Literal["read", "triage", "write", "maintain", "admin"]
OnConflict = Literal["report", "resolve", "off"]
OnCheckFailure = Literal["nothing", "fix"]
ForkPullRequests = Literal["ask", "allow", "off"]
WriterLevel = Literal["write", "maintain", "admin"]
"""What may be asked for commands that change something or cost money: never less than write."""


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = get_args(Day)
"""The days of the week, Monday first."""

TierName = Literal["auto", "approve", "two_approvals", "never"]
"""How much has to be asked before a path is pushed, from the least to the most."""


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
    pause: Annotated[WriterLevel, Meta(description="Who may pause the repository, and end that.")] = "maintain"
    ok: Annotated[WriterLevel, Meta(description="Who may let the bot work on the head of a fork.")] = "write"
    implement: Annotated[WriterLevel, Meta(description="Who may have an issue implemented.")] = "write"
    plan: Annotated[WriterLevel, Meta(description="Who may ask for a plan.")] = "write"
    explain: Annotated[WriterLevel, Meta(description="Who may ask for an explanation.")] = "write"
    fix: Annotated[WriterLevel, Meta(description="Who may have a pull request mended.")] = "write"


_Glob = Annotated[
    str,
    Meta(
        description="a path pattern such as `infra/**` or `*.lock`, without `..` and with `**` only between slashes",
        pattern=GLOB,
        max_length=256,
    ),
]
_Command = Annotated[
    str,
    Meta(
        description="the program and its words in one line, such as `npm install --package-lock-only`",
        pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        max_length=500,
    ),
]
_Label = Annotated[
    str,
    Meta(
        description="the name of a label",
        pattern=r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$",
        max_length=50,
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


class PathTier(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much has to be asked before changes of some paths are pushed."""

    match: _Glob
    tier: Annotated[
        TierName,
        Meta(
            description="`auto` is pushed without a person's approval where the tests passed on exactly that tree, or "
            "safe rules alone resolved everything; `approve` needs the usual approval; `two_approvals` needs two "
            "people; `never` is left to people, as protected paths are, and never pushed."
        ),
    ]


class Approvals(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose yes a proposal needs before it is pushed."""

    required: Annotated[
        int,
        Meta(
            description="How many people have to approve the same commit. Bots count for one approval only.", ge=1, le=5
        ),
    ] = 1
    requester_may_approve: Annotated[
        bool,
        Meta(
            description="Whether the approval of whoever asked for the job counts. When false, a bot's does not "
            "either, nor that of somebody whose job another person had done again."
        ),
    ] = True
    codeowners: Annotated[
        bool,
        Meta(
            description="When true, each path in question that has owners in `CODEOWNERS` on the base branch needs the "
            "approval of one of them.",
        ),
    ] = False


class QuietHours(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hours at which the bot begins nothing by itself."""

    timezone: Annotated[
        str,
        Meta(
            description="The time zone of the hours, such as `Europe/Berlin`.",
            pattern=r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$",
            max_length=64,
        ),
    ] = "UTC"
    hours: Annotated[
        str,
        Meta(
            description="From when to when, such as `18:00-08:00`; an end that is not later is on the next day.",
            pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$",
        ),
    ]
    days: Annotated[
        tuple[Day, ...],
        Meta(description="The days on which they begin; all of them when none is named.", max_length=7),
    ] = ()


class RepositoryConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One version of a repository's configuration."""

    version: Annotated[Literal[1], Meta(description="The version of this format.")]
    enabled: Annotated[
        bool,
        Meta(
            description="When false, only `help`, `status`, `config`, `cancel` and `reject` work; everything else is "
            "refused.",
        ),
    ] = True
    paused: Annotated[
        bool,
        Meta(
            description="When true, no job begins and nothing is pushed, also of what was asked for or approved "
            "before; what runs goes on until then. `/flowforge pause` needs no commit.",
        ),
    ] = False
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
    paths: Annotated[
        tuple[PathTier, ...],
        Meta(
            description="How much is asked before changes of which paths are pushed. Of all entries that cover a path, "
            "and of all paths, the strictest counts.",
            max_length=100,
        ),
    ] = ()
    approvals: Annotated[
        Approvals,
        Meta(description="Whose yes a proposal needs before it is pushed."),
    ] = Approvals()
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
    on_check_failure: Annotated[
        OnCheckFailure,
        Meta(
            description="What happens when a check of others fails on the head of an open pull request: `fix` starts "
            "the job of `/flowforge fix` by itself, once for each head and never for one that the bot pushed; "
            "`nothing` does nothing.",
        ),
    ] = "nothing"
    quiet_hours: Annotated[
        tuple[QuietHours, ...],
        Meta(
            description="When the bot begins nothing by itself: it tells of no conflict, starts no job for "
            "`on_conflict: resolve` or `on_check_failure: fix`, and pushes nothing that nobody approved. All of it is "
            "made up for when they end; what people ask for is done at any hour.",
            max_length=20,
        ),
    ] = ()
    label: Annotated[
        _Label | None,
        Meta(
            description="The label that asks for the bot. On a pull request it means `resolve`, by whoever put it on "
            "and with the permission of that command. `null` for none.",
        ),
    ] = "flowforge"
    fork_pull_requests: Annotated[
        ForkPullRequests,
        Meta(
            description="What happens on pull requests from forks. With `ask` nothing runs before somebody with write "
            "permission said `/flowforge ok <sha>` about the head as it is, unless its author may write here; `allow` "
            "asks nobody; `off` does nothing.",
        ),
    ] = "ask"


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

_SHELL_WORDS: Final = frozenset({"&&", "||", "|", ";", "&", ">", ">>", "<", "<<", "2>", "2>&1"})


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
