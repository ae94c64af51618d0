"""Moving a ref of the forge: leases, refusals, and pushing twice."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.errors import GitError, LeaseRejectedError, PushRefusedError
from bot.git.adapter import GitMirrors
from bot.git.process import Completed
from bot.git.push import RefMove, refusal
from bot.model.forge import GitAccess
from tests.bot.git.lab import REPOSITORY, Remote, fetched

HEAD = "refs/heads/topic"
MOVE = RefMove(ref=HEAD, new="a" * 40, expected="b" * 40)


@pytest.fixture
async def commits(git: GitMirrors, remote: Remote) -> Mapping[str, str]:
    """Three commits: ``one`` and ``two`` in a row, ``side`` beside ``two``; all in the mirror, none on ``HEAD``."""
    one = remote.commit({"a": "1"}, ref="refs/heads/one")
    two = remote.commit({"a": "2"}, one, ref="refs/heads/two")
    side = remote.commit({"a": "3"}, one, ref="refs/heads/side")
    await fetched(git, remote)
    return {"one": one, "two": two, "side": side}


async def test_a_ref_is_created_moved_forward_sideways_and_back_and_deleted(
    git: GitMirrors, remote: Remote, commits: Mapping[str, str]
) -> None:
    expected = None
    for name in ("one", "two", "side", "one"):
        await git.push(REPOSITORY, remote.access, ref=HEAD, new=commits[name], expected=expected)
        assert remote.at(HEAD) == commits[name]
        expected = commits[name]
    await git.push(REPOSITORY, remote.access, ref=HEAD, new=None, expected=expected)
    assert remote.at(HEAD) is None


@pytest.mark.parametrize(
    ("there", "expected", "new"),
    [("side", "one", "two"), ("side", None, "two"), (None, "one", "two"), ("side", "one", None), ("one", None, "two")],
)
async def test_a_ref_elsewhere_is_left_alone(
    git: GitMirrors, remote: Remote, commits: Mapping[str, str], *, there: str, expected: str, new: str
) -> None:
    if there:
        remote.set(HEAD, commits[there])
    before = remote.refs()
    move = {"new": commits.get(new), "expected": commits.get(expected)}
    with pytest.raises(LeaseRejectedError, match=HEAD):
        await git.push(REPOSITORY, remote.access, ref=HEAD, **move)
    assert remote.refs() == before


@pytest.mark.parametrize(("expected", "new"), [(None, "two"), ("one", "two"), ("one", None)])
async def test_pushing_what_is_there_already_succeeds(
    git: GitMirrors, remote: Remote, commits: Mapping[str, str], expected: str | None, new: str | None
) -> None:
    if expected:
        remote.set(HEAD, commits[expected])
    for _ in range(2):
        await git.push(
            REPOSITORY,
            remote.access,
            ref=HEAD,
            new=commits[new] if new else None,
            expected=commits[expected] if expected else None,
        )
    assert remote.at(HEAD) == (commits[new] if new else None)


def hook(remote: Remote, name: str, script: str) -> None:
    path = remote.path / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


async def test_a_protected_branch_refuses_in_its_own_words(
    git: GitMirrors, remote: Remote, commits: Mapping[str, str]
) -> None:
    hook(remote, "pre-receive", "echo 'GH006: Protected branch failed, ghs_abcdefghijklmnopqrstuvwxyz01'; exit 1")
    with pytest.raises(PushRefusedError) as caught:
        await git.push(REPOSITORY, remote.access, ref=HEAD, new=commits["one"], expected=None)
    assert "pre-receive hook declined" in str(caught.value)
    assert "GH006: Protected branch failed" in str(caught.value)
    assert "ghs_" not in str(caught.value)


async def test_a_forbidden_deletion_is_a_refusal(git: GitMirrors, remote: Remote, commits: Mapping[str, str]) -> None:
    remote.git("config", "receive.denyDeletes", "true")
    remote.set(HEAD, commits["one"])
    with pytest.raises(PushRefusedError):
        await git.push(REPOSITORY, remote.access, ref=HEAD, new=None, expected=commits["one"])


async def test_a_ref_moved_while_the_push_was_under_way_is_a_lost_lease(
    git: GitMirrors, remote: Remote, commits: Mapping[str, str]
) -> None:
    remote.set(HEAD, commits["one"])
    hook(remote, "pre-receive", f"unset GIT_QUARANTINE_PATH; git update-ref {HEAD} {commits['side']}")
    with pytest.raises(LeaseRejectedError):
        await git.push(REPOSITORY, remote.access, ref=HEAD, new=commits["two"], expected=commits["one"])
    assert remote.at(HEAD) == commits["side"]


async def test_a_lock_on_the_forge_is_no_lost_lease(
    git: GitMirrors, remote: Remote, commits: Mapping[str, str]
) -> None:
    remote.set(HEAD, commits["one"])
    (remote.path / f"{HEAD}.lock").touch()
    with pytest.raises(GitError) as caught:
        await git.push(REPOSITORY, remote.access, ref=HEAD, new=commits["two"], expected=commits["one"])
    assert type(caught.value) is GitError


async def test_a_commit_that_the_mirror_has_not_cannot_be_pushed(git: GitMirrors, remote: Remote) -> None:
    with pytest.raises(GitError) as caught:
        await git.push(REPOSITORY, remote.access, ref=HEAD, new="1" * 40, expected=None)
    assert type(caught.value) is GitError
    assert remote.refs() == {}


async def test_a_forge_that_is_not_there_is_no_refusal(
    git: GitMirrors, commits: Mapping[str, str], tmp_path: Path
) -> None:
    nowhere = GitAccess(url=f"file://{tmp_path}/none", authorization="")
    with pytest.raises(GitError) as caught:
        await git.push(REPOSITORY, nowhere, ref=HEAD, new=commits["one"], expected=None)
    assert type(caught.value) is GitError


async def test_hooks_of_the_mirror_do_not_run(
    git: GitMirrors, remote: Remote, commits: Mapping[str, str], tmp_path: Path
) -> None:
    mirror = Remote(tmp_path / "mirrors/github/7.git")
    for name in ("pre-push", "reference-transaction", "post-update", "pre-receive"):
        hook(mirror, name, f"touch {tmp_path}/ran; exit 1")
    await git.push(REPOSITORY, remote.access, ref=HEAD, new=commits["one"], expected=None)
    assert (await fetched(git, remote))[HEAD] == commits["one"]
    assert not (tmp_path / "ran").exists()


def line(summary: str) -> bytes:
    return f"To https://forge.example/x.git\n!\t{'a' * 40}:{HEAD}\t{summary}\nDone\n".encode()


ACCESS = GitAccess(url="https://forge.example/x.git", authorization="Bearer some-secret-token")


@pytest.mark.parametrize(
    ("output", "words", "error"),
    [
        (line("[rejected] (stale info)"), "", LeaseRejectedError),
        (line("[remote rejected] (cannot lock ref 'x': is at 1 but expected 2)"), "", LeaseRejectedError),
        (line("[remote rejected] (protected branch hook declined)"), "remote: GH006", PushRefusedError),
        (line("[remote rejected] (push declined due to repository rule violations)"), "", PushRefusedError),
        (
            line("[remote rejected] (refusing to allow a GitHub App to create or update workflow `x`)"),
            "",
            PushRefusedError,
        ),
        (line("[remote rejected] (Internal Server Error)"), "", GitError),
        (line("[remote failure] (remote failed to report status)"), "", GitError),
        (b"", "fatal: unable to access 'x': The requested URL returned error: 403", PushRefusedError),
        (b"", "error: RPC failed; HTTP 403 curl 22 The requested URL returned error: 403", PushRefusedError),
        (b"", "fatal: unable to access 'x': The requested URL returned error: 502", GitError),
        (b"", "fatal: Authentication failed for 'https://forge.example/x.git/'", GitError),
    ],
)
def test_what_a_failed_push_amounts_to(output: bytes, words: str, error: type[GitError]) -> None:
    found = refusal(MOVE, Completed(status=1, output=output, words=words), ACCESS)
    assert type(found) is error


def test_the_reason_given_by_the_forge_is_cleaned() -> None:
    output = line("[remote rejected] (no \x1b[31msome-secret-token here)")
    message = str(refusal(MOVE, Completed(status=1, output=output, words=""), ACCESS))
    assert "some-secret-token" not in message
    assert "\x1b" not in message
