"""What every request to GitHub passes before it goes out, and what every answer teaches."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bot.forges.github.budget import Budget
from bot.forges.github.closing import Closings
from bot.forges.github.failures import LimitedError
from bot.forges.github.pacing import Monotonic, Pace, Sleep
from bot.forges.meter import Meter
from bot.ports.background import share_to_leave
from bot.ports.system import Clock


class Gate:
    """Limits of each installation: what GitHub closed, what is left of the hour, how fast we may go."""

    def __init__(self, *, clock: Clock, monotonic: Monotonic, sleep: Sleep, processes: int, meter: Meter) -> None:
        """Keep the limits of an App that is used from ``processes`` processes, of which this is one."""
        self._closings = Closings(clock)
        self._budget = Budget(clock=clock, meter=meter)
        self._pace = Pace(processes=processes, monotonic=monotonic, sleep=sleep, meter=meter)

    def check(self, installation_id: int | None) -> None:
        """See whether this caller may ask anything now.

        Raises:
            ForgeLimitedError: GitHub limited the installation, or what is left is for others.
        """
        self._closings.check(installation_id)
        self._budget.check(installation_id, leave=share_to_leave())

    @asynccontextmanager
    async def admitted(self, installation_id: int | None, method: str) -> AsyncIterator[None]:
        """Wait for a request's turn, and have it while the context is open.

        Raises:
            ForgeLimitedError: it may not be made now; nothing was sent.
        """
        self.check(installation_id)
        async with self._pace.turn(installation_id, method, leave=share_to_leave()):
            self.check(installation_id)  # much may have been answered while this one waited
            with self._budget.asking(installation_id):
                yield

    def learn(self, installation_id: int | None, headers: Mapping[str, str]) -> None:
        """Note what an answer says about what is left."""
        self._budget.learn(installation_id, headers)

    def answered(self, installation_id: int | None) -> None:
        """GitHub answered, and it was no limit."""
        self._closings.answered(installation_id)

    def close(self, installation_id: int | None, error: LimitedError) -> LimitedError:
        """Let nobody ask until GitHub's limit is over; the error that says when."""
        return self._closings.close(installation_id, error)
