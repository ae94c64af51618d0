"""Installations, repositories, configurations; and intents, each once."""

import asyncio
import re
from dataclasses import replace

import pytest

from app.store.database import SqlStore
from bot.errors import BusyError, FencingLostError
from bot.model.forge import ForgeKind
from bot.model.intents import Origin
from bot.model.jobs import JobState
from tests.app.store.test_jobs import events
from tests.app.store.words import ALICE, OTHER, REPOSITORY, ROBOT, claimed, new_job

GITHUB = ForgeKind.GITHUB


async def test_an_installation_is_active_until_it_is_said_to_be_gone(store: SqlStore) -> None:
    assert await store.registry.installation_active(GITHUB, 77)
    for active in (True, False, False, True):
        await store.registry.installation(GITHUB, 77, "acme", active=active)
        assert await store.registry.installation_active(GITHUB, 77) is active
    await store.registry.installation(GITHUB, 77, "acme", active=False)
    assert await store.registry.installation_active(GITHUB, 78)
    assert await store.registry.installation_active(ForgeKind.GITLAB, 77)


async def test_a_repository_is_known_by_its_id(store: SqlStore) -> None:
    assert await store.registry.find_repository(GITHUB, REPOSITORY.id) is None
    await store.registry.repository(REPOSITORY)
    await store.registry.repository(OTHER)
    assert await store.registry.find_repository(GITHUB, REPOSITORY.id) == REPOSITORY
    renamed = replace(REPOSITORY, owner="new", name="name", installation_id=78)
    await store.registry.repository(renamed)
    assert await store.registry.find_repository(GITHUB, REPOSITORY.id) == renamed
    assert await store.registry.find_repository(GITHUB, OTHER.id) == OTHER
    assert await store.registry.find_repository(ForgeKind.GITLAB, OTHER.id) is None


async def test_a_project_in_nested_groups_is_found_by_its_whole_path(store: SqlStore) -> None:
    nested = replace(REPOSITORY, forge=ForgeKind.GITLAB, owner="harbour/tools", name="crane")
    await store.registry.repository(nested)
    assert nested.full_name == "harbour/tools/crane"
    assert await store.registry.named(ForgeKind.GITLAB, "Harbour/tools/crane") == [nested]
    assert await store.registry.named(ForgeKind.GITLAB, "harbour/crane") == []


async def test_a_configuration_is_kept_under_its_hash(store: SqlStore) -> None:
    assert await store.registry.config_text("v1") is None
    await store.registry.config_version(REPOSITORY, "v1", "a: \x00\n")
    await store.registry.config_version(OTHER, "v1", "a: \x00\n")
    await store.registry.config_version(REPOSITORY, "v2", "")
    assert await store.registry.config_text("v1") == "a: \x00\n"
    assert await store.registry.config_text("v2") == ""


async def test_an_intent_runs_until_it_is_finished_and_then_never_again(store: SqlStore, neighbour: SqlStore) -> None:
    assert await store.intents.begin("k", delivery_id="d-1", name="resolve", actor=ALICE)
    # whoever began it died; the delivery is routed again
    assert await neighbour.intents.begin("k", delivery_id="d-1", name="resolve", actor=ALICE)
    job = await new_job(store)
    await store.intents.finish("k", decision="allowed", rule="write", message="", job_id=job.id)
    assert not await neighbour.intents.begin("k", delivery_id="d-2", name="resolve", actor=ROBOT)
    assert await store.intents.begin("k2", delivery_id="d-2", name="resolve", actor=ROBOT)


async def test_an_intent_that_was_taken_back_never_runs_and_one_that_ran_is_named(store: SqlStore) -> None:
    assert await store.intents.bar("early", delivery_id="d-1", actor=ALICE) is None
    assert not await store.intents.begin("early", delivery_id="d-2", name="approve", actor=ALICE)
    assert await store.intents.begin("late", delivery_id="d-1", name="approve", actor=ALICE)
    with pytest.raises(BusyError):
        await store.intents.bar("late", delivery_id="d-2", actor=ALICE)
    job = await new_job(store)
    await store.intents.finish("late", decision="allowed", rule="", message="", job_id=job.id)
    assert [await store.intents.bar("late", delivery_id="d-2", actor=ALICE) for _ in range(2)] == [job.id] * 2


