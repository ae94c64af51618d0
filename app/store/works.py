"""What came of work that people asked for in words."""

from sqlalchemy import update

from app.store.engine import Database
from app.store.tables import jobs
from bot.errors import FencingLostError
from bot.model.jobs import JobLease
from bot.ports.system import Clock


class SqlWorks:
    """Columns of the jobs' rows that only such work fills."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def answered(self, lease: JobLease, text: str) -> None:
        """Keep what the agent had to say."""
        mine = (jobs.c.id == lease.job.id, jobs.c.fencing == lease.fencing, jobs.c.finished_at.is_(None))
        async with self._database.writing() as connection:
            change = update(jobs).where(*mine).values(answer=text, updated_at=self._clock.now())
            if (await connection.execute(change)).rowcount != 1:
                raise FencingLostError(f"job {lease.job.short_id} is somebody else's by now")
