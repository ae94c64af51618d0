"""The port to what removes old rows."""

from datetime import datetime
from typing import Protocol

from bot.model.retention import Retained


class Retention(Protocol):
    """Makes room for what comes, and removes what is old enough; how old that is, the adapter was told."""

    async def retain(self, now: datetime) -> Retained:
        """Make the partitions of this month and the next ones, and remove what is too old at ``now``.

        Nothing is removed that a job which has not ended still needs. A pass that is cut short, or that runs beside
        another one, does no harm. Raises ``StoreError``.
        """
        ...
