"""Pull requests of our own: opened as drafts for what an issue asked for, and taken back."""

from dataclasses import dataclass

from bot.errors import GitError
from bot.handlers.propose import DropBranch
from bot.handlers.reporting import RefreshReports
from bot.handlers.standing import CheckStanding
from bot.model.jobs import JobLease, JobState
from bot.model.proposals import Proposal, ProposalState, Publication, PushPurpose
from bot.ports.forge import Forge
from bot.ports.git import Git
from bot.ports.store import Store
from bot.report import work


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """Each of the two can be done again without harm: a pull request is looked for by its branch before it is made."""

    store: Store
    forge: Forge
    git: Git
    standing: CheckStanding
    refresh: RefreshReports
    drop: DropBranch

    async def open(self, lease: JobLease) -> JobLease:
        """Open the draft of a job in ``publishing``, or find the one that a worker opened before it died.

        Raises:
            GitError: there is no proposal.
        """
        job = lease.job
        repository = job.request.repository
        proposal = await self.store.proposals.of_job(job.id)
        if proposal is None:
            raise GitError(f"job {job.short_id} is to open a pull request without a proposal")
        refusal = await self.standing.of_work(job)
        if refusal is not None:
            await self.drop(repository, proposal)
            return await self.store.jobs.move(lease, JobState.REFUSED, rule=refusal.rule, message=refusal.message)
        publication = _publication(proposal, purpose=PushPurpose.PUBLISH)
        await self.store.proposals.begin_push(publication, lease)
        number = await self.forge.find_pull_request(repository, proposal.branch)
        if number is None:
            view = await self.refresh.view(job)
            number = await self.forge.create_pull_request(
                repository,
                head_ref=proposal.branch,
                base_ref=job.request.base_ref,
                title=work.draft_title(view),
                body=work.draft_body(view),
                draft=True,
            )
        await self.store.proposals.end_push(publication, status="done")
        await self.store.proposals.settle(proposal.id, ProposalState.PUBLISHED)
        message = work.opened(repository.forge, number)
        return await self.store.jobs.move(lease, JobState.PUBLISHED, rule="draft", message=message)

    async def withdraw(self, lease: JobLease, undone: Publication) -> JobLease:
        """Close the pull request, and delete its branch unless somebody added to it."""
        job = lease.job
        repository = job.request.repository
        branch = undone.ref.removeprefix("refs/heads/")
        number = await self.forge.find_pull_request(repository, branch)
        if number is not None:
            pull_request = await self.forge.pull_request(repository, number)
            if pull_request.merged:
                return await self.store.jobs.move(lease, JobState.REFUSED, rule="merged", message=work.MERGED)
            await self.forge.close_pull_request(repository, number)
        proposal = await self.store.proposals.of_job(undone.job_id)
        if proposal is not None:
            await self.drop(repository, proposal)
        access = await self.forge.git_access(repository, write=False)
        gone = await self.git.remote_ref(repository, access, undone.ref) is None
        message = work.WITHDRAWN if gone else work.CLOSED_ONLY
        return await self.store.jobs.move(lease, JobState.PUBLISHED, rule="rolled_back", message=message)


def _publication(proposal: Proposal, *, purpose: PushPurpose) -> Publication:
    return Publication(
        purpose=purpose,
        job_id=proposal.job_id,
        proposal_id=proposal.id,
        ref=f"refs/heads/{proposal.branch}",
        old="",
        new=proposal.commit,
    )
