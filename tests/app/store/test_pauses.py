"""What is paused, on both databases, and what the record says of it."""

from dataclasses import replace

from app.store.database import SqlStore
from bot.model.forge import Actor
from bot.model.pauses import PauseCount
from tests.app.store.test_jobs import events
from tests.app.store.words import REPOSITORY

ALICE = Actor(id=1, login="alice")


async def test_a_pause_holds_for_its_repository_and_one_of_everything_for_all(store: SqlStore) -> None:
    other = replace(REPOSITORY, id=REPOSITORY.id + 1)
    assert await store.pauses.of(REPOSITORY) is None
    assert await store.pauses.count() == PauseCount(everywhere=False, repositories=0)
    await store.pauses.begin(REPOSITORY, by=ALICE, reason="first")
    await store.pauses.begin(REPOSITORY, by=ALICE, reason="release")
    found = await store.pauses.of(REPOSITORY)
    assert found is not None
    assert (found.by, found.reason, found.everywhere) == ("alice", "release", False)
    assert await store.pauses.of(other) is None
    assert await store.pauses.count() == PauseCount(everywhere=False, repositories=1)
    await store.pauses.begin(None, by=None, reason="")
    assert await store.pauses.count() == PauseCount(everywhere=True, repositories=1)
    for repository in (REPOSITORY, other, None):
        pause = await store.pauses.of(repository)
        assert pause is not None
        assert (pause.by, pause.everywhere) == ("an operator", True)
    assert await store.pauses.end(None, by=None)
    assert not await store.pauses.end(None, by=None)
    assert await store.pauses.of(REPOSITORY) == found
    said = [(event.verb, event.actor) for event in await events(store, "instance")]
    assert said == [("pause.begun", "operator"), ("pause.ended", "operator")]
    assert (await events(store, f"repository:github:{REPOSITORY.id}"))[-1].data == {"reason": "release"}
