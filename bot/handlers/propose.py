"""Turn a proved result into a commit that a person may approve."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.errors import GitError, LeaseRejectedError, PushRefusedError
from bot.handlers.progress import MODELS
from bot.handlers.testing import RunTests
from bot.model.conflicts import ConflictedMerge
from bot.model.forge import Actor, RepositoryRef
from bot.model.jobs import Job, JobLease, JobState
from bot.model.proposals import Proposal, ProposalKind, ProposalState, ProposedFile, Publication, PushPurpose
from bot.model.resolutions import Resolution
from bot.ports.forge import Forge
from bot.ports.git import CommitSpec, Git, PickedCommit, WrittenCommit
from bot.ports.store import Store
from bot.ports.system import Clock
from bot.report import endings
from bot.report.commit_message import change_message, credited, merge_message, revert_message, unfinished_message


@dataclass(frozen=True, slots=True, kw_only=True)
class Propose:
    """Write the commit, put it on a branch of our own, have it tested, and ask for approval.

    The bot commits under its login and with the address that the forge knows its user by.
    """

    store: Store
    forge: Forge
    git: Git
    clock: Clock
    tests: RunTests

    async def merge(self, lease: JobLease, merge: ConflictedMerge, resolutions: Sequence[Resolution]) -> JobLease:
        """Propose the merge commit: git's own merge with the conflicted paths replaced by their resolutions."""
        job = lease.job
        base = job.base_sha or ""
        us = await self._ourselves(job)
        spec = CommitSpec(
            base_tree=merge.tree,
            changes={item.path: None if item.content is None else (item.mode, item.content) for item in resolutions},
            parents=(job.head_sha, base),
            message=merge_message(
                job, [item.path for item in resolutions], by_model=_by_model(resolutions), email=self._credit(job)
            ),
            author_name=us.login,
            author_email=self._email(job, us),
            when=await self._when(job, (job.head_sha, base)),
        )
        commit = await self.git.write_commit(job.request.repository, spec)
        return await self._offer(lease, ProposalKind.MERGE, commit, spec.parents, _files(resolutions))

    async def picked(
        self,
        job: Job,
        commit: PickedCommit,
        *,
        parent: str,
        tree: str,
        changes: Mapping[str, tuple[str, bytes] | None],
    ) -> WrittenCommit:
        """Write a commit of the pull request again, on another parent: its author and message stay."""
        us = await self._ourselves(job)
        spec = CommitSpec(
            base_tree=tree,
            changes=changes,
            parents=(parent,),
            message=commit.message,
            author_name=us.login,
            author_email=self._email(job, us),
            when=await self._when(job, (job.head_sha, job.base_sha or job.head_sha)),
            author=commit.author,
        )
        return await self.git.write_commit(job.request.repository, spec)

    async def rebase(
        self, lease: JobLease, last: WrittenCommit, parent: str, resolutions: Sequence[Resolution]
    ) -> JobLease:
        """Propose the commits that end in ``last``; they replace those of the pull request's branch."""
        return await self._offer(lease, ProposalKind.REBASE, last, (parent,), _files(resolutions))

    async def change(self, lease: JobLease, changes: Mapping[str, tuple[str, bytes] | None]) -> JobLease:
        """Propose one commit on top of what the job started from: files as an agent left them, None for what goes."""
        job = lease.job
        us = await self._ourselves(job)
        spec = CommitSpec(
            base_tree=await self.git.tree_of(job.request.repository, job.head_sha),
            changes=changes,
            parents=(job.head_sha,),
            message=change_message(job, sorted(changes), email=self._credit(job)),
            author_name=us.login,
            author_email=self._email(job, us),
            when=await self._when(job, (job.head_sha,)),
        )
        commit = await self.git.write_commit(job.request.repository, spec)
        files = tuple(ProposedFile(path=path, kind="change", resolver="agent", reasons=()) for path in sorted(changes))
        return await self._offer(lease, ProposalKind.CHANGE, commit, spec.parents, files)

    async def partial(self, job: Job, resolutions: Sequence[Resolution], left: Sequence[str]) -> None:
        """Put what is safe of a merge on a branch, for a person to finish; nobody can approve it.

        Where the forge takes no branch from us, there is none: the job's end does not depend on it.
        """
        us = await self._ourselves(job)
        spec = CommitSpec(
            base_tree=await self.git.tree_of(job.request.repository, job.head_sha),
            changes={item.path: None if item.content is None else (item.mode, item.content) for item in resolutions},
            parents=(job.head_sha,),
            message=unfinished_message(job, [item.path for item in resolutions], left, email=self._credit(job)),
            author_name=us.login,
            author_email=self._email(job, us),
            when=await self._when(job, (job.head_sha,)),
        )
        commit = await self.git.write_commit(job.request.repository, spec)
        proposal = await self._kept(job, ProposalKind.PARTIAL, commit, spec.parents, _files(resolutions))
        try:
            await self._push_branch(job, proposal)
        except (LeaseRejectedError, PushRefusedError):
            await self.store.proposals.settle(proposal.id, ProposalState.STALE)

    async def revert(self, lease: JobLease, *, tree: str, head: str, undone: str) -> JobLease:
        """Propose a commit on top of ``head`` that takes the published commit ``undone`` back."""
        job = lease.job
        us = await self._ourselves(job)
        spec = CommitSpec(
            base_tree=tree,
            changes={},
            parents=(head,),
            message=revert_message(job, undone, email=self._credit(job)),
            author_name=us.login,
            author_email=self._email(job, us),
            when=await self._when(job, (head,)),
        )
        commit = await self.git.write_commit(job.request.repository, spec)
        return await self._offer(lease, ProposalKind.REVERT, commit, spec.parents, ())

    async def _when(self, job: Job, parents: Sequence[str]) -> datetime:
        """The newest parent's time: it makes the commit's id depend on nothing but the work."""
        return max([await self.git.committed_at(job.request.repository, parent) for parent in parents])

    async def _ourselves(self, job: Job) -> Actor:
        return await self.forge.bot_user(job.request.repository.forge)

    def _email(self, job: Job, actor: Actor) -> str:
        return self.forge.commit_email(job.request.repository.forge, actor)

    def _credit(self, job: Job) -> str:
        return self._email(job, credited(job))

    async def _offer(
        self,
        lease: JobLease,
        kind: ProposalKind,
        commit: WrittenCommit,
        parents: tuple[str, ...],
        files: tuple[ProposedFile, ...],
    ) -> JobLease:
        proposal = await self._kept(lease.job, kind, commit, parents, files)
        try:
            await self._push_branch(lease.job, proposal)
        except PushRefusedError as error:
            # A rule of the forge's against such names, messages or authors: trying again changes nothing.
            await self.store.proposals.settle(proposal.id, ProposalState.STALE)
            message = endings.branch_refused(str(error))
            return await self.store.jobs.move(lease, JobState.REFUSED, rule="push_refused", message=message)
        return await self.tests(lease, proposal)

    async def tested(self, lease: JobLease) -> JobLease:
        """Go on with a job's proposal whose tests were begun.

        Raises:
            GitError: there is no proposal.
        """
        proposal = await self.store.proposals.of_job(lease.job.id)
        if proposal is None:
            raise GitError(f"job {lease.job.short_id} has tests without a proposal")
        return await self.tests(lease, proposal)

    async def _kept(
        self,
        job: Job,
        kind: ProposalKind,
        commit: WrittenCommit,
        parents: tuple[str, ...],
        files: tuple[ProposedFile, ...],
    ) -> Proposal:
        proposal = Proposal(
            id=hashlib.sha256(f"{job.id}:{commit.commit}".encode()).hexdigest()[:32],
            job_id=job.id,
            kind=kind,
            state=ProposalState.OPEN,
            branch=f"flowforge/{job.request.thread.number}-{job.short_id}",
            commit=commit.commit,
            tree=commit.tree,
            parents=parents,
            head_sha=job.head_sha if kind is ProposalKind.REBASE else parents[0],
            base_sha=job.base_sha or parents[0],
            diff_sha256=await self.git.proposal_diff_sha256(job.request.repository, commit.commit),
            files=files,
            created_at=self.clock.now(),
        )
        await self.store.proposals.add(proposal)
        return proposal

    async def _push_branch(self, job: Job, proposal: Proposal) -> None:
        """Create the branch, and only create it: a branch of that name with other content is somebody else's."""
        repository = job.request.repository
        ref = f"refs/heads/{proposal.branch}"
        operation = Publication(
            purpose=PushPurpose.PROPOSE,
            job_id=job.id,
            proposal_id=proposal.id,
            ref=ref,
            old="",
            new=proposal.commit,
        )
        access = await self.forge.git_access(repository, write=True)
        begun = await self.store.proposals.begin_push(operation)
        if not begun and await self.git.remote_ref(repository, access, ref) == proposal.commit:
            return  # by a worker that died after the record
        try:
            await self.git.push(repository, access, ref=ref, new=proposal.commit, expected=None)
        except PushRefusedError as error:
            await self.store.proposals.end_push(operation, status="refused", detail=str(error))
            raise
        await self.store.proposals.end_push(operation, status="done")


