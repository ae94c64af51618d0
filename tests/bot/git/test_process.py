"""How git is run: its environment, its end, its limits. The programs here are small scripts in git's place."""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from bot.errors import GitError, GitTimeoutError, SettingsError
from bot.git.process import MAX_OUTPUT_BYTES, Completed, GitCommand, clean_words
from bot.model.forge import GitAccess

ACCESS = GitAccess(url="https://forge.example/acme/shop.git", authorization="Bearer ghs_1234567890abcdef")


def program(tmp_path: Path, script: str) -> Path:
    path = tmp_path / "fake-git"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def command(tmp_path: Path, script: str, *, timeout_seconds: float = 20) -> GitCommand:
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return GitCommand(git=str(program(tmp_path, script)), home=home, timeout_seconds=timeout_seconds)


def _appeared(path: Path) -> int:
    """The number in a file that a script writes, once it is there."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().endswith("\n"):
            return int(path.read_text())
        time.sleep(0.01)
    raise AssertionError(f"{path.name} was not written")


async def appeared(path: Path) -> int:
    return await asyncio.to_thread(_appeared, path)


def _gone(pids: Sequence[int]) -> bool:
    alive = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return not psutil.wait_procs(alive, timeout=60)[1]


async def gone(*pids: int) -> bool:
    return await asyncio.to_thread(_gone, pids)


# A git with a child that ignores being asked to end.
STUBBORN = """
sh -c 'trap "" TERM; echo $$ > "$HOME/child.new"; mv "$HOME/child.new" "$HOME/child"; while :; do sleep 5; done' &
echo $$ > "$HOME/parent"
wait
"""


def environment_of(done: Completed) -> dict[str, str]:
    return dict(line.split("=", 1) for line in done.output.decode().splitlines())


async def test_the_environment_is_of_our_making(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_SSH_COMMAND", "GIT_TRACE_CURL", "HTTPS_PROXY", "LD_PRELOAD_X", "GIT_EXEC_PATH", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "/evil")
    found = environment_of(await command(tmp_path, "env").run(tmp_path / "x.git", "status"))
    config = {
        found.pop(f"GIT_CONFIG_KEY_{index}"): found.pop(f"GIT_CONFIG_VALUE_{index}")
        for index in range(int(found.pop("GIT_CONFIG_COUNT")))
    }
    for shell in ("PWD", "_", "SHLVL", "OLDPWD"):
        found.pop(shell, None)
    assert found.pop("PATH").startswith(str(tmp_path))
    assert found == {
        "HOME": str(tmp_path / "home"),
        "LC_ALL": "C",
        "GIT_DIR": str(tmp_path / "x.git"),
        "GIT_ASKPASS": "true",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }
    assert config["core.hooksPath"] == "/dev/null"
    assert config["http.followRedirects"] == "false"
    allowed = {key for key, value in config.items() if key.startswith("protocol.") and value != "never"}
    assert allowed == {"protocol.http.allow", "protocol.https.allow"}
    assert not any("extraheader" in key.lower() for key in config)


async def test_offline_no_protocol_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    offline = GitCommand(
        git=str(program(tmp_path, "env")), home=tmp_path / "home", timeout_seconds=20, allow_file=False, offline=True
    )
    found = environment_of(await offline.run(tmp_path / "x.git", "status"))
    config = [
        (found[f"GIT_CONFIG_KEY_{index}"], found[f"GIT_CONFIG_VALUE_{index}"])
        for index in range(int(found["GIT_CONFIG_COUNT"]))
    ]
    # Of a setting that is there twice, git takes the last.
    assert {value for key, value in dict(config).items() if key.startswith("protocol.")} == {"never"}


@pytest.mark.parametrize("size", [0, 1, 1_000_000])
async def test_input_reaches_git(tmp_path: Path, size: int) -> None:
    done = await command(tmp_path, "wc -c").run(tmp_path, "x", stdin=b"x" * size)
    assert int(done.output) == size


async def test_a_git_that_does_not_read_its_input_still_ends(tmp_path: Path) -> None:
    done = await command(tmp_path, "exit 3").run(tmp_path, "x", stdin=b"x" * 10_000_000)
    assert done.status == 3


async def test_the_credential_is_configuration_for_its_address_only(tmp_path: Path) -> None:
    found = environment_of(await command(tmp_path, "env").run(tmp_path, "fetch", access=ACCESS))
    holders = {name for name, value in found.items() if "ghs_1234567890abcdef" in value}
    assert len(holders) == 1
    key = holders.pop().replace("VALUE", "KEY")
    assert found[key] == "http.https://forge.example/acme/shop.git.extraHeader"


@pytest.mark.parametrize("authorization", ["Bearer x\nHost: evil", "Bearer x\r", "Bearer \0", "\x1b"])
async def test_a_credential_of_more_than_one_line_is_refused(tmp_path: Path, authorization: str) -> None:
    with pytest.raises(GitError, match="not one printable line") as caught:
        await command(tmp_path, "env").run(
            tmp_path, "fetch", access=GitAccess(url=ACCESS.url, authorization=authorization)
        )
    assert authorization not in str(caught.value)


async def test_a_git_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    slow = command(tmp_path, STUBBORN, timeout_seconds=2.5)
    with pytest.raises(GitTimeoutError, match=r"git fetch took longer than 2\.5 s"):
        await slow.run(tmp_path, "fetch")
    home = tmp_path / "home"
    assert await gone(await appeared(home / "parent"), await appeared(home / "child"))


async def test_a_cancelled_call_kills_git_and_its_children(tmp_path: Path) -> None:
    task = asyncio.create_task(command(tmp_path, STUBBORN).run(tmp_path, "fetch"))
    home = tmp_path / "home"
    pids = await appeared(home / "parent"), await appeared(home / "child")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(*pids)


async def test_a_git_that_ends_while_a_child_holds_its_output_is_ended_too(tmp_path: Path) -> None:
    script = 'sleep 60 & echo $! > "$HOME/child"'
    with pytest.raises(GitTimeoutError):
        await command(tmp_path, script, timeout_seconds=1.5).run(tmp_path, "fetch")
    assert await gone(await appeared(tmp_path / "home/child"))


async def test_git_may_clean_up_before_it_is_killed(tmp_path: Path) -> None:
    script = 'trap "echo done > $HOME/cleaned; exit" TERM; while :; do sleep 0.05; done'
    with pytest.raises(GitTimeoutError):
        await command(tmp_path, script, timeout_seconds=1.5).run(tmp_path, "fetch")
    assert (tmp_path / "home/cleaned").exists()


FETCHING = """
import asyncio, sys
from pathlib import Path
from bot.git.process import GitCommand
from bot.model.forge import GitAccess

