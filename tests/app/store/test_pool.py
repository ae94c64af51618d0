"""The pool on a real PostgreSQL: never more connections than were set, and no statement that takes for ever."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import make_url, text

from app.settings import CommonSettings, load_settings
from app.store.engine import Database, create_engine
from app.store.limits import DEFAULT, Limits
from app.store.postgres import connection_arguments
from bot.errors import SettingsError, StoreUnavailableError

COUNT = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'flowforge'"


@contextlib.asynccontextmanager
async def database(url: str, *, limits: Limits = DEFAULT, busy_seconds: float = 10.0) -> AsyncIterator[Database]:
    opened = Database(create_engine(url, limits=limits, busy_seconds=busy_seconds), busy_seconds=busy_seconds)
    try:
        yield opened
    finally:
        await opened.close()


async def ask(database: Database, query: str) -> object:
    async with database.reading() as connection:
        return (await connection.execute(text(query))).scalar_one()


def named(url: str, name: str) -> str:
    return make_url(url).update_query_dict({"application_name": name}).render_as_string(hide_password=False)


async def test_there_are_never_more_connections_than_were_set(postgres_url: str) -> None:
    counts: list[int] = []
    done = asyncio.Event()
    bounds = Limits(pool_size=2, max_overflow=1)
    async with database(postgres_url, limits=bounds) as many, database(named(postgres_url, "watcher")) as watcher:

        async def watch() -> None:
            while not done.is_set():
                counts.append(int(str(await ask(watcher, COUNT))))

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(ask(many, "SELECT 1 FROM pg_sleep(0.02)") for _ in range(40)))
        done.set()
        await watching
        assert max(counts) == 3
        # what was opened beyond the pool's size is closed again
        async with asyncio.timeout(60):
            while await ask(watcher, COUNT) != 2:  # noqa: ASYNC110 - a server's process ends when it ends
                await asyncio.sleep(0.01)


async def test_whoever_waits_too_long_for_a_connection_is_told(postgres_url: str) -> None:
    async with (
        database(postgres_url, limits=Limits(pool_size=1, max_overflow=0), busy_seconds=0.2) as one,
        one.reading(),
    ):
        with pytest.raises(StoreUnavailableError):
            await ask(one, "SELECT 1")


async def test_a_statement_that_takes_too_long_is_ended_by_the_server(postgres_url: str) -> None:
    async with database(postgres_url, limits=replace(DEFAULT, statement_seconds=0.2)) as short:
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="57014"):
            await ask(short, "SELECT 1 FROM pg_sleep(60)")
        assert time.monotonic() - began < 20
        assert await ask(short, "SELECT 1") == 1


async def test_a_lock_is_not_waited_for_without_end(postgres_url: str) -> None:
    async with database(postgres_url) as holder, database(postgres_url, busy_seconds=0.3) as waiter:
        async with holder.writing() as connection:
            await connection.execute(text("LOCK TABLE jobs"))
            with pytest.raises(StoreUnavailableError, match="55P03"):
                await ask(waiter, "SELECT count(*) FROM jobs")
        assert await ask(waiter, "SELECT count(*) FROM jobs") == 0


async def test_the_server_ends_a_transaction_whose_client_vanished(postgres_url: str) -> None:
    async with database(postgres_url) as any_of_ours:
        assert await ask(any_of_ours, "SHOW idle_in_transaction_session_timeout") == "1min"
        assert await ask(any_of_ours, "SHOW statement_timeout") == "30s"
        assert await ask(any_of_ours, "SHOW lock_timeout") == "10s"


async def test_a_migration_may_take_its_time(postgres_url: str) -> None:
    async with database(postgres_url, limits=replace(DEFAULT, statement_seconds=None)) as unbounded:
        assert await ask(unbounded, "SHOW statement_timeout") == "0"


async def test_old_connections_are_replaced(postgres_url: str) -> None:
    one = Limits(pool_size=1, max_overflow=0, recycle_seconds=0.05)
    async with database(postgres_url, limits=one) as ageing:
        first = await ask(ageing, "SELECT pg_backend_pid()")
        await asyncio.sleep(0.1)
        assert await ask(ageing, "SELECT pg_backend_pid()") != first


async def test_a_providers_url_is_understood(postgres_url: str) -> None:
    url = make_url(postgres_url).update_query_dict(
        {"sslmode": "disable", "application_name": "shop", "options": "-c search_path=pg_temp"}
    )
    async with database(url.render_as_string(hide_password=False)) as theirs:
        assert await ask(theirs, "SHOW application_name") == "shop"
        assert await ask(theirs, "SHOW search_path") == "pg_temp"


def arguments_of(query: str) -> dict[str, object]:
    return connection_arguments(make_url(f"postgresql+asyncpg://u@h/d?{query}"), DEFAULT, 10.0)[1]


@pytest.mark.parametrize(
    ("query", "checks_name"),
    [("sslmode=verify-full", True), ("sslmode=verify-ca", False), ("sslmode=verify-full&sslrootcert=system", True)],
)
def test_a_certificate_is_checked_when_it_is_asked_for(query: str, checks_name: bool) -> None:
    context = arguments_of(query)["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname is checks_name


def test_encryption_without_a_check_is_left_to_the_driver() -> None:
    assert arguments_of("sslmode=require")["ssl"] == "require"
    assert "ssl" not in arguments_of("")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("pool_size=hunter2", "not known: pool_size"),
        ("sslmode=hunter2", "sslmode"),
        ("sslmode=require&sslrootcert=/hunter2", "verify-full"),
        ("sslmode=verify-full&sslrootcert=/hunter2", "cannot be read"),
    ],
)
def test_parameters_that_would_fail_later_are_refused(query: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        create_engine(f"postgresql://u@h/d?{query}")
    assert "hunter2" not in str(caught.value)


def test_the_settings_reach_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("URL", "sqlite:///x.db"),
        ("POOL_SIZE", "3"),
        ("MAX_OVERFLOW", "4"),
        ("RECYCLE_SECONDS", "60"),
        ("STATEMENT_SECONDS", "7"),
        ("PGBOUNCER", "true"),
    ):
        monkeypatch.setenv(f"FLOWFORGE_DATABASE_{name}", value)
    assert load_settings(CommonSettings).database_limits == Limits(
        pool_size=3, max_overflow=4, recycle_seconds=60.0, statement_seconds=7.0, pgbouncer=True
    )
