"""The inbox."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, select, update

from app.store.engine import Database
from app.store.history_tables import delivery_keys
from app.store.inbox import InboxWriter
from app.store.tables import deliveries
from bot.errors import StoreError, StoreUnavailableError
from bot.model.deliveries import Delivery, DeliveryState
from bot.model.forge import ForgeName
from bot.ports.system import Clock

_BATCH: Final = 64
"""Deliveries in one commit: many enough to share it, few enough to hold their bodies twice."""

_Waiting = tuple[Delivery, asyncio.Future[bool]]


class SqlDeliveries:
    """The deliveries' rows, each with its key: the rows are in a partition for each month, a key is there once.

    Requests that arrive while a commit is under way share the next one: a commit waits for the disk, and hundreds of
    requests can wait for the same turn of it.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._inbox = InboxWriter(database)
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, delivery: Delivery) -> bool:
        """Keep a delivery; False when its id is there already. Raises ``StoreUnavailableError``.

        When this returns the delivery is on disk.
        """
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, kept))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        return await kept

    async def close(self) -> None:
        """Wait until what was handed over is written."""
        if self._writer is not None:
            await self._writer

    async def _write_all(self) -> None:
        """Write batches until nobody waits. Cancelling one caller does not take the others' commit away."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                await self._write_batch(batch)
        finally:
            self._writer = None

    async def _write_batch(self, batch: Sequence[_Waiting]) -> None:
        try:
            added = await self._inbox.write([delivery for delivery, _ in batch])
        except StoreUnavailableError as error:
            _answer_error(batch, error)
        except StoreError as error:
            # One of them is refused: the others must not suffer for it.
            if len(batch) == 1:
                _answer_error(batch, error)
            else:
                for one in batch:
                    await self._write_batch([one])
        except BaseException as error:
            _answer_error(batch, error)
            raise
        else:
            _answer(batch, added)

    async def get(self, forge: ForgeName, delivery_id: str) -> Delivery | None:
        """A delivery by its id."""
        query = select(deliveries).where(_is(forge, delivery_id))
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _delivery(row)

    async def settle(self, forge: ForgeName, delivery_id: str, state: DeliveryState, *, error: str = "") -> None:
        """Say what became of a delivery."""
        settled_at: datetime | None = None if state is DeliveryState.NEW else self._clock.now()
        change = (
            update(deliveries).where(_is(forge, delivery_id)).values(state=state, error=error, settled_at=settled_at)
        )
        async with self._database.writing() as connection:
            await connection.execute(change)

    async def failed_attempt(self, forge: ForgeName, delivery_id: str, *, error: str) -> int:
        """Count a failed attempt at routing and return how many there were."""
        change = (
            update(deliveries)
            .where(_is(forge, delivery_id))
            .values(attempts=deliveries.c.attempts + 1, error=error)
            .returning(deliveries.c.attempts)
        )
        async with self._database.writing() as connection:
            return int((await connection.execute(change)).scalar_one())

    async def waiting(self, *, limit: int) -> list[tuple[ForgeName, str]]:
        """Deliveries not yet routed, oldest first."""
        query = (
            select(deliveries.c.forge, deliveries.c.delivery_id)
            .where(deliveries.c.state == DeliveryState.NEW)
            .order_by(deliveries.c.received_at, deliveries.c.serial)
            .limit(limit)
        )
        async with self._database.reading() as connection:
            return [(row.forge, row.delivery_id) for row in await connection.execute(query)]


def _answer(batch: Sequence[_Waiting], added: set[tuple[ForgeName, str]]) -> None:
    """Tell each caller; of several with the same id the first one brought it."""
    for delivery, kept in batch:
        brought = (delivery.forge, delivery.delivery_id) in added
        added.discard((delivery.forge, delivery.delivery_id))
        if not kept.done():
            kept.set_result(brought)


def _answer_error(batch: Sequence[_Waiting], error: BaseException) -> None:
    for _, kept in batch:
        if not kept.done():
            kept.set_exception(error)


def _is(forge: ForgeName, delivery_id: str) -> ColumnElement[bool]:
    """The delivery with that key. By its moment, a database with partitions looks into one of them only."""
    return and_(
        delivery_keys.c.forge == forge,
        delivery_keys.c.delivery_id == delivery_id,
        deliveries.c.serial == delivery_keys.c.serial,
        deliveries.c.received_at == delivery_keys.c.received_at,
    )


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        forge=row.forge,
        delivery_id=row.delivery_id,
        event=row.event,
        headers=row.headers,
        body=row.body,
        received_at=row.received_at,
        state=row.state,
        attempts=row.attempts,
    )
