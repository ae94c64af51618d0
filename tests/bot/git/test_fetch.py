"""Mirrors: made, fetched, shared."""

import asyncio
import contextlib
import fcntl
import multiprocessing
from pathlib import Path

import pytest

from bot.errors import GitError, GitTimeoutError
from bot.git.adapter import GitMirrors
from bot.git.process import GitCommand
from bot.model.conflicts import MARKER_SIZE
from bot.model.forge import GitAccess
from tests.bot.git.lab import REPOSITORY, Remote, fetched

MAIN = "refs/heads/main"
MIRROR = Path("mirrors/github/7.git")


async def test_refs_arrive_under_their_own_names_and_missing_ones_are_left_out(git: GitMirrors, remote: Remote) -> None:
    main = remote.commit({"a": "1"}, ref=MAIN)
    pull = remote.commit({"a": "2"}, main, ref="refs/pull/7/head")
    got = await git.fetch(REPOSITORY, remote.access, ["refs/pull/7/head", "refs/heads/gone", MAIN])
    assert got == {MAIN: main, "refs/pull/7/head": pull}
    assert await git.parents_of(REPOSITORY, pull) == (main,)


async def test_a_name_that_only_ends_like_the_wanted_one_is_another(git: GitMirrors, remote: Remote) -> None:
    remote.commit({"a": "1"}, ref="refs/heads/x/refs/heads/main")
    assert await git.fetch(REPOSITORY, remote.access, [MAIN]) == {}
    assert await git.remote_ref(REPOSITORY, remote.access, MAIN) is None


async def test_a_ref_that_moved_back_is_fetched_again(git: GitMirrors, remote: Remote) -> None:
    first = remote.commit({"a": "1"}, ref=MAIN)
    second = remote.commit({"a": "2"}, first, ref=MAIN)
    assert (await fetched(git, remote))[MAIN] == second
    remote.set(MAIN, first)
    assert (await fetched(git, remote))[MAIN] == first
    assert await git.tree_of(REPOSITORY, second)


async def test_a_branch_may_become_a_folder_of_branches_and_back(git: GitMirrors, remote: Remote) -> None:
    commit = remote.commit({"a": "1"}, ref="refs/heads/topic")
    await fetched(git, remote)
    remote.set("refs/heads/topic", None)
    remote.set("refs/heads/topic/x", commit)
    assert await fetched(git, remote) == {"refs/heads/topic/x": commit}
    remote.set("refs/heads/topic/x", None)
    remote.set("refs/heads/topic", commit)
    assert await fetched(git, remote) == {"refs/heads/topic": commit}


async def test_nothing_is_asked_of_the_forge_when_nothing_is_wanted(git: GitMirrors) -> None:
    nowhere = GitAccess(url="http://127.0.0.1:1/x.git", authorization="")
    assert await git.fetch(REPOSITORY, nowhere, []) == {}


async def test_the_mirror_is_bare_quiet_and_ours(git: GitMirrors, remote: Remote, tmp_path: Path) -> None:
    remote.commit({".gitattributes": "* conflict-marker-size=7"}, ref=MAIN)
    await fetched(git, remote)
    mirror = tmp_path / MIRROR
    assert (mirror / "info/attributes").read_text() == f"* conflict-marker-size={MARKER_SIZE}\n"
    assert not (mirror / "hooks").exists()
    assert not (mirror / "FETCH_HEAD").exists()
    assert "remote" not in (mirror / "config").read_text()
    assert [path.name for path in (tmp_path / "mirrors/home").iterdir()] == []


async def test_a_mirror_made_by_an_older_version_is_brought_up_to_date(remote: Remote, tmp_path: Path) -> None:
    remote.commit({"a": "1"}, ref=MAIN)
    await fetched(GitMirrors(tmp_path / "mirrors", allow_file=True), remote)
    attributes = tmp_path / MIRROR / "info/attributes"
    attributes.write_text("* conflict-marker-size=9\n")
    await fetched(GitMirrors(tmp_path / "mirrors", allow_file=True), remote)
    assert str(MARKER_SIZE) in attributes.read_text()


async def test_a_fetch_notes_the_commit_graph(git: GitMirrors, remote: Remote, tmp_path: Path) -> None:
    one = remote.commit({"a": "1"}, ref=MAIN)
    await fetched(git, remote)
    graphs = tmp_path / MIRROR / "objects/info/commit-graphs"
    assert (graphs / "commit-graph-chain").is_file()
    # What a killed fetch left is in nobody's way.
    (graphs / "commit-graph-chain.lock").touch()
    two = remote.commit({"a": "2"}, one, ref=MAIN)
    assert await fetched(git, remote) == {MAIN: two}
    assert not (graphs / "commit-graph-chain.lock").exists()
    assert await git.merge_bases(REPOSITORY, ours=one, theirs=two) == (one,)


async def test_a_mirror_that_vanished_is_made_again(git: GitMirrors, remote: Remote, tmp_path: Path) -> None:
    main = remote.commit({"a": "1"}, ref=MAIN)
    await fetched(git, remote)
    (tmp_path / MIRROR).rename(tmp_path / "elsewhere")
    assert await fetched(git, remote) == {MAIN: main}


