"""The audit: a chain that shows every change, and tables that refuse them."""

import asyncio

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.database import SqlStore
from app.store.tables import audit_events
from tests.app.store.test_proposals import approval_of, proposed

ALL = range(1, 8)


async def write(store: SqlStore) -> None:
    for number in ALL:
        await store.audit.append(
            actor=f"user:{number}:ada",
            verb="v",
            subject="s",
            data={"note": "NUL \x00, \udcff, ü", "b": "1", "a": str(number)},
        )


async def ids_of(store: SqlStore) -> list[int]:
    async with store.engine.connect() as connection:
        return list((await connection.execute(select(audit_events.c.id).order_by(audit_events.c.id))).scalars())


async def disarm(connection: AsyncConnection) -> None:
    """What somebody with the schema's rights can do: take the triggers away."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("ALTER TABLE audit_events DISABLE TRIGGER USER"))
    else:
        await connection.execute(text("DROP TRIGGER audit_events_no_update"))
        await connection.execute(text("DROP TRIGGER audit_events_no_delete"))


async def test_an_untouched_chain_holds(store: SqlStore) -> None:
    assert await store.audit.first_broken() is None
    await write(store)
    assert await store.audit.first_broken() is None
    assert await ids_of(store) == list(ALL)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "user:2:eve"),
        ("verb", "w"),
        ("subject", "other"),
        ("data", {"a": "4"}),
        ("at", "2026-03-01 12:00:01"),
        ("previous", "0" * 64),
        ("hash", "0" * 64),
    ],
)
async def test_a_changed_event_is_found(store: SqlStore, column: str, value: object) -> None:
    await write(store)
    changed: object = value
    async with store.engine.begin() as connection:
        await disarm(connection)
        if column == "at":
            at = (await connection.execute(select(audit_events.c.at).where(audit_events.c.id == 4))).scalar_one()
            changed = at.replace(microsecond=1)
        await connection.execute(update(audit_events).where(audit_events.c.id == 4).values({column: changed}))
    assert await store.audit.first_broken() == 4


async def test_a_missing_event_is_found(store: SqlStore) -> None:
    await write(store)
    async with store.engine.begin() as connection:
        await disarm(connection)
        await connection.execute(text("DELETE FROM audit_events WHERE id = 4"))
    assert await store.audit.first_broken() == 5


async def test_an_event_with_a_hash_that_fits_breaks_the_next_one(store: SqlStore) -> None:
    await write(store)
    async with store.engine.begin() as connection:
        await disarm(connection)
        other = (await connection.execute(select(audit_events).where(audit_events.c.id == 5))).one()
        await connection.execute(text("DELETE FROM audit_events WHERE id = 4"))
        await connection.execute(update(audit_events).where(audit_events.c.id == 5).values(id=4))
    assert other.id == 5
    assert await store.audit.first_broken() == 4


async def test_appends_at_once_make_one_chain(store: SqlStore, neighbour: SqlStore) -> None:
    await asyncio.gather(
        *(
            each.audit.append(actor="a", verb="v", subject=str(index), data={})
            for each in (store, neighbour)
            for index in range(25)
        ),
    )
    assert await ids_of(store) == list(range(1, 51))
    assert await store.audit.first_broken() is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET actor = 'user:1:alice'",
        "DELETE FROM audit_events",
        "UPDATE approvals SET permission = 'admin'",
        "DELETE FROM approvals",
    ],
)
async def test_the_database_refuses_to_rewrite_history(store: SqlStore, statement: str) -> None:
    _, made = await proposed(store)
    await store.proposals.approve(approval_of(made))
    async with store.engine.connect() as connection:
        with pytest.raises(DBAPIError, match="append-only"):
            await connection.execute(text(statement))
        await connection.rollback()
    assert (await store.proposals.approvals(made.id))[-1] == approval_of(made)
    assert await store.audit.first_broken() is None


async def test_replacing_a_row_is_rewriting_history_too(store: SqlStore) -> None:
    if store.engine.dialect.name != "sqlite":
        pytest.skip("only SQLite has REPLACE")
    await write(store)
    async with store.engine.connect() as connection:
        with pytest.raises(DBAPIError, match="append-only"):
            await connection.execute(
                text("INSERT OR REPLACE INTO audit_events SELECT * FROM audit_events WHERE id = 3")
            )
        await connection.rollback()
    assert await store.audit.first_broken() is None


@pytest.mark.parametrize("table", ["audit_events", "approvals"])
async def test_history_cannot_be_truncated(store: SqlStore, table: str) -> None:
    if store.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no TRUNCATE")
    async with store.engine.connect() as connection:
        with pytest.raises(DBAPIError, match="append-only"):
            await connection.execute(text(f"TRUNCATE {table} CASCADE"))
        await connection.rollback()
