"""What the sweeps remember."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy import Update, and_, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.store.engine import Database, insert
from app.store.history_tables import delivery_keys
from app.store.registry import repository_of
from app.store.sweep_tables import redeliveries, repository_sweeps, sweeps
from app.store.tables import installations, repositories
from app.store.types import Values
from bot.model.forge import ForgeName, RepositoryRef
from bot.model.sweeps import SweepBeat, SweepLease
from bot.ports.system import Clock

_AT_ONCE: Final = 500
"""Values in one statement: databases bound the number of parameters."""

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_Insert = sqlite.Insert | postgresql.Insert

log = structlog.get_logger(__name__)


class SqlSweeps:
    """The rows of the sweeps."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def take(self, name: str, *, owner: str, before: datetime, until: datetime) -> SweepLease | None:
        """Take a sweep whose last pass began at ``before`` or earlier, until ``until``.

        None when a pass began later, or while somebody is at it. A pass that never ended counts as none, and whose it
        was is logged.
        """
        now = self._clock.now()
        async with self._database.writing() as connection:
            first = insert(connection, sweeps).values(
                name=name, fencing=0, began_at=_NEVER, failures=0, error="", bookmark=""
            )
            await connection.execute(first.on_conflict_do_nothing(index_elements=["name"]))
            query = select(sweeps).where(sweeps.c.name == name).with_for_update()
            row = (await connection.execute(query)).one()
            held = row.taken_until is not None
            if row.taken_until > now if held else row.began_at > before:
                return None
            taken = update(sweeps).where(sweeps.c.name == name)
            await connection.execute(
                taken.values(fencing=row.fencing + 1, owner=owner, taken_until=until, began_at=now)
            )
        if held:
            log.warning("a sweep was left behind", sweep=name, held_by=row.owner)
        return SweepLease(
            name=name,
            owner=owner,
            fencing=row.fencing + 1,
            began_at=now,
            succeeded_at=row.succeeded_at,
            bookmark=row.bookmark,
        )

    async def finish(self, lease: SweepLease, *, bookmark: str | None = None, again: bool = False) -> bool:
        """Say that the pass came to its end; False when the lease was lost. None leaves the bookmark as it is.

        With ``again``, the sweep is due at once.
        """
        left: Values = {} if bookmark is None else {"bookmark": bookmark}
        if again:
            left["began_at"] = _NEVER
        done = _held(lease).values(
            owner=None, taken_until=None, succeeded_at=self._clock.now(), failures=0, error="", **left
        )
        return await self._change(done)

    async def failed(self, lease: SweepLease, *, error: str) -> None:
        """Say that the pass failed; harmless when the lease was lost."""
        await self._change(
            _held(lease).values(owner=None, taken_until=None, failures=sweeps.c.failures + 1, error=error)
        )

    async def _change(self, change: Update) -> bool:
        async with self._database.writing() as connection:
            return bool((await connection.execute(change)).rowcount)

    async def beats(self) -> list[SweepBeat]:
        """How each sweep fares that was ever taken, by name."""
        query = select(sweeps).order_by(sweeps.c.name)
        async with self._database.reading() as connection:
            return [
                SweepBeat(name=row.name, succeeded_at=row.succeeded_at, failures=row.failures, error=row.error)
                for row in await connection.execute(query)
            ]

    async def take_repositories(self, name: str, *, again_at: datetime, limit: int) -> list[RepositoryRef]:
        """Known repositories of active installations that are due for ``name``; they are due again at ``again_at``.

        Those that were never looked at come first, then those that wait longest.
        """
        mine = and_(
            repository_sweeps.c.name == name,
            repository_sweeps.c.forge == repositories.c.forge,
            repository_sweeps.c.repository_id == repositories.c.id,
        )
        theirs = and_(
            installations.c.forge == repositories.c.forge, installations.c.id == repositories.c.installation_id
        )
        due_at = repository_sweeps.c.due_at
        query = (
            select(repositories)
            .outerjoin(repository_sweeps, mine)
            .outerjoin(installations, theirs)
            .where(or_(due_at.is_(None), due_at <= self._clock.now()))
            # An installation that was never heard of counts as active, as Registry.installation_active has it.
            .where(or_(installations.c.active.is_(None), installations.c.active))
            .order_by(due_at.is_not(None), due_at, repositories.c.forge, repositories.c.id)
            .limit(limit)
        )
        async with self._database.writing() as connection:
            found = [repository_of(row) for row in await connection.execute(query)]
            for repository in found:
                await connection.execute(_due(insert(connection, repository_sweeps), name, repository, again_at))
        return found

    async def put_off(self, name: str, repository: RepositoryRef, *, until: datetime) -> None:
        """Make a repository due at ``until``, earlier or later than it was."""
        async with self._database.writing() as connection:
            await connection.execute(_due(insert(connection, repository_sweeps), name, repository, until))

    async def missing(
        self, forge: ForgeName, delivery_ids: Sequence[str], *, attempts: int, asked_before: datetime
    ) -> list[str]:
        """Those that are not in the inbox, in their order.

        Left out are those that were asked for ``attempts`` times, or after ``asked_before``.
        """
        away: set[str] = set()
        async with self._database.reading() as connection:
            for part in _parts(delivery_ids):
                inbox = select(delivery_keys.c.delivery_id).where(
                    delivery_keys.c.forge == forge, delivery_keys.c.delivery_id.in_(part)
                )
                tried = select(redeliveries.c.delivery_id).where(
                    redeliveries.c.forge == forge,
                    redeliveries.c.delivery_id.in_(part),
                    or_(redeliveries.c.attempts >= attempts, redeliveries.c.asked_at > asked_before),
                )
                away |= set((await connection.execute(inbox)).scalars())
                away |= set((await connection.execute(tried)).scalars())
        return [delivery_id for delivery_id in delivery_ids if delivery_id not in away]

    async def asked(self, forge: ForgeName, delivery_id: str) -> int:
        """Count a request to send a delivery again; how many there were."""
        now = self._clock.now()
        async with self._database.writing() as connection:
            row = insert(connection, redeliveries).values(
                forge=forge, delivery_id=delivery_id, attempts=1, asked_at=now
            )
            counted = row.on_conflict_do_update(
                index_elements=["forge", "delivery_id"],
                set_={"attempts": redeliveries.c.attempts + 1, "asked_at": now},
            ).returning(redeliveries.c.attempts)
            return int((await connection.execute(counted)).scalar_one())


def _held(lease: SweepLease) -> Update:
    return update(sweeps).where(sweeps.c.name == lease.name, sweeps.c.fencing == lease.fencing)


def _due(row: _Insert, name: str, repository: RepositoryRef, at: datetime) -> _Insert:
    known = row.values(name=name, forge=repository.forge, repository_id=repository.id, due_at=at)
    return known.on_conflict_do_update(index_elements=["name", "forge", "repository_id"], set_={"due_at": at})


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))
