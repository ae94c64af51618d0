"""Bounds on what people ask of the approval page, so that nobody keeps it, or the forge behind it, from the others."""

import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Final

_WINDOW_SECONDS: Final = 60.0
_MOST_KEYS: Final = 10_000


class CrowdedError(Exception):
    """There is no place just now."""


class Crowd:
    """So many requests at once in all, and so many a minute of each who asks."""

    def __init__(
        self, *, at_once: int = 32, a_minute: int = 90, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._free = at_once
        self._a_minute = a_minute
        self._monotonic = monotonic
        self._counted: OrderedDict[str, tuple[float, int]] = OrderedDict()

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Take a place while the context lasts. Raises ``CrowdedError`` where all are taken; nobody waits."""
        if self._free <= 0:
            raise CrowdedError
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1

    def count(self, who: str) -> None:
        """Count one request of somebody. Raises ``CrowdedError`` for more than there may be in a minute."""
        now = self._monotonic()
        began, count = self._counted.get(who, (now, 0))
        if now - began >= _WINDOW_SECONDS:
            began, count = now, 0
        self._counted[who] = (began, count + 1)
        self._counted.move_to_end(who)
        if len(self._counted) > _MOST_KEYS:
            self._counted.popitem(last=False)
        if count >= self._a_minute:
            raise CrowdedError
