"""Names of refs and ids: what we let through, git lets through."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import GitError
from bot.git.refs import check_oid, check_ref


def accepted(ref: str) -> bool:
    try:
        return check_ref(ref) == ref
    except GitError:
        return False


def git_accepts(ref: str) -> bool:
    command = ["git", "check-ref-format", ref]
    return subprocess.run(command, check=False).returncode == 0  # the reference to compare with


_PIECE = st.sampled_from(
    [
        *("a", "b1", "/", "//", ".", "..", "@{", "@", "{", ".lock", "lock", "~", "^", ":", "?", "*", "[", "\\", " "),
        *("\x7f", "-", "é", "\n", "\x01", "x.y", "\u00a0", "refs", "-x"),
    ]
)


@settings(max_examples=250, deadline=None)
@given(st.lists(_PIECE, max_size=6).map("".join))
def test_the_rules_are_those_of_git(tail: str) -> None:
    ref = "refs/" + tail
    assert accepted(ref) == git_accepts(ref)


@pytest.mark.parametrize(
    "ref",
    [
        *("main", "heads/main", "HEAD", "-refs/heads/x", "--upload-pack=x", "", "refs", "refs/", "/refs/heads/x"),
        *("refs/heads/x\0", "refs/heads/x\n", "refs/heads/\ud800", "refs/heads/" + "x" * 1000),
        *("refs/flowforge/keep/x", "refs/heads/a:refs/heads/b", "+refs/heads/a", "refs/heads/*"),
    ],
)
def test_what_is_no_full_ref_name_is_refused(ref: str) -> None:
    with pytest.raises(GitError):
        check_ref(ref)


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/pull/7/head", "refs/heads/flowforge/7-ab", "refs/heads/é/-x"])
def test_common_names_pass(ref: str) -> None:
    assert check_ref(ref) == ref


@pytest.mark.parametrize("oid", ["", "HEAD", "-" * 40, "a" * 39, "a" * 41, "A" * 40, "g" * 40, "a" * 40 + "\n"])
def test_what_is_no_object_id_is_refused(oid: str) -> None:
    with pytest.raises(GitError):
        check_oid(oid)
