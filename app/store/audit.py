"""The append-only, hash-chained record of who did what."""

import json
import re
import sqlite3
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Dialect, LargeBinary, Select, Text, cast, event, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app.store.audit_chain import (
    BEGINNING,
    Anchor,
    AuditEvent,
    Chain,
    Row,
    Unreadable,
    WrittenEvent,
    one_value_a_key,
)
from app.store.engine import BUSY_SECONDS, Database, create_engine, parse_url
from app.store.history_tables import audit_anchor
from app.store.tables import audit_events
from app.store.types import AnyText
from bot.errors import StoreUnavailableError
from bot.model.forge import Actor
from bot.ports.system import Clock

_LOCK: Final = 0x464C4F57_46524745
"""The number of PostgreSQL's advisory lock under which events are appended."""

_BATCH: Final = 500
_SERIAL: Final = re.compile(r"-?[0-9]{1,19}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_COLUMNS: Final = tuple(column for column in audit_events.c if column.name != "at")

# Source: https://www.postgresql.org/docs/current/functions-formatting.html
_MOMENT: Final = "YYYY-MM-DD HH24:MI:SS.US AD"


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
        async with open_log(self._database) as log:
            chain = Chain(dropped=log.dropped)
            async for batch in log.batches:
                chain.take(batch)
        broken = chain.end().broken
        if broken is None:
            return None
        return broken.place if broken.serial is None else broken.serial


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
    await lock(connection)
    rows = await connection.execute(
        select(audit_events.c.id, audit_events.c.hash).order_by(audit_events.c.id.desc()).limit(1),
    )
    newest = rows.one_or_none()
    last = await _dropped(connection) or BEGINNING if newest is None else Anchor(newest.id, newest.hash)
    event = AuditEvent(
        serial=last.serial + 1,
        at=at,
        actor=actor,
        verb=verb,
        subject=subject,
        data=dict(data),
        previous=last.hash,
    )
    await connection.execute(
        insert(audit_events).values(
            id=event.serial,
            at=at,
            actor=actor,
            verb=verb,
            subject=subject,
            data=event.data,
            previous=event.previous,
            hash=event.digest(),
        ),
    )


def by(actor: Actor) -> str:
    """An actor as events name one: the kind, the id that decides, the login that people read."""
    return f"{actor.kind.value}:{actor.id}:{actor.login}"


async def lock(connection: AsyncConnection) -> None:
    """Let nobody else append before this transaction ends."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


@dataclass(frozen=True, slots=True)
class Log:
    """One state of the log: the last event that was dropped for its age, and batches of what is there, in order."""

    dropped: Anchor | None
    batches: AsyncGenerator[list[Row]]


@asynccontextmanager
async def open_log(database: Database, *, since: int | None = None) -> AsyncGenerator[Log]:
    """What stands in the table, from the event ``since`` on.

    The rows are one statement, so that they are one state of the table, on both databases: events that are appended
    meanwhile are not in it. What is no event (somebody who breaks in need not write dates) is given as such; without
    ``since`` so are rows with numbers that no event has.

    Raises:
        StoreUnavailableError, StoreError: the database did not answer, or refused.
    """
    async with aclosing(_read(database, since)) as read:
        dropped, _ = await anext(read)
        yield Log(dropped, (batch async for _, batch in read))


async def _read(database: Database, since: int | None) -> AsyncGenerator[tuple[Anchor | None, list[Row]]]:
    """The anchor with no rows, then with each batch. Errors of whoever reads do not come by here."""
    async with database.reading() as connection:
        if connection.dialect.name == "postgresql":
            # Nothing is dropped between the two statements, and during the second one.
            await connection.execute(text(f"LOCK TABLE {audit_events.name} IN ACCESS SHARE MODE"))
        dropped = await _dropped(connection)
        yield dropped, []
        statement = _as_written(connection.dialect)
        if since is not None:
            statement = statement.where(audit_events.c.id >= since)
        result = await connection.stream(statement, execution_options={"yield_per": _BATCH})
        async for batch in result.partitions():
            yield dropped, [_row(fields, connection.dialect) for fields in batch]


async def _dropped(connection: AsyncConnection) -> Anchor | None:
    """The newest anchor; one that cannot be read is given as one that fits no log."""
    kind = Text if connection.dialect.name == "postgresql" else LargeBinary
    columns = (cast(column, kind) for column in (audit_anchor.c.serial, audit_anchor.c.hash))
    newest = select(*columns).order_by(audit_anchor.c.serial.desc()).limit(1)
    row = (await connection.execute(newest)).one_or_none()
    if row is None:
        return None
    serial, digest = (_text(field) or "" for field in row)
    return Anchor(int(serial), digest) if _SERIAL.fullmatch(serial) else Anchor(0, "")


def open_for_reading(url: str) -> Database:
    """A database in which nothing is written; a SQLite file may be a copy, and is not made where there is none.

    Raises:
        SettingsError: the URL names no database that can be used.
        StoreUnavailableError: the SQLite file cannot be read, or is not one of ours.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        return Database(create_engine(url))
    if "uri" not in parsed.query:
        # Source: https://www.sqlite.org/uri.html
        file = Path(str(parsed.database)).absolute().as_uri()
        _try_file(f"{file}?mode=ro")
        parsed = parsed.set(database=file, query={**parsed.query, "mode": "ro", "uri": "true"})
    # None of the usual pragmas: they would change the file's journal. But transactions begin, and see one state.
    options = {"timeout": BUSY_SECONDS, "isolation_level": None}
    engine = create_async_engine(parsed, connect_args=options, hide_parameters=True)
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return Database(engine)


def _try_file(uri: str) -> None:
    """Look before aiosqlite does: its thread outlives a file that cannot be opened, and then has nobody to tell."""
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.execute(f"SELECT 1 FROM {audit_events.name} LIMIT 1")  # noqa: S608 - a name of ours
    except sqlite3.Error as error:
        raise StoreUnavailableError(f"the SQLite database cannot be read ({error})") from None


def _as_written(dialect: Dialect) -> Select[Any]:
    """The rows as text, or bytes on SQLite: a driver that cannot decode one field gives none of the batch.

    SQLite keeps any value in any column. PostgreSQL keeps times before Christ and after 9999, which Python has not.
    """
    at = audit_events.c.at
    if dialect.name == "postgresql":
        shown = func.to_char(func.timezone("UTC", at), _MOMENT)
        fields = [func.replace(shown, " AD", ""), *(cast(each, Text) for each in _COLUMNS)]
    else:
        fields = [cast(at, LargeBinary), *(cast(each, LargeBinary) for each in _COLUMNS)]
    return select(*fields).order_by(audit_events.c.id)


def _row(fields: Sequence[str | bytes | None], dialect: Dialect) -> Row:
    """An event as it was written; what we would have written in another way is none."""
    texts = [_text(field) for field in fields]
    at, serial, actor, verb, subject, data, previous, digest = texts
    if serial is None or not _SERIAL.fullmatch(serial):
        return Unreadable("id")
    read = {
        "at": _moment(at),
        "actor": _any_text(actor, dialect),
        "verb": _any_text(verb, dialect),
        "subject": _any_text(subject, dialect),
        "data": _data(data),
        "previous": _digest(previous),
        "hash": _digest(digest),
    }
    for column, value in read.items():
        if value is None:
            return Unreadable(column, int(serial))
    written: Any = read.pop("hash")
    values: dict[str, Any] = read
    return WrittenEvent(AuditEvent(serial=int(serial), **values), written)


def _text(field: str | bytes | None) -> str | None:
    if not isinstance(field, bytes):
        return field
    try:
        return field.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _moment(text: str | None) -> datetime | None:
    """A time as SQLAlchemy keeps it on SQLite, and as we ask PostgreSQL to show it."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    same = at.tzinfo is None and at.isoformat(sep=" ", timespec="microseconds") == text
    return at.replace(tzinfo=UTC) if same else None


def _any_text(kept: str | None, dialect: Dialect) -> str | None:
    text = AnyText().process_result_value(kept, dialect)
    return text if AnyText().process_bind_param(text, dialect) == kept else None


def _data(text: str | None) -> dict[str, str] | None:
    try:
        found = json.loads(text or "", object_pairs_hook=one_value_a_key)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        return None
    return found


def _digest(text: str | None) -> str | None:
    return text if text is not None and _DIGEST.fullmatch(text) else None