async def test_the_first_decision_about_an_intent_stays(store: SqlStore) -> None:
    await store.intents.begin("k", delivery_id="d-1", name="approve", actor=ALICE)
    await store.intents.finish("k", decision="refused", rule="permission", message="no", job_id=None)
    await store.intents.finish("k", decision="allowed", rule="", message="", job_id=None)
    async with store.engine.connect() as connection:
        row = (await connection.exec_driver_sql("SELECT * FROM intents")).one()
    assert (row.decision, row.rule, row.message, row.job_id) == ("refused", "permission", "no", None)
    assert (row.actor_id, row.actor_login, row.actor_kind, row.delivery_id) == (1, "alice", "user", "d-1")


async def test_a_repository_brings_its_installation_and_changes_a_known_one_in_nothing(store: SqlStore) -> None:
    await store.registry.installation(GITHUB, 78, "till", active=False)
    await store.registry.repository(REPOSITORY)
    await store.registry.repository(replace(OTHER, installation_id=78))
    async with store.engine.connect() as connection:
        rows = (await connection.exec_driver_sql("SELECT id, account FROM installations ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [(77, "acme"), (78, "till")]
    assert not await store.registry.installation_active(GITHUB, 78)


async def test_an_installation_has_one_name_whoever_asks(store: SqlStore, neighbour: SqlStore) -> None:
    names = await asyncio.gather(*(each.instance_id() for each in (store, neighbour) for _ in range(5)))
    assert len(set(names)) == 1
    assert re.fullmatch(r"[0-9a-f]{32}", names[0]), "it is the value of a label"
    assert await store.instance_id() == names[0]


async def test_an_intent_is_done_with_what_it_does_to_a_job(store: SqlStore) -> None:
    """Whoever dies after that must not do it again: it would meet what it did itself, and be refused."""
    origin = Origin(key="k", delivery_id="d-1", repository=REPOSITORY, number=7, actor=ALICE, comment_id=None)
    job = await new_job(store)
    lease = await claimed(store, job.id)
    assert await store.intents.begin("k", delivery_id="d-1", name="approve", actor=ALICE)
    await store.jobs.move(lease, JobState.PREPARING, actor=origin)
    assert not await store.intents.begin("k", delivery_id="d-1", name="approve", actor=ALICE)
    assert await store.intents.begin("k2", delivery_id="d-2", name="cancel", actor=ALICE)
    cancel = replace(origin, key="k2", delivery_id="d-2")
    await store.jobs.request_end(job.id, JobState.CANCELLED, actor=cancel, message="no more")
    assert not await store.intents.begin("k2", delivery_id="d-2", name="cancel", actor=ALICE)
    async with store.engine.connect() as connection:
        found = (await connection.exec_driver_sql("SELECT * FROM intents ORDER BY key")).all()
    assert [(row.decision, row.rule, row.job_id) for row in found] == [("allowed", "", job.id)] * 2
    told = await events(store, f"job:{job.id}")
    assert [event.actor for event in told[1:]] == ["user:1:alice"] * 2


async def test_what_fails_leaves_its_intent_to_be_done_again(store: SqlStore) -> None:
    origin = Origin(key="k", delivery_id="d-1", repository=REPOSITORY, number=7, actor=ALICE, comment_id=None)
    job = await new_job(store)
    lease = await claimed(store, job.id)
    await store.intents.begin("k", delivery_id="d-1", name="approve", actor=ALICE)
    await store.jobs.release(lease)
    with pytest.raises(FencingLostError):
        await store.jobs.move(lease, JobState.PREPARING, actor=origin)
    assert await store.intents.begin("k", delivery_id="d-1", name="approve", actor=ALICE)
