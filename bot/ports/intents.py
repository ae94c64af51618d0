"""Which intents were already acted on, as the domain asks for it."""

from typing import Protocol

from bot.model.forge import Actor


class Intents(Protocol):
    """Which intents were already acted on: each key once."""

    async def begin(self, key: str, *, delivery_id: str, name: str, actor: Actor) -> bool:
        """Claim an intent's key; False when it was finished before."""
        ...

    async def finish(self, key: str, *, decision: str, rule: str, message: str, job_id: str | None) -> None:
        """Record what was decided."""
        ...

    async def bar(self, key: str, *, delivery_id: str, actor: Actor) -> str | None:
        """Keep an intent from being acted on; the id of the job if it was already. Raises ``BusyError`` meanwhile."""
        ...
