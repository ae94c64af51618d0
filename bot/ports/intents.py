"""Which intents were already acted on, as the domain asks for it."""

from typing import Protocol

from bot.model.forge import Actor
from bot.model.intents import IntentOutcome


class Intents(Protocol):
    """Which intents were already acted on: each key once."""

    async def begin(self, key: str, *, delivery_id: str, name: str, actor: Actor) -> bool:
        """Claim an intent's key; False when it was finished before."""
        ...

    async def finish(self, key: str, *, decision: str, rule: str, message: str, job_id: str | None) -> None:
        """Record what was decided."""
        ...

    async def outcome(self, key: str) -> IntentOutcome | None:
        """What came of an intent; None while it is not decided, or where it is not known."""
        ...

    async def bar(self, key: str, *, delivery_id: str, actor: Actor) -> str | None:
        """Keep an intent from being acted on; the id of the job if it was already. Raises ``BusyError`` meanwhile."""
        ...
