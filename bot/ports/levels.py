"""The port to the levels' rows."""

from datetime import datetime
from typing import Protocol

from bot.model.forge import RepositoryRef
from bot.model.levels import LevelKind, LevelLease


class Levels(Protocol):
    """What has to be looked at again, once per key however often it was asked for. Every method is one transaction."""

    async def raise_(self, kind: LevelKind, key: str) -> None:
        """Ask for a look at ``key``: due at once, also when a worker is at it."""
        ...

    async def raise_for_jobs(self, repository: RepositoryRef, *, base_ref: str | None = None) -> list[str]:
        """Ask for a look at each pull request (of one base branch) with a job under way; the keys of ``pr_sync``."""
        ...

    async def take(self, kind: LevelKind, key: str, *, until: datetime) -> LevelLease | None:
        """Take a level that is due, until ``until``; None when there is nothing to do or somebody is at it."""
        ...

    async def complete(self, lease: LevelLease) -> bool:
        """Say that the taken generation is done and give the level back; False when the lease was lost.

        A level that was raised meanwhile is due again.
        """
        ...

    async def later(self, lease: LevelLease, *, not_before: datetime, error: str = "") -> None:
        """Give the level back unfinished, due at ``not_before``; with an ``error``, the attempt counts as failed."""
        ...

    async def due(self, now: datetime, *, limit: int) -> list[tuple[LevelKind, str]]:
        """Levels that wait for a worker, those first that wait longest."""
        ...
