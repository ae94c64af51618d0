"""What is left of the requests that GitHub answers in an hour, by installation.

GitHub says it with every answer, so each process learns it by its own requests, and knows of those of other processes
at its next one:
https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#checking-the-status-of-your-rate-limit
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from bot.errors import ForgeLimitedError
from bot.forges.meter import Meter
from bot.ports.system import Clock

CORE: Final = "core"
"""The resource that all of our requests belong to."""

_SAME_WINDOW: Final = 60
"""Seconds by which GitHub's answers may differ on when an hour is over."""

_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_NAME: Final = re.compile(r"[a-z_]{1,40}")


@dataclass(slots=True)
class _Window:
    """One hour of one resource; ``reset`` in seconds since 1970."""

    limit: int
    remaining: int
    reset: int

    def share(self) -> float:
        return min(self.remaining / self.limit, 1.0)


class Budget:
    """What GitHub said last. None stands for the App itself among the installations."""

    def __init__(self, *, clock: Clock, meter: Meter) -> None:
        self._clock = clock
        self._meter = meter
        self._windows: dict[tuple[int | None, str], _Window] = {}
        self._asking: Counter[int | None] = Counter()

    def check(self, installation_id: int | None, *, leave: float) -> None:
        """See whether one more request is within what is left.

        Args:
            installation_id: whose budget.
            leave: the share of the whole hour that must be left afterwards, 0 for what people asked for.

        Raises:
            ForgeLimitedError: it is not; until the hour is over.
        """
        window = self._windows.get((installation_id, CORE))
        now = self._clock.now().timestamp()
        if window is None or now >= window.reset:
            return
        left = window.remaining - self._asking[installation_id] - 1
        if window.remaining > 0 and (leave == 0 or left >= leave * window.limit):
            return
        message = "GitHub's budget for this installation is used up"
        if window.remaining > 0:
            message = "what is left of GitHub's budget for this installation is kept for what people ask for"
        raise ForgeLimitedError(message, retry_after=max(window.reset - now, 1.0))

    @contextmanager
    def asking(self, installation_id: int | None) -> Iterator[None]:
        """A request is under way: those that are checked meanwhile count it as spent."""
        self._asking[installation_id] += 1
        try:
            yield
        finally:
            self._asking[installation_id] -= 1
            if self._asking[installation_id] <= 0:
                del self._asking[installation_id]

    def learn(self, installation_id: int | None, headers: Mapping[str, str]) -> None:
        """Note what an answer says. Headers that are malformed or missing say nothing."""
        limit, remaining, reset = (
            _number(headers.get(f"x-ratelimit-{name}")) for name in ("limit", "remaining", "reset")
        )
        resource = headers.get("x-ratelimit-resource", CORE)
        if limit is None or remaining is None or reset is None or limit == 0 or not _NAME.fullmatch(resource):
            return
        key = (installation_id, resource)
        known = self._windows.get(key)
        if known is None or reset > known.reset + _SAME_WINDOW:
            self._windows[key] = _Window(limit, remaining, reset)
        elif reset >= known.reset - _SAME_WINDOW:
            # Within an hour it only gets less: answers may overtake each other.
            self._windows[key] = _Window(limit, min(remaining, known.remaining), max(reset, known.reset))
        self._show(resource)

    def _show(self, resource: str) -> None:
        now = self._clock.now().timestamp()
        self._windows = {key: window for key, window in self._windows.items() if now < window.reset}
        shares = [window.share() for (_, name), window in self._windows.items() if name == resource]
        self._meter.budget(resource, min(shares, default=1.0))


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None
