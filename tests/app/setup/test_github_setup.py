"""Registering the App: through the pages, against the simulated GitHub, with the secrets to where they stay."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from app.demo.simulator.server import Simulator
from app.forge_settings import GitHubApp
from app.settings import ServiceSettings, load_settings
from app.setup.github import Plan, Registered, entry, set_up
from app.setup.keeping import Keeper, Kept, SealedFiles
from app.setup.session import ANSWER_LIFE, LINK_LIFE
from app.wiring_pages import page_address
from bot.errors import FlowForgeError, ForgeNotFoundError, ForgeUnavailableError, SettingsError
from bot.forges.github.client import GitHubClient
from bot.forges.github.facts import app_facts
from bot.forges.github.transport import open_http
from tests.app.demo.simulator.conftest import assert_answers
from tests.app.setup.browser import Browser

SERVICE = "https://flowforge.example.org"


class HandSetClock:
    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def now(self) -> datetime:
        return self.time


@dataclass(slots=True, kw_only=True)
class Running:
    """A set-up that runs, the GitHub that it goes to, and the browser of whoever started it."""

    sim: Simulator
    directory: Path
    clock: HandSetClock
    browser: Browser
    link: str = ""
    work: "asyncio.Task[Registered]"

    @property
    def address(self) -> str:
        return self.link.partition("/setup")[0]

    @property
    def state(self) -> str:
        return parse_qs(urlsplit(self.browser.form().action).query)["state"][0]

    async def failed(self) -> FlowForgeError:
        with pytest.raises(FlowForgeError) as caught:
            await self.work
        return caught.value


@dataclass(slots=True)
class BrokenKeeper:
    """A place that is full in the moment in which it matters."""

    place: str = "a full disk"
    checked: list[str] = field(default_factory=list)

    async def check(self, names: Iterable[str]) -> None:
        self.checked += names

    async def keep(self, kept: Kept) -> None:
        assert kept.secret
        raise SettingsError("no space left on device")


@asynccontextmanager
async def running(
    tmp_path: Path,
    *,
    keeper: Keeper | None = None,
    organization: str | None = None,
    name: str | None = None,
    forge: str = "github",
) -> AsyncIterator[Running]:
    async with AsyncExitStack() as stack:
        sim = await stack.enter_async_context(
            Simulator.serve(tmp_path / "sim", webhook_secret="s" * 16, enterprise=True)
        )
        http = await stack.enter_async_context(open_http(sim.base_url))
        browser = await stack.enter_async_context(Browser())
        clock, links = HandSetClock(), asyncio.Queue[str]()
        plan = Plan(host=sim.base_url, organization=organization, service=SERVICE, name=name, forge=forge)
        keeper = keeper or SealedFiles(tmp_path / "secrets", tmp_path / "secrets.key")
        work = asyncio.create_task(set_up(plan, keeper=keeper, http=http, clock=clock, say_link=links.put_nowait))
        here = Running(sim=sim, directory=tmp_path / "secrets", clock=clock, browser=browser, work=work)
        linked = asyncio.create_task(links.get())
        await asyncio.wait({linked, work}, return_when=asyncio.FIRST_COMPLETED)
        here.link = linked.result() if linked.done() else str(await work)
        yield here
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert_answers(sim)


def secrets_of(sim: Simulator) -> list[str]:
    clients = [client.secret for client in sim.site.oauth.clients.values()]
    return [sim.app.private_key_pem, sim.app.private_key_pem.splitlines()[3], sim.webhooks.secret, *clients]


async def test_a_person_registers_the_app_and_no_secret_is_ever_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, organization="acme", name="Acme FlowForge") as here:
        browser, sim = here.browser, here.sim
        assert await browser.open(here.link) == 200
        assert here.link.rpartition("/")[2] not in str(browser.page.url)  # the token left the address bar
        assert urlsplit(browser.form().action).path == "/organizations/acme/settings/apps/new"
        told = json.loads(browser.form().fields["manifest"])
        assert (told["name"], told["public"]) == ("Acme FlowForge", False)
        assert told["callback_urls"] == [f"{SERVICE}/sign-in/github"]
        assert told["request_oauth_on_install"] is False
        assert told["hook_attributes"] == {"url": f"{SERVICE}/webhooks/github", "active": True}
        shown = [browser.page]
        assert await browser.press() == 200  # to GitHub, where another press sends the browser back
        shown.append(browser.page)
        assert await browser.press(name="Acme's Forge") == 200
        shown.append(browser.page)
        assert "acme-s-forge" in browser.page.text
        done = await here.work
        assert done == Registered(
            id=sim.app.id,
            slug="acme-s-forge",
            client_id=sim.app.client_id,
            install=f"{sim.base_url}/apps/acme-s-forge/installations/new",
        )
        assert done.install in browser.page.text

        files = sorted(here.directory.iterdir())
        assert [file.name for file in files] == [
            "flowforge_github_api_url",
            "flowforge_github_app_id",
            "flowforge_github_app_slug",
            "flowforge_github_git_url",
            "flowforge_github_oauth_client_id",
            "flowforge_github_oauth_client_secret.sealed",
            "flowforge_github_private_key.sealed",
            "flowforge_github_webhook_secrets.sealed",
            "flowforge_public_url",
        ]
        assert all(file.stat().st_mode & 0o077 == 0 for file in (*files, tmp_path / "secrets.key"))
        said = "".join(
            (
                *(file.read_text() for file in files),
                *(page.text + str(page.headers) for page in shown),
                *(exchange.response_body.decode() for exchange in sim.record.exchanges),
                *browser.visited,
                caplog.text,
                repr(done),
            )
        )
        assert [secret for secret in secrets_of(sim) if secret in said] == []

        # What is kept is what the service reads, and it is the App's.
        for name, value in {
            "DATABASE_URL": "sqlite://",
            "REDIS_URL": "redis://r",
            "ENVIRONMENT": "development",
        }.items():
            monkeypatch.setenv(f"FLOWFORGE_{name}", value)
        settings = load_settings(ServiceSettings, secrets=here.directory)
        assert [one.get_secret_value() for one in settings.github_webhook_secrets] == [sim.webhooks.secret]
        assert (settings.github_api_url, settings.github_git_url) == (sim.api_url, sim.base_url)
        (ours,) = settings.configured_forges
        assert isinstance(ours, GitHubApp)
        # The approval page works at once.
        assert ours.oauth is not None
        sim.site.oauth.check_client(ours.oauth.client_id, ours.oauth.client_secret.get_secret_value())
        assert page_address(settings, "github", "0" * 32) == f"{SERVICE}/proposals/github/{'0' * 32}"
        async with open_http(ours.api_url) as http:
            client = GitHubClient(
                http,
                base_url=ours.api_url,
                app_id=ours.app_id,
                private_key_pem=ours.private_key.get_secret_value(),
                clock=here.clock,
            )
            app = await app_facts(client)
        assert (app.id, app.slug) == (ours.app_id, ours.app_slug)
        assert (
            app.grants.missing_permissions() == app.grants.needless_permissions() == app.grants.missing_events() == []
        )


async def test_pages_let_nothing_in_and_tell_nobody_where_they_were(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        await here.browser.open(here.link)
        headers = here.browser.page.headers
        assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
        policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
        assert policy["form-action"] == here.sim.base_url
        assert "<script" not in here.browser.page.text
        (cookie,) = here.browser.page.history[0].headers.get_list("set-cookie")
        assert {"HttpOnly", "Path=/setup", "SameSite=lax"} <= set(cookie.split("; "))
        # Another name for this machine, as a page elsewhere could make one.
        answer = await here.browser.http.get(f"{here.address}/setup", headers={"host": "evil.example"})
        assert (answer.status_code, "manifest" in answer.text) == (421, False)


async def test_the_link_opens_once(tmp_path: Path) -> None:
    async with running(tmp_path) as here, Browser() as other:
        wrong = here.link[:-1] + ("A" if here.link[-1] != "A" else "B")
        assert (await other.open(wrong), "not the link" in other.page.text) == (404, True)
        assert await here.browser.open(here.link) == 200
        assert (await other.open(here.link), "opened before" in other.page.text) == (410, True)
        assert (await other.open(f"{here.address}/setup"), "did not open the link" in other.page.text) == (403, True)
        assert await here.browser.open(f"{here.address}/setup") == 200  # whoever opened it may look again


async def test_the_link_is_worth_nothing_after_ten_minutes(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        here.clock.time += LINK_LIFE
        assert (await here.browser.open(here.link), "ten minutes" in here.browser.page.text) == (410, True)


async def test_an_answer_counts_only_with_the_state_and_in_the_browser_that_asked(tmp_path: Path) -> None:
    async with running(tmp_path) as here, Browser() as other:
        await here.browser.open(here.link)
        state = here.state
        await here.browser.press()
        form = here.browser.form()
        answer = await here.browser.http.post(
            f"{here.sim.base_url}{form.action}", data=form.fields, follow_redirects=False
        )
        back = answer.headers["location"]
        code = parse_qs(urlsplit(back).query)["code"][0]
        callback = back.partition("?")[0]
        assert await other.open(back) == 403  # the code and the state, without the cookie
        for query in (f"?code={code}", f"?code={code}&state={state[:-1]}", f"?code={code}&state=%F0%9F%92%A9"):
            assert (await here.browser.open(callback + query), "does not belong" in here.browser.page.text) == (
                403,
                True,
            )
        assert not here.work.done()
        assert await here.browser.open(back) == 200  # nothing was used up by what was wrong
        assert (await here.work).slug == "flowforge"


async def test_github_is_asked_once_and_what_it_says_no_to_is_a_sentence(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        await here.browser.open(here.link)
        answer = f"{here.address}/setup/github?state={here.state}&code={'0' * 40}"
        assert await here.browser.open(answer) == 410
        assert "used before, or is older than an hour" in here.browser.page.text
        error = await here.failed()
        assert isinstance(error, ForgeNotFoundError)
        assert "0" * 40 not in str(error)
        asked = [one.path for one in here.sim.record.exchanges if one.path.endswith("/conversions")]
        assert len(asked) == 1


async def test_there_is_no_second_answer(tmp_path: Path) -> None:
    async with running(tmp_path) as here, asyncio.timeout(60):
        await here.browser.open(here.link)
        hold = here.sim.faults.hold("POST", "/app-manifests/")
        answer = f"{here.address}/setup/github?state={here.state}&code={'0' * 40}"
        first = asyncio.create_task(here.browser.http.get(answer))
        await hold.arrived.wait()
        second = await here.browser.http.get(answer)
        assert (second.status_code, "used already" in second.text) == (410, True)
        hold.release()
        assert (await first).status_code == 410


@pytest.mark.parametrize("trouble", ["lost", "422", "503"])
async def test_without_an_answer_it_is_open_whether_there_is_an_app(tmp_path: Path, trouble: str) -> None:
    async with running(tmp_path) as here:
        await here.browser.open(here.link)
        await here.browser.press()
        match trouble:
            case "lost":
                here.sim.faults.lose_answer("POST", "/app-manifests/")
            case status:
                here.sim.faults.fail("POST", "/app-manifests/", status=int(status))
        assert await here.browser.press() == 502
        assert "The terminal says what to do." in here.browser.page.text
        error = await here.failed()
        assert ("status 422" in str(error)) if trouble == "422" else isinstance(error, ForgeUnavailableError)
        assert len([one for one in here.sim.record.exchanges if one.path.endswith("/conversions")]) == 1
        assert not re.search("[0-9a-f]{40}", str(error))
        assert list(here.directory.iterdir()) == []


async def test_secrets_that_cannot_be_kept_are_gone_and_that_is_said(tmp_path: Path) -> None:
    keeper = BrokenKeeper()
    async with running(tmp_path, keeper=keeper) as here:
        await here.browser.open(here.link)
        await here.browser.press()
        assert await here.browser.press() == 502
        assert "flowforge_github_private_key" in keeper.checked
        said = str(await here.failed())
        assert f"delete the App at {here.sim.base_url}/apps/flowforge" in said
        assert [secret for secret in secrets_of(here.sim) if secret in said + here.browser.page.text] == []


async def test_after_an_hour_nobody_is_waited_for(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        await here.browser.open(here.link)
        answer = f"{here.address}/setup/github?state={here.state}&code={'0' * 40}"
        here.clock.time += ANSWER_LIFE
        assert (await here.browser.open(answer), "hour" in here.browser.page.text) == (410, True)
        assert here.sim.record.exchanges == []


async def test_nobody_who_comes_ends_the_wait(tmp_path: Path) -> None:
    clock = HandSetClock()

    def late(_: str) -> None:
        clock.time += LINK_LIFE + timedelta(seconds=1)

    plan = Plan(host="https://github.com", organization=None, service=SERVICE, name=None)
    keeper = SealedFiles(tmp_path / "secrets", tmp_path / "secrets.key")
    async with httpx.AsyncClient() as http:
        with pytest.raises(SettingsError, match="nobody came back from GitHub in time"):
            await set_up(plan, keeper=keeper, http=http, clock=clock, say_link=late)


async def test_a_further_app_has_its_own_address_secrets_and_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, forge="github-ghes") as here:
        await here.browser.open(here.link)
        told = json.loads(here.browser.form().fields["manifest"])
        assert told["hook_attributes"]["url"] == f"{SERVICE}/webhooks/github-ghes"
        await here.browser.press()
        assert await here.browser.press() == 200
        done = await here.work
        plan = Plan(host=here.sim.base_url, organization=None, service=SERVICE, name=None, forge="github-ghes")
        forges = [entry(plan, done, here.directory, ".sealed")]
        assert sorted(file.name for file in here.directory.iterdir()) == [
            "flowforge_github_ghes_oauth_client_secret.sealed",
            "flowforge_github_ghes_private_key.sealed",
            "flowforge_github_ghes_webhook_secrets.sealed",
        ]
        others = {"DATABASE_URL": "sqlite://", "REDIS_URL": "redis://r", "ENVIRONMENT": "development"}
        for name, value in {**others, "FORGES": json.dumps(forges)}.items():
            monkeypatch.setenv(f"FLOWFORGE_{name}", value)
        (configured,) = load_settings(ServiceSettings).configured_forges
        assert isinstance(configured, GitHubApp)
        assert (configured.name, configured.app_id, configured.api_url) == ("github-ghes", done.id, here.sim.api_url)
        assert configured.private_key.get_secret_value().strip() == here.sim.app.private_key_pem.strip()
        assert [one.get_secret_value() for one in configured.webhook_secrets] == [here.sim.webhooks.secret]
        assert configured.oauth is not None
        here.sim.site.oauth.check_client(configured.oauth.client_id, configured.oauth.client_secret.get_secret_value())
        # Without the key, the file is named and nothing of it shown.
        (tmp_path / "secrets.key").unlink()
        with pytest.raises(SettingsError, match="private_key_file of github-ghes"):
            load_settings(ServiceSettings)
