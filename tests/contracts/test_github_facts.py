"""What the App was given, as a stateful GitHub says it, and how that differs from what it needs."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.demo.simulator.settings import DEFAULT_EVENTS, DEFAULT_PERMISSIONS, AppSpec
from bot.errors import ForgeRefusedError, ForgeUnavailableError
from bot.forges.github.client import GitHubClient
from bot.forges.github.facts import AppFacts, InstallationFacts, app_facts, installation_facts, server_time
from bot.forges.github.transport import open_http
from tests.contracts.github_stage import SECRET, HandSetClock, no_sleep
from tests.contracts.simulator import checked_simulator


async def asked(
    directory: Path, app: AppSpec | None = None, accounts: int = 1
) -> tuple[AppFacts, list[InstallationFacts]]:
    clock = HandSetClock()
    async with (
        checked_simulator(directory / "sim", webhook_secret=SECRET, clock=clock, app=app) as sim,
        open_http(sim.base_url) as http,
    ):
        for number in range(accounts):
            await sim.people.repository(f"org{number}/thing", files={"a": "b\n"})
        client = GitHubClient(
            http,
            base_url=sim.base_url,
            app_id=sim.app.id,
            private_key_pem=sim.app.private_key_pem,
            clock=clock,
            sleep=no_sleep,
        )
        return await app_facts(client), await installation_facts(client)


async def test_the_manifests_app_has_all_it_needs_and_no_more(tmp_path: Path) -> None:
    app, [installation] = await asked(tmp_path)
    assert (app.id, app.slug) == (AppSpec().id, "flowforge")
    for grants in (app.grants, installation.grants):
        assert (grants.missing_permissions(), grants.needless_permissions(), grants.missing_events()) == ([], [], [])
    assert (installation.account, installation.suspended) == ("org0", False)


async def test_what_is_missing_or_too_much_is_named(tmp_path: Path) -> None:
    permissions = DEFAULT_PERMISSIONS | {"contents": "read", "workflows": "write"}
    del permissions["checks"]
    events = tuple(event for event in DEFAULT_EVENTS if event != "push")
    app, _ = await asked(tmp_path, replace(AppSpec(), permissions=permissions, events=events))
    assert app.grants.missing_permissions() == ["checks: write", "contents: write"]
    assert app.grants.needless_permissions() == ["workflows: write"]
    assert app.grants.missing_events() == ["push"]


async def test_installations_are_read_page_by_page(tmp_path: Path) -> None:
    _, installations = await asked(tmp_path, accounts=101)
    assert len({one.account for one in installations}) == 101


async def test_the_servers_time_is_that_of_its_answer(tmp_path: Path) -> None:
    clock = HandSetClock()
    async with (
        checked_simulator(tmp_path / "sim", webhook_secret=SECRET, clock=clock) as sim,
        open_http(sim.base_url) as http,
    ):
        assert await server_time(http, sim.base_url) == clock.time
        clock.time += timedelta(minutes=7)
        assert await server_time(http, sim.base_url) == clock.time


async def test_an_app_whose_clock_is_wrong_is_refused(tmp_path: Path) -> None:
    clock, ours = HandSetClock(), HandSetClock()
    ours.time += timedelta(minutes=5)
    async with (
        checked_simulator(tmp_path / "sim", webhook_secret=SECRET, clock=clock) as sim,
        open_http(sim.base_url) as http,
    ):
        client = GitHubClient(
            http,
            base_url=sim.base_url,
            app_id=sim.app.id,
            private_key_pem=sim.app.private_key_pem,
            clock=ours,
            sleep=no_sleep,
        )
        with pytest.raises(ForgeRefusedError) as raised:
            await app_facts(client)
    assert raised.value.status == 401


@pytest.mark.parametrize("date", ["", "date: yesterday\r\n", "date:\r\n"])
async def test_an_answer_without_a_time_tells_none(date: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\n{date}content-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with open_http(url) as http:
            with pytest.raises(ForgeUnavailableError, match="does not tell the time"):
                await server_time(http, url)


async def test_a_github_that_is_away_tells_no_time() -> None:
    async with open_http("http://127.0.0.1:9") as http:
        with pytest.raises(ForgeUnavailableError, match="did not answer"):
            await server_time(http, "http://127.0.0.1:9")