home, url = Path(sys.argv[1]), sys.argv[2]
git = GitCommand(git="git", home=home, timeout_seconds=5)
asyncio.run(git.run(home, "ls-remote", url, access=GitAccess(url=url, authorization="Bearer some-token")))
"""


async def test_a_git_whose_worker_was_killed_does_not_wait_for_a_silent_forge_for_ever(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/acme/shop.git"
        worker = await asyncio.create_subprocess_exec(sys.executable, "-c", FETCHING, str(tmp_path), url)
        await asyncio.wait_for(asked.wait(), 60)
        family = [child.pid for child in psutil.Process(worker.pid).children(recursive=True)]
        assert family
        worker.kill()
        await worker.wait()
        assert await gone(*family)


async def test_output_without_end_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(GitError, match=f"more than {MAX_OUTPUT_BYTES} bytes"):
        await command(tmp_path, "exec head -c 200000000 /dev/zero").run(tmp_path, "merge-tree")


async def test_exit_status_and_output_come_back(tmp_path: Path) -> None:
    done = await command(tmp_path, "printf 'a\\0b'; echo 'fatal: no' >&2; exit 3").run(tmp_path, "x")
    assert done == Completed(status=3, output=b"a\0b", words="fatal: no")


def test_a_missing_git_is_a_setting_that_cannot_work(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no-such-git"):
        GitCommand(git="no-such-git", home=tmp_path, timeout_seconds=1)


async def test_a_git_that_cannot_be_started_is_a_git_error(tmp_path: Path) -> None:
    broken = command(tmp_path, "")
    program(tmp_path, "").write_text("#!/no/such/shell\n")
    with pytest.raises(GitError, match="could not be started"):
        await broken.run(tmp_path, "fetch")


@pytest.mark.parametrize(
    ("authorization", "leak"),
    [
        ("Bearer odd-token-without-a-known-shape", "odd-token-without-a-known-shape"),
        ("Basic eC1hOnNlY3JldC1wYXJ0", "secret-part"),  # base64 of "x-a:secret-part"
        ("Basic eC1hOnNlY3JldC1wYXJ0", "eC1hOnNlY3JldC1wYXJ0"),
        ("token plain-value", "plain-value"),
    ],
)
def test_a_credential_that_git_repeats_is_taken_out(authorization: str, leak: str) -> None:
    access = GitAccess(url=ACCESS.url, authorization=authorization)
    words = clean_words(f"remote: you sent {leak}\nand {authorization}".encode(), access)
    assert leak not in words
    assert words.startswith("remote: you sent")


def test_words_are_printable_and_not_too_long() -> None:
    words = clean_words(b"remote: \x1b[2Jok\x07\r\n\n\xff" + b"x" * 9000, None)
    assert words.startswith("remote:  [2Jok")
    assert all(char.isprintable() or char == "\n" for char in words)
    assert len(words) <= 2000
