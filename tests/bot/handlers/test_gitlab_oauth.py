"""A job at a GitLab where we act by OAuth: its tokens end in the middle of it, and nothing is lost."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.demo.simulator.gitlab.server import GitLabSimulator
from app.wiring import open_flowforge
from bot.model.jobs import JobState
from tests.app.store.backends import Lender
from tests.bot.handlers.bench import GitLabBench, HandTimer, open_gitlab_bench
from tests.bot.handlers.puppet import PuppetRunner
from tests.scenarios.play import ANSWER


def by_oauth(sim: GitLabSimulator) -> dict[str, object]:
    client_id, secret = sim.world.application
    return {
        "gitlab_token": None,
        "gitlab_oauth_client_id": client_id,
        "gitlab_oauth_client_secret": SecretStr(secret),
        "gitlab_oauth_refresh_token": SecretStr(sim.people.authorize(sim.world.bot)),
    }


@pytest.fixture
async def bench(databases: Lender, tmp_path: Path) -> AsyncIterator[GitLabBench]:
    async with open_gitlab_bench(tmp_path, await databases.fresh(), overrides=by_oauth) as opened:
        yield opened


async def test_a_job_goes_on_with_the_next_token_at_the_api_and_in_git(bench: GitLabBench) -> None:
    await bench.until_running()
    bench.clock.advance(2 * 7200)
    await bench.finish()
    await bench.work()
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL, bench.errors
    bench.clock.advance(7200)
    bench.say("/flowforge approve")
    await bench.work()
    assert (await bench.job()).state is JobState.PUBLISHED, bench.errors
    assert await bench.sim.git(bench.repository, "show", f"{bench.pull.head_sha}:fees.py") == ANSWER.strip()
    assert len(bench.asked("POST", "/oauth/token")) == 3
    assert bench.errors == []


async def test_what_came_while_the_authorization_was_gone_is_done_after_it_was_given_anew(bench: GitLabBench) -> None:
    await bench.until_proposed()
    bench.sim.people.revoke_authorizations()
    bench.say("/flowforge approve")
    await bench.work()
    assert (await bench.job()).state is JobState.AWAITING_APPROVAL
    assert len(await bench.store.deliveries.waiting(limit=9)) == 1, "it is taken in and waits"
    settings = bench.settings.model_copy(update=by_oauth(bench.sim))
    async with open_flowforge(
        type(settings).model_validate(settings.model_dump()),
        worker="the next one",
        clock=bench.clock,
        runner=PuppetRunner(),
        timer=HandTimer(bench.clock),
    ) as after:
        again = replace(bench, instance=after, errors=[])
        await again.work()
        assert again.errors == []
        assert (await again.job()).state is JobState.PUBLISHED
