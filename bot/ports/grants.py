"""The port to one OAuth authorization that several processes use together."""

from datetime import datetime
from typing import Protocol

from bot.model.grants import Grant, KeptGrant


class Grants(Protocol):
    """The newest grant of one authorization. Every method is one transaction, and raises ``StoreError``."""

    async def read(self) -> KeptGrant:
        """The newest grant."""
        ...

    async def take_turn(self, kept: KeptGrant, *, until: datetime) -> bool:
        """Whether it is for the caller alone to renew ``kept``, until then at most.

        Not where somebody renewed it meanwhile, or is at it.
        """
        ...

    async def keep(self, kept: KeptGrant, grant: Grant) -> None:
        """Put ``grant`` in the place of ``kept``, also where the turn is over: it is the only one that is good now."""
        ...

    async def failed(self, kept: KeptGrant, *, fault: str, again_at: datetime) -> None:
        """Give the turn back: the renewal failed, and nobody is to try it before ``again_at``."""
        ...
