"""An emoji that approved and was taken back: the approval goes with it, as long as nothing was pushed."""

from dataclasses import dataclass

from bot.handlers.deeds import Deeds
from bot.intents import APPROVING_EMOJI, emoji_key
from bot.model.events import Reacted
from bot.model.jobs import JobState
from bot.model.proposals import ApprovalVia
from bot.ports.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBack:
    """Withdraw what one emoji approved. Nobody needs a permission to take back their own word."""

    store: Store
    deeds: Deeds

    async def __call__(self, event: Reacted) -> bool:
        """Withdraw the approval; False where the emoji was none, or what it approved is pushed or over.

        Forges may tell in any order: an emoji of which they tell later than of its end approves nothing any more.

        Raises:
            BusyError: the emoji is being acted on right now, or another worker holds the job.
        """
        if event.reaction != APPROVING_EMOJI or not event.on_pull_request:
            return False
        job_id = await self.store.intents.bar(emoji_key(event), delivery_id=event.delivery_id, actor=event.actor)
        job = None if job_id is None else await self.store.jobs.get(job_id)
        if job is None or job.state not in {JobState.AWAITING_APPROVAL, JobState.PUBLISHING}:
            return False
        proposal = await self.store.proposals.of_job(job.id)
        if proposal is None:
            return False
        async with self.deeds.holding(job):
            given = [
                each
                for each in await self.store.proposals.approvals(proposal.id)
                if each.actor.id == event.actor.id and each.via is ApprovalVia.EMOJI
            ]
            for each in given:
                await self.store.proposals.withdraw(each)
        if given:
            await self.deeds.refresh(job.id)
        return bool(given)
