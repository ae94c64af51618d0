"""PgBouncer in transaction mode before a real PostgreSQL: each transaction may meet another connection."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from app.demo.postgres_server import PostgresServer
from app.store.database import SqlStore
from app.store.engine import Database
from app.store.limits import Limits
from app.store.migrate import upgrade
from bot.errors import StoreUnavailableError
from tests.app.store.words import CountedIds, HandClock, delivery
from tests.postgres import own_server

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed (Debian: pgbouncer)")

THROUGH = Limits(pool_size=8, pgbouncer=True, statement_seconds=0.5)


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server that lets in the user whom PgBouncer runs as: it does not run as root either."""
    with own_server(durable=False) as server:
        owner = pwd.getpwuid(server.directory.stat().st_uid).pw_name
        with (server.directory / "data" / "pg_ident.conf").open("a", encoding="utf-8") as ident:
            ident.write(f'own "{owner}" flowforge\n')
        os.kill(server.pid, signal.SIGHUP)
        yield server


@pytest.fixture
async def bouncer(postgres: PostgresServer) -> AsyncIterator[str]:
    """The URL of a database behind PgBouncer, which has two connections for all."""
    assert PROGRAM is not None
    await upgrade(postgres.url())
    directory = postgres.directory / "bouncer"
    status = postgres.directory.stat()
    _configure(directory, postgres.directory, owner=(status.st_uid, status.st_gid))
    process = await asyncio.create_subprocess_exec(
        *(PROGRAM, str(directory / "pgbouncer.ini")),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=None if os.geteuid() else status.st_uid,
        group=None if os.geteuid() else status.st_gid,
    )
    try:
        async with asyncio.timeout(60):
            while not (directory / ".s.PGSQL.6432").exists():
                assert process.returncode is None, (directory / "log").read_text(encoding="utf-8")
                await asyncio.sleep(0.02)
        yield f"postgresql://flowforge@/postgres?host={directory}&port=6432"
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _configure(directory: Path, server: Path, *, owner: tuple[int, int]) -> None:
    directory.mkdir(mode=0o700)
    (directory / "users.txt").write_text('"flowforge" ""\n', encoding="utf-8")
    (directory / "pgbouncer.ini").write_text(
        f"""
[databases]
postgres = host={server} dbname=postgres
[pgbouncer]
listen_addr =
unix_socket_dir = {directory}
auth_type = trust
auth_file = {directory}/users.txt
pool_mode = transaction
default_pool_size = 2
logfile = {directory}/log
""",
        encoding="utf-8",
    )
    for one in (directory, *directory.iterdir()):
        os.chown(one, *owner)


async def test_transactions_of_many_share_two_connections(bouncer: str) -> None:
    stores = [SqlStore.open(bouncer, HandClock(), CountedIds(), limits=THROUGH) for _ in range(2)]

    async def work(store: SqlStore, number: int) -> None:
        await store.deliveries.add(delivery(f"d-{number}"))
        await store.audit.append(actor="a", verb="v", subject=str(number), data={})
        await store.deliveries.waiting(limit=5)

    async with asyncio.timeout(60):
        await asyncio.gather(*(work(store, number) for store in stores for number in range(40)))
    assert len(await stores[0].deliveries.waiting(limit=100)) == 40
    assert await stores[1].audit.first_broken() is None
    for store in stores:
        await store.close()


async def test_each_transaction_has_its_timeouts(bouncer: str) -> None:
    store = SqlStore.open(bouncer, HandClock(), CountedIds(), limits=THROUGH)
    database = Database(store.engine)

    async def sleep() -> None:
        async with database.reading() as connection:
            await connection.execute(text("SELECT pg_sleep(30)"))

    with pytest.raises(StoreUnavailableError, match="57014"):
        await sleep()
    async with database.reading() as connection:
        assert (await connection.execute(text("SHOW idle_in_transaction_session_timeout"))).scalar_one() == "1min"
    await store.close()


async def test_without_the_setting_pgbouncer_refuses_and_that_is_no_hang(bouncer: str) -> None:
    store = SqlStore.open(bouncer, HandClock(), CountedIds())
    with pytest.raises(StoreUnavailableError):
        await store.ping()
    await store.close()
