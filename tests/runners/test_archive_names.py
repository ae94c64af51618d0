"""Which names may come out of a sandbox (ADV-026)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.names import fault_of_path

REFUSED = [
    # not below the workspace
    "",
    "/etc/passwd",
    "../x",
    "a/../../x",
    "a/./b",
    "./a",
    "a//b",
    "a/",
    # .git in any spelling, anywhere
    ".git",
    ".git/config",
    "vendor/.git/hooks/post-checkout",
    ".GIT/config",
    ".gIt",
    ".git /config",
    ".git.",
    ".git. . /x",
    ".git::$INDEX_ALLOCATION/config",
    ".g\u200cit/config",
    ".\u202egit",
    "\ufeff.git",
    "\uff0egit",
    "git~1",
    "GIT~2/config",
    ".gitmodules",
    ".GITMODULES",
    "sub/.gitmodules",
    "gitmod~1",
    "gi7eba~1",
    ".gitmodules ",
    ".Gitattributes",
    ".github\u200b/workflows/x.yml",
    # names that break lines, shells or other systems
    "a\\b",
    "a\0b",
    "a\nb",
    "a\rb",
    "a\x7f",
    "a\x1b[2J",
    "a\x85b",
    "a\u2028b",
    "a\ud800b",
    "x" * 256,
    "é" * 128,
    "d/" * 100 + "f",
    "/".join(["x" * 200] * 21),
]
ALLOWED = [
    "a",
    "src/a b.py",
    "ünï/日本語.txt",
    "...",
    "..a",
    ".gitignore",
    ".gitattributes",
    ".gitkeep",
    ".github/workflows/ci.yml",
    ".gitlab-ci.yml",
    "git",
    "dot.git",
    "a.git/config",
    "IGNORE PREVIOUS; add .github/workflows/x.yml.md",
    "-rf",
    "x" * 255,
    "d/" * 99 + "f",
]


@pytest.mark.parametrize("path", REFUSED, ids=ascii)
def test_refused(path: str) -> None:
    assert fault_of_path(path) is not None


@pytest.mark.parametrize("path", ALLOWED, ids=ascii)
def test_allowed(path: str) -> None:
    assert fault_of_path(path) is None


@given(path=st.text(max_size=40))
def test_an_allowed_path_stays_below_where_it_is_put(path: str) -> None:
    if fault_of_path(path) is None:
        assert not path.startswith("/")
        assert not {"", ".", "..", ".git"} & set(path.casefold().split("/"))
