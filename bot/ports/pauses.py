"""The port to the rows that say what is paused."""

from typing import Protocol

from bot.model.forge import Actor, RepositoryRef
from bot.model.pauses import Pause, PauseCount


class Pauses(Protocol):
    """What is paused: repositories, or everything. Each method is one transaction."""

    async def begin(self, repository: RepositoryRef | None, *, by: Actor | None, reason: str) -> None:
        """Pause a repository, or everything for None, with an audit event. ``by`` is None for an operator.

        What is paused already gets the new reason.
        """
        ...

    async def end(self, repository: RepositoryRef | None, *, by: Actor | None) -> bool:
        """End a pause, with an audit event; False where there was none."""
        ...

    async def of(self, repository: RepositoryRef | None) -> Pause | None:
        """The pause that holds for a repository: of everything, else its own; for None, that of everything."""
        ...

    async def count(self) -> PauseCount:
        """How much is paused by a command; what files say (``paused: true``) is not in it."""
        ...
