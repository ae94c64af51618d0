"""One of several processes that fight for few places: ``python -m tests.app.store.contend URL NAME CAPS``.

Claims whatever is due from several tasks at once, counts what is at work while it holds a job, and ends it; until no
job is left. Prints as JSON what it did, and the most jobs that it saw at work: of one repository, of one installation,
in all.
"""

import asyncio
import json
import sys
from collections import Counter

from sqlalchemy import and_, or_, select

from app.store.database import SqlStore
from app.store.tables import jobs, repositories
from app.telemetry import configure_logging
from bot.errors import StoreUnavailableError
from bot.model.jobs import JobLease, JobState
from bot.model.turns import JobCaps
from tests.app.store.words import CountedIds, HandClock

JOBS = 6
TASKS = 4
_LOOKS = 100
_PAUSE_SECONDS = 0.02


class Contender:
    """One process."""

    def __init__(self, url: str, name: str, caps: JobCaps) -> None:
        self.clock = HandClock()
        self.store = SqlStore.open(url, self.clock, CountedIds(), busy_seconds=60, caps=caps)
        self.name = name
        self.done: list[str] = []
        self.most = [0, 0, 0]

    async def work(self) -> None:
        while await self.store.jobs.waiting(self.clock.now()):
            for job_id in await self.store.jobs.due(self.clock.now(), limit=100):
                lease = await self.claim(job_id)
                if lease is not None:
                    await self.end(lease)

    async def claim(self, job_id: str) -> JobLease | None:
        try:
            return await self.store.jobs.claim(job_id, owner=self.name, seconds=600)
        except StoreUnavailableError:
            return None

    async def end(self, lease: JobLease) -> None:
        await self.look()
        lease = await self.store.jobs.move(lease, JobState.PREPARING)
        patience = _LOOKS
        while self.most[2] < 2 and patience:
            await self.look()
            await asyncio.sleep(_PAUSE_SECONDS)
            patience -= 1
        await self.look()
        await self.store.jobs.move(lease, JobState.FAILED)
        await self.store.jobs.release(lease)
        self.done.append(lease.job.id)

    async def look(self) -> None:
        """Count without any code of the claims, in one statement."""
        held = and_(jobs.c.state == JobState.QUEUED, jobs.c.lease_owner.is_not(None))
        same = and_(repositories.c.forge == jobs.c.forge, repositories.c.id == jobs.c.repository_id)
        query = (
            select(jobs.c.repository_id, repositories.c.installation_id)
            .join(repositories, same)
            .where(or_(jobs.c.state == JobState.PREPARING, held))
        )
        async with self.store.engine.connect() as connection:
            rows = (await connection.execute(query)).all()
        by_repository, by_installation = Counter(row[0] for row in rows), Counter(row[1] for row in rows)
        seen = (max(by_repository.values()), max(by_installation.values()), len(rows))
        self.most = [max(pair) for pair in zip(self.most, seen, strict=True)]


async def contend(url: str, name: str, caps: JobCaps) -> dict[str, object]:
    contender = Contender(url, name, caps)
    await contender.store.ping()
    # all begin together: each waits for the line that the test sends when all are ready
    print("ready", flush=True)  # noqa: T201 - this is the conversation with the test
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.gather(*(contender.work() for _ in range(TASKS)))
    await contender.store.close()
    return {"done": contender.done, "most": contender.most}


if __name__ == "__main__":
    configure_logging("ERROR")  # standard output is for the answer
    per_repository, per_installation, overall = json.loads(sys.argv[3])
    few = JobCaps(per_repository=per_repository, per_installation=per_installation, overall=overall)
    print(json.dumps(asyncio.run(contend(sys.argv[1], sys.argv[2], few))))  # noqa: T201 - the answer
