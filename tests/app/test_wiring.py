"""Putting an instance together: what is wrong is said before anything runs, and its health is that of its parts."""

import os
import re
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from pydantic import SecretStr

from app.demo.redis_server import embedded_redis
from app.http.server import serving_loopback
from app.settings import Environment, RunnerKind
from app.store.migrate import upgrade
from app.wiring import open_flowforge
from app.wiring_parts import server_limits
from app.wiring_sandboxes import claude_path
from bot.errors import SettingsError
from runners.backends.container import ContainerRunner
from tests.app.http.web import signature
from tests.app.jobs.parts import KEY, WEBHOOK_SECRET, settings_of


@asynccontextmanager
async def served(directory: Path, redis_url: str, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The web service of a whole instance, without a worker."""
    (directory / "data").mkdir(exist_ok=True)
    database_url = f"sqlite:///{directory / 'wiring.db'}"
    await upgrade(database_url)
    settings = settings_of(directory, database_url=database_url, redis_url=redis_url, **changes)
    async with (
        open_flowforge(settings, worker="test") as instance,
        serving_loopback(instance.service) as url,
        httpx.AsyncClient(timeout=60, base_url=url, trust_env=False) as http,
    ):
        yield http


@pytest.fixture
def redis_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "redis"
    directory.mkdir()
    return directory


WELL = {"database": "ok", "redis": "ok", "migrations": "ok"}


async def test_an_instance_is_ready_when_all_of_its_parts_are(tmp_path: Path, redis_directory: Path) -> None:
    async with embedded_redis(redis_directory) as url, served(tmp_path, url) as http:
        ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()) == (200, WELL)


async def test_without_redis_it_is_not_ready_and_still_takes_deliveries(tmp_path: Path, redis_directory: Path) -> None:
    async with served(tmp_path, f"unix://{redis_directory / 'redis.sock'}") as http:
        ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()) == (503, WELL | {"redis": "Redis does not answer"})
        headers = {
            "x-hub-signature-256": signature(b"{}", WEBHOOK_SECRET.encode()),
            "x-github-delivery": "delivery-1",
            "x-github-event": "push",
        }
        assert (await http.post("/webhooks/github", content=b"{}", headers=headers)).status_code == 202
        async with embedded_redis(redis_directory):
            assert (await http.get("/health/ready")).status_code == 200


async def test_a_redis_that_hangs_is_told_in_time(tmp_path: Path, redis_directory: Path) -> None:
    async with embedded_redis(redis_directory) as url, served(tmp_path, url) as http:
        assert (await http.get("/health/ready")).status_code == 200
        process = redis_of(redis_directory)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            ready = await http.get("/health/ready", timeout=60)
            assert (ready.status_code, ready.json()["database"]) == (503, "ok")
            assert (await http.get("/health/live")).status_code == 200
        finally:
            os.kill(process.pid, signal.SIGCONT)


def redis_of(directory: Path) -> psutil.Process:
    """The server of this test: others of this process may have theirs."""
    servers = [child for child in psutil.Process().children(recursive=True) if child.name() == "redis-server"]
    return next(server for server in servers if any(str(directory) in word for word in server.cmdline()))


async def test_tables_of_another_release_are_not_ready(tmp_path: Path, redis_directory: Path) -> None:
    async with embedded_redis(redis_directory) as url, served(tmp_path, url) as http:
        with sqlite3.connect(tmp_path / "wiring.db") as database:
            database.execute("UPDATE alembic_version SET version_num = '0000'")
        database.close()
        ready = await http.get("/health/ready")
        assert ready.status_code == 503
        assert "flowforge migrate" in ready.json()["migrations"]


async def test_a_database_that_is_gone_is_not_ready(tmp_path: Path, redis_directory: Path) -> None:
    async with embedded_redis(redis_directory) as url, served(tmp_path, url) as http:
        database = tmp_path / "wiring.db"
        for end in ("", "-wal", "-shm"):
            database.with_name(database.name + end).unlink(missing_ok=True)
        database.mkdir()
        ready = await http.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["redis"] == "ok"
        assert ready.json()["migrations"] != "ok"


async def test_two_installations_are_two_even_where_their_databases_have_one_address(tmp_path: Path) -> None:
    """Two compose projects each have a ``db:5432``; neither may take the other's sandboxes for its own."""
    first = await label_of(tmp_path, "one")
    assert re.fullmatch(r"[A-Za-z0-9]{1,63}", first), "the value of a label"
    assert await label_of(tmp_path, "one") == first, "for all processes, and after a restart"
    (tmp_path / "one.db").rename(tmp_path / "elsewhere.db")
    assert await label_of(tmp_path, "one") != first


async def label_of(directory: Path, database: str) -> str:
    """What the sandboxes of an installation bear."""
    (directory / "data").mkdir(exist_ok=True)
    database_url = f"sqlite:///{directory / database}.db"
    await upgrade(database_url)
    changes = {"runner": RunnerKind.CONTAINER, "run_image": "guest", "database_url": database_url}
    settings = settings_of(directory, **changes, redis_url="redis://127.0.0.1:9")
    async with open_flowforge(settings, worker="test") as instance:
        assert isinstance(instance.runner, ContainerRunner)
        return instance.runner._spec.instance


# --- what cannot be put together


async def refused(directory: Path, **changes: Any) -> str:
    (directory / "data").mkdir(exist_ok=True)
    given = {"database_url": f"sqlite:///{directory / 'x.db'}", "redis_url": "redis://127.0.0.1:9"}
    settings = settings_of(directory, **(given | changes))
    with pytest.raises(SettingsError) as caught:
        async with open_flowforge(settings, worker="test"):
            pass
    return str(caught.value)


async def test_a_key_that_is_none_is_refused_and_not_shown(tmp_path: Path) -> None:
    said = await refused(tmp_path, github_private_key=SecretStr(KEY[:200]))
    assert "private key" in said
    assert KEY[60:100] not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", "mysql://me:hunter2@db/flowforge"),
        ("redis_url", "amqp://me:hunter2@queue"),
        ("github_api_url", "http://api.example"),
        ("github_git_url", "ftp://git.example"),
        ("claude_path", Path("/nowhere/claude")),
    ],
)
async def test_addresses_that_will_not_do_are_refused(tmp_path: Path, name: str, value: object) -> None:
    assert "hunter2" not in await refused(tmp_path, **{name: value})


