"""Have the forges send again what they could not deliver. The id stays the same, so nothing is done twice.

Where a forge keeps no list of what it sent, there is nothing to look through: the reconcile finds what was missed.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from bot.errors import ForgeError, ForgeNotFoundError, ForgeRefusedError
from bot.model.forge import ForgeKind, ForgeName
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

_OTHERS: Final = "others"
"""Where the bookmark of a pass keeps those of the other forges than the first GitHub."""

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bookmark:
    """How far the past of one forge is looked through.

    Everything that was sent before ``covered`` was looked at. A pass that was cut off goes on at ``cursor``, down to
    ``since``, and has then covered what was sent before ``begun``.
    """

    covered: datetime | None = None
    cursor: str | None = None
    since: datetime | None = None
    begun: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Looked:
    """What came of one forge in a pass: how many deliveries were asked for, and where the next pass begins."""

    asked: int
    bookmark: _Bookmark
    cut_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeliver:
    """Look through what each forge sent, newest first, for what never arrived: no attempt did, and it is not here.

    A pass looks back to what the last one covered; one that takes too long leaves the rest to the next.
    """

    store: Store
    log: Log
    forge: Forge
    clock: Clock
    sleep: Sleep = asyncio.sleep

    async def __call__(self, bookmark: str) -> Swept:
        """Do one pass. What was asked for is on record, whatever comes then.

        Raises:
            ForgeError: no forge could be looked through; where only some could not, the log has it.
        """
        began = self.clock.now()
        marks = _read(bookmark)
        asked, again, failed = 0, False, list[ForgeError]()
        names = sorted(self.forge.names)
        for name in names:
            try:
                looked = await self._look_through(name, marks.get(name, _Bookmark()), began)
            except ForgeError as error:
                failed.append(error)
                self.log.warning("a forge cannot be looked through", forge=name, error=str(error))
                continue
            if looked is not None:
                asked += looked.asked
                again = again or looked.cut_off
                marks[name] = looked.bookmark
        if len(failed) == len(names):
            raise failed[0]
        return Swept(repairs={RepairKind.DELIVERY: asked}, bookmark=_written(marks), again=again)

    async def _look_through(self, forge: ForgeName, last: _Bookmark, began: datetime) -> _Looked | None:
        """Go through one forge's list from where the last pass left it; None where it keeps none."""
        if last.cursor is None:
            back = began - HORIZON if last.covered is None else max(last.covered - OVERLAP, began - HORIZON)
            last = replace(last, since=back, begun=began)
        asked, arrived = 0, set[str]()
        while True:
            page = await self.forge.sent_deliveries(forge, last.cursor)
            if page is None:
                return None
            arrived |= {one.delivery_id for one in page.attempts if one.arrived}
            asked += await self._ask_for(forge, page, arrived)
            if page.cursor is None or page.oldest is None or page.oldest < (last.since or began):
                return _Looked(asked, _Bookmark(covered=last.begun))
            last = replace(last, cursor=page.cursor)
            if self.clock.now() - began >= _PASS:
                return _Looked(asked, last, cut_off=True)

    async def _ask_for(self, forge: ForgeName, page: SentPage, arrived: set[str]) -> int:
        """Ask for those of a page that never arrived; how many."""
        latest: dict[str, SentAttempt] = {}
        for one in page.attempts:
            if one.delivery_id not in arrived and self.clock.now() - one.at < HORIZON:
                latest.setdefault(one.delivery_id, one)
        missing = await self.store.sweeps.missing(
            forge, list(latest), attempts=MAX_ATTEMPTS, asked_before=self.clock.now() - _PATIENCE
        )
        for delivery_id in missing:
            attempt = await self.store.sweeps.asked(forge, delivery_id)
            self.log.warning("delivery asked for again", delivery_id=delivery_id, attempt=attempt)
            try:
                await self.forge.send_again(forge, latest[delivery_id].attempt_id)
            except (ForgeRefusedError, ForgeNotFoundError) as error:
                self.log.warning("delivery cannot be had again", delivery_id=delivery_id, error=str(error))
            await self.sleep(PACE_SECONDS)
        return len(missing)


def _read(bookmark: str) -> dict[ForgeName, _Bookmark]:
    """The bookmarks of the last pass, none before the first."""
    if not bookmark:
        return {}
    kept = json.loads(bookmark)
    others = {name: _moments(one) for name, one in kept.get(_OTHERS, {}).items()}
    return {ForgeKind.GITHUB.value: _moments(kept), **others}


def _moments(kept: Mapping[str, str | None]) -> _Bookmark:
    moments = {
        name: None if (text := kept[name]) is None else datetime.fromisoformat(text).astimezone(UTC)
        for name in ("covered", "since", "begun")
    }
    return _Bookmark(cursor=kept["cursor"], **moments)


def _written(bookmarks: Mapping[ForgeName, _Bookmark]) -> str:
    """The first GitHub's bookmark stands where it did when there was no other: an older worker can go on from it."""
    others = {name: _texts(one) for name, one in bookmarks.items() if name != ForgeKind.GITHUB}
    first = _texts(bookmarks.get(ForgeKind.GITHUB, _Bookmark()))
    return json.dumps({**first, _OTHERS: others} if others else first)


def _texts(bookmark: _Bookmark) -> dict[str, str | None]:
    moments = {"covered": bookmark.covered, "since": bookmark.since, "begun": bookmark.begun}
    texts = {name: None if moment is None else moment.isoformat() for name, moment in moments.items()}
    return {"cursor": bookmark.cursor, **texts}
