"""The port to the diffs that the approval page shows."""

from typing import Protocol

from bot.model.reports import ShownDiffs


class ShownDiffsStore(Protocol):
    """The diffs of proposals that wait for an answer: the web service has no repositories to make them from."""

    async def keep(self, proposal_id: str, diffs: ShownDiffs) -> None:
        """Keep the diffs of a proposal; a second time does nothing."""
        ...

    async def get(self, proposal_id: str) -> ShownDiffs | None:
        """The diffs of a proposal, None where none are kept, or not any more."""
        ...

    async def drop(self, job_id: str) -> None:
        """Forget the diffs of a job's proposals; a second time does nothing."""
        ...
