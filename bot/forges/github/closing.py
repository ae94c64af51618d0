"""After GitHub limited an installation, nothing is asked for it until the wait is over.

https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately

This is known to the process that was told. Another learns it from the first request of its own that GitHub turns away,
and so no more than one request a process is sent in vain; what people are to see waits in the outbox, for all of them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bot.errors import ForgeLimitedError
from bot.forges.github.failures import LONGEST_WAIT, LimitedError
from bot.ports.system import Clock

_MOST_DOUBLINGS: Final = 10


@dataclass(slots=True)
class _Closing:
    until: datetime
    untold: int = 0
    """How often in succession GitHub limited us without saying for how long."""


class Closings:
    """Which installations GitHub limited; None stands for the App itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._closed: dict[int | None, _Closing] = {}

    def check(self, installation_id: int | None) -> None:
        """Raise ``ForgeLimitedError`` while GitHub does not want to be asked."""
        closing = self._closed.get(installation_id)
        now = self._clock.now()
        if closing is not None and now < closing.until:
            wait = (closing.until - now).total_seconds()
            raise ForgeLimitedError("GitHub limited this installation a moment ago", retry_after=wait)

    def close(self, installation_id: int | None, error: LimitedError) -> LimitedError:
        """Ask nothing for as long as GitHub said; where it did not say, longer each time. The error with that wait.

        Requests that were under way together are limited together: that counts as once.
        """
        now = self._clock.now()
        closing = self._closed.setdefault(installation_id, _Closing(until=now))
        again = now >= closing.until
        seconds = error.retry_after
        if not error.told:
            closing.untold += int(again)
            doublings = min(max(closing.untold - 1, 0), _MOST_DOUBLINGS)
            seconds = min(seconds * 2**doublings, LONGEST_WAIT)
        closing.until = max(closing.until, now + timedelta(seconds=seconds))
        return LimitedError(str(error), retry_after=(closing.until - now).total_seconds(), told=error.told)

    def answered(self, installation_id: int | None) -> None:
        """GitHub answers again."""
        closing = self._closed.get(installation_id)
        if closing is not None and self._clock.now() >= closing.until:
            del self._closed[installation_id]
