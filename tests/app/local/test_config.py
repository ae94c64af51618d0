"""``flowforge config check``: what it prints and how it ends, without a service."""

from pathlib import Path

import pytest

from tests.app.local.conftest import Program

SCHEMA = "config-check-1.json"
ORGANISATION = "version: 1\nbudget_usd: 2\nprotected_paths: [deploy/**]\ntests_must_pass: true\n"
REPOSITORY = "version: 1\nbudget_usd: 9\nprotected_paths: [infra/**]\ntest_command: make test\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "organisation.yml").write_text(ORGANISATION)
    (tmp_path / ".flowforge.yml").write_text(REPOSITORY)
    return tmp_path


def test_the_file_of_this_directory_is_checked_and_may_be_named(place: Path, flowforge: Program) -> None:
    for arguments in ((), (".",), (".flowforge.yml",), (str(place),)):
        done = flowforge(place, "config", "check", *arguments)
        assert (done.code, done.errors) == (0, "")
        assert done.output.endswith(".flowforge.yml: valid\n")


def test_what_holds_is_shown_with_where_it_comes_from(place: Path, flowforge: Program) -> None:
    done = flowforge(place, "config", "check", "--organisation", "organisation.yml", "--effective")
    assert done.code == 0
    assert done.output == "organisation.yml: valid\n" + done.output.partition("\n")[2]
    arguments = ("--organisation", "organisation.yml", "--effective", ".")
    lines = flowforge(place, "config", "check", *arguments).output.splitlines()
    assert lines[0] == "organisation.yml, .flowforge.yml: valid"
    assert "budget_usd: 2.0  # organisation.yml:2" in lines
    assert 'protected_paths: ["deploy/**","infra/**"]  # organisation.yml:3, .flowforge.yml:3' in lines
    assert "enabled: true  # default" in lines


def test_as_json_what_holds_has_its_key_value_and_source(place: Path, flowforge: Program) -> None:
    (place / ".flowforge.yml").write_text(REPOSITORY + "resolvers:\n  regenerate: [{paths: [a], command: b}]\n")
    done = flowforge(place, "config", "check", ".", "--organisation", "organisation.yml", "--json")
    found = done.document(SCHEMA)
    assert (done.code, found["valid"], found["errors"]) == (0, True, [])
    values = {each["key"]: (each["value"], each["source"]) for each in found["effective"]}
    assert values["tests_must_pass"] == (True, "organisation.yml:4")
    assert values["resolvers.regenerate"] == ([{"paths": ["a"], "command": "b"}], ".flowforge.yml:6")
    assert values["model"] == (None, None)


def test_each_invalid_file_is_told_with_line_and_key(place: Path, flowforge: Program) -> None:
    (place / ".flowforge.yml").write_text("version: 1\nmodle: opus\n")
    (place / "organisation.yml").write_text("version: 1\n\nbudget_usd: 500\n")
    arguments = ("config", "check", ".", "--organisation", "organisation.yml")
    done = flowforge(place, *arguments)
    assert (done.code, done.errors) == (2, "")
    assert done.output.splitlines() == [
        "organisation.yml:3: budget_usd: `budget_usd` must be a number above 0 and at most 100.",
        ".flowforge.yml:2: modle: There is no key `modle` here. Did you mean `model`?",
    ]
    found = flowforge(place, *arguments, "--json")
    assert found.code == 2
    errors = [(each["path"], each["line"], each["key"]) for each in found.document(SCHEMA)["errors"]]
    assert errors == [("organisation.yml", 3, "budget_usd"), (".flowforge.yml", 2, "modle")]


def test_an_organisation_alone_may_leave_the_command_to_its_repositories(place: Path, flowforge: Program) -> None:
    assert flowforge(place, "config", "check", "--organisation", "organisation.yml").code == 0
    (place / ".flowforge.yml").write_text("version: 1\n")
    done = flowforge(place, "config", "check", ".", "--organisation", "organisation.yml")
    assert done.code == 2
    assert "needs a `test_command`" in done.output


@pytest.mark.parametrize("arguments", [("check", "nowhere.yml"), ("check", "--bad"), ("chek",)])
def test_what_cannot_be_checked_is_an_error_of_its_own(
    place: Path, flowforge: Program, arguments: tuple[str, ...]
) -> None:
    done = flowforge(place, "config", *arguments)
    assert (done.code, done.output) == (1, "")
    assert "Error" in done.errors
    assert "Traceback" not in done.errors


def test_what_a_file_holds_cannot_drive_the_terminal(place: Path, flowforge: Program) -> None:
    (place / ".flowforge.yml").write_bytes('version: 1\n"\\e[31m\u202e": 1\n'.encode())
    done = flowforge(place, "config", "check")
    assert done.code == 2
    assert "\x1b" not in done.output
    assert "\u202e" not in done.output
