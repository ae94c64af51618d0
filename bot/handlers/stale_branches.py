"""Branches of ours that nobody needs go: what a worker left behind that died, or could not delete."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bot.errors import ForgeError, GitError
from bot.handlers.notice import OWN_BRANCH, OWN_BRANCHES
from bot.handlers.propose import DropBranch
from bot.model.forge import RepositoryRef
from bot.model.jobs import TERMINAL, Job, JobKind, JobState
from bot.model.proposals import Proposal, ProposalState
from bot.model.sweeps import BRANCHES, RepairKind, Swept
from bot.ports.background import background
from bot.ports.forge import Forge
from bot.ports.git import Git
from bot.ports.log import Log
from bot.ports.store import Store
from bot.ports.system import Clock

EVERY: Final = timedelta(days=1)
"""How often a repository is looked at."""

GRACE: Final = timedelta(hours=1)
"""So long after the end of a job its branch is left to whoever concludes it."""

_PREFIX: Final = f"refs/heads/{OWN_BRANCHES}"

_OF_USE: Final = frozenset({ProposalState.OPEN, ProposalState.APPROVED})
_MAY_BE_TAKEN: Final = frozenset({JobState.UNRESOLVED, JobState.REFUSED, JobState.FAILED})
"""After these ends a person may still want to take a resolution from its branch, as long as it does not expire."""

_AT_ONCE: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveBranches:
    """Delete branches that hold exactly what a job of ours proposed, and whose job ended. Others' are left alone.

    ``keep`` is how long what a person may still want to take is kept.
    """

    store: Store
    log: Log
    forge: Forge
    git: Git
    clock: Clock
    drop: DropBranch
    keep: timedelta

    async def __call__(self, bookmark: str) -> Swept:
        """Look at the repositories whose turn it is. One that cannot be looked at waits for its next turn."""
        del bookmark
        due = await self.store.sweeps.take_repositories(
            BRANCHES.name, again_at=self.clock.now() + EVERY, limit=_AT_ONCE
        )
        gone = 0
        for repository in due:
            try:
                with background():
                    gone += await self._tidy(repository)
            except (ForgeError, GitError) as error:
                self.log.warning("branches cannot be looked at", repository=repository.full_name, error=str(error))
        return Swept(repairs={RepairKind.BRANCH: gone}, again=len(due) == _AT_ONCE)

    async def _tidy(self, repository: RepositoryRef) -> int:
        access = await self.forge.git_access(repository, write=False)
        gone = 0
        for ref, tip in (await self.git.remote_refs_below(repository, access, _PREFIX)).items():
            branch = ref.removeprefix("refs/heads/")
            name = OWN_BRANCH.fullmatch(branch)
            if name is None:
                continue
            owner = await self._owner(repository, int(name[1]), name[2], branch=branch, commit=tip)
            if owner is not None and await self._is_stale(*owner):
                self.log.info(
                    "branch removed", repository=repository.full_name, branch=owner[1].branch, job_id=owner[0].id
                )
                await self.drop(repository, owner[1])
                gone += 1
        return gone

    async def _owner(
        self, repository: RepositoryRef, number: int, short_id: str, *, branch: str, commit: str
    ) -> tuple[Job, Proposal] | None:
        """Whose branch it is: the name does not tell a pull request's number from an issue's."""
        for about in (number, -number):
            found = await self.store.repairs.branch_owner(
                repository, number=about, short_id=short_id, branch=branch, commit=commit
            )
            if found is not None:
                return found
        return None

    async def _is_stale(self, job: Job, proposal: Proposal) -> bool:
        if job.state not in TERMINAL or job.finished_at is None:
            return False
        over = self.clock.now() - job.finished_at
        if job.request.kind is JobKind.IMPLEMENT and job.state is JobState.PUBLISHED:
            # The branch is a pull request's; one that was closed may be opened again.
            return over >= self.keep and not await self._is_open(job.request.repository, proposal.branch)
        if proposal.state in _OF_USE and job.state in _MAY_BE_TAKEN:
            return over >= self.keep
        return over >= GRACE

    async def _is_open(self, repository: RepositoryRef, branch: str) -> bool:
        number = await self.forge.find_pull_request(repository, branch)
        return number is not None and (await self.forge.pull_request(repository, number)).open
