"""The port to proposals: what is offered, what was found out about it, who approved it, and what was pushed."""

from collections.abc import Collection, Sequence
from typing import Protocol

from bot.model.forge import RepositoryRef
from bot.model.jobs import Job, JobLease
from bot.model.proposals import Approval, Proposal, ProposalState, Publication, SuiteEvidence
from bot.model.reports import ConflictRecord
from bot.model.resolutions import GateResult


class Proposals(Protocol):
    """Proposals, approvals, publications, proofs and what became of each conflict."""

    async def save_conflicts(self, job_id: str, attempt: int, records: Sequence[ConflictRecord]) -> None:
        """Replace the records of one attempt at a job."""
        ...

    async def conflicts(self, job_id: str) -> tuple[ConflictRecord, ...]:
        """The records of the newest attempt that has any."""
        ...

    async def earlier_conflicts(self, job: Job) -> tuple[ConflictRecord, ...]:
        """The records of the newest earlier job on the same pull request that has any, for its answers."""
        ...

    async def save_gate(self, job_id: str, attempt: int, result: GateResult) -> None:
        """Keep what the gate found."""
        ...

    async def gate(self, job_id: str) -> GateResult | None:
        """The newest result of the gate."""
        ...

    async def save_tests(self, job_id: str, evidence: SuiteEvidence) -> None:
        """Keep what is known about the tests of a tree; once they ended, it is never changed."""
        ...

    async def tests(self, job_id: str, tree: str) -> SuiteEvidence | None:
        """What is known about the tests of a tree that a job proposes."""
        ...

    async def add(self, proposal: Proposal) -> None:
        """Keep a proposal; a second time with the same id does nothing."""
        ...

    async def get(self, proposal_id: str) -> Proposal | None:
        """A proposal by its id."""
        ...

    async def of_job(self, job_id: str) -> Proposal | None:
        """The newest proposal of a job."""
        ...

    async def offered_before(self, repository: RepositoryRef, number: int, proposal_id: str) -> bool:
        """Whether a pull request has, or had, another proposal than this."""
        ...

    async def partials(self, repository: RepositoryRef, number: int) -> list[Proposal]:
        """The open proposals of a pull request that are only a part of a merge, oldest first."""
        ...

    async def made(self, repository: RepositoryRef, numbers: Collection[int], commit: str) -> bool:
        """Whether a commit is one that a job of those pull requests or issues proposed, pushed or not."""
        ...

    async def settle(self, proposal_id: str, state: ProposalState) -> None:
        """Change a proposal's state."""
        ...

    async def approve(self, approval: Approval, *, whole: bool = True) -> None:
        """Keep an approval, append-only, with an audit event; the proposal is approved with the ``whole`` of them."""
        ...

    async def withdraw(self, approval: Approval) -> None:
        """Write down, with an audit event, that an approval does not count any more."""
        ...

    async def approvals(self, proposal_id: str) -> tuple[Approval, ...]:
        """The approvals that stand: of each actor the newest, in their order, without withdrawn ones."""
        ...

    async def begin_push(self, publication: Publication, lease: JobLease | None = None) -> bool:
        """Write down that a push is about to happen; False when this very push is on record as done, as it stays.

        With ``lease``, raises ``FencingLostError`` when it was lost: somebody else decides about the job.
        """
        ...

    async def push_begun(self, job_id: str) -> bool:
        """Whether a push that publishes a job, or takes one back, was begun and not refused: it may have happened."""
        ...

    async def end_push(self, publication: Publication, *, status: str, detail: str = "", begun: bool = False) -> None:
        """Write down how the push ended: ``done``, ``stale`` or ``refused``; with ``begun``, only of one that began."""
        ...

    async def refusal(self, publication: Publication) -> str | None:
        """In which words the forge refused this very push, None when it did not, as far as is written down."""
        ...

    async def publication(self, job_id: str) -> Publication | None:
        """The push by which a job moved the head branch, if it is done; pushing a proposal's branch does not count."""
        ...
