"""Paths and modes that no resolution may have."""

from dataclasses import replace

import pytest

from bot.config_keys import BUILTIN_PROTECTED_PATHS
from bot.model.resolutions import GateVerdict
from bot.validation import paths
from tests.bot.validation.candidates import OURS, candidate, conflict, said, with_extra_change


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".GIT/hooks/pre-commit",
        ".Git",
        "a/.git",
        "git~1/config",
        "GIT~2",
        "gi7eba~1",
        ".git ",
        ".git.",
        ".git. . ",
        ".git::$INDEX_ALLOCATION/config",
        ".g\u200cit/config",
        "\uff0egit/config",
        ".gi\uff54",
    ],
)
def test_gits_own_files_are_refused_in_every_spelling(path: str) -> None:
    (finding,) = paths.check(with_extra_change(candidate(OURS), path))
    assert (finding.path, finding.verdict) == (path, GateVerdict.REFUSED)


@pytest.mark.parametrize("path", [".gitmodules", "sub/.gitattributes", ".gitlab-ci.yml", ".GitHub/workflows/x.yml"])
def test_what_git_or_the_forge_reads_needs_a_person(path: str) -> None:
    (finding,) = paths.check(candidate(OURS, path=path))
    assert (finding.path, finding.verdict) == (path, GateVerdict.NEEDS_PERSON)


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".GitHub/Workflows/ci.yml", ".gitea/workflows/x.yaml"])
def test_workflows_are_refused_by_name(path: str) -> None:
    assert "workflow" in str(paths.forbidden(path, ()))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "./a",
        "a/",
        "..",
        "a\\b",
        "a\nb",
        "a\x00b",
        "a\x7fb",
        "a\u202eb",
        "\ud800",
    ],
)
def test_what_is_no_proper_path_is_refused(path: str) -> None:
    assert paths.forbidden(path, ()) is not None


def test_an_endless_path_is_refused() -> None:
    assert "too long" in str(paths.forbidden("a/" * 3000 + "a", ()))


@pytest.mark.parametrize(
    "path", ["src/app.py", "digit/x", "legit.py", "git/x", "widget~1", "日本/é.txt", "a b/c", "...x"]
)
def test_ordinary_paths_are_free(path: str) -> None:
    assert paths.forbidden(path, ()) is None


def test_protected_paths_are_refused_and_the_pattern_is_named() -> None:
    (finding,) = paths.check(candidate(OURS, path="infra/main.py", protected_paths=("docs/**", "infra/**")))
    assert "`infra/**`" in finding.message
    assert paths.check(candidate(OURS, protected_paths=("docs/**", "infra/**"))) == []


@pytest.mark.parametrize(
    "path", [".claude/settings.json", "CLAUDE.md", "sub/.mcp.json", ".husky/pre-push", "CODEOWNERS"]
)
def test_what_the_configuration_always_protects_is_refused(path: str) -> None:
    assert paths.forbidden(path, BUILTIN_PROTECTED_PATHS) is not None


@pytest.mark.parametrize(
    ("mode", "what"), [("120000", "symbolic link"), ("160000", "submodule"), ("040000", "directory")]
)
def test_only_regular_files_may_come_out(mode: str, what: str) -> None:
    honest = candidate(OURS)
    assert what in said(paths.check(replace(honest, modes={"src/app.py": mode})))[0]
    disguised = replace(honest, resolutions=(replace(honest.resolutions[0], mode=mode),))
    assert what in said(paths.check(disguised))[0]


def test_a_link_that_a_side_has_is_for_a_person_and_one_from_nowhere_is_refused() -> None:
    honest = candidate(OURS)
    link = replace(conflict("src/app.py", modes=("120000", "100644")), merged_mode=None)
    resolutions = (replace(honest.resolutions[0], mode="120000"),)
    linked = replace(honest, conflicts=(link,), resolutions=resolutions, modes={"src/app.py": "120000"})
    assert [finding.verdict for finding in paths.check(linked)] == [GateVerdict.NEEDS_PERSON]
    from_nowhere = replace(honest, modes={"src/app.py": "120000"})
    assert [finding.verdict for finding in paths.check(from_nowhere)] == [GateVerdict.REFUSED]


@pytest.mark.parametrize("mode", ["100755", "100664", "", "0", "644"])
def test_a_mode_that_git_did_not_merge_is_refused(mode: str) -> None:
    assert len(paths.check(replace(candidate(OURS), modes={"src/app.py": mode}))) == 1


def test_a_mode_that_one_side_changed_is_what_git_merged() -> None:
    executable = replace(conflict("src/app.py", modes=("100644", "100755")), merged_mode="100755")
    honest = replace(candidate(OURS), conflicts=(executable,), modes={"src/app.py": "100755"})
    assert paths.check(replace(honest, resolutions=(replace(honest.resolutions[0], mode="100755"),))) == []
    assert len(paths.check(honest)) == 1


def test_a_deleted_file_needs_no_mode() -> None:
    assert paths.check(candidate(None, theirs=None)) == []
