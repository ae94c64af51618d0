"""What every request to GitLab passes before it goes out, and what every answer teaches.

GitLab counts the requests of a user by the minute and says in its answers what is left. A limited instance says in
addition for how long nothing should be asked. Both hold for all projects that the token serves.
https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bot.errors import ForgeLimitedError
from bot.forges.meter import Meter
from bot.ports.background import share_to_leave
from bot.ports.system import Clock

RESOURCE: Final = "gitlab"
"""The name of the budget in metrics."""

_NUMBER: Final = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class _Window:
    limit: int
    remaining: int
    reset: float


class Limits:
    """The limits of one token, as this process learnt them."""

    def __init__(self, clock: Clock, meter: Meter) -> None:
        self._clock = clock
        self._meter = meter
        self._closed: datetime | None = None
        self._window: _Window | None = None
        self._asking = 0

    def check(self) -> None:
        """See whether this caller may ask anything now.

        Raises:
            ForgeLimitedError: GitLab limited us a moment ago, or what is left is for others.
        """
        now = self._clock.now()
        if self._closed is not None and now < self._closed:
            wait = (self._closed - now).total_seconds()
            raise ForgeLimitedError("GitLab limited this token a moment ago", retry_after=wait)
        window = self._window
        if window is None or now.timestamp() >= window.reset:
            return
        leave = share_to_leave()
        left = window.remaining - self._asking - 1
        if window.remaining > 0 and (leave == 0 or left >= leave * window.limit):
            return
        message = "GitLab's budget for this token is used up"
        if window.remaining > 0:
            message = "what is left of GitLab's budget for this token is kept for what people ask for"
        raise ForgeLimitedError(message, retry_after=max(window.reset - now.timestamp(), 1.0))

    @contextmanager
    def asking(self) -> Iterator[None]:
        """A request is under way: those that are checked meanwhile count it as spent.

        Raises:
            ForgeLimitedError: it may not be made now.
        """
        self.check()
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1

    def close(self, error: ForgeLimitedError) -> None:
        """Ask nothing for as long as GitLab said."""
        until = self._clock.now() + timedelta(seconds=error.retry_after)
        self._closed = until if self._closed is None else max(until, self._closed)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Note what an answer says, found by lower-case names. What is malformed or missing says nothing."""
        limit, remaining, reset = (
            int(told) if _NUMBER.fullmatch(told) else None
            for told in (headers.get(f"ratelimit-{name}", "") for name in ("limit", "remaining", "reset"))
        )
        if not limit or remaining is None or reset is None:
            return
        known = self._window
        if known is not None and reset < known.reset:
            return  # an answer of the minute before, that was overtaken
        if known is not None and reset == known.reset:
            remaining = min(remaining, known.remaining)
        self._window = _Window(limit, remaining, reset)
        self._meter.budget(RESOURCE, min(remaining / limit, 1.0))
