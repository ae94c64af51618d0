"""Wherever the service is killed, it comes to the same in the end.

Here several deaths share a trial, which is quicker, and harder to survive; and each point is tried on one database.
What is outside of the database dies with SQLite. Each transaction dies before its end on one of the two and after it on
the other: which is which, its name decides. ``make crash-matrix`` tries every point on both, and each alone.
"""

import zlib
from collections.abc import Awaitable, Callable

import pytest

from tests.app.store.backends import Backend, PostgresBackend
from tests.crash.matrix import Recording, missed, names_to_try, spread, try_points
from tests.crash.stories import STORIES, Story
from tests.crash.world import Host

SHARDS = {
    "rules": 12,
    "agent": 6,
    "direct": 2,
    "gateway": 2,
    "tests": 4,
    "expire": 2,
    "moved": 2,
    "fork": 1,
    "beside": 1,
    "auto": 1,
    "issue": 2,
    "watch": 4,
}
"""Tests of each story, so that several processes can share them."""


def is_for_postgres(name: str) -> bool:
    """On which of the two databases a point is tried here."""
    what, _, when = name.rpartition("@")
    return what.startswith("Sql") and (when == "after") == bool(zlib.crc32(what.encode()) % 2)


@pytest.mark.timeout(900)
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("name", "shard"), [(name, shard) for name, shards in SHARDS.items() for shard in range(shards)]
)
async def test_a_service_that_dies_comes_to_the_same(
    host: Host,
    database_backend: Backend,
    recording_of: Callable[[Story], Awaitable[Recording]],
    name: str,
    shard: int,
) -> None:
    story = STORIES[name]
    recordings = {one: await recording_of(STORIES[one]) for one in (*story.after, name)}
    names = names_to_try(story, recordings)
    on_postgres = isinstance(database_backend, PostgresBackend)
    names = tuple(name for name in names if is_for_postgres(name) == on_postgres)
    trials = spread(names, together=story.deaths)
    verdicts = [
        verdict
        for points in trials[shard :: SHARDS[name]]
        for verdict in await try_points(host, database_backend, story, recordings[name], points)
    ]
    assert names
    wrong = [(one.point, one.outcome, one.difference) for one in verdicts if one.outcome not in {"same", "unreached"}]
    assert wrong == []
    assert missed(verdicts) == []


def test_a_transaction_dies_on_both_databases_and_all_else_on_one() -> None:
    for what in ("SqlJobs.create", "SqlJobs.claim", "SqlRuns.create x", "SqlReports.want reaction"):
        assert {is_for_postgres(f"{what}@before"), is_for_postgres(f"{what}@after")} == {True, False}
    assert not any(is_for_postgres(name) for name in ("forge react@before", "forge react@after", "git-push@started"))


def test_every_story_is_tried() -> None:
    assert SHARDS.keys() == STORIES.keys()
