"""Configurations that are wrong: what, on which line, and what is said about it."""

from bot.config_keys import Permissions, RepositoryConfig


def not_yaml(problem: str) -> str:
    return f"This is not valid YAML: `{problem}`."


KEYS = ", ".join(f"`{key}`" for key in RepositoryConfig.__struct_fields__)
GLOB = (
    "a path pattern such as `infra/**` or `*.lock`, without `..` and with `**` only between slashes, "
    "at most 256 characters"
)

BUDGET = "`budget_usd` must be a number above 0 and at most 100."
MINUTES = "`timeout_minutes` must be a whole number from 1 to 120."
LOGIN = "the login of a bot, such as `renovate`, at most 106 characters"
NO_ANCHORS = "Anchors and aliases are not allowed. Write the value out."
NO_TAGS = "Tags (words with `!`) are not allowed."
COMMANDS = ", ".join(f"`{key}`" for key in Permissions.__struct_fields__)

COMMAND = "resolvers.regenerate[0].command"
COMMAND_WORDS = (
    "the program and its words in one line, such as `npm install --package-lock-only`, at most 500 characters"
)

NO_TESTS = (
    "`tests_must_pass` needs a `test_command`: without one nothing could ever be approved. Name the command, or take "
    "`tests_must_pass` out."
)


def command(words: str) -> str:
    """A file with one command, on line 5."""
    return f"version: 1\nresolvers:\n  regenerate:\n  - paths: [a]\n    command: {words}\n"


