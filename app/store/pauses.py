"""What is paused. All processes ask each time, so a pause holds for all of them at once."""

from typing import Final

from sqlalchemy import delete, func, select

from app.store import audit
from app.store.engine import Database, insert
from app.store.pause_tables import pauses
from bot.model.forge import Actor, RepositoryRef
from bot.model.pauses import Pause, PauseCount
from bot.ports.system import Clock

_EVERYWHERE: Final = ""


class SqlPauses:
    """The rows of pauses; implements ``bot.ports.pauses.Pauses``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def begin(self, repository: RepositoryRef | None, *, by: Actor | None, reason: str) -> None:
        """Pause a repository, or everything, with an audit event."""
        now = self._clock.now()
        values = {"by": "an operator" if by is None else by.login, "reason": reason, "at": now}
        async with self._database.writing() as connection:
            row = insert(connection, pauses).values(scope=_scope(repository), **values)
            await connection.execute(row.on_conflict_do_update(index_elements=["scope"], set_=values))
            await audit.append(
                connection,
                now,
                actor=_actor(by),
                verb="pause.begun",
                subject=_subject(repository),
                data={"reason": reason},
            )

    async def end(self, repository: RepositoryRef | None, *, by: Actor | None) -> bool:
        """End a pause, with an audit event; False where there was none."""
        async with self._database.writing() as connection:
            gone = await connection.execute(delete(pauses).where(pauses.c.scope == _scope(repository)))
            if gone.rowcount == 0:
                return False
            now = self._clock.now()
            await audit.append(
                connection, now, actor=_actor(by), verb="pause.ended", subject=_subject(repository), data={}
            )
        return True

    async def of(self, repository: RepositoryRef | None) -> Pause | None:
        """The pause that holds: of everything first."""
        scopes = {_EVERYWHERE, _scope(repository)}
        query = select(pauses).where(pauses.c.scope.in_(scopes)).order_by(pauses.c.scope).limit(1)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        return Pause(by=row.by, reason=row.reason, at=row.at, everywhere=row.scope == _EVERYWHERE)

    async def count(self) -> PauseCount:
        """How much is paused."""
        everywhere = pauses.c.scope == _EVERYWHERE
        query = select(func.count(), func.count().filter(everywhere)).select_from(pauses)
        async with self._database.reading() as connection:
            every, whole = (await connection.execute(query)).one()
        return PauseCount(everywhere=whole > 0, repositories=every - whole)


def _actor(by: Actor | None) -> str:
    return "operator" if by is None else audit.by(by)


def _scope(repository: RepositoryRef | None) -> str:
    return _EVERYWHERE if repository is None else f"{repository.forge}:{repository.id}"


def _subject(repository: RepositoryRef | None) -> str:
    return "instance" if repository is None else f"repository:{_scope(repository)}"
