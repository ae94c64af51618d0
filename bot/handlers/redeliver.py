"""Have the forge send again what it could not deliver. The id stays the same, so nothing is done twice."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.model.shown import SentAttempt, SentPage
from bot.model.sweeps import RepairKind, Swept
from bot.ports.forge import Forge
from bot.ports.log import Log
from bot.ports.store import Store
from bot.ports.system import Clock

HORIZON: Final = timedelta(days=3)
"""GitHub sends nothing again that is older.

https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks
"""

OVERLAP: Final = timedelta(hours=1)
"""How far a pass looks back behind the last one: an attempt is listed some time after it was made."""

MAX_ATTEMPTS: Final = 3
"""So often a delivery is asked for; one that GitHub cannot deliver then has another reason than a short outage."""

PACE_SECONDS: Final = 1.0
_PATIENCE: Final = timedelta(minutes=2)
"""So long a delivery that was asked for may take to arrive."""

_PASS: Final = timedelta(seconds=75)

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bookmark:
    """How far the past is looked through.

    Everything that was sent before ``covered`` was looked at. A pass that was cut off goes on at ``cursor``, down to
    ``since``, and has then covered what was sent before ``begun``.
    """

    covered: datetime | None = None
    cursor: str | None = None
    since: datetime | None = None
    begun: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeliver:
    """Look through what the forge sent, newest first, for what never arrived: no attempt at it did, and it is not here.

    A pass looks back to what the last one covered; one that takes too long leaves the rest to the next.
    """

    store: Store
    log: Log
    forge: Forge
    clock: Clock
    sleep: Sleep = asyncio.sleep

    async def __call__(self, bookmark: str) -> Swept:
        """Do one pass. Raises ``ForgeError``; what was asked for until then is on record."""
        began = self.clock.now()
        last = _read(bookmark)
        if last.cursor is None:
            back = began - HORIZON if last.covered is None else max(last.covered - OVERLAP, began - HORIZON)
            last = replace(last, since=back, begun=began)
        asked, arrived = 0, set[str]()
        while True:
            page = await self.forge.sent_deliveries(last.cursor)
            arrived |= {one.delivery_id for one in page.attempts if one.arrived}
            asked += await self._ask_for(page, arrived)
            if page.cursor is None or page.oldest is None or page.oldest < (last.since or began):
                done = _Bookmark(covered=last.begun)
                return Swept(repairs={RepairKind.DELIVERY: asked}, bookmark=_written(done))
            last = replace(last, cursor=page.cursor)
            if self.clock.now() - began >= _PASS:
                return Swept(repairs={RepairKind.DELIVERY: asked}, bookmark=_written(last), again=True)

    async def _ask_for(self, page: SentPage, arrived: set[str]) -> int:
        """Ask for those of a page that never arrived; how many."""
        latest: dict[str, SentAttempt] = {}
        for one in page.attempts:
            if one.delivery_id not in arrived and self.clock.now() - one.at < HORIZON:
                latest.setdefault(one.delivery_id, one)
        missing = await self.store.sweeps.missing(
            self.forge.kind, list(latest), attempts=MAX_ATTEMPTS, asked_before=self.clock.now() - _PATIENCE
        )
        for delivery_id in missing:
            attempt = await self.store.sweeps.asked(self.forge.kind, delivery_id)
            self.log.warning("delivery asked for again", delivery_id=delivery_id, attempt=attempt)
            try:
                await self.forge.send_again(latest[delivery_id].attempt_id)
            except (ForgeRefusedError, ForgeNotFoundError) as error:
                self.log.warning("delivery cannot be had again", delivery_id=delivery_id, error=str(error))
            await self.sleep(PACE_SECONDS)
        return len(missing)


def _read(bookmark: str) -> _Bookmark:
    """The bookmark of the last pass; an empty one before the first."""
    if not bookmark:
        return _Bookmark()
    kept = json.loads(bookmark)
    moments = {
        name: None if kept[name] is None else datetime.fromisoformat(kept[name]).astimezone(UTC)
        for name in ("covered", "since", "begun")
    }
    return _Bookmark(cursor=kept["cursor"], **moments)


def _written(bookmark: _Bookmark) -> str:
    moments = {"covered": bookmark.covered, "since": bookmark.since, "begun": bookmark.begun}
    texts = {name: None if moment is None else moment.isoformat() for name, moment in moments.items()}
    return json.dumps({"cursor": bookmark.cursor, **texts})
