"""Whether a job has to stand still: asked anew before it begins and before it is pushed."""

from dataclasses import dataclass

from bot.handlers.configuration import LoadedConfig, load_config
from bot.model.jobs import Job, JobKind, JobState
from bot.model.pauses import Hold
from bot.policy.pausing import hold_of, hold_of_files
from bot.ports.forge import Forge
from bot.ports.store import Store


async def live_config(job: Job, *, store: Store, forge: Forge) -> LoadedConfig:
    """The configuration that holds now, where a job was accepted under an earlier one."""
    request = job.request
    return await load_config(request.repository, base_ref=request.base_ref, forge=forge, registry=store.registry)


async def push_begun(job: Job, *, store: Store) -> bool:
    """Whether a push for which a job is ``publishing`` may have happened: then only a look at the forge tells.

    What was opened for an issue is taken back without a push of our own: that counts as begun at once.
    """
    if job.state is not JobState.PUBLISHING:
        return False
    taken_back = job.request.kind is JobKind.ROLLBACK and job.request.on_issue
    return taken_back or await store.proposals.push_begun(job.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPause:
    """Look at the pauses, which are rows, and at the files, for which the forge has to be asked."""

    store: Store
    forge: Forge

    async def by_command(self, job: Job) -> Hold | None:
        """What a pause of the repository or of the server says."""
        return hold_of(await self.store.pauses.of(job.request.repository))

    async def by_files(self, job: Job) -> Hold | None:
        """What the files on the base branch, and those that bind it, say now."""
        loaded = await live_config(job, store=self.store, forge=self.forge)
        return hold_of_files(loaded.effective, loaded.error)
