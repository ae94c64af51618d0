import contextlib
import shlex
import string
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from bot.config import (
    CONFIG_PATH,
    DEFAULT_CONFIG,
    Permissions,
    Regenerate,
    RepositoryConfig,
    Resolvers,
    config_version,
    json_schema,
    level,
    listed_bot,
    parse_config,
    regenerating,
    split_command,
)
from bot.config_yaml import MAX_BYTES
from bot.errors import ConfigError
from bot.model.forge import PermissionLevel

FULL = b"""\
# what we decided
version: 1
enabled: yes
permissions:
  approve: maintain
  cancel: triage
bots: [renovate, "dependabot[bot]"]
model: claude-sonnet-4-5
budget_usd: 2.5
timeout_minutes: 10
max_conflicted_files: 7
protected_paths:
  - infra/**
  - "*.sql"
  - /Makefile
resolvers:
  recorded: false
  direct_max_hunks: 3
  regenerate:
    - paths: [package-lock.json, "*.lock"]
      command: npm install --package-lock-only
    - paths: [gen/**]
      command: "'my tools/gen' --out \\"a b\\" -x"
test_command: python3 -m unittest
test_timeout_minutes: 3
tests_must_pass: true
allow_fork_pull_requests: false
"""


def fault(text: str | bytes) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_config(text.encode() if isinstance(text, str) else text)
    return caught.value


def outcome(data: bytes) -> RepositoryConfig | ConfigError:
    try:
        return parse_config(data)
    except ConfigError as error:
        return error


def test_a_full_file() -> None:
    assert parse_config(FULL) == RepositoryConfig(
        version=1,
        enabled=True,
        permissions=Permissions(approve="maintain", cancel="triage"),
        bots=("renovate", "dependabot[bot]"),
        model="claude-sonnet-4-5",
        budget_usd=2.5,
        timeout_minutes=10,
        max_conflicted_files=7,
        protected_paths=("infra/**", "*.sql", "/Makefile"),
        resolvers=Resolvers(
            recorded=False,
            direct_max_hunks=3,
            regenerate=(
                Regenerate(paths=("package-lock.json", "*.lock"), command="npm install --package-lock-only"),
                Regenerate(paths=("gen/**",), command="'my tools/gen' --out \"a b\" -x"),
            ),
        ),
        test_command="python3 -m unittest",
        test_timeout_minutes=3,
        tests_must_pass=True,
        allow_fork_pull_requests=False,
    )


@pytest.mark.parametrize(
    "data", [b"version: 1", b"\xef\xbb\xbfversion: 1\n", b"---\r\nversion: 1\r\n...\r\n", b'{"version": 1}']
)
def test_the_version_alone_is_the_default(data: bytes) -> None:
    assert parse_config(data) == DEFAULT_CONFIG


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


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_its_line_its_key_and_a_sentence(name: str) -> None:
    text, line, key, message = FAULTS[name]
    error = fault(text)
    assert (error.line, error.key, str(error)) == (line, key, message)
    assert error.path == CONFIG_PATH


def test_text_that_is_not_utf_8() -> None:
    error = fault(b"version: 1\nmodel: \xff\n")
    assert (error.line, str(error)) == (2, "The file is not UTF-8 text.")


def test_a_large_file_is_not_even_parsed() -> None:
    padding = b"# " + b"x" * (MAX_BYTES - len(b"version: 1\n") - 2)
    assert parse_config(b"version: 1\n" + padding) == DEFAULT_CONFIG
    assert str(fault(b"version: 1\n" + padding + b"x")) == "The file is larger than 64 KiB."


def test_the_path_is_the_caller_s() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(b"", path="other.yml")
    assert caught.value.path == "other.yml"


