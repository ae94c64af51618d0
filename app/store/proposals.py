"""Proposals, approvals, publications, and the proofs and decisions that lead to them."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import Row, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store import approvals, audit
from app.store.engine import Database
from app.store.engine import insert as insert_or
from app.store.job_rows import of_pull_request
from app.store.tables import (
    conflict_resolutions,
    gate_results,
    git_operations,
    jobs,
    proposals,
    tested_trees,
)
from app.store.types import Values
from bot.errors import FencingLostError
from bot.model.cases import Suggestion, Take
from bot.model.conflicts import Side, Stage
from bot.model.forge import RepositoryRef
from bot.model.jobs import Job, JobLease
from bot.model.proposals import (
    Approval,
    Proposal,
    ProposalKind,
    ProposalState,
    ProposedFile,
    Publication,
    PushPurpose,
    SuiteEvidence,
    SuiteOutcome,
)
from bot.model.reports import ConflictRecord
from bot.model.resolutions import Finding, GateResult, HunkAnswer, ProvenanceSpan
from bot.ports.system import Clock

log = structlog.get_logger(__name__)

_STARTED: Final = "started"
_DONE: Final = "done"
_EVIDENCE: Final = tuple(SuiteEvidence.__dataclass_fields__)
"""Columns have the names of the fields."""


class SqlProposals:
    """The rows between a job's first look at its conflicts and its push."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def save_conflicts(self, job_id: str, attempt: int, records: Sequence[ConflictRecord]) -> None:
        """Replace the records of one attempt at a job."""
        of_attempt = (conflict_resolutions.c.job_id == job_id) & (conflict_resolutions.c.attempt == attempt)
        rows = [
            _conflict_values(record) | {"job_id": job_id, "attempt": attempt, "position": position}
            for position, record in enumerate(records)
        ]
        newest = update(jobs).where(jobs.c.id == job_id, func.coalesce(jobs.c.conflicts_attempt, 0) < attempt)
        async with self._database.writing() as connection:
            await connection.execute(newest.values(conflicts_attempt=attempt))
            await connection.execute(delete(conflict_resolutions).where(of_attempt))
            if rows:
                await connection.execute(insert(conflict_resolutions), rows)

    async def conflicts(self, job_id: str) -> tuple[ConflictRecord, ...]:
        """The records of the newest attempt."""
        query = (
            select(conflict_resolutions)
            .join(jobs, jobs.c.id == conflict_resolutions.c.job_id)
            .where(jobs.c.id == job_id, conflict_resolutions.c.attempt == jobs.c.conflicts_attempt)
            .order_by(conflict_resolutions.c.position)
        )
        async with self._database.reading() as connection:
            return tuple(_conflict(row) for row in await connection.execute(query))

    async def earlier_conflicts(self, job: Job) -> tuple[ConflictRecord, ...]:
        """The records of the newest earlier job on the same pull request that has any, for its answers."""
        has_any = exists().where(
            conflict_resolutions.c.job_id == jobs.c.id,
            conflict_resolutions.c.attempt == jobs.c.conflicts_attempt,
        )
        this = select(jobs.c.serial).where(jobs.c.id == job.id).scalar_subquery()
        query = (
            of_pull_request(select(jobs.c.id), job.request.repository, job.request.number)
            .where(jobs.c.serial < this, has_any)
            .order_by(jobs.c.serial.desc())
            .limit(1)
        )
        async with self._database.reading() as connection:
            earlier: str | None = (await connection.execute(query)).scalar_one_or_none()
        return () if earlier is None else await self.conflicts(earlier)

    async def save_gate(self, job_id: str, attempt: int, result: GateResult) -> None:
        """Keep what the gate found."""
        row = insert(gate_results).values(
            job_id=job_id,
            attempt=attempt,
            verdict=result.verdict,
            findings=msgspec.to_builtins(result.findings),
            checks=list(result.checks),
            created_at=self._clock.now(),
        )
        async with self._database.writing() as connection:
            await connection.execute(row)

    async def gate(self, job_id: str) -> GateResult | None:
        """The newest result of the gate."""
        query = select(gate_results).where(gate_results.c.job_id == job_id).order_by(gate_results.c.serial.desc())
        async with self._database.reading() as connection:
            row = (await connection.execute(query.limit(1))).one_or_none()
        if row is None:
            return None
        return GateResult(
            verdict=row.verdict,
            findings=msgspec.convert(row.findings, tuple[Finding, ...]),
            checks=tuple(row.checks),
        )

    async def save_tests(self, job_id: str, evidence: SuiteEvidence) -> None:
        """Keep what is known about the tests of a tree; their end is kept once, with an audit event."""
        values = {name: getattr(evidence, name) for name in _EVIDENCE}
        async with self._database.writing() as connection:
            row = insert_or(connection, tested_trees).values(job_id=job_id, **values)
            row = row.on_conflict_do_update(
                index_elements=["job_id", "tree"],
                set_=values,
                where=tested_trees.c.outcome == SuiteOutcome.UNDER_WAY,
            )
            kept = (await connection.execute(row.returning(tested_trees.c.tree))).one_or_none() is not None
            if not kept or evidence.outcome is SuiteOutcome.UNDER_WAY:
                return
            await audit.append(
                connection,
                self._clock.now(),
                actor="flowforge",
                verb=f"tests.{evidence.outcome.value}",
                subject=f"job:{job_id}",
                data={"tree": evidence.tree, "command": evidence.command, "run": evidence.run_id or ""},
            )

    async def tests(self, job_id: str, tree: str) -> SuiteEvidence | None:
        """What is known about the tests of a tree that a job proposes."""
        query = select(tested_trees).where(tested_trees.c.job_id == job_id, tested_trees.c.tree == tree)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else SuiteEvidence(**{name: getattr(row, name) for name in _EVIDENCE})

    async def add(self, proposal: Proposal) -> None:
        """Keep a proposal, with an audit event; a second time with the same id does nothing."""
        now = self._clock.now()
        async with self._database.writing() as connection:
            row = insert_or(connection, proposals).values(**_proposal_values(proposal))
            row = row.on_conflict_do_nothing(index_elements=["id"])
            if (await connection.execute(row.returning(proposals.c.id))).one_or_none() is None:
                return
            await audit.append(
                connection,
                now,
                actor="flowforge",
                verb="proposal.made",
                subject=f"proposal:{proposal.id}",
                data={
                    "job": proposal.job_id,
                    "commit": proposal.commit,
                    "tree": proposal.tree,
                    "parents": " ".join(proposal.parents),
                    "diff_sha256": proposal.diff_sha256,
                },
            )

    async def get(self, proposal_id: str) -> Proposal | None:
        """A proposal by its id."""
        query = select(proposals).where(proposals.c.id == proposal_id)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else proposal_of(row)

    async def of_job(self, job_id: str) -> Proposal | None:
        """The newest proposal of a job."""
        query = select(proposals).where(proposals.c.job_id == job_id).order_by(proposals.c.serial.desc()).limit(1)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else proposal_of(row)

    async def partials(self, repository: RepositoryRef, number: int) -> list[Proposal]:
        """The open proposals of a pull request that are only a part of a merge, oldest first."""
        partial = (proposals.c.kind == ProposalKind.PARTIAL) & (proposals.c.state == ProposalState.OPEN)
        query = of_pull_request(select(proposals).join(jobs, jobs.c.id == proposals.c.job_id), repository, number)
        async with self._database.reading() as connection:
            rows = await connection.execute(query.where(partial).order_by(proposals.c.serial))
            return [proposal_of(row) for row in rows]

    async def made(self, repository: RepositoryRef, numbers: Collection[int], commit: str) -> bool:
        """Whether a commit is one that a job of those pull requests or issues proposed, pushed or not."""
        theirs = (
            (jobs.c.forge == repository.forge)
            & (jobs.c.repository_id == repository.id)
            & jobs.c.number.in_(sorted(numbers))
        )
        query = select(proposals.c.id).join(jobs, jobs.c.id == proposals.c.job_id)
        async with self._database.reading() as connection:
            found = await connection.execute(query.where(theirs, proposals.c.commit == commit).limit(1))
            return found.first() is not None

    async def offered_before(self, repository: RepositoryRef, number: int, proposal_id: str) -> bool:
        """Whether a pull request has, or had, another proposal than this."""
        query = of_pull_request(select(proposals.c.id).join(jobs, jobs.c.id == proposals.c.job_id), repository, number)
        async with self._database.reading() as connection:
            found = await connection.execute(query.where(proposals.c.id != proposal_id).limit(1))
            return found.first() is not None

    async def settle(self, proposal_id: str, state: ProposalState) -> None:
        """Change a proposal's state."""
        async with self._database.writing() as connection:
            await connection.execute(update(proposals).where(proposals.c.id == proposal_id).values(state=state))

    async def approve(self, approval: Approval, *, whole: bool = True) -> None:
        """See ``app.store.approvals``."""
        await approvals.keep(self._database, self._clock, approval, whole=whole)

    async def withdraw(self, approval: Approval) -> None:
        """See ``app.store.approvals``."""
        await approvals.withdraw(self._database, self._clock, approval)

    async def approvals(self, proposal_id: str) -> tuple[Approval, ...]:
        """See ``app.store.approvals``."""
        return await approvals.standing(self._database, proposal_id)

    async def begin_push(self, publication: Publication, lease: JobLease | None = None) -> bool:
        """Write down that a push is about to happen (git_operations: started).

        One that was begun before and did not end is taken up again: its worker died between push and record. One that
        is on record as done is not written down a second time; the answer is False.

        Raises:
            FencingLostError: ``lease`` was lost: whoever has the job now may have ended it, as not yet pushed.
        """
        async with self._database.writing() as connection:
            if lease is not None:
                await _hold(connection, lease)
            if await _open_push(connection, publication) is None:
                if await _ended_so(connection, publication, _DONE):
                    return False
                await self._add_push(connection, publication, status=_STARTED)
        return True

    async def push_begun(self, job_id: str) -> bool:
        """Whether a push that publishes a job, or takes one back, was begun and not refused: it may have happened."""
        query = select(git_operations.c.serial).where(
            git_operations.c.job_id == job_id,
            git_operations.c.status.in_((_STARTED, _DONE)),
            git_operations.c.operation.in_((PushPurpose.PUBLISH, PushPurpose.ROLL_BACK)),
        )
        async with self._database.reading() as connection:
            return (await connection.execute(query.limit(1))).one_or_none() is not None

    async def end_push(self, publication: Publication, *, status: str, detail: str = "", begun: bool = False) -> None:
        """Write down how the push ended: ``done``, ``stale`` or ``refused``; with an audit event.

        The same end is written down once. A push that was never begun is written down as well, unless ``begun`` says
        that it has to be: somebody else may have put the ref where we wanted it.
        """
        now = self._clock.now()
        async with self._database.writing() as connection:
            serial = await _open_push(connection, publication)
            if serial is not None:
                change = update(git_operations).where(git_operations.c.serial == serial)
                ended = {"status": status, "detail": detail, "pull_number": publication.pull_number, "ended_at": now}
                await connection.execute(change.values(ended))
            elif begun or await _ended_so(connection, publication, status):
                return
            else:
                await self._add_push(connection, publication, status=status, detail=detail, ended_at=now)
            await audit.append(
                connection,
                now,
                actor="flowforge",
                verb=f"push.{status}",
                subject=f"job:{publication.job_id}",
                data={
                    "purpose": publication.purpose.value,
                    "proposal": publication.proposal_id or "",
                    "ref": publication.ref,
                    "old": publication.old,
                    "new": publication.new,
                    "fork": publication.fork,
                    "pull": "" if publication.pull_number is None else str(publication.pull_number),
                    "detail": detail,
                },
            )
        log.info("push ended", job_id=publication.job_id, purpose=publication.purpose.value, status=status)

    async def refusal(self, publication: Publication) -> str | None:
        """In which words the forge refused this very push, None when it did not, as far as is written down."""
        refused = select(git_operations.c.detail).where(_same_push(publication), git_operations.c.status == "refused")
        async with self._database.reading() as connection:
            found: str | None = (
                await connection.execute(refused.order_by(git_operations.c.serial.desc()).limit(1))
            ).scalar_one_or_none()
        return found

    async def _add_push(self, connection: AsyncConnection, publication: Publication, **values: Any) -> None:
        job = select(jobs.c.forge, jobs.c.repository_id).where(jobs.c.id == publication.job_id)
        of_job = (await connection.execute(job)).one()
        row: Values = {
            "operation": publication.purpose,
            "forge": of_job.forge,
            "repository_id": of_job.repository_id,
            "job_id": publication.job_id,
            "proposal_id": publication.proposal_id,
            "ref": publication.ref,
            "old_commit": publication.old,
            "new_commit": publication.new,
            "fork": publication.fork,
            "pull_number": publication.pull_number,
            "detail": "",
            "started_at": self._clock.now(),
        }
        await connection.execute(insert(git_operations).values(row | values))

    async def publication(self, job_id: str) -> Publication | None:
        """The push by which a job moved the head branch, if it is done; a proposal's own branch does not count."""
        query = (
            select(git_operations)
            .where(
                git_operations.c.job_id == job_id,
                git_operations.c.status == _DONE,
                git_operations.c.operation.in_((PushPurpose.PUBLISH, PushPurpose.ROLL_BACK)),
            )
            .order_by(git_operations.c.serial.desc())
            .limit(1)
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        return Publication(
            purpose=PushPurpose(row.operation),
            job_id=row.job_id,
            proposal_id=row.proposal_id,
            ref=row.ref,
            old=row.old_commit,
            new=row.new_commit,
            fork=row.fork,
            pull_number=row.pull_number,
        )


async def _hold(connection: AsyncConnection, lease: JobLease) -> None:
    """Lock the job's row, and see that its lease is still this one."""
    query = select(jobs.c.fencing).where(jobs.c.id == lease.job.id).with_for_update(key_share=True)
    if (await connection.execute(query)).scalar_one_or_none() != lease.fencing:
        raise FencingLostError(f"job {lease.job.short_id} is somebody else's now")


async def _open_push(connection: AsyncConnection, publication: Publication) -> int | None:
    """The row of this push when it was begun and did not end. The job is locked: pushes of one job come in turn."""
    await connection.execute(
        select(jobs.c.id).where(jobs.c.id == publication.job_id).with_for_update(key_share=True),
    )
    query = (
        select(git_operations.c.serial)
        .where(_same_push(publication), git_operations.c.status == _STARTED)
        .order_by(git_operations.c.serial)
        .limit(1)
    )
    serial: int | None = (await connection.execute(query)).scalar_one_or_none()
    return serial


async def _ended_so(connection: AsyncConnection, publication: Publication, status: str) -> bool:
    query = select(git_operations.c.serial).where(_same_push(publication), git_operations.c.status == status).limit(1)
    return (await connection.execute(query)).one_or_none() is not None


def _same_push(publication: Publication) -> Any:
    return (
        (git_operations.c.job_id == publication.job_id)
        & (git_operations.c.operation == publication.purpose)
        & (git_operations.c.ref == publication.ref)
        & (git_operations.c.fork == publication.fork)
        & (git_operations.c.old_commit == publication.old)
        & (git_operations.c.new_commit == publication.new)
    )


def _conflict_values(record: ConflictRecord) -> Values:
    return {
        "path": record.path,
        "conflict_type": record.kind,
        "hunks": record.hunks,
        "method": record.resolver,
        "status": record.status,
        "reasons": list(record.reasons),
        "prompt": record.prompt,
        "response": record.response,
        "final_resolution": record.oid,
        "stages": msgspec.to_builtins(dict(record.stages)),
        "answers": msgspec.to_builtins(record.answers),
        "candidates": msgspec.to_builtins(record.candidates),
        "provenance": msgspec.to_builtins(record.provenance),
        "taken": msgspec.to_builtins(record.taken),
        "suggestion": msgspec.to_builtins(record.suggestion),
    }


def _conflict(row: Row[Any]) -> ConflictRecord:
    return ConflictRecord(
        path=row.path,
        kind=row.conflict_type,
        hunks=row.hunks,
        resolver=row.method,
        status=row.status,
        reasons=tuple(row.reasons),
        oid=row.final_resolution,
        prompt=row.prompt,
        response=row.response,
        stages=msgspec.convert(row.stages, dict[Side, Stage]),
        answers=msgspec.convert(row.answers, tuple[HunkAnswer, ...]),
        candidates=msgspec.convert(row.candidates, tuple[HunkAnswer, ...]),
        provenance=msgspec.convert(row.provenance, tuple[ProvenanceSpan, ...]),
        taken=msgspec.convert(row.taken, Take | None),
        suggestion=msgspec.convert(row.suggestion, Suggestion | None),
    )


def _proposal_values(proposal: Proposal) -> Values:
    return {
        "id": proposal.id,
        "job_id": proposal.job_id,
        "kind": proposal.kind,
        "state": proposal.state,
        "branch": proposal.branch,
        "commit": proposal.commit,
        "tree": proposal.tree,
        "parents": list(proposal.parents),
        "head_sha": proposal.head_sha,
        "base_sha": proposal.base_sha,
        "diff_sha256": proposal.diff_sha256,
        "files": msgspec.to_builtins(proposal.files),
        "created_at": proposal.created_at,
    }


def proposal_of(row: Row[Any]) -> Proposal:
    """The proposal of a row."""
    return Proposal(
        id=row.id,
        job_id=row.job_id,
        kind=row.kind,
        state=row.state,
        branch=row.branch,
        commit=row.commit,
        tree=row.tree,
        parents=tuple(row.parents),
        head_sha=row.head_sha,
        base_sha=row.base_sha,
        diff_sha256=row.diff_sha256,
        files=msgspec.convert(row.files, tuple[ProposedFile, ...]),
        created_at=row.created_at,
    )
