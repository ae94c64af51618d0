"""Undo a publication: put the old head back when nothing came on top, else propose a revert."""

from dataclasses import dataclass

from bot.errors import GitError, LeaseRejectedError, PushRefusedError
from bot.handlers.drafts import Drafts
from bot.handlers.propose import Propose
from bot.handlers.remember import RememberFiles
from bot.model.conflicts import CleanMerge
from bot.model.forge import GitAccess, pull_name
from bot.model.jobs import Job, JobLease, JobState
from bot.model.proposals import Publication, PushPurpose
from bot.ports.forge import Forge
from bot.ports.git import Git
from bot.ports.store import Store
from bot.report import endings, forks


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack:
    """A queued rollback job."""

    store: Store
    forge: Forge
    git: Git
    propose: Propose
    remember: RememberFiles
    drafts: Drafts

    async def __call__(self, lease: JobLease) -> JobLease:
        """Move the job to ``published`` (undone), ``awaiting_approval`` (a revert) or ``unresolved``."""
        job = lease.job
        undone = await self.store.proposals.publication(job.request.target_job_id or "")
        if undone is None:
            return await self.store.jobs.move(
                lease,
                JobState.REFUSED,
                rule="nothing_published",
                message=endings.NOTHING_PUBLISHED,
            )
        if job.request.on_issue:
            publishing = await self.store.jobs.move(lease, JobState.PUBLISHING, progress="closing the pull request")
            return await self.drafts.withdraw(publishing, undone)
        if job.state is JobState.PREPARING:
            return await self._propose_revert(lease, undone)
        if undone.pull_number is not None:
            return await self._close(lease, undone, undone.pull_number)
        repository = job.request.repository
        access = await self._access(job, undone)
        live = await self.git.remote_ref(repository, access, undone.ref)
        if live not in (undone.new, undone.old):
            return await self._propose_revert(lease, undone)
        publishing = await self.store.jobs.move(lease, JobState.PUBLISHING, progress="putting the old head back")
        return await self.restore(publishing, undone)

    async def restore(self, lease: JobLease, undone: Publication) -> JobLease:
        """Push the old head over exactly the commit that we pushed; when it is there already, record that."""
        job = lease.job
        if job.request.on_issue:
            return await self.drafts.withdraw(lease, undone)
        if undone.pull_number is not None:
            return await self._close(lease, undone, undone.pull_number)
        repository = job.request.repository
        access = await self._access(job, undone)
        back = Publication(
            purpose=PushPurpose.ROLL_BACK,
            job_id=job.id,
            proposal_id=None,
            ref=undone.ref,
            old=undone.new,
            new=undone.old,
            fork=undone.fork,
        )
        if await self.git.remote_ref(repository, access, undone.ref) != undone.old:
            if not await self.store.proposals.begin_push(back, lease):
                # It was put back once, and somebody put something else there before we could say so.
                return await self.store.jobs.move(lease, JobState.FAILED, rule="stale", message=endings.MOVED_ON)
            try:
                await self.git.push(repository, access, ref=back.ref, new=back.new, expected=back.old)
            except LeaseRejectedError:
                await self.store.proposals.end_push(back, status="stale")
                return await self.store.jobs.move(lease, JobState.FAILED, rule="stale", message=endings.MOVED_ON)
            except PushRefusedError as error:
                await self.store.proposals.end_push(back, status="refused", detail=str(error))
                message = endings.push_refused(str(error))
                return await self.store.jobs.move(lease, JobState.REFUSED, rule="push_refused", message=message)
        await self.store.proposals.end_push(back, status="done")
        await self.remember.forget(job)
        return await self.store.jobs.move(lease, JobState.PUBLISHED, rule="rolled_back", message=endings.ROLLED_BACK)

    async def _access(self, job: Job, undone: Publication) -> GitAccess:
        """A credential for where it was pushed."""
        repository = job.request.repository
        access = await self.forge.git_access(repository, write=True)
        return access.at(undone.fork, instead_of=repository.full_name) if undone.fork else access

    async def _close(self, lease: JobLease, undone: Publication, number: int) -> JobLease:
        """Close the pull request that was opened beside the head, and delete its branch unless somebody built on it."""
        job = lease.job
        repository = job.request.repository
        beside = await self.forge.pull_request(repository, number)
        if beside.merged:
            message = forks.beside_merged(repository.forge, number)
            return await self.store.jobs.move(lease, JobState.REFUSED, rule="merged", message=message)
        if lease.job.state is not JobState.PUBLISHING:
            progress = f"closing {pull_name(repository.forge, number)}"
            lease = await self.store.jobs.move(lease, JobState.PUBLISHING, progress=progress)
        back = Publication(
            purpose=PushPurpose.ROLL_BACK, job_id=job.id, proposal_id=None, ref=undone.ref, old=undone.new, new=""
        )
        # Before the pull request is closed: from then on the job cannot be cancelled as if nothing had happened.
        await self.store.proposals.begin_push(back, lease)
        await self.forge.close_pull_request(repository, number)
        access = await self.forge.git_access(repository, write=True)
        status, message = "done", forks.beside_closed(repository.forge, number)
        if await self.git.remote_ref(repository, access, undone.ref) is not None:
            try:
                await self.git.push(repository, access, ref=back.ref, new=None, expected=back.old)
            except (LeaseRejectedError, PushRefusedError):
                status, message = "refused", forks.beside_closed_only(repository.forge, number)
        await self.store.proposals.end_push(back, status=status)
        await self.remember.forget(job)
        return await self.store.jobs.move(lease, JobState.PUBLISHED, rule="rolled_back", message=message)

    async def _propose_revert(self, lease: JobLease, undone: Publication) -> JobLease:
        job = lease.job
        repository = job.request.repository
        access = await self.forge.git_access(repository, write=False)
        ref = self.forge.pull_ref(repository, job.request.number) if undone.fork else undone.ref
        refs = await self.git.fetch(repository, access, [ref])
        head = refs.get(ref)
        if head is None:
            raise GitError(f"{ref} does not exist any more")
        if job.state is JobState.PREPARING:
            # Begun before by a worker that died: the job is pinned to what was on top then.
            preparing, head = lease, job.head_sha
        else:
            preparing = await self.store.jobs.move(
                lease,
                JobState.PREPARING,
                progress="commits came on top; preparing a revert",
                head_sha=head,
                base_sha=head,
            )
        verdict = await self.git.revert(repository, head=head, published=undone.new, before=undone.old)
        if not isinstance(verdict, CleanMerge):
            return await self.store.jobs.move(
                preparing,
                JobState.UNRESOLVED,
                rule="revert_conflicts",
                message=endings.REVERT_CONFLICTS,
            )
        return await self.propose.revert(preparing, tree=verdict.tree, head=head, undone=undone.new)
