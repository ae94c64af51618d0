"""What an organisation says for all, and what a repository says for itself: one configuration."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config import TIERS, Layer, parse_layer, path_tier, protected_paths
from bot.config_keys import CONFIG_PATH, DEFAULT_CONFIG, PathTier, QuietHours, RepositoryConfig, TierName
from bot.config_layers import (
    PROTECTIONS,
    Effective,
    all_keys,
    kept_files,
    kept_text,
    merge,
    protection,
    read_layers,
    value_of,
)
from bot.errors import ConfigError
from bot.globs import matches
from bot.model.forge import ConfigFile, PermissionLevel
from tests.bot.config.keys import FILES, as_file

ORG: Final = "acme/.flowforge/flowforge.yml"
ORG_SAYS: Final = f"{ORG}:2"
OWN_SAYS: Final = f"{CONFIG_PATH}:2"


def file(text: str, path: str = CONFIG_PATH) -> ConfigFile:
    return ConfigFile(path=path, data=text.encode())


def both(organisation: str, repository: str) -> Effective:
    return read_layers([file(f"version: 1\n{organisation}", ORG), file(f"version: 1\n{repository}")])


def test_no_file_at_all_is_the_default() -> None:
    assert read_layers([]) == Effective(config=DEFAULT_CONFIG, sources={})


def test_a_repository_decides_for_itself_and_the_organisation_where_it_says_nothing() -> None:
    whole = both("model: opus\non_conflict: off\n", "model: sonnet\n")
    assert (whole.config.model, whole.config.on_conflict) == ("sonnet", "off")
    assert whole.source("model") == OWN_SAYS
    assert whole.source("on_conflict") == f"{ORG}:3"
    assert whole.source("bots") is None


def test_a_command_that_the_organisation_does_not_hold_to_is_the_repository_s_own() -> None:
    assert both("test_command: make test\n", "test_command: tox\n").config.test_command == "tox"
    assert both("tests_must_pass: true\n", "test_command: tox\n").config.test_command == "tox"
    assert both("test_command: make test\n", "test_command: tox\ntests_must_pass: true\n").config.test_command == "tox"


STRICTER: Final[dict[str, tuple[str, str, Any, str]]] = {
    "enabled": ("enabled: false", "enabled: true", False, ORG_SAYS),
    "paused": ("paused: true", "paused: false", True, ORG_SAYS),
    "permissions.approve": ("permissions: {approve: maintain}", "permissions: {approve: write}", "maintain", ORG_SAYS),
    "permissions.cancel": ("permissions: {cancel: read}", "permissions: {cancel: admin}", "admin", OWN_SAYS),
    "budget_usd": ("budget_usd: 2", "budget_usd: 50", 2.0, ORG_SAYS),
    "timeout_minutes": ("timeout_minutes: 20", "timeout_minutes: 10", 10, OWN_SAYS),
    "max_conflicted_files": ("max_conflicted_files: 3", "max_conflicted_files: 9", 3, ORG_SAYS),
    "protected_paths": (
        "protected_paths: [deploy/**, b]",
        "protected_paths: [b, infra/**]",
        ("deploy/**", "b", "infra/**"),
        f"{ORG_SAYS}, {OWN_SAYS}",
    ),
    "paths": (
        "paths: [{match: docs, tier: approve}, {match: infra, tier: two_approvals}]",
        "paths: [{match: docs, tier: auto}, {match: src, tier: never}]",
        (
            PathTier(match="docs", tier="approve"),
            PathTier(match="infra", tier="two_approvals"),
            PathTier(match="src", tier="never"),
        ),
        f"{ORG_SAYS}, {OWN_SAYS}",
    ),
    "quiet_hours": (
        'quiet_hours: [{hours: "18:00-08:00"}]',
        'quiet_hours: [{hours: "12:00-13:00", days: [mon]}]',
        (QuietHours(hours="18:00-08:00"), QuietHours(hours="12:00-13:00", days=("mon",))),
        f"{ORG_SAYS}, {OWN_SAYS}",
    ),
    "approvals.required": ("approvals: {required: 2}", "approvals: {required: 1}", 2, ORG_SAYS),
    "approvals.requester_may_approve": (
        "approvals: {requester_may_approve: false}",
        "approvals: {requester_may_approve: true}",
        False,
        ORG_SAYS,
    ),
    "approvals.codeowners": ("approvals: {codeowners: false}", "approvals: {codeowners: true}", True, OWN_SAYS),
    "resolvers.direct": ("resolvers: {direct: false}", "resolvers: {direct: true}", False, ORG_SAYS),
    "resolvers.agent": ("resolvers: {agent: true}", "resolvers: {agent: false}", False, OWN_SAYS),
    "tests_must_pass": ("tests_must_pass: true", "tests_must_pass: false\ntest_command: make test", True, ORG_SAYS),
    "test_command": (
        "tests_must_pass: true\ntest_command: make test",
        "test_command: 'true'\ntests_must_pass: false",
        "make test",
        f"{ORG}:3",
    ),
    "bots": (
        "bots: [renovate, 'dependabot[bot]']",
        "bots: [Dependabot, evil]",
        ("dependabot[bot]",),
        f"{ORG_SAYS}, {OWN_SAYS}",
    ),
    "on_conflict": ("on_conflict: off", "on_conflict: resolve", "off", ORG_SAYS),
    "on_check_failure": ("on_check_failure: fix", "on_check_failure: nothing", "nothing", OWN_SAYS),
    "fork_pull_requests": ("fork_pull_requests: off", "fork_pull_requests: allow", "off", ORG_SAYS),
}


@pytest.mark.parametrize("key", STRICTER)
def test_of_a_protection_the_stricter_value_counts(key: str) -> None:
    organisation, repository, expected, source = STRICTER[key]
    whole = both(organisation, repository)
    assert value_of(whole.config, key) == expected
    assert whole.source(key) == source


@pytest.mark.parametrize(
    "organisation",
    ["approvals: {required: 2}", "permissions: {approve: admin}", "paths: [{match: infra, tier: never}]"],
)
def test_a_repository_cannot_do_without_approvals_that_an_organisation_speaks_of(organisation: str) -> None:
    auto = "paths: [{match: '**', tier: auto}]"
    assert path_tier(both("model: opus", auto).config, "a.py") == "auto"
    assert path_tier(both(organisation, auto).config, "a.py") == "approve"
    assert path_tier(both(auto, "").config, "a.py") == "auto", "an organisation may"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("docs/a.md", "auto"),
        ("docs/legal/a.md", "two_approvals"),
        ("src/a.py", "approve"),
        ("secrets/a", "never"),
        ("CODEOWNERS", "approve"),
        ("docs/CLAUDE.md", "approve"),
    ],
)
def test_the_strictest_entry_that_covers_a_path_counts_and_protected_paths_stay_so(path: str, expected: str) -> None:
    text = (
        "version: 1\npaths:\n- {match: docs/**, tier: auto}\n- {match: docs/legal/**, tier: two_approvals}\n"
        "- {match: CODEOWNERS, tier: auto}\n- {match: secrets/, tier: never}\n"
    )
    config = read_layers([file(text)]).config
    assert path_tier(config, path) == expected
    assert ("secrets/" in protected_paths(config)) is True


def test_every_protection_is_tried_here() -> None:
    assert {key for key in all_keys() if protection(key) and not key.startswith("permissions.")} == {
        key for key in STRICTER if not key.startswith("permissions.")
    }
    assert set(PROTECTIONS) <= {*all_keys(), "permissions"}


def test_what_nobody_states_binds_nobody() -> None:
    assert both("", "permissions: {cancel: read}\nbudget_usd: 50\n").config.permissions.cancel == "read"


def test_an_invalid_file_is_named_whichever_it_is() -> None:
    with pytest.raises(ConfigError, match="budget_usd") as caught:
        both("budget_usd: 500\n", "model: opus\n")
    assert (caught.value.path, caught.value.line, caught.value.key) == (ORG, 2, "budget_usd")
    with pytest.raises(ConfigError) as caught:
        both("model: opus\n", "modle: opus\n")
    assert (caught.value.path, caught.value.line) == (CONFIG_PATH, 2)


def test_tests_that_must_pass_need_a_command_from_either_file() -> None:
    assert both("tests_must_pass: true\n", "test_command: make test\n").config.tests_must_pass
    assert both("test_command: make test\n", "tests_must_pass: true\n").config.tests_must_pass
    with pytest.raises(ConfigError, match="needs a `test_command`") as caught:
        both("tests_must_pass: true\n", "model: opus\n")
    assert caught.value.path == CONFIG_PATH
    assert ORG in str(caught.value)


def layer(data: dict[str, Any], path: str) -> Layer:
    return parse_layer(as_file(data), path=path)


def _level(name: str) -> PermissionLevel:
    return PermissionLevel[name.upper()]


_TRUST: Final = ("off", "ask", "allow")
_QUIETER: Final = ("off", "report", "resolve")


def tier(entries: tuple[PathTier, ...], path: str) -> TierName:
    return path_tier(RepositoryConfig(version=1, paths=entries), path)


AT_LEAST_AS_STRICT: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "enabled": lambda outer, whole: whole <= outer,
    "paused": lambda outer, whole: whole >= outer,
    "budget_usd": lambda outer, whole: whole <= outer,
    "timeout_minutes": lambda outer, whole: whole <= outer,
    "max_conflicted_files": lambda outer, whole: whole <= outer,
    "protected_paths": lambda outer, whole: set(outer) <= set(whole),
    "paths": lambda outer, whole: all(
        TIERS.index(tier(whole, path)) >= TIERS.index(entry.tier)
        for entry in outer
        for path in ("infra/a", "x.lock", "docs/b", "c")
        if matches(path, (entry.match,))
    ),
    "approvals.required": lambda outer, whole: whole >= outer,
    "approvals.requester_may_approve": lambda outer, whole: whole <= outer,
    "approvals.codeowners": lambda outer, whole: whole >= outer,
    "resolvers.direct": lambda outer, whole: whole <= outer,
    "resolvers.agent": lambda outer, whole: whole <= outer,
    "tests_must_pass": lambda outer, whole: whole >= outer,
    "bots": lambda outer, whole: set(whole) <= set(outer),
    "on_conflict": lambda outer, whole: _QUIETER.index(whole) <= _QUIETER.index(outer),
    "on_check_failure": lambda outer, whole: outer == "fix" or whole == "nothing",
    "fork_pull_requests": lambda outer, whole: _TRUST.index(whole) <= _TRUST.index(outer),
}


def strict(key: str) -> Callable[[Any, Any], bool]:
    if key.startswith("permissions."):
        return lambda outer, whole: _level(whole) >= _level(outer)
    return AT_LEAST_AS_STRICT[key]


@given(FILES, FILES, FILES)
def test_nothing_is_ever_weaker_than_the_organisation_says(
    top: dict[str, Any], group: dict[str, Any], own: dict[str, Any]
) -> None:
    layers = [layer(top, "top"), layer(group, "group"), layer(own, "own")]
    whole = Effective()
    for each in layers:
        whole = merge(whole, each)
    for key in all_keys():
        if protection(key) is None or key == "test_command":
            continue  # of the command, see below
        for each in layers:
            if key in each.stated:
                assert strict(key)(value_of(each.config, key), value_of(whole.config, key)), key


@given(FILES, FILES, FILES)
def test_tests_that_an_organisation_holds_to_are_its_own(
    top: dict[str, Any], group: dict[str, Any], own: dict[str, Any]
) -> None:
    above = merge(merge(Effective(), layer(top, "top")), layer(group, "group"))
    whole = merge(above, layer(own, "own"))
    if above.config.tests_must_pass and above.config.test_command is not None:
        assert whole.config.test_command == above.config.test_command
    else:
        assert whole.config.test_command == own.get("test_command", above.config.test_command)


@given(FILES, FILES)
def test_each_key_comes_from_whoever_said_it(outer: dict[str, Any], inner: dict[str, Any]) -> None:
    layers = {"outer": layer(outer, "outer"), "inner": layer(inner, "inner")}
    whole = merge(merge(Effective(), layers["outer"]), layers["inner"])
    for key in all_keys():
        source = whole.source(key)
        if source is None:
            assert value_of(whole.config, key) == value_of(DEFAULT_CONFIG, key)
            assert not any(key in each.stated for each in layers.values())
        elif ", " not in source and key != "paths":
            assert value_of(whole.config, key) == value_of(layers[source.partition(":")[0]].config, key)


@given(FILES)
def test_a_file_alone_is_itself(own: dict[str, Any]) -> None:
    alone = layer(own, CONFIG_PATH)
    assert merge(Effective(), alone).config == alone.config


@given(st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=80)), max_size=3))
def test_kept_files_are_found_again(pairs: list[tuple[str, bytes]]) -> None:
    files = [ConfigFile(path=path or ORG, data=data) for path, data in pairs]
    found = kept_files(kept_text(files))
    assert [each.path for each in found] == [each.path for each in files]
    assert [each.data for each in found] == [each.data.decode("utf-8", "replace").encode() for each in files]


def test_the_text_of_a_file_alone_is_that_file() -> None:
    assert kept_text([file("version: 1\n")]) == "version: 1\n"
    assert kept_files("version: 1\n") == [file("version: 1\n")]
    assert kept_text([]) == ""


@pytest.mark.parametrize("text", ["%flowforge-layers\n---\nversion: 1\n", "%flowforge-layers\n#[]\n---\nversion: 1\n"])
def test_a_file_that_begins_like_several_is_that_file(text: str) -> None:
    files = [ConfigFile(path=CONFIG_PATH, data=text.encode())]
    assert read_layers(files).config == RepositoryConfig(version=1)
    assert kept_files(kept_text(files)) == files


def test_no_repository_can_pretend_to_have_an_organisation() -> None:
    pretended = kept_text([file("version: 1\n", ORG), file("version: 1\nbudget_usd: 100\n")])
    with pytest.raises(ConfigError):
        read_layers([file(pretended)])


def test_all_keys_are_those_of_the_schema() -> None:
    config: RepositoryConfig = DEFAULT_CONFIG
    assert {key.partition(".")[0] for key in all_keys()} == set(config.__struct_fields__)
    assert json.dumps(all_keys())
