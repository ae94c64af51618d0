"""The ports to the machine: time, identifiers, the doorbell."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class Timer(Protocol):
    """How time passes: for pauses, which no setting of clocks may change."""

    def monotonic(self) -> float:
        """Seconds since some moment; they never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let so many seconds pass."""
        ...


class Ids(Protocol):
    """Fresh identifiers and secrets."""

    def new_id(self) -> str:
        """A unique id of 32 lower-case hexadecimal digits."""
        ...

    def new_token(self) -> str:
        """A URL-safe secret of 256 random bits."""
        ...


class Queue(Protocol):
    """The doorbell. Ringing may be lost; the sweep rings again."""

    async def ring(self, kind: str, key: str) -> None:
        """Ask some worker to look at ``key`` now. Never raises: a lost ring costs time only."""
        ...
