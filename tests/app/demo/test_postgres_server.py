"""The PostgreSQL of our own: who gets in, what a kill leaves, and that it goes when we go."""

import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import psutil
import pytest

from app.demo.postgres_server import PostgresServer, find_postgres
from bot.errors import SettingsError
from tests.postgres import own_server

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")

START = """
import os, sys, time
from app.demo.postgres_server import PostgresServer
uid = int(sys.argv[1])
if uid:
    os.setgroups([]), os.setgid(uid), os.setuid(uid)
with PostgresServer(durable=False) as server:
    print(server.directory, server.pid, flush=True)
    sys.stdin.readline()
"""


async def ask(server: PostgresServer, query: str) -> object:
    connection = await asyncpg.connect(user="flowforge", database="postgres", host=str(server.directory))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def do(server: PostgresServer, statement: str) -> None:
    connection = await asyncpg.connect(user="flowforge", database="postgres", host=str(server.directory))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def is_there(directory: str) -> bool:
    return Path(directory).exists()


async def until_gone(pid: int, directory: str) -> None:
    async with asyncio.timeout(60):
        while psutil.pid_exists(pid) or is_there(directory):  # noqa: ASYNC110 - orphans tell nobody
            await asyncio.sleep(0.02)


async def test_it_answers_on_its_socket_alone_and_leaves_nothing() -> None:
    with own_server() as server:
        assert str(await ask(server, "SHOW server_version")).startswith(server.version())
        assert await ask(server, "SHOW listen_addresses") == ""
        assert await ask(server, "SHOW fsync") == "on"
        pid, process = server.pid, psutil.Process(server.pid)
        assert not process.net_connections("inet")
        assert process.uids().real != 0
        assert "password" not in " ".join(process.cmdline())
    assert not psutil.pid_exists(pid)
    assert not server.directory.exists()


@AS_ROOT
async def test_only_we_get_in() -> None:
    with own_server(durable=False) as server:
        nobody = psutil.Process(server.pid).uids().real
        script = f"""
import asyncio, asyncpg, os
os.setgroups([]), os.setgid({nobody}), os.setuid({nobody})
asyncio.run(asyncpg.connect(user="flowforge", database="postgres", host={str(server.directory)!r}))
"""
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        _, said = await other.communicate()
        assert b"Peer authentication failed" in said, said
        assert await ask(server, "SELECT 1") == 1


async def test_what_was_committed_outlives_every_way_to_stop() -> None:
    with own_server() as server:
        await do(server, "CREATE TABLE kept (word text)")
        await do(server, "INSERT INTO kept VALUES ('one')")
        server.stop()
        assert not server.running
        server.start()
        await do(server, "INSERT INTO kept VALUES ('two')")
        server.stop(signal.SIGQUIT)
        server.start()
        await do(server, "INSERT INTO kept VALUES ('three')")
        before = server.pid
        server.crash()
        assert not server.running
        assert not psutil.pid_exists(before)
        with pytest.raises(SettingsError):
            _ = server.pid
        server.start()
        assert server.pid != before
        assert await ask(server, "SELECT string_agg(word, ' ' ORDER BY ctid) FROM kept") == "one two three"


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
async def test_killed_outright_we_take_it_along(end: signal.Signals) -> None:
    with own_server(durable=False):
        pass  # it can be started here
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", START, "0"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    directory, pid = (await process.stdout.readline()).decode().split()
    assert is_there(directory)
    os.killpg(process.pid, end)
    await process.wait()
    await until_gone(int(pid), directory)


@AS_ROOT
async def test_it_needs_no_root() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", START, "65534"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    directory, pid = (await process.stdout.readline()).decode().split()
    assert psutil.Process(int(pid)).uids().real == os.lstat(directory).st_uid == 65534
    await process.communicate(b"\n")
    assert process.returncode == 0
    await until_gone(int(pid), directory)


@AS_ROOT
async def test_programs_in_roots_home_are_copied_for_the_other_user(tmp_path: Path) -> None:
    programs = find_postgres()
    if "pixeltable" not in str(programs):
        pytest.skip("the programs of Debian's packages do not run from another place")
    package = programs.parents[1]
    hidden = tmp_path / "hidden"
    for directory in (package, package.with_name(f"{package.name}.libs")):
        await asyncio.to_thread(shutil.copytree, directory, hidden / directory.name, symlinks=True)
    hidden.chmod(0o700)
    with PostgresServer(durable=False, programs=hidden / programs.relative_to(package.parent)) as server:
        assert await ask(server, "SELECT 1") == 1
        assert server.programs.is_relative_to(server.directory)


def test_what_does_not_start_says_why_and_leaves_nothing() -> None:
    with own_server(durable=False):
        pass  # with good settings it starts here
    server = PostgresServer(settings=["max_connections=no"])
    with pytest.raises(SettingsError, match="max_connections"), server:
        pass
    assert not server.directory.exists()
