"""Whether work may still be brought to people: asked anew before each write, since a run takes its time."""

from dataclasses import dataclass

from bot.commands import CommandName
from bot.config import level
from bot.handlers.configuration import job_config
from bot.model.forge import Actor, ActorKind, PullRequest
from bot.model.intents import Refused
from bot.model.jobs import Job, JobKind
from bot.ports.forge import Forge
from bot.ports.store import Store
from bot.report import endings


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckStanding:
    """Look whether the pull request is open, the App installed, and the person still allowed to ask."""

    store: Store
    forge: Forge

    async def of_request(self, job: Job, pull_request: PullRequest) -> Refused | None:
        """Why the result of ``job`` must not be shown or pushed any more, None when it may."""
        repository = job.request.repository
        if not await self.store.registry.installation_active(repository.forge, repository.installation_id):
            return Refused(rule="installation", message=endings.GONE)
        if not pull_request.open:
            return Refused(rule="closed", message=endings.CLOSED)
        if await self._asked_by_configuration(job):
            return None
        if await self.allowed(job, job.request.requested_by, CommandName(job.request.kind)):
            return None
        return Refused(rule="permission", message=endings.may_no_longer_ask(job.request.requested_by.login))

    async def of_work(self, job: Job) -> Refused | None:
        """The same for work that people asked for in words; closed or not, mere words are for whoever asked."""
        repository = job.request.repository
        if not await self.store.registry.installation_active(repository.forge, repository.installation_id):
            return Refused(rule="installation", message=endings.GONE)
        if job.request.kind is JobKind.FIX:
            pull_request = await self.forge.pull_request(repository, job.request.number)
            if not pull_request.open:
                return Refused(rule="closed", message=endings.CLOSED)
        if await self._asked_by_configuration(job):
            return None
        if await self.allowed(job, job.request.requested_by, CommandName(job.request.kind)):
            return None
        return Refused(rule="permission", message=endings.may_no_longer_ask(job.request.requested_by.login))

    async def allowed(self, job: Job, actor: Actor, command: CommandName) -> bool:
        """True when ``actor`` may give ``command`` now, by the configuration that the job runs with.

        Who asked for it by ``retry`` had to be allowed to give the command itself as well.
        """
        config = await job_config(job, registry=self.store.registry)
        return await self.forge.permission(job.request.repository, actor) >= level(config, command)

    async def _asked_by_configuration(self, job: Job) -> bool:
        """True for a job that the configuration started: its actor is the bot, whose comments start none."""
        config = await job_config(job, registry=self.store.registry)
        actor, kind = job.request.requested_by, job.request.kind
        started = {
            JobKind.RESOLVE: config.on_conflict == "resolve",
            JobKind.FIX: config.on_check_failure == "fix",
        }
        if not started.get(kind, False) or actor.kind is not ActorKind.BOT:
            return False
        return actor.id == (await self.forge.bot_user(job.request.repository.forge)).id
