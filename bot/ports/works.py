"""The port to what came of work that people asked for in words."""

from typing import Protocol

from bot.model.jobs import JobLease


class Works(Protocol):
    """Columns of the jobs' rows that only such work fills. Every method is one transaction."""

    async def answered(self, lease: JobLease, text: str) -> None:
        """Keep what the agent had to say. Raises ``FencingLostError`` when the job is somebody else's by now."""
        ...
