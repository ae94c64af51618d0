"""Waiting for a database that is away for a moment, on behalf of a sandbox that could only give up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from bot.errors import StoreUnavailableError

T = TypeVar("T")

_PAUSE_SECONDS: Final = 1.0


async def patiently(ask: Callable[[], Awaitable[T]], *, seconds: float) -> T:
    """The first answer of ``ask``, which is asked again for so many seconds while the database does not answer.

    Raises:
        StoreUnavailableError: it still does not.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        try:
            return await ask()
        except StoreUnavailableError:
            if loop.time() >= until:
                raise
            await asyncio.sleep(min(_PAUSE_SECONDS, until - loop.time()))
