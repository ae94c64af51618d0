"""OAuth grants, sealed by whoever keeps them here: one process at a time renews one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, or_, select, update

from app.store.engine import Database, insert
from app.store.grant_tables import grants
from bot.model.forge import ForgeName
from bot.ports.system import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRow:
    """A grant as it lies in the database."""

    version: int
    sealed: bytes | None
    fault: str
    again_at: datetime | None


_NONE: Final = SealedRow(version=0, sealed=None, fault="", again_at=None)


class SqlGrants:
    """The rows of OAuth grants. An authorization is one forge's and one of the settings'."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def read(self, forge: ForgeName, authorization: str) -> SealedRow:
        """The newest grant of an authorization."""
        query = select(grants).where(_is(forge, authorization))
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return _NONE
        return SealedRow(version=row.version, sealed=row.sealed, fault=row.fault, again_at=row.again_at)

    async def take_turn(self, forge: ForgeName, authorization: str, *, version: int, until: datetime) -> bool:
        """Whether the renewal of that version is the caller's alone until then."""
        first = {"forge": forge, "authorization_id": authorization, "version": 0, "fault": ""}
        free = or_(grants.c.turn_until.is_(None), grants.c.turn_until <= self._clock.now())
        mine = update(grants).where(_is(forge, authorization), grants.c.version == version, free)
        async with self._database.writing() as connection:
            row = insert(connection, grants).values(first)
            await connection.execute(row.on_conflict_do_nothing(index_elements=["forge", "authorization_id"]))
            return (await connection.execute(mine.values(turn_until=until))).rowcount == 1

    async def keep(self, forge: ForgeName, authorization: str, *, version: int, sealed: bytes) -> None:
        """Put a grant in the place of that version, which nobody did before, and end the turn."""
        await self._end(forge, authorization, version, version=version + 1, sealed=sealed, fault="", again_at=None)

    async def failed(
        self, forge: ForgeName, authorization: str, *, version: int, fault: str, again_at: datetime
    ) -> None:
        """End the turn without a grant."""
        await self._end(forge, authorization, version, fault=fault, again_at=again_at)

    async def _end(self, forge: ForgeName, authorization: str, known: int, **values: object) -> None:
        row = update(grants).where(_is(forge, authorization), grants.c.version == known)
        async with self._database.writing() as connection:
            await connection.execute(row.values(turn_until=None, **values))


def _is(forge: ForgeName, authorization: str) -> ColumnElement[bool]:
    return and_(grants.c.forge == forge, grants.c.authorization_id == authorization)
