"""The port to what the sweeps remember."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bot.model.forge import ForgeKind, RepositoryRef
from bot.model.sweeps import SweepBeat, SweepLease


class Sweeps(Protocol):
    """The rows of the sweeps. Every method is one transaction."""

    async def take(self, name: str, *, owner: str, before: datetime, until: datetime) -> SweepLease | None:
        """Take a sweep whose last pass began before ``before``, until ``until``.

        None when a pass began since, or while somebody is at it.
        """
        ...

    async def finish(self, lease: SweepLease, *, bookmark: str | None = None) -> bool:
        """Say that the pass came to its end; False when the lease was lost. None leaves the bookmark as it is."""
        ...

    async def failed(self, lease: SweepLease, *, error: str) -> None:
        """Say that the pass failed; harmless when the lease was lost."""
        ...

    async def beats(self) -> list[SweepBeat]:
        """How each sweep fares that was ever taken, by name."""
        ...

    async def take_repositories(self, name: str, *, again_at: datetime, limit: int) -> list[RepositoryRef]:
        """Known repositories of active installations that are due for ``name``; they are due again at ``again_at``.

        Those that were never looked at come first, then those that wait longest.
        """
        ...

    async def put_off(self, name: str, repository: RepositoryRef, *, until: datetime) -> None:
        """Make a repository due at ``until``, earlier or later than it was."""
        ...

    async def missing(self, forge: ForgeKind, delivery_ids: Sequence[str], *, attempts: int) -> list[str]:
        """Those that are not in the inbox and were asked for fewer than ``attempts`` times, in their order."""
        ...

    async def asked(self, forge: ForgeKind, delivery_id: str) -> int:
        """Count a request to send a delivery again; how many there were."""
        ...
