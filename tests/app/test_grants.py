"""OAuth tokens of GitLab: renewed by one process at a time, kept before they are used, sealed, and lost only once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.demo.simulator.gitlab.server import GitLabSimulator
from app.demo.simulator.state import Role
from app.doctor.gitlab import gitlab_checks
from app.forge_settings import GitLabHost, OAuthApplication, OAuthGrant
from app.grants import SealedGrants, gitlab_tokens
from app.probes import token_probe
from app.store.database import SqlStore
from bot.errors import ForgeRefusedError, ForgeUnavailableError, TokenLostError
from bot.forges.gitlab.answers import Project, User
from bot.forges.gitlab.client import GitLabClient
from bot.forges.gitlab.tokens import TokenSource
from tests.app.store.words import CountedIds
from tests.bot.handlers.bench import HandClock, HandTimer

TOKEN = "/oauth/token"


@dataclass(kw_only=True)
class Lab:
    """A GitLab, and processes on one database that act there by OAuth."""

    sim: GitLabSimulator
    url: str
    clock: HandClock
    stack: AsyncExitStack
    refresh: str
    opened: list[SqlStore] = field(default_factory=list)

    def host(self, *, secret: str | None = None) -> GitLabHost:
        client_id, right = self.sim.world.application
        application = OAuthApplication(client_id=client_id, client_secret=SecretStr(secret or right))
        grant = OAuthGrant(application=application, refresh_token=SecretStr(self.refresh))
        return GitLabHost(name="gitlab", url=self.sim.base_url, token=grant, webhook_secrets=())

    def process(self, *, secret: str | None = None) -> tuple[TokenSource, GitLabClient]:
        """Another process: its own connections, and nothing in memory."""
        store = SqlStore.open(self.url, self.clock, CountedIds())
        self.opened.append(store)
        self.stack.push_async_callback(store.close)
        timer = HandTimer(self.clock)
        tokens = gitlab_tokens(self.host(secret=secret), store, self.clock, timer)
        client = GitLabClient(base_url=self.sim.base_url, token=tokens, clock=self.clock, sleep=timer.sleep)
        self.stack.callback(client.close)
        return tokens, client

    def renewals(self) -> int:
        return len(self.sim.record.requests("POST", TOKEN))


@pytest.fixture
async def lab(tmp_path: Path, database_url: str) -> AsyncIterator[Lab]:
    clock = HandClock()
    async with (
        GitLabSimulator.serve(tmp_path / "forge", webhook_secret="s" * 16, clock=clock) as sim,
        AsyncExitStack() as stack,
    ):
        bot = sim.people.account(sim.world.bot_login)
        await sim.people.repository("acme/pay", files={"a": "b\n"}, roles={bot: Role.WRITE})
        yield Lab(sim=sim, url=database_url, clock=clock, stack=stack, refresh=sim.people.authorize(bot))
        assert sim.errors == []


async def whoami(client: GitLabClient) -> str:
    return (await client.get("/user", User)).username


async def test_a_token_is_got_once_renewed_before_its_end_and_the_same_in_all_processes(lab: Lab) -> None:
    (ones, one), (others, other) = lab.process(), lab.process()
    answers = await asyncio.gather(*(whoami(client) for client in (one, other) for _ in range(5)))
    assert set(answers) == {lab.sim.world.bot_login}
    assert (lab.renewals(), await ones.token() == await others.token()) == (1, True)
    before = await ones.token()
    lab.clock.advance(7200 - 901)
    assert await others.token() == before
    lab.clock.advance(2)
    await asyncio.gather(*(whoami(client) for client in (one, other) for _ in range(5)))
    assert (lab.renewals(), await ones.token() == await others.token() != before) == (2, True)


async def test_a_process_whose_token_another_one_replaced_asks_again_with_the_new_one(lab: Lab) -> None:
    tokens, client = lab.process()
    await whoami(client)
    # GitLab ended the token before its time: whatever is asked for next finds out, and is done once.
    for token in lab.sim.world.tokens.values():
        token.revoked = token.name == "oauth"
    label = {"name": "once", "color": "#112233"}
    await client.send("post", "/projects/acme%2Fpay/labels", dict, data=label, idempotent=False)
    assert lab.renewals() == 2
    # Another process renewed it meanwhile: that costs no renewal.
    others, other = lab.process()
    lab.clock.advance(7000)
    await whoami(other)
    assert await tokens.token() == await others.token()
    assert (await client.get("/projects/acme%2Fpay", Project)).path_with_namespace == "acme/pay"
    assert lab.renewals() == 3


async def test_a_refused_request_is_not_made_a_third_time(lab: Lab) -> None:
    _, client = lab.process()
    await whoami(client)
    lab.sim.faults.fail("GET", "/api/v4/user", status=401, times=9, message="401 Unauthorized")
    with pytest.raises(ForgeRefusedError):
        await whoami(client)
    assert len(lab.sim.record.requests("GET", "/api/v4/user")) == 3
    assert lab.renewals() == 2


async def test_nothing_of_it_can_be_read_in_the_database_or_in_words(lab: Lab) -> None:
    tokens, client = lab.process()
    await whoami(client)
    secrets = {*lab.sim.world.refresh_tokens, await tokens.token(), lab.refresh, lab.sim.world.application[1]}
    async with lab.opened[0].engine.connect() as connection:
        rows = [tuple(row) for row in await connection.execute(text("SELECT * FROM grants"))]
    assert len(rows) == 1
    shown = repr((rows, lab.host(), await grants_of(lab).read()))
    assert [secret for secret in secrets if secret in shown] == []
    assert [one.path for one in lab.sim.record.exchanges if any(secret in one.path for secret in secrets)] == []


def grants_of(lab: Lab) -> SealedGrants:
    host = lab.host()
    assert isinstance(host.token, OAuthGrant)
    return SealedGrants(
        lab.opened[0].grants, forge=host.name, application=host.token.application, refresh_token=lab.refresh
    )


async def test_what_gitlab_gave_is_kept_even_where_nobody_waits_for_it_any_more(lab: Lab) -> None:
    tokens, _ = lab.process()
    hold = lab.sim.faults.hold("POST", TOKEN, after=True)
    asking = asyncio.create_task(tokens.token())
    await lab.sim.wait_for(lambda: lab.sim.world.refresh_tokens.keys() - {lab.refresh} or None)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    hold.release()
    await tokens.settled()
    others, _ = lab.process()
    assert lab.sim.world.tokens[await others.token()].revoked is False
    assert lab.renewals() == 1


async def test_a_gitlab_that_is_away_is_asked_again_later_and_the_old_token_serves_until_its_end(lab: Lab) -> None:
    tokens, client = lab.process()
    first = await tokens.token()
    lab.sim.faults.fail("POST", TOKEN, status=503, times=2)
    lab.clock.advance(7200 - 600)
    for _ in range(5):
        assert await tokens.token() == first
    assert lab.renewals() == 2
    lab.clock.advance(600)
    with pytest.raises(ForgeUnavailableError):
        await whoami(client)
    assert (lab.renewals(), await tokens.fault()) == (3, "")
    lab.clock.advance(31)
    assert await whoami(client) == lab.sim.world.bot_login


async def test_an_authorization_that_was_taken_back_is_told_of_and_given_anew(lab: Lab) -> None:
    tokens, client = lab.process()
    await whoami(client)
    lab.sim.people.revoke_authorizations()
    for _ in range(3):
        with pytest.raises(TokenLostError, match="does not accept the refresh token"):
            await whoami(client)
    assert lab.renewals() == 2, "it is not asked for at each request"
    lab.clock.advance(7200)
    reason = await token_probe(tokens, "gitlab")()
    assert reason is not None
    assert "authorize the OAuth application of gitlab anew" in reason
    checks = await gitlab_checks(lab.host(), client, lab.clock)
    assert [check.state.value for check in checks] == ["skipped", "failed", "skipped"]
    assert "FLOWFORGE_GITLAB_OAUTH_REFRESH_TOKEN" in checks[1].todo
    lab.refresh = lab.sim.people.authorize(lab.sim.world.bot)
    again, client = lab.process()
    assert await whoami(client) == lab.sim.world.bot_login
    assert await token_probe(again, "gitlab")() is None


async def test_a_wrong_secret_of_the_application_is_told_apart(lab: Lab) -> None:
    _, client = lab.process(secret="gloas-another-one")
    with pytest.raises(TokenLostError, match="application's id and secret"):
        await whoami(client)
