import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.config import protected_paths
from bot.config_keys import BUILTIN_PROTECTED_PATHS, DEFAULT_CONFIG, RepositoryConfig
from bot.globs import matches

GIT = shutil.which("git") or "git"

CASES = [
    # path, pattern, covered
    ("a", "a", True),
    ("x/y/a", "a", True),
    ("ab", "a", False),
    ("a", "/a", True),
    ("x/a", "/a", False),
    ("a/b", "a", True),
    ("x/a/b/c", "a", True),
    ("a/b", "a/", True),
    ("x/a/b", "a/", True),
    ("a/b", "a/b", True),
    ("x/a/b", "a/b", False),
    ("x/a/b", "**/a/b", True),
    ("a/b", "**/a/b", True),
    ("a/x/b", "a/*/b", True),
    ("a/x/y/b", "a/*/b", False),
    ("a/b", "a/**/b", True),
    ("a/x/y/b", "a/**/b", True),
    ("a/x/y/c", "a/**/b", False),
    ("a/x/y/b/c", "a/**/b", True),
    ("infra/x/y.tf", "infra/**", True),
    ("infra.tf", "infra/**", False),
    ("x/infra/y.tf", "infra/**", False),
    ("db/1.sql", "*.sql", True),
    ("db/1.sql.txt", "*.sql", False),
    ("db/old.sql/readme", "*.sql", True),
    ("db/1.sql", "/*.sql", False),
    ("a1", "a?", True),
    ("a", "a?", False),
    ("a/1", "a?1", False),
    ("a/b", "a*b", False),
    ("aXbXc", "a*b*c", True),
    ("abab", "*ab", True),
    ("[x]", "[x]", True),
    ("x", "[x]", False),
    ("README.md", "readme.MD", True),
    ("STRASSE", "straße", True),
    ("a.b", "a?b", True),
    ("axb", "a.b", False),
    ("a\nb", "a?b", True),
    ("a", "**", True),
    ("a/b/c", "*", True),
]


@pytest.mark.parametrize(("path", "pattern", "covered"), CASES)
def test_a_pattern_covers_a_path_or_not(path: str, pattern: str, covered: bool) -> None:
    assert matches(path, [pattern]) == (pattern if covered else None)


def test_the_first_pattern_that_covers_is_named() -> None:
    assert matches("a/b.sql", ["x", "*.sql", "a"]) == "*.sql"
    assert matches("a/b.sql", []) is None


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/ci.yml",
        ".github/CODEOWNERS",
        "docs/CODEOWNERS",
        ".gitlab-ci.yml",
        ".gitlab/agents/x/config.yaml",
        ".gitmodules",
        ".gitattributes",
        "src/.gitattributes",
        ".git/config",
        "vendor/.GIT/hooks/pre-commit",
        ".lfsconfig",
        ".flowforge.yml",
        ".claude/settings.json",
        "packages/a/.claude/rules/x.md",
        ".mcp.json",
        "packages/a/.mcp.json",
        "CLAUDE.md",
        "sub/CLAUDE.local.md",
        "AGENTS.md",
        ".husky/pre-commit",
        ".vscode/tasks.json",
        ".circleci/config.yml",
        "Jenkinsfile",
    ],
)
def test_what_is_always_protected(path: str) -> None:
    assert matches(path, protected_paths(DEFAULT_CONFIG)) is not None


@pytest.mark.parametrize(
    "path", ["src/app.py", "README.md", "docs/flowforge.yml", "examples/.travis.yml", "github/x.py", "claude.md.txt"]
)
def test_what_is_not_protected_by_itself(path: str) -> None:
    assert matches(path, protected_paths(DEFAULT_CONFIG)) is None


def test_configured_patterns_are_added_never_taken_away() -> None:
    config = RepositoryConfig(version=1, protected_paths=("*.sql",))
    assert protected_paths(config) == (*BUILTIN_PROTECTED_PATHS, "*.sql")


NAMES = st.text(alphabet="ab.", min_size=1, max_size=3).filter(lambda name: name not in {".", ".."})
GLOB_NAMES = st.text(alphabet="ab.*?", min_size=1, max_size=4).filter(
    lambda name: name not in {".", ".."} and "**" not in name,
)
PATHS = st.lists(NAMES, min_size=1, max_size=5).map("/".join)
PATTERNS = st.builds(
    lambda anchor, segments: anchor + "/".join(segments),
    st.sampled_from(["", "/"]),
    st.lists(GLOB_NAMES | st.just("**"), min_size=1, max_size=4) | st.just(["ab", ""]) | st.just(["?", "b", ""]),
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ignores")
    subprocess.run([GIT, "init", "-q", str(path)], check=True)
    return path


@settings(max_examples=60, deadline=None)
@given(pattern=PATTERNS, paths=st.lists(PATHS, min_size=1, max_size=30, unique=True))
def test_git_s_own_ignore_rules_agree(repository: Path, pattern: str, paths: list[str]) -> None:
    (repository / ".gitignore").write_text(pattern + "\n", encoding="utf-8")
    inside = [f"{path}/x" for path in paths]
    answer = subprocess.run(
        [GIT, "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=repository,
        input="\0".join(paths + inside).encode(),
        capture_output=True,
        check=False,
    )
    assert answer.returncode in (0, 1), answer.stderr
    ignored = set(answer.stdout.decode().split("\0"))
    # A directory's contents being protected, its name is as well: it might become a file.
    contents = pattern.endswith(("/", "/**"))
    expected = {path for path in paths if path in ignored or (contents and f"{path}/x" in ignored)}
    assert {path for path in paths if matches(path, [pattern])} == expected


@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=5))
def test_no_text_raises(path: str, patterns: list[str]) -> None:
    assert matches(path, patterns) in (None, *patterns)


@pytest.mark.timeout(60)  # what explodes takes minutes
def test_hostile_patterns_take_no_time() -> None:
    matches("a" * 4000, ["*a" * 120 + "b"] * 100)
    matches("/".join("a" * 1500), ["**/a/" * 50 + "b"] * 100)
