"""Over HTTP: the credential is nowhere but in the header, and what the forge answers is told apart."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bot.errors import GitError, GitTimeoutError, PushRefusedError
from bot.git.adapter import GitMirrors
from bot.model.forge import GitAccess
from tests.bot.git.http_forge import TOKEN, HttpForge, serving
from tests.bot.git.lab import REPOSITORY, Remote, numbered

MAIN = "refs/heads/main"


@pytest.fixture
def forge(remote: Remote) -> Iterator[HttpForge]:
    remote.git("config", "http.receivepack", "true")
    with serving(remote.path.parent) as forge:
        yield forge


def holding_the_token(directory: Path) -> list[Path]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return [path for path in files if TOKEN.encode() in path.read_bytes()]


def gits() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if "git" in child.name()]


def command_lines(processes: list[psutil.Process]) -> list[bytes]:
    return [Path(f"/proc/{process.pid}/cmdline").read_bytes() for process in processes]


async def test_fetch_list_and_push(git: GitMirrors, remote: Remote, forge: HttpForge, tmp_path: Path) -> None:
    main = remote.commit({"a": numbered()}, ref=MAIN)
    assert await git.fetch(REPOSITORY, forge.access, [MAIN]) == {MAIN: main}
    await git.push(REPOSITORY, forge.access, ref="refs/heads/new", new=main, expected=None)
    assert await git.remote_ref(REPOSITORY, forge.access, "refs/heads/new") == main
    assert remote.at("refs/heads/new") == main
    assert set(forge.behaviour.authorizations) == {f"Bearer {TOKEN}"}
    assert holding_the_token(tmp_path / "mirrors") == []


async def test_while_git_runs_the_credential_is_in_no_argument_and_cancelling_ends_git(
    git: GitMirrors, forge: HttpForge, tmp_path: Path
) -> None:
    forge.behaviour.hang = True
    task = asyncio.create_task(git.remote_ref(REPOSITORY, forge.access, MAIN))
    assert await asyncio.to_thread(forge.behaviour.asked.wait, 10)
    children = gits()
    arguments = await asyncio.to_thread(command_lines, children)
    assert any(b"git-remote-http" in argument for argument in arguments)
    assert not any(TOKEN.encode() in argument for argument in arguments)
    assert holding_the_token(tmp_path / "mirrors") == []
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=60)
    assert alive == []


async def test_a_forge_that_does_not_answer_is_left_in_time(forge: HttpForge, tmp_path: Path) -> None:
    git = GitMirrors(tmp_path / "hasty", timeout_seconds=1.0)
    forge.behaviour.hang = True
    with pytest.raises(GitTimeoutError) as caught:
        await git.fetch(REPOSITORY, forge.access, [MAIN])
    assert TOKEN not in str(caught.value)
    assert gits() == []


@pytest.mark.parametrize("status", [401, 403, 404, 500])
async def test_what_the_forge_repeats_of_the_credential_is_in_no_message(
    git: GitMirrors, remote: Remote, forge: HttpForge, status: int
) -> None:
    main = remote.commit({"a": "1"}, ref=MAIN)
    await git.fetch(REPOSITORY, forge.access, [MAIN])
    forge.behaviour.status = status
    forge.behaviour.body = f"You sent {forge.authorization} and {TOKEN}".encode()
    with pytest.raises(GitError) as on_fetch:
        await git.fetch(REPOSITORY, forge.access, [MAIN])
    with pytest.raises(GitError) as on_push:
        await git.push(REPOSITORY, forge.access, ref="refs/heads/x", new=main, expected=None)
    for caught in (on_fetch, on_push):
        chain = [caught.value, caught.value.__cause__, caught.value.__context__]
        assert not any(TOKEN in repr(error) for error in chain)
    assert isinstance(on_push.value, PushRefusedError) == (status in {403, 404})


async def test_a_redirect_is_not_followed(git: GitMirrors, remote: Remote, forge: HttpForge) -> None:
    remote.commit({"a": "1"}, ref=MAIN)
    with serving(remote.path.parent) as elsewhere:
        forge.behaviour.status = 302
        forge.behaviour.location = f"{elsewhere.url}/shop.git/info/refs?service=git-upload-pack"
        with pytest.raises(GitError):
            await git.fetch(REPOSITORY, forge.access, [MAIN])
        assert elsewhere.behaviour.paths == []


async def test_without_a_credential_no_header_is_sent(git: GitMirrors, remote: Remote, forge: HttpForge) -> None:
    main = remote.commit({"a": "1"}, ref=MAIN)
    access = GitAccess(url=forge.access.url, authorization="")
    assert await git.remote_ref(REPOSITORY, access, MAIN) == main
    assert set(forge.behaviour.authorizations) == {None}


async def test_a_push_larger_than_gits_buffer_arrives(git: GitMirrors, remote: Remote, forge: HttpForge) -> None:
    main = remote.commit({"a": os.urandom(3 * 1024 * 1024)}, ref=MAIN)
    await git.fetch(REPOSITORY, forge.access, [MAIN])
    other = Remote.create(remote.path.parent / "other.git")
    other.git("config", "http.receivepack", "true")
    access = GitAccess(url=f"{forge.url}/other.git", authorization=forge.authorization)
    await git.push(REPOSITORY, access, ref=MAIN, new=main, expected=None)
    assert other.at(MAIN) == main