# text, line, key, message
FAULTS: dict[str, tuple[str, int | None, str | None, str]] = {
    "empty": ("", None, "version", "The file is empty. It has to say `version: 1`."),
    "only a comment": ("# later\n", None, "version", "The file is empty. It has to say `version: 1`."),
    "no version": ("enabled: true\n", 1, "version", "`version` is missing; it must be `1`."),
    "other version": ("version: 2\n", 1, "version", "`version` must be `1`."),
    "version as text": ("version: '1'\n", 1, "version", "`version` must be `1`."),
    "no mapping": ("- version\n", 1, None, "The file must hold keys and values, such as `version: 1`."),
    "a word": ("version\n", 1, None, "The file must hold keys and values, such as `version: 1`."),
    "unknown key": ("version: 1\nfoo: 1\n", 2, "foo", f"There is no key `foo` here. Known are {KEYS}."),
    "misspelt key": (
        "version: 1\nprotected_path: []\n",
        2,
        "protected_path",
        "There is no key `protected_path` here. Did you mean `protected_paths`?",
    ),
    "misspelt inner key": (
        "version: 1\npermissions:\n  help: read\n  aprove: admin\n",
        4,
        "permissions.aprove",
        "There is no key `aprove` here. Did you mean `approve`?",
    ),
    "hostile key": (
        "version: 1\n'`@all` - at `$.x`': 1\n",
        2,
        "`@all` - at `$.x`",
        f"There is no key `'@all' - at '$.x'` here. Known are {KEYS}.",
    ),
    "wrong type": ("version: 1\n\nenabled: 3\n", 3, "enabled", "`enabled` must be `true` or `false`."),
    "text for a number": ("version: 1\nbudget_usd: '5'\n", 2, "budget_usd", BUDGET),
    "zero": ("version: 1\nbudget_usd: 0\n", 2, "budget_usd", BUDGET),
    "negative": ("version: 1\nbudget_usd: -1\n", 2, "budget_usd", BUDGET),
    "too much": ("version: 1\nbudget_usd: 100.01\n", 2, "budget_usd", BUDGET),
    "infinite": ("version: 1\nbudget_usd: .inf\n", 2, "budget_usd", BUDGET),
    "base 60": ("version: 1\ntimeout_minutes: 1:30\n", 2, "timeout_minutes", MINUTES),
    "too long": ("version: 1\ntimeout_minutes: 121\n", 2, "timeout_minutes", MINUTES),
    "half a minute": ("version: 1\ntimeout_minutes: 0.5\n", 2, "timeout_minutes", MINUTES),
    "no files": (
        "version: 1\nmax_conflicted_files: 0\n",
        2,
        "max_conflicted_files",
        "`max_conflicted_files` must be a whole number from 1 to 1000.",
    ),
    "below write": (
        "version: 1\npermissions:\n  resolve: triage\n",
        3,
        "permissions.resolve",
        "`permissions.resolve` must be one of `write`, `maintain`, `admin`.",
    ),
    "unknown level": (
        "version: 1\npermissions: {cancel: owner}\n",
        2,
        "permissions.cancel",
        "`permissions.cancel` must be one of `read`, `triage`, `write`, `maintain`, `admin`.",
    ),
    "a list of levels": (
        "version: 1\npermissions: [write]\n",
        2,
        "permissions",
        f"`permissions` must be a mapping with any of the keys {COMMANDS}.",
    ),
    "bad login": ("version: 1\nbots:\n- renovate\n- a b\n", 4, "bots[1]", f"`bots[1]` must be {LOGIN}."),
    "a login alone": (
        "version: 1\nbots: renovate\n",
        2,
        "bots",
        f"`bots` must be a list of at most 50 items, each {LOGIN}.",
    ),
    "bad model": (
        "version: 1\nmodel: a b\n",
        2,
        "model",
        "`model` must be the name of a model, at most 100 characters.",
    ),
    "parent directory": (
        "version: 1\nprotected_paths: [a, ../b]\n",
        2,
        "protected_paths[1]",
        f"`protected_paths[1]` must be {GLOB}.",
    ),
    "stars in a name": (
        "version: 1\nprotected_paths: [a**]\n",
        2,
        "protected_paths[0]",
        f"`protected_paths[0]` must be {GLOB}.",
    ),
    "backslash": (
        "version: 1\nprotected_paths: ['a\\b']\n",
        2,
        "protected_paths[0]",
        f"`protected_paths[0]` must be {GLOB}.",
    ),
    "empty pattern": (
        "version: 1\nprotected_paths: ['']\n",
        2,
        "protected_paths[0]",
        f"`protected_paths[0]` must be {GLOB}.",
    ),
    "null pattern": (
        "version: 1\nprotected_paths: [~]\n",
        2,
        "protected_paths[0]",
        f"`protected_paths[0]` must be {GLOB}.",
    ),
    "too many hunks": (
        "version: 1\nresolvers:\n  direct_max_hunks: 51\n",
        3,
        "resolvers.direct_max_hunks",
        "`resolvers.direct_max_hunks` must be a whole number from 1 to 50.",
    ),
    "no switch": (
        "version: 1\nresolvers:\n  rules: maybe\n",
        3,
        "resolvers.rules",
        "`resolvers.rules` must be `true` or `false`.",
    ),
    "misspelt resolver": (
        "version: 1\nresolvers:\n  structual: false\n",
        3,
        "resolvers.structual",
        "There is no key `structual` here. Did you mean `structural`?",
    ),
    "misspelt key in a list": (
        "version: 1\nresolvers:\n  regenerate:\n  - paths: [a]\n    comand: x\n",
        5,
        "resolvers.regenerate[0].comand",
        "There is no key `comand` here. Did you mean `command`?",
    ),
    "a command alone": (
        "version: 1\nresolvers:\n  regenerate: make\n",
        3,
        "resolvers.regenerate",
        "`resolvers.regenerate` must be a list of at most 10 items, each a mapping with the keys `paths`, `command`.",
    ),
    "commands without paths": (
        "version: 1\nresolvers:\n  regenerate:\n  - command: make\n",
        4,
        "resolvers.regenerate[0].paths",
        f"`resolvers.regenerate[0].paths` is missing; it must be a list of 1 to 20 items, each {GLOB}.",
    ),
    "no paths": (
        "version: 1\nresolvers:\n  regenerate:\n  - {paths: [], command: make}\n",
        4,
        "resolvers.regenerate[0].paths",
        f"`resolvers.regenerate[0].paths` must be a list of 1 to 20 items, each {GLOB}.",
    ),
    "too many commands": (
        "version: 1\nresolvers:\n  regenerate:\n" + "  - {paths: [a], command: make}\n" * 11,
        3,
        "resolvers.regenerate",
        "`resolvers.regenerate` must be a list of at most 10 items, each a mapping with the keys `paths`, `command`.",
    ),
    "an empty command": (command("' '"), 5, COMMAND, f"`{COMMAND}` must be {COMMAND_WORDS}."),
    "a command of two lines": (command('"a\\nb"'), 5, COMMAND, f"`{COMMAND}` must be {COMMAND_WORDS}."),
    "an open quote": (
        command("make 'x"),
        5,
        COMMAND,
        f"`{COMMAND}` cannot be run: a quote or backslash is not closed.",
    ),
    "no program": (command("\"'' x\""), 5, COMMAND, f"`{COMMAND}` cannot be run: it names no program."),
    "a variable": (
        command("CI=1 make"),
        5,
        COMMAND,
        f"`{COMMAND}` cannot be run: there is no shell to set variables; write a script and name that.",
    ),
    "a pipe": (
        command("make gen && make lock"),
        5,
        COMMAND,
        f"`{COMMAND}` cannot be run: there is no shell to understand `&&`; write a script and name that.",
    ),
    "tests of two lines": (
        'version: 1\ntest_command: "a\\nb"\n',
        2,
        "test_command",
        f"`test_command` must be {COMMAND_WORDS}.",
    ),
    "no tests at all": (
        "version: 1\ntest_command: ' '\n",
        2,
        "test_command",
        f"`test_command` must be {COMMAND_WORDS}.",
    ),
    "several tests": (
        "version: 1\ntest_command: [make, test]\n",
        2,
        "test_command",
        f"`test_command` must be {COMMAND_WORDS}.",
    ),
    "tests in a shell": (
        "version: 1\nenabled: true\ntest_command: make test | tee log\n",
        3,
        "test_command",
        "`test_command` cannot be run: there is no shell to understand `|`; write a script and name that.",
    ),
    "endless tests": (
        "version: 1\ntest_timeout_minutes: 121\n",
        2,
        "test_timeout_minutes",
        "`test_timeout_minutes` must be a whole number from 1 to 120.",
    ),
    "tests without a command": (
        "version: 1\n\ntests_must_pass: true\n",
        3,
        "tests_must_pass",
        NO_TESTS,
    ),
    "misspelt tests": (
        "version: 1\ntests_must_pas: true\n",
        2,
        "tests_must_pas",
        "There is no key `tests_must_pas` here. Did you mean `tests_must_pass`?",
    ),
    "twice": ("version: 1\nbots: []\nbots: [evil]\n", 3, "bots", "`bots` stands here twice."),
    "twice inside": (
        "version: 1\npermissions:\n  help: read\n  help: admin\n",
        4,
        "permissions.help",
        "`help` stands here twice.",
    ),
    "a number as a key": ("version: 1\n5: x\n", 2, None, "A key has to be a word."),
    "a list as a key": ("version: 1\n? [a]\n: x\n", 2, None, "A key has to be a word."),
    "merge key": ("version: 1\n<<: {enabled: false}\n", 2, "<<", f"There is no key `<<` here. Known are {KEYS}."),
    "anchor": ("version: 1\nbots: &a [x]\n", 2, None, NO_ANCHORS),
    "alias": ("version: 1\nbots: *a\n", 2, None, NO_ANCHORS),
    "tag": ("version: 1\nbots: !!python/object/apply:os.system [id]\n", 2, None, NO_TAGS),
    "key tag": ("version: 1\n!x bots: []\n", 2, None, NO_TAGS),
    "two documents": (
        "version: 1\n---\nversion: 1\n",
        2,
        None,
        not_yaml("expected a single document in the stream, but found another document"),
    ),
    "syntax": (
        "version: 1\nbots: [a\n",
        3,
        None,
        not_yaml("while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"),
    ),
    "tab": (
        "version: 1\npermissions:\n\thelp: read\n",
        3,
        None,
        not_yaml("while scanning for the next token, found character '\\t' that cannot start any token"),
    ),
    "control character": (
        "version: 1\nmodel: a\x07\n",
        2,
        None,
        "The file holds a character that YAML does not allow.",
    ),
    "bad escape": ('version: 1\nmodel: "\\U99999999"\n', None, None, "This is not valid YAML."),
}