def _files(resolutions: Sequence[Resolution]) -> tuple[ProposedFile, ...]:
    return tuple(
        ProposedFile(
            path=item.path,
            kind=item.kind.value,
            resolver=item.resolver,
            reasons=tuple(hunk.reason for hunk in item.hunks),
        )
        for item in resolutions
    )


def _by_model(resolutions: Sequence[Resolution]) -> bool:
    return any(hunk.tier in MODELS for item in resolutions for hunk in item.hunks)


@dataclass(frozen=True, slots=True, kw_only=True)
class DropBranch:
    """Delete the branch of a proposal that is no longer wanted; a branch that moved is left alone."""

    store: Store
    forge: Forge
    git: Git

    async def __call__(self, repository: RepositoryRef, proposal: Proposal) -> None:
        """Delete it if it still holds exactly the proposal."""
        access = await self.forge.git_access(repository, write=True)
        ref = f"refs/heads/{proposal.branch}"
        operation = Publication(
            purpose=PushPurpose.CLEAN_UP,
            job_id=proposal.job_id,
            proposal_id=proposal.id,
            ref=ref,
            old=proposal.commit,
            new="",
        )
        there = await self.git.remote_ref(repository, access, ref)
        if there is None:
            # By a worker that died before the record, or by somebody else.
            await self.store.proposals.end_push(operation, status="done", begun=True)
        if there != proposal.commit:
            return
        await self.store.proposals.begin_push(operation)
        await self.git.push(repository, access, ref=ref, new=None, expected=proposal.commit)
        await self.store.proposals.end_push(operation, status="done")
