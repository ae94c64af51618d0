"""Checks that fail on either forge: what is told of them, on which pull requests, and whether anybody wants to know."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.demo.simulator.gitlab.server import GitLabSimulator
from app.demo.simulator.server import Simulator
from app.demo.simulator.state import PullRequest
from app.jobs.queue import ArqQueue, open_pool
from app.store.database import SqlStore
from bot.handlers.failures import SeeFailures
from bot.model.deliveries import Delivery
from bot.model.events import CheckFailed
from bot.model.forge import ForgeKind
from bot.model.levels import LevelKind, PullKey
from tests.app.store.words import CountedIds
from tests.contracts.both import STAGES, BothStage

WANTED = "version: 1\non_check_failure: fix\n"


@pytest.fixture(params=list(ForgeKind), ids=lambda kind: kind.value)
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BothStage]:
    async with STAGES[request.param](tmp_path / "sim") as opened:
        yield opened


@pytest.fixture
async def store(database_url: str, stage: BothStage) -> AsyncIterator[SqlStore]:
    opened = SqlStore.open(database_url, stage.clock, CountedIds())
    yield opened
    await opened.close()


@pytest.fixture
async def see(store: SqlStore, stage: BothStage, tmp_path: Path) -> AsyncIterator[SeeFailures]:
    """With a queue whose every ring is lost: the rows are what counts."""
    redis = open_pool(f"unix://{tmp_path / 'no-redis'}")
    yield SeeFailures(store=store, forge=stage.forge, queue=ArqQueue(redis), clock=stage.clock)
    await redis.aclose()


def told(stage: BothStage) -> list[CheckFailed]:
    """The failures among all that was sent since the last time."""
    sent = list(stage.sim.webhooks.deliveries)
    stage.sim.webhooks.deliveries.clear()
    events = [
        stage.forge.decode(
            Delivery(
                forge=stage.kind,
                delivery_id=one.guid,
                event=one.event.lower().replace(" ", "_"),
                headers={},
                body=one.body,
                received_at=datetime(2026, 11, 23, tzinfo=UTC),
            )
        )
        for one in sent
    ]
    return [event for event in events if isinstance(event, CheckFailed)]


def run(stage: BothStage, pull: PullRequest, *, fails: bool, unnamed: bool = False) -> None:
    """A check of others on a head. With ``unnamed``, GitLab runs it for the branch and names no merge request."""
    if isinstance(stage.sim, Simulator):
        stage.sim.people.run_check(pull, "tests", "failure" if fails else "success")
    else:
        assert isinstance(stage.sim, GitLabSimulator)
        source = "push" if unnamed else "merge_request_event"
        stage.sim.people.run_pipeline(pull, {"tests": "failed" if fails else "success"}, source=source)


async def want(stage: BothStage) -> None:
    await stage.sim.people.commit(stage.repository, "main", {".flowforge.yml": WANTED}, author=stage.ada)


async def due(store: SqlStore, stage: BothStage) -> list[tuple[LevelKind, str]]:
    return await store.levels.due(stage.clock.now(), limit=10)


def level(stage: BothStage, pull: PullRequest) -> tuple[LevelKind, str]:
    key = PullKey(forge=stage.kind, repository_id=stage.repository.id, number=pull.number)
    return LevelKind.CHECK_SYNC, str(key)


async def test_a_check_that_fails_is_told_with_its_head_and_its_pull_request(stage: BothStage) -> None:
    run(stage, stage.pull, fails=False)
    assert told(stage) == []
    run(stage, stage.pull, fails=True)
    [event] = told(stage)
    assert (event.repository, event.head_sha) == (stage.ref, stage.pull.head_sha)
    assert event.pulls == ((stage.pull.number, "main"),)


async def test_a_failure_is_looked_into_where_the_configuration_wants_it_and_once_for_many(
    stage: BothStage, store: SqlStore, see: SeeFailures
) -> None:
    run(stage, stage.pull, fails=True)
    [event] = told(stage)
    assert not await see(event)
    assert await due(store, stage) == []
    await want(stage)
    for _ in range(3):
        assert await see(event)
    assert await due(store, stage) == [level(stage, stage.pull)]


async def test_a_head_that_comes_without_its_pull_request_is_found_by_its_commit(
    stage: BothStage, store: SqlStore, see: SeeFailures
) -> None:
    await want(stage)
    pull = stage.pull
    if stage.kind is ForgeKind.GITHUB:
        fork = await stage.sim.people.fork(stage.repository, stage.eve)
        await stage.sim.people.commit(fork, "mine", {"fee.py": "rate = 9\n"}, author=stage.eve)
        pull = await stage.sim.people.open_pull_request(
            stage.repository, author=stage.eve, head="mine", head_repository=fork
        )
    told(stage)
    run(stage, pull, fails=True, unnamed=True)
    [event] = told(stage)
    assert event.pulls == ()
    asked = len(stage.sim.record.requests("GET"))
    assert await see(event)
    assert await due(store, stage) == [level(stage, pull)]
    # What was listed is known now, and a commit that is no head makes nobody list anew.
    listed = len(stage.sim.record.requests("GET"))
    elsewhere = CheckFailed(delivery_id="1", repository=stage.ref, head_sha="a" * 40)
    assert not await see(elsewhere)
    assert len(stage.sim.record.requests("GET")) == listed > asked


async def test_where_the_bot_was_removed_nothing_is_looked_into(
    stage: BothStage, store: SqlStore, see: SeeFailures
) -> None:
    await want(stage)
    run(stage, stage.pull, fails=True)
    [event] = told(stage)
    await store.registry.installation(stage.kind, stage.ref.installation_id, "acme", active=False)
    assert not await see(event)
    assert await due(store, stage) == []
