"""A level is looked at again for as long as it is asked for meanwhile; what fails is tried again later."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from bot.errors import FlowForgeError, ForgeUnavailableError
from bot.model.levels import LevelKind
from bot.ports.levels import Levels
from bot.ports.system import Clock

_LEASE: Final = timedelta(minutes=1)
_FIRST_RETRY: Final = timedelta(seconds=5)
_LONGEST_RETRY: Final = timedelta(minutes=10)


async def keep_level(
    levels: Levels, clock: Clock, kind: LevelKind, key: str, look: Callable[[], Awaitable[datetime | None]]
) -> None:
    """Look as long as it is asked for; ``look`` says when to look again although nobody asks, None for never.

    Raises:
        FlowForgeError: it could not be done; it is tried again later.
    """
    while (lease := await levels.take(kind, key, until=clock.now() + _LEASE)) is not None:
        try:
            due = await look()
        except FlowForgeError as error:
            wait = min(_FIRST_RETRY * 2 ** min(lease.attempts, 10), _LONGEST_RETRY)
            if isinstance(error, ForgeUnavailableError):
                wait = max(wait, timedelta(seconds=error.retry_after))
            await levels.later(lease, not_before=clock.now() + wait, error=str(error))
            raise
        if due is None:
            await levels.complete(lease)
        else:
            await levels.later(lease, not_before=due)
