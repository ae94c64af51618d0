"""The append-only, hash-chained record of who did what."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.engine import Database
from app.store.tables import audit_events
from bot.model.forge import Actor
from bot.ports.system import Clock

FIRST: Final = "0" * 64
"""What stands in the place of the previous hash in the first event."""

_LOCK: Final = 0x464C4F57_46524745
"""The number of PostgreSQL's advisory lock under which events are appended."""

_PAGE: Final = 1000


class SqlAudit:
    """The audit events."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def append(self, *, actor: str, verb: str, subject: str, data: Mapping[str, str]) -> None:
        """Add an event; its hash covers the event before it."""
        async with self._database.writing() as connection:
            await append(connection, self._clock.now(), actor=actor, verb=verb, subject=subject, data=data)

    async def first_broken(self) -> int | None:
        """The id of the first event whose hash does not follow from the ones before, None when all is well."""
        last, previous = 0, FIRST
        async with self._database.reading() as connection:
            while True:
                rows = await connection.execute(
                    select(audit_events).where(audit_events.c.id > last).order_by(audit_events.c.id).limit(_PAGE),
                )
                events = rows.mappings().all()
                if not events:
                    return None
                for event in events:
                    if event["id"] != last + 1 or event["previous"] != previous or event["hash"] != _hash(event):
                        return int(event["id"])
                    last, previous = event["id"], event["hash"]


async def append(
    connection: AsyncConnection,
    at: datetime,
    *,
    actor: str,
    verb: str,
    subject: str,
    data: Mapping[str, str],
) -> None:
    """Add an event in a running transaction.

    Events are appended one transaction at a time, in the order of their ids. SQLite's writers are alone anyway; on
    PostgreSQL a lock is held until the transaction ends, so this should be the transaction's last act.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    rows = await connection.execute(
        select(audit_events.c.id, audit_events.c.hash).order_by(audit_events.c.id.desc()).limit(1),
    )
    newest = rows.one_or_none()
    event: dict[str, Any] = {
        "id": 1 if newest is None else newest.id + 1,
        "at": at,
        "actor": actor,
        "verb": verb,
        "subject": subject,
        "data": dict(data),
        "previous": FIRST if newest is None else newest.hash,
    }
    await connection.execute(insert(audit_events).values(**event, hash=_hash(event)))


def _hash(event: Mapping[Any, Any]) -> str:
    """sha256 over the previous hash and the rest of the row as canonical JSON."""
    body = {
        "id": event["id"],
        "at": event["at"].astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": event["actor"],
        "verb": event["verb"],
        "subject": event["subject"],
        "data": event["data"],
    }
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{event['previous']}\n{text}".encode("ascii")).hexdigest()


def by(actor: Actor) -> str:
    """An actor as events name one: the kind, the id that decides, the login that people read."""
    return f"{actor.kind.value}:{actor.id}:{actor.login}"