async def test_claude_code_is_found_or_missed_by_name(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, database_url="sqlite:///x.db", redis_url="redis://x")
    assert claude_path(settings).name == "claude"
    elsewhere = tmp_path / "claude"
    elsewhere.touch()
    assert claude_path(settings.model_copy(update={"claude_path": elsewhere})) == elsewhere
    with pytest.raises(SettingsError, match="FLOWFORGE_CLAUDE_PATH"):
        claude_path(settings.model_copy(update={"claude_path": tmp_path / "nothing"}))


async def test_no_production_instance_has_the_process_backend(tmp_path: Path) -> None:
    """The settings refuse it; if they did not, the backend would."""
    settings = settings_of(tmp_path, database_url=f"sqlite:///{tmp_path / 'x.db'}", redis_url="redis://127.0.0.1:9")
    forced = settings.model_copy(update={"environment": Environment.PRODUCTION})
    with pytest.raises(SettingsError, match="no sandbox"):
        async with open_flowforge(forced, worker="test"):
            pass


def test_the_servers_limits_are_those_of_the_settings(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path, database_url="sqlite:///x.db", redis_url="redis://x", max_turns=7, max_budget_usd=3
    )
    limits = server_limits(settings)
    assert (limits.max_turns, limits.max_budget_usd, limits.default_model) == (7, 3, settings.model)