async def test_many_fetches_at_once_share_one_mirror(remote: Remote, tmp_path: Path) -> None:
    main = remote.commit({"a": "1"}, ref=MAIN)
    mirrors = [GitMirrors(tmp_path / "mirrors", allow_file=True) for _ in range(3)]
    got = await asyncio.gather(*(fetched(git, remote) for git in mirrors for _ in range(3)))
    assert got == [{MAIN: main}] * 9
    assert sorted(path.name for path in (tmp_path / "mirrors/github").iterdir()) == ["7.git", "7.lock"]


def _fetch_in_process(root: Path, remote: Path) -> None:
    asyncio.run(fetched(GitMirrors(root, allow_file=True), Remote(remote), MAIN))


async def test_several_processes_share_a_root(remote: Remote, tmp_path: Path) -> None:
    remote.commit({"a": "1"}, ref=MAIN)
    start = multiprocessing.get_context("spawn")
    workers = [start.Process(target=_fetch_in_process, args=(tmp_path / "mirrors", remote.path)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        await asyncio.to_thread(worker.join, 30)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    for worker in workers:
        worker.close()


async def test_a_fetch_waits_for_the_lock_and_gives_up_in_time(remote: Remote, tmp_path: Path) -> None:
    remote.commit({"a": "1"}, ref=MAIN)
    git = GitMirrors(tmp_path / "mirrors", allow_file=True, timeout_seconds=0.2)
    await fetched(GitMirrors(tmp_path / "mirrors", allow_file=True), remote)
    with (tmp_path / "mirrors/github/7.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(GitTimeoutError, match="another process"):
            await fetched(git, remote, MAIN)


async def test_what_a_killed_fetch_left_does_not_stop_the_next(git: GitMirrors, remote: Remote, tmp_path: Path) -> None:
    remote.commit({"a": "1"}, ref=MAIN)
    await fetched(git, remote)
    moved = remote.commit({"a": "2"}, ref=MAIN)
    left = [tmp_path / MIRROR / name for name in (f"{MAIN}.lock", "packed-refs.lock", "objects/pack/tmp_pack_x")]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert await fetched(git, remote) == {MAIN: moved}
    assert not any(path.exists() for path in left)


async def test_a_forge_that_is_not_there_is_a_git_error(git: GitMirrors, tmp_path: Path) -> None:
    with pytest.raises(GitError, match="ls-remote"):
        await git.fetch(REPOSITORY, GitAccess(url=f"file://{tmp_path}/none", authorization=""), [MAIN])


@pytest.mark.parametrize("ref", ["main", "--upload-pack=touch x", "refs/heads/*", "refs/flowforge/keep/x"])
async def test_names_that_are_no_full_refs_are_refused(git: GitMirrors, remote: Remote, ref: str) -> None:
    with pytest.raises(GitError):
        await git.fetch(REPOSITORY, remote.access, [ref])
    with pytest.raises(GitError):
        await git.remote_ref(REPOSITORY, remote.access, ref)
    with pytest.raises(GitError):
        await git.push(REPOSITORY, remote.access, ref=ref, new="1" * 40, expected=None)


@pytest.mark.parametrize(
    "url",
    [
        *("ext::sh -c id", "ssh://host/x", "git@host:x", "/etc", "--upload-pack=id", "ftp://host/x", "https://", ""),
        *("https://user:secret@host/x", "https://user@host/x", "http://host/x?y", "http://host/x\nfoo: bar"),
        *("https://host/x#y", "https://host/ü", "https://ho st/x", "http://host\\x/", "file:///tmp"),
    ],
)
async def test_only_plain_http_addresses_are_used(tmp_path: Path, url: str) -> None:
    strict = GitMirrors(tmp_path / "strict")
    with pytest.raises(GitError, match="not a plain http"):
        await strict.remote_ref(REPOSITORY, GitAccess(url=url, authorization=""), MAIN)


async def test_git_itself_speaks_no_other_protocol(tmp_path: Path, remote: Remote) -> None:
    command = GitCommand(git="git", home=tmp_path, timeout_seconds=10)
    for url, protocol in ((remote.access.url, "file"), (str(remote.path), "file"), ("ext::id", "ext"), ("x:y", "ssh")):
        done = await command.run(remote.path, "ls-remote", url)
        assert done.status != 0
        assert f"transport '{protocol}' not allowed" in done.words


async def test_the_machines_git_configuration_has_no_say(
    tmp_path: Path, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.commit({"a": "1"}, ref=MAIN)
    home = tmp_path / "somebody"
    home.mkdir()
    (home / ".gitconfig").write_text('[url "file:///nowhere/"]\n\tinsteadOf = file:///\n[core]\n\tabbrev = 5\n')
    for name, value in {"HOME": str(home), "GIT_DIR": "/nowhere", "GIT_CONFIG_COUNT": "x"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Remote, "git", _forbidden)
    git = GitMirrors(tmp_path / "mirrors", allow_file=True)
    assert list(await fetched(git, remote, MAIN)) == [MAIN]


def _forbidden(*_: object, **__: object) -> bytes:
    raise AssertionError("the lab is not to be used any more")


async def test_a_cancelled_fetch_leaves_the_mirror_usable(git: GitMirrors, remote: Remote) -> None:
    main = remote.commit({"a": "1"}, ref=MAIN)
    for steps in range(1, 40, 3):
        task = asyncio.create_task(fetched(git, remote, MAIN))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert await fetched(git, remote, MAIN) == {MAIN: main}
