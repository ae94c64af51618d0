"""Whatever stands in the file: a configuration or an error, and the JSON Schema agrees."""

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from bot.config import json_schema, parse_config
from bot.config_keys import Permissions, RepositoryConfig
from bot.errors import ConfigError


def outcome(data: bytes) -> RepositoryConfig | ConfigError:
    try:
        return parse_config(data)
    except ConfigError as error:
        return error


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
    "fork_pull_requests": SCALARS,
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
