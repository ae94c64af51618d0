import contextlib
import shlex
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from bot.config import config_version, json_schema, level, listed_bot, parse_config, regenerating
from bot.config_keys import (
    CONFIG_PATH,
    DEFAULT_CONFIG,
    Permissions,
    Regenerate,
    RepositoryConfig,
    Resolvers,
    split_command,
)
from bot.config_yaml import MAX_BYTES
from bot.errors import ConfigError
from bot.model.forge import PermissionLevel
from tests.bot.config.faults import FAULTS

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
fork_pull_requests: off
"""


def fault(text: str | bytes) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_config(text.encode() if isinstance(text, str) else text)
    return caught.value


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
        fork_pull_requests="off",
    )


@pytest.mark.parametrize(
    "data", [b"version: 1", b"\xef\xbb\xbfversion: 1\n", b"---\r\nversion: 1\r\n...\r\n", b'{"version": 1}']
)
def test_the_version_alone_is_the_default(data: bytes) -> None:
    assert parse_config(data) == DEFAULT_CONFIG


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


@pytest.mark.timeout(60)  # what explodes takes minutes
@pytest.mark.parametrize("name", HEAVY)
def test_bombs_are_refused_in_time(name: str) -> None:
    fault(HEAVY[name])


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
