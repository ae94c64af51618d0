"""Names that no checkout may have."""

import pytest

from bot.errors import GitError
from bot.git.names import check_path, forbidden


@pytest.mark.parametrize(
    "name",
    [
        *(b"", b".", b"..", b"a/b", b"a\\b", b"..\\x", b"a\0b", b"a\nb", b"a\x1b[2J", b"a\x7f", "a\u0085".encode()),
        *(b".git", b".GIT", b".Git", b"git~1", b"GIT~1", b".git ", b".git.", b".git . ", b"git~1.", b".git::$INDEX"),
        *(".g\u200cit".encode(), "\ufeff.git".encode(), ".git\u200f".encode(), ".\u202egit\u206a.".encode()),
        *(b"...", b". .", b" ", ".\u200d.".encode(), b"x" * 256),
    ],
)
def test_forbidden(name: bytes) -> None:
    assert forbidden(name)


@pytest.mark.parametrize(
    "name",
    [
        *(b".gitignore", b".gitattributes", b".github", b"git", b"a.git", b"git~2", b".git2", b"..a", b"a..", b"a ."),
        *("👩\u200d💻.md".encode(), "caf\u00e9".encode(), b"caf\xe9", b" a", b"con", b":x", b"x" * 255, b"-rf"),
    ],
)
def test_allowed(name: bytes) -> None:
    assert forbidden(name) is None


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/.git/config", "a\n", "\udcff", "/".join("d" * 65)]
)
def test_paths_with_a_forbidden_name_are_refused_without_raw_bytes_in_the_message(path: str) -> None:
    with pytest.raises(GitError) as caught:
        check_path(path)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


def test_a_good_path_is_split() -> None:
    assert check_path("src/.github/é.py") == ("src", ".github", "é.py")
