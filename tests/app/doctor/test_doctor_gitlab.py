"""``flowforge doctor`` on a GitLab: the clock, the token, and what the token reaches."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.demo.simulator.gitlab.server import GitLabSimulator
from app.demo.simulator.state import Role
from app.doctor.gitlab import gitlab_checks
from app.doctor.model import Check
from app.forge_settings import GitLabHost
from app.system import SystemClock
from bot.forges.gitlab.client import GitLabClient

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
async def sim(tmp_path: Path) -> AsyncIterator[GitLabSimulator]:
    async with GitLabSimulator.serve(tmp_path, webhook_secret="s" * 16) as sim:
        bot = sim.people.account(sim.world.bot_login)
        await sim.people.repository("acme/pay", files={"a": "b\n"}, roles={bot: Role.WRITE})
        yield sim


async def no_sleep(_seconds: float) -> None:
    """Try again at once."""


async def examine(sim: GitLabSimulator, *, token: str | None = None, url: str | None = None) -> dict[str, Check]:
    ours = GitLabHost(name="gitlab", url=url or sim.base_url, token=SecretStr(sim.token), webhook_secrets=())
    client = GitLabClient(base_url=ours.url, token=token or sim.token, clock=SystemClock(), sleep=no_sleep)
    try:
        return {check.name: check for check in await gitlab_checks(ours, client, SystemClock())}
    finally:
        client.close()


def states(checks: dict[str, Check]) -> list[str]:
    assert list(checks) == ["forge_clock", "token", "projects"]
    return [check.state.value for check in checks.values()]


async def test_all_is_well(sim: GitLabSimulator) -> None:
    checks = await examine(sim)
    assert states(checks) == ["ok", "ok", "ok"]
    assert sim.world.bot_login in checks["token"].says


async def test_a_token_that_was_revoked(sim: GitLabSimulator) -> None:
    token = sim.people.access_token(sim.people.user("robot"))
    sim.people.revoke(token)
    checks = await examine(sim, token=token.value)
    assert states(checks) == ["skipped", "failed", "skipped"]
    assert "FLOWFORGE_GITLAB_TOKEN" in checks["token"].todo


async def test_a_token_without_the_scope(sim: GitLabSimulator) -> None:
    bot = sim.people.account(sim.world.bot_login)
    token = sim.people.access_token(bot, scopes=frozenset({"read_api", "read_user"}))
    checks = await examine(sim, token=token.value)
    assert states(checks) == ["ok", "failed", "skipped"]
    assert "read_api, read_user" in checks["token"].says


async def test_a_token_that_is_about_to_expire(sim: GitLabSimulator) -> None:
    bot = sim.people.account(sim.world.bot_login)
    token = sim.people.access_token(bot, expires_at=datetime.now(UTC) + timedelta(days=5))
    checks = await examine(sim, token=token.value)
    assert states(checks) == ["ok", "warning", "ok"]
    assert "Rotate it" in checks["token"].todo


async def test_a_user_who_may_push_nowhere(sim: GitLabSimulator) -> None:
    checks = await examine(sim, token=sim.people.token(sim.people.user("robot")))
    assert states(checks) == ["ok", "ok", "warning"]


async def test_a_gitlab_that_is_away(sim: GitLabSimulator) -> None:
    checks = await examine(sim, url=NOWHERE)
    assert states(checks) == ["failed", "skipped", "skipped"]
    assert "FLOWFORGE_GITLAB_URL" in checks["forge_clock"].todo
