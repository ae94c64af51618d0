"""The database as the bot's ``Store``."""

from typing import Self

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store.audit import SqlAudit
from app.store.decoys import SqlDecoys
from app.store.deliveries import SqlDeliveries
from app.store.engine import BUSY_SECONDS, Database, create_engine
from app.store.forks import SqlForks
from app.store.grants import SqlGrants
from app.store.intents import SqlIntents
from app.store.jobs import SqlJobs
from app.store.ledger import SqlModelLedger
from app.store.leftovers import SqlLeftovers
from app.store.levels import SqlLevels
from app.store.limits import DEFAULT, Limits
from app.store.pauses import SqlPauses
from app.store.proposals import SqlProposals
from app.store.recorded import SqlRecorded
from app.store.registry import SqlRegistry
from app.store.repairs import SqlRepairs
from app.store.reports import SqlReports
from app.store.retention import SqlRetention
from app.store.runs import SqlRuns
from app.store.shown_diffs import SqlShownDiffs
from app.store.sweeps import SqlSweeps
from app.store.watch import SqlWatch
from app.store.works import SqlWorks
from bot.model.retention import Keep
from bot.model.turns import UNCAPPED, JobCaps
from bot.ports.system import Clock, Ids


class SqlStore:
    """All rows behind one pool of connections, for one event loop; implements ``bot.ports.store.Store``.

    ``caps`` bound the jobs that are at work at once, in all processes that have the same; without, nothing does.
    ``keep`` says what the retention leaves alone.
    """

    def __init__(
        self, database: Database, clock: Clock, ids: Ids, *, caps: JobCaps | None = None, keep: Keep | None = None
    ) -> None:
        self._database = database
        self._ids = ids
        self.deliveries = SqlDeliveries(database, clock)
        self.intents = SqlIntents(database, clock)
        self.registry = SqlRegistry(database, clock)
        self.jobs = SqlJobs(database, clock, UNCAPPED if caps is None else caps)
        self.works = SqlWorks(database, clock)
        self.runs = SqlRuns(database, clock)
        self.decoys = SqlDecoys(database, clock)
        self.proposals = SqlProposals(database, clock)
        self.forks = SqlForks(database, clock)
        self.shown_diffs = SqlShownDiffs(database, clock)
        self.recorded = SqlRecorded(database, clock)
        self.reports = SqlReports(database, clock, ids)
        self.ledger = SqlModelLedger(database)
        self.audit = SqlAudit(database, clock)
        self.levels = SqlLevels(database, clock)
        self.pauses = SqlPauses(database, clock)
        self.grants = SqlGrants(database, clock)
        self.watch = SqlWatch(database, clock, self.reports)
        self.sweeps = SqlSweeps(database, clock)
        self.repairs = SqlRepairs(database)
        self.leftovers = SqlLeftovers(database)
        self.retention = SqlRetention(database, Keep() if keep is None else keep)

    @classmethod
    def open(
        cls,
        url: str,
        clock: Clock,
        ids: Ids,
        *,
        busy_seconds: float = BUSY_SECONDS,
        caps: JobCaps | None = None,
        keep: Keep | None = None,
        limits: Limits = DEFAULT,
    ) -> Self:
        """A store on ``sqlite:///path`` or ``postgresql://…``; connections are made when they are needed.

        ``busy_seconds`` is how long a transaction waits for others before the database counts as unavailable,
        ``limits`` bound the connections.

        Raises:
            SettingsError: the URL names no database that can be used.
        """
        engine = create_engine(url, busy_seconds=busy_seconds, limits=limits)
        return cls(Database(engine, busy_seconds=busy_seconds), clock, ids, caps=caps, keep=keep)

    @property
    def database(self) -> Database:
        """The transactions, for what looks from outside: what time it is, whether the tables are current."""
        return self._database

    @property
    def engine(self) -> AsyncEngine:
        """The engine, for what looks at it from outside, as telemetry does."""
        return self._database.engine

    async def ping(self) -> None:
        """Return when the database answers. Raises ``StoreUnavailableError``."""
        async with self._database.reading() as connection:
            await connection.execute(text("SELECT 1"))

    async def instance_id(self) -> str:
        """A name for this installation, 32 hexadecimal digits: made once, the same in all of its processes.

        An address would not do: two installations may each have a database that they reach as ``db:5432``.
        """
        return await self.registry.instance(self._ids.new_id())

    async def close(self) -> None:
        """Write what is waiting, then close every connection."""
        await self.deliveries.close()
        await self._database.close()
