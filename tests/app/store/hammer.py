"""One of several processes that use the same database at the same time: ``python -m tests.app.store.hammer URL NAME``.

Adds deliveries, claims jobs and appends to the audit as fast as it can, then prints as JSON what it got.
"""

import asyncio
import json
import sys

from app.store.database import SqlStore
from app.telemetry import configure_logging
from bot.model.jobs import JobState
from tests.app.store.words import CountedIds, HandClock, delivery

DELIVERIES = 40
EVENTS = 20


async def hammer(url: str, name: str) -> dict[str, list[str]]:
    clock = HandClock()
    store = SqlStore.open(url, clock, CountedIds())
    await store.ping()
    # all begin together: each waits for the line that the test sends when all are ready
    print("ready", flush=True)  # noqa: T201 - this is the conversation with the test
    await asyncio.to_thread(sys.stdin.readline)
    keys = [f"d-{index}" for index in range(DELIVERIES)]
    added = await asyncio.gather(*(store.deliveries.add(delivery(key)) for key in keys))
    won = []
    for job_id in await store.jobs.due(clock.now(), limit=100):
        lease = await store.jobs.claim(job_id, owner=name, seconds=600)
        if lease is not None:
            won.append(job_id)
            await store.jobs.move(lease, JobState.PREPARING)
    await asyncio.gather(
        *(store.audit.append(actor=name, verb="hammer", subject=str(index), data={}) for index in range(EVENTS)),
    )
    await store.close()
    return {"added": [key for key, new in zip(keys, added, strict=True) if new], "won": won}


if __name__ == "__main__":
    configure_logging("ERROR")  # standard output is for the answer
    print(json.dumps(asyncio.run(hammer(sys.argv[1], sys.argv[2]))))  # noqa: T201 - the answer
