"""Several forges in one instance: each is looked through by its own list, and one that is away stops no other."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.demo.simulator.gitlab.server import GitLabSimulator
from app.demo.simulator.server import Simulator
from app.demo.simulator.state import PullRequest, Role
from bot.model.sweeps import RepairKind
from tests.app.store.backends import Lender
from tests.bot.handlers.bench import WAIT, Bench, open_bench
from tests.bot.handlers.test_redeliver import LIST, redeliver
from tests.scenarios.play import BASE, OURS

SECOND = "github-second"
SECRET = "the webhook secret of the second App"


@dataclass(frozen=True, kw_only=True)
class Forges:
    """The bench at the first GitHub, a second one on another host with a pull request, and a GitLab beside them."""

    bench: Bench
    second: Simulator
    pull: PullRequest

    async def arrived(self) -> None:
        await self.bench.arrived()
        await self.second.webhooks.settled(timeout=WAIT)


def settings(directory: Path, second: Simulator, gitlab: GitLabSimulator) -> dict[str, object]:
    (directory / "key").write_text(second.app.private_key_pem)
    (directory / "hooks").write_text(SECRET)
    entry = {
        "name": SECOND,
        "kind": "github",
        "url": second.base_url,
        "api_url": second.base_url,
        "app_id": second.app.id,
        "app_slug": second.app.slug,
        "private_key_file": directory / "key",
        "webhook_secrets_file": directory / "hooks",
    }
    return {
        "forges": [entry],
        "gitlab_url": gitlab.base_url,
        "gitlab_token": SecretStr(gitlab.token),
        "gitlab_webhook_secrets": (SecretStr(SECRET),),
    }


@pytest.fixture
async def forges(databases: Lender, tmp_path: Path) -> AsyncIterator[Forges]:
    async with (
        Simulator.serve(tmp_path / "second", webhook_secret=SECRET) as second,
        GitLabSimulator.serve(tmp_path / "gitlab", webhook_secret=SECRET) as gitlab,
        open_bench(
            tmp_path / "first", await databases.fresh(), overrides=lambda _: settings(tmp_path, second, gitlab)
        ) as bench,
    ):
        second.world.clock = bench.clock
        second.webhooks.url = (bench.sim.webhooks.url or "").replace("/webhooks/github", f"/webhooks/{SECOND}")
        people = second.people
        author = people.user("robin")
        repository = await people.repository("acme/fees", files=BASE, roles={author: Role.WRITE})
        await people.commit(repository, "feature", OURS, author=author)
        pull = await people.open_pull_request(repository, author=author, head="feature")
        forges = Forges(bench=bench, second=second, pull=pull)
        await forges.arrived()
        await bench.work()
        yield forges
        assert second.errors == gitlab.errors == []


async def lost(forges: Forges) -> None:
    """A comment on each GitHub that never arrives."""
    bench, second = forges.bench, forges.second
    bench.sim.webhooks.drop("issue_comment")
    bench.say("/flowforge help")
    second.webhooks.drop("issue_comment")
    second.people.comment(forges.pull, forges.pull.author, "/flowforge help")
    await forges.arrived()
    await bench.work()
    assert (len(bench.comments), len(second.comments(forges.pull, second.bot))) == (0, 0)


async def test_each_forge_is_asked_for_what_it_lost_by_its_own_name(forges: Forges) -> None:
    await lost(forges)
    swept = await redeliver(forges.bench)
    assert swept.repairs == {RepairKind.DELIVERY: 2}
    assert set(json.loads(swept.bookmark or "")["others"]) == {SECOND}, "GitLab keeps no list to go through"
    await forges.arrived()
    await forges.bench.work()
    assert (len(forges.bench.comments), len(forges.second.comments(forges.pull, forges.second.bot))) == (1, 1)
    forges.bench.clock.advance(300)
    assert (await redeliver(forges.bench, swept.bookmark or "")).repairs == {RepairKind.DELIVERY: 0}


async def test_a_forge_that_is_away_keeps_no_other_from_being_looked_through(forges: Forges) -> None:
    await lost(forges)
    forges.second.faults.fail("GET", LIST, status=503, times=9)
    swept = await redeliver(forges.bench)
    assert swept.repairs == {RepairKind.DELIVERY: 1}
    assert "others" not in json.loads(swept.bookmark or "")
    forges.second.faults.clear()
    swept = await redeliver(forges.bench, swept.bookmark or "")
    assert swept.repairs == {RepairKind.DELIVERY: 1}
    await forges.arrived()
    await forges.bench.work()
    assert (len(forges.bench.comments), len(forges.second.comments(forges.pull, forges.second.bot))) == (1, 1)
