"""A burst of comments on one pull request: one job, one run, and the same is not answered again and again."""

import os
from collections import Counter
from typing import Final

from sqlalchemy import text

from bot.model.jobs import JobState
from tests.bot.handlers.bench import Bench

MANY: Final = int(os.environ.get("FLOWFORGE_BURST_COMMENTS", "60"))
"""Comments of the burst; a thousand take minutes."""

MOST_WRITES: Final = 10
"""However many comments there are."""

_WRITES: Final = frozenset({"POST", "PATCH", "PUT", "DELETE"})


def writes(bench: Bench) -> Counter[str]:
    """What was written to the forge, by the last part of the path that is no number."""
    found: Counter[str] = Counter()
    for one in bench.sim.record.exchanges:
        if one.method in _WRITES and "access_tokens" not in one.path and "git-" not in one.path:
            found[[part for part in one.path.split("/") if not part.isdecimal()][-1]] += 1
    return found


async def rows(bench: Bench, table: str) -> int:
    async with bench.store.engine.connect() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())  # noqa: S608 - ours


async def test_many_comments_cost_one_job_one_run_and_one_reply(bench: Bench) -> None:
    people = [bench.maintainer, bench.author]
    for number in range(MANY):
        bench.say("/flowforge resolve", who=people[number % 2])
    await bench.arrived()
    while await bench.due():
        await bench.work()
        bench.clock.advance(15)
    assert await rows(bench, "deliveries") >= MANY
    assert (await rows(bench, "jobs"), await rows(bench, "runs")) == (1, 1)
    assert (await bench.job()).state is JobState.RUNNING
    assert len([body for body in bench.comments if "already working on exactly this" in body]) == 1
    found = writes(bench)
    assert found.total() <= MOST_WRITES, found


async def test_a_refusal_is_said_once_to_all_who_ask_the_same(bench: Bench) -> None:
    for _ in range(20):
        bench.say("/flowforge resolve", who=bench.stranger)
    await bench.work()
    assert len([body for body in bench.comments if "Rule: `permission`" in body]) == 1
    assert writes(bench)["comments"] == 1
    bench.say("/flowforge approve", who=bench.stranger)
    await bench.work()
    assert len([body for body in bench.comments if "Rule: `permission`" in body]) == 2, "this is another question"


async def test_a_refusal_is_said_again_once_there_is_another_job(bench: Bench) -> None:
    bench.say("/flowforge approve")
    await bench.work()
    await bench.until_running()
    bench.say("/flowforge cancel")
    await bench.work()
    bench.clock.advance(1)
    await bench.ended()
    await bench.work()
    bench.say("/flowforge approve")
    await bench.work()
    assert len([body for body in bench.comments if "Rule: `" in body]) == 2


async def test_whoever_asks_where_things_stand_is_told_each_time(bench: Bench) -> None:
    for _ in range(2):
        bench.say("/flowforge status")
    await bench.work()
    assert len(bench.comments) == 2
