"""The port to what the sweeps remember."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bot.model.forge import ForgeName, RepositoryRef
from bot.model.jobs import Job
from bot.model.proposals import Proposal
from bot.model.sweeps import SweepBeat, SweepLease, WrittenReport


class Sweeps(Protocol):
    """The rows of the sweeps. Every method is one transaction."""

    async def take(self, name: str, *, owner: str, before: datetime, until: datetime) -> SweepLease | None:
        """Take a sweep whose last pass began at ``before`` or earlier, until ``until``.

        None when a pass began later, or while somebody is at it. A pass that never ended counts as none.
        """
        ...

    async def finish(self, lease: SweepLease, *, bookmark: str | None = None, again: bool = False) -> bool:
        """Say that the pass came to its end; False when the lease was lost. None leaves the bookmark as it is.

        With ``again``, the sweep is due at once.
        """
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

    async def missing(
        self, forge: ForgeName, delivery_ids: Sequence[str], *, attempts: int, asked_before: datetime
    ) -> list[str]:
        """Those that are not in the inbox, in their order.

        Left out are those that were asked for ``attempts`` times, or after ``asked_before``.
        """
        ...

    async def asked(self, forge: ForgeName, delivery_id: str) -> int:
        """Count a request to send a delivery again; how many there were."""
        ...


class Repairs(Protocol):
    """What the sweeps ask of the rows of others. Every method is one transaction."""

    async def take_back_jobs(self, now: datetime, *, limit: int) -> int:
        """End the leases of jobs whose time has run out; how many. The log says who held them."""
        ...

    async def take_back_levels(self, now: datetime, *, limit: int) -> int:
        """End the leases of levels whose time has run out; how many."""
        ...

    async def undecided(self, before: datetime, *, limit: int) -> list[str]:
        """Jobs that wait for an answer, and whose newest proposal was made before a moment."""
        ...

    async def old_partials(self, before: datetime, *, limit: int) -> list[Proposal]:
        """Open proposals made before a moment that are only a part of a merge."""
        ...

    async def branch_owner(
        self, repository: RepositoryRef, *, number: int, short_id: str, branch: str, commit: str
    ) -> tuple[Job, Proposal] | None:
        """The job of a pull request that proposed exactly ``commit`` on ``branch``, and that proposal."""
        ...

    async def open_pulls(self, repository: RepositoryRef) -> Mapping[int, str] | None:
        """The open pull requests and their base branches; None where they have to be listed first."""
        ...

    async def unwatched_jobs(self, repository: RepositoryRef) -> list[Job]:
        """The jobs under way in a repository, but those whose pull request somebody is about to look at."""
        ...

    async def written_reports(self, repository: RepositoryRef, since: datetime, *, limit: int) -> list[WrittenReport]:
        """What the forge should show: check runs of the watch and of jobs under way or ended after ``since``.

        Of jobs under way the comments, too. Only reports are meant that are written as they should be.
        """
        ...

    async def write_again(self, report: WrittenReport, *, gone: bool) -> bool:
        """Have a report written again, as a new one where it is ``gone``; False when another one is wished for."""
        ...


class Leftovers(Protocol):
    """Rows that only the past needed."""

    async def remove(self, now: datetime) -> Mapping[str, int]:
        """Remove what is old at ``now``, in small transactions; how many rows, by table, where there were any.

        That is verdicts and footprints of pull requests that closed a month ago, decisions and levels as old, and
        reports older than three months of pull requests without a job.
        """
        ...