LAUGHS = b"a: &a [x,x]\n" + b"".join(
    b"%c: &%c [*%c,*%c]\n" % (c, c, c - 1, c - 1) for c in string.ascii_lowercase.encode()[1:]
)
HEAVY = {
    "billion laughs": LAUGHS,
    "flow depth": b"[" * MAX_BYTES,
    "block depth": b"- " * (MAX_BYTES // 2),
    "mapping depth": b"{a: " * (MAX_BYTES // 4),
    "wide": b"[" + b"a," * (MAX_BYTES // 2 - 1) + b"]",
    "many keys": b"".join(b"k%d: 1\n" % n for n in range(6000)),
    "huge number": b"version: " + b"9" * (MAX_BYTES - 9),
    "huge directive": b"%YAML 1." + b"9" * (MAX_BYTES - 8),
    "question marks": b"? " * (MAX_BYTES // 2),
    "quotes": b"'" * MAX_BYTES,
    "patterns": b"version: 1\nprotected_paths: ['" + b"*a" * 120 + b"/..']",
}


@pytest.mark.parametrize("name", HEAVY)
def test_bombs_are_refused_in_time(name: str) -> None:
    start = time.process_time()
    fault(HEAVY[name])
    assert time.process_time() - start < 10  # measured: at most 0.6 s


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_give_a_configuration_or_a_config_error(data: bytes) -> None:
    result = outcome(data)
    if isinstance(result, ConfigError):
        assert str(result)
        assert result.line is None or 1 <= result.line <= data.count(b"\n") + data.count(b"\r") + 1


PIECES = st.sampled_from(
    [
        "version",
        ": ",
        "1",
        "\n",
        "  ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&a ",
        "*a",
        "!x ",
        '"',
        "'",
        "\\",
        "|",
        ">",
        "%",
        "#",
        "?",
        "~",
        "\t",
        "bots",
        "---\n",
        "<<",
    ],
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_yaml_gives_a_configuration_or_a_config_error(text: str) -> None:
    result = outcome(text.encode())
    if isinstance(result, ConfigError):
        assert result.line is None or 1 <= result.line <= text.count("\n") + 1


LEVELS = st.sampled_from(["read", "triage", "write", "maintain", "admin", "none", 3, None])
SCALARS = (
    st.none() | st.booleans() | st.integers(-5, 130) | st.floats(-1, 101) | st.sampled_from(["", "a", "a b", "x[bot]"])
)
GLOBS = st.sampled_from(
    ["a", "/a/", "a/**/b", "**", "**/x", "*.py", "a//b", "a/../b", "..", ".", "", "a**b", "a\\b", "/", "…"]
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "version": st.sampled_from([1, 1, 1, 1, 2, "1", True, None]),
    "enabled": SCALARS,
    "permissions": st.dictionaries(st.sampled_from([*Permissions.__struct_fields__, "x"]), LEVELS, max_size=3),
    "bots": st.lists(SCALARS, max_size=3),
    "model": SCALARS,
    "budget_usd": SCALARS,
    "timeout_minutes": SCALARS,
    "max_conflicted_files": SCALARS,
    "protected_paths": st.lists(GLOBS, max_size=3),
    "resolvers": SCALARS
    | st.fixed_dictionaries(
        {},
        optional={
            "rules": SCALARS,
            "direct_max_hunks": st.sampled_from([0, 1, 50, 51, "6"]),
            "regenerate": SCALARS
            | st.lists(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "paths": st.lists(GLOBS, max_size=3),
                        "command": st.sampled_from(["make", "a b", " x", "", " ", "a\nb", "\x7f", 5, None, "x" * 501]),
                        "more": SCALARS,
                    },
                ),
                max_size=2,
            ),
            "unknown": SCALARS,
        },
    ),
    "allow_fork_pull_requests": SCALARS,
    "unknown": SCALARS,
}
SCHEMA = Draft202012Validator(json_schema())


@given(st.fixed_dictionaries({}, optional=FIELDS))
def test_the_json_schema_says_what_the_parser_does(data: dict[str, Any]) -> None:
    text = yaml.safe_dump(data, allow_unicode=True).encode()
    # YAML knows 1.0 as a float, JSON Schema as an integer: the one place where they cannot agree.
    numbers = [data.get(key) for key in ("version", "timeout_minutes", "max_conflicted_files")]
    if any(isinstance(number, float) and number.is_integer() for number in numbers):
        return
    result = outcome(text)
    assert isinstance(result, RepositoryConfig) is SCHEMA.is_valid(data), f"{data}: {result}"


def test_the_json_schema_is_one() -> None:
    Draft202012Validator.check_schema(json_schema())


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_a_version_names_its_bytes(one: bytes, other: bytes) -> None:
    assert (config_version(one) == config_version(other)) is (one == other)
    assert len(config_version(one)) == 64


def test_levels_are_permissions() -> None:
    config = parse_config(FULL)
    assert level(config, "approve") is PermissionLevel.MAINTAIN
    assert level(config, "cancel") is PermissionLevel.TRIAGE
    assert level(config, "help") is PermissionLevel.READ


@pytest.mark.parametrize("login", ["renovate", "renovate[bot]", "Renovate", "dependabot", "dependabot[bot]"])
def test_a_listed_bot_in_any_spelling(login: str) -> None:
    assert listed_bot(parse_config(FULL), login) is not None


@pytest.mark.parametrize("login", ["renovate-two", "ren", "", "[bot]", "renovate[bot][bot]"])
def test_a_bot_that_is_not_listed(login: str) -> None:
    assert listed_bot(parse_config(FULL), login) is None


def test_the_first_entry_that_covers_a_generated_file_counts() -> None:
    config = parse_config(FULL)
    found = {path: regenerating(config, path) for path in ("web/package-lock.json", "gen/x/y.lock", "gen/x.py", "a.py")}
    argv = {path: None if entry is None else entry.argv for path, entry in found.items()}
    assert argv == {
        "web/package-lock.json": ("npm", "install", "--package-lock-only"),
        "gen/x/y.lock": ("npm", "install", "--package-lock-only"),
        "gen/x.py": ("my tools/gen", "--out", "a b", "-x"),
        "a.py": None,
    }


@given(
    st.lists(st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"])), min_size=1)
)
def test_a_command_is_split_as_it_was_quoted(words: list[str]) -> None:
    try:
        found = split_command(shlex.join(words))
    except ValueError as error:
        assert str(error).startswith(("it names no program", "there is no shell"))  # noqa: PT017 - either may happen
    else:
        assert found == tuple(words)


@given(st.text(max_size=40))
def test_no_command_raises_anything_else(command: str) -> None:
    with contextlib.suppress(ValueError):
        assert split_command(command)
