"""Which intents were already acted on."""

from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.engine import Database, insert
from app.store.tables import intents
from bot.errors import BusyError
from bot.model.forge import Actor
from bot.model.intents import IntentOutcome, Origin
from bot.ports.system import Clock

_ALLOWED: Final = "allowed"
_IGNORED: Final = "ignored"
_TAKEN_BACK: Final = "taken_back"

log = structlog.get_logger(__name__)


class SqlIntents:
    """The intents' rows: each key once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def begin(self, key: str, *, delivery_id: str, name: str, actor: Actor) -> bool:
        """Claim an intent's key; False when it was finished before.

        An intent that was begun and not finished may be begun again: whoever began it may have died.
        """
        async with self._database.writing() as connection:
            row = insert(connection, intents).values(
                key=key,
                delivery_id=delivery_id,
                name=name,
                actor_id=actor.id,
                actor_login=actor.login,
                actor_kind=actor.kind,
                began_at=self._clock.now(),
            )
            await connection.execute(row.on_conflict_do_nothing(index_elements=["key"]))
            query = select(intents.c.finished_at).where(intents.c.key == key)
            return (await connection.execute(query)).scalar_one() is None

    async def finish(self, key: str, *, decision: str, rule: str, message: str, job_id: str | None) -> None:
        """Record what was decided; the first decision stays."""
        change = (
            update(intents)
            .where(intents.c.key == key, intents.c.finished_at.is_(None))
            .values(decision=decision, rule=rule, message=message, job_id=job_id, finished_at=self._clock.now())
        )
        async with self._database.writing() as connection:
            await connection.execute(change)
        log.info("intent decided", intent=key, decision=decision, rule=rule, job_id=job_id)

    async def bar(self, key: str, *, delivery_id: str, actor: Actor) -> str | None:
        """Finish an intent of which nobody heard yet; else the id of the job that it was about.

        Raises:
            BusyError: it was begun and not finished.
        """
        now = self._clock.now()
        async with self._database.writing() as connection:
            row = insert(connection, intents).values(
                key=key,
                delivery_id=delivery_id,
                name=_TAKEN_BACK,
                actor_id=actor.id,
                actor_login=actor.login,
                actor_kind=actor.kind,
                began_at=now,
                finished_at=now,
                decision=_IGNORED,
                rule=_TAKEN_BACK,
                message="",
            )
            await connection.execute(row.on_conflict_do_nothing(index_elements=["key"]))
            query = select(intents.c.finished_at, intents.c.job_id).where(intents.c.key == key)
            found = (await connection.execute(query)).one()
        if found.finished_at is None:
            raise BusyError("what is taken back is being acted on just now")
        job_id: str | None = found.job_id
        return job_id

    async def outcome(self, key: str) -> IntentOutcome | None:
        """What came of an intent; None while it is not decided, or where it is not known."""
        query = select(intents).where(intents.c.key == key, intents.c.finished_at.is_not(None))
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        return IntentOutcome(actor_id=row.actor_id, decision=row.decision, rule=row.rule, message=row.message)


def acting(asked: Actor | Origin) -> Actor:
    """Who acts."""
    return asked.actor if isinstance(asked, Origin) else asked


async def intent_done(connection: AsyncConnection, asked: Actor | Origin | None, job_id: str, now: datetime) -> None:
    """Record with what an intent does that it is done.

    Done again, it would meet what it did the first time, and be refused.
    """
    if not isinstance(asked, Origin):
        return
    change = update(intents).where(intents.c.key == asked.key, intents.c.finished_at.is_(None))
    await connection.execute(change.values(decision=_ALLOWED, rule="", message="", job_id=job_id, finished_at=now))
