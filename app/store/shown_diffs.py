"""The diffs that the approval page shows while a proposal waits for an answer."""

import zlib
from typing import Final

from sqlalchemy import delete, select

from app.store.engine import Database, insert
from app.store.page_tables import shown_diffs
from app.store.tables import proposals
from bot.model.reports import ShownDiffs
from bot.ports.system import Clock

_MOST: Final = 16 * 1024 * 1024
"""So many bytes at most come out of a row, whatever is in it."""


class SqlShownDiffs:
    """The rows of diffs, one for each proposal that waits."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def keep(self, proposal_id: str, diffs: ShownDiffs) -> None:
        """Keep the diffs of a proposal; a second time does nothing."""
        async with self._database.writing() as connection:
            row = insert(connection, shown_diffs).values(
                proposal_id=proposal_id,
                against_head=_packed(diffs.against_head),
                against_base=_packed(diffs.against_base),
                kept_at=self._clock.now(),
            )
            await connection.execute(row.on_conflict_do_nothing(index_elements=["proposal_id"]))

    async def get(self, proposal_id: str) -> ShownDiffs | None:
        """The diffs of a proposal, None where none are kept, or not any more."""
        query = select(shown_diffs).where(shown_diffs.c.proposal_id == proposal_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        return ShownDiffs(against_head=_unpacked(row.against_head), against_base=_unpacked(row.against_base))

    async def drop(self, job_id: str) -> None:
        """Forget the diffs of a job's proposals; a second time does nothing."""
        of_job = select(proposals.c.id).where(proposals.c.job_id == job_id)
        async with self._database.writing() as connection:
            await connection.execute(delete(shown_diffs).where(shown_diffs.c.proposal_id.in_(of_job)))


def _packed(text: str | None) -> bytes:
    return b"" if text is None else zlib.compress(text.encode("utf-8", "replace"), level=6)


def _unpacked(data: bytes) -> str | None:
    return zlib.decompressobj().decompress(data, _MOST).decode("utf-8", "replace") if data else None
