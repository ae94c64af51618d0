"""Follow what happens to installations: where the App may no longer work, its work ends."""

from dataclasses import dataclass
from typing import Final

from bot.errors import ForgeNotFoundError, ForgeRefusedError
from bot.model.events import InstallationAction, InstallationChanged
from bot.model.forge import Actor, ActorKind
from bot.model.jobs import Job, JobState
from bot.ports.forge import Forge
from bot.ports.store import Store
from bot.ports.system import Queue
from bot.report import endings

_ENDS: Final = frozenset({InstallationAction.DELETED, InstallationAction.SUSPENDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowInstallation:
    """Record an installation's state, and end the jobs that it no longer covers."""

    store: Store
    forge: Forge
    queue: Queue

    async def __call__(self, event: InstallationChanged) -> None:
        """Follow one event; following it again changes nothing but the audit trail."""
        active = event.action not in _ENDS
        forge = event.forge
        await self.store.registry.installation(forge, event.installation_id, event.account, active=active)
        await self.store.audit.append(
            actor=f"installation:{event.installation_id}",
            verb=f"installation.{event.action.value}",
            subject=event.account,
            data={"delivery": event.delivery_id},
        )
        for job in await self.store.jobs.of_installation(forge, event.installation_id):
            if not active or await self._out_of_reach(job):
                await self._end(job, event)

    async def _out_of_reach(self, job: Job) -> bool:
        """The event says that repositories changed, and not reliably which: ask."""
        try:
            await self.forge.pull_request(job.request.repository, job.request.number)
        except (ForgeNotFoundError, ForgeRefusedError):
            return True
        return False

    async def _end(self, job: Job, event: InstallationChanged) -> None:
        actor = Actor(id=0, login=f"installation {event.installation_id} of {event.account}", kind=ActorKind.BOT)
        await self.store.jobs.request_end(job.id, JobState.CANCELLED, actor=actor, message=endings.GONE)
        await self.queue.ring("job", job.id)
