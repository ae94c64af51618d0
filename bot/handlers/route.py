"""From a kept delivery to intents, each acted on once."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, assert_never

from bot import page_decisions
from bot.errors import BusyError, FlowForgeError, ForgeNotFoundError, ForgeUnavailableError, PayloadError
from bot.handlers.act import ActOnIntent
from bot.handlers.failures import SeeFailures
from bot.handlers.installations import FollowInstallation
from bot.handlers.marks import SeeMarks
from bot.handlers.notice import NoticeChanges
from bot.handlers.take_back import TakeBack
from bot.intents import intents_of
from bot.model.deliveries import Delivery, DeliveryState
from bot.model.events import (
    Assigned,
    BranchPushed,
    CheckActionRequested,
    CheckFailed,
    CheckRerequested,
    CommentEdited,
    CommentPosted,
    DecidedOnPage,
    Event,
    InstallationChanged,
    LabelAdded,
    Pinged,
    PullRequestChanged,
    Reacted,
    Unused,
)
from bot.model.forge import ForgeName
from bot.ports.forge import Forge
from bot.ports.store import Store
from bot.ports.system import Clock

_MAX_ATTEMPTS: Final = 5
_PATIENCE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDelivery:
    """Decode a delivery and act on what it asks for."""

    store: Store
    forge: Forge
    act: ActOnIntent
    follow: FollowInstallation
    notice: NoticeChanges
    see_marks: SeeMarks
    see_failures: SeeFailures
    take_back: TakeBack
    clock: Clock
    _under_way: set[tuple[ForgeName, str]] = field(default_factory=set)

    async def __call__(self, forge: ForgeName, delivery_id: str) -> None:
        """Route one delivery; routing it again changes nothing.

        An error is counted and raised; after five of them the delivery is dead, which the audit trail shows. While the
        forge is away, or another worker holds the job, it waits for an hour.
        """
        key = (forge, delivery_id)
        if key in self._under_way:
            return  # the sweep rang for what is being routed right now
        self._under_way.add(key)
        try:
            delivery = await self.store.deliveries.get(forge, delivery_id)
            if delivery is not None and delivery.state is DeliveryState.NEW:
                await self._settle(delivery)
        finally:
            self._under_way.remove(key)

    async def _settle(self, delivery: Delivery) -> None:
        forge, delivery_id = delivery.forge, delivery.delivery_id
        try:
            own = delivery.event == page_decisions.EVENT
            event = page_decisions.from_delivery(delivery) if own else self.forge.decode(delivery)
        except (PayloadError, ForgeNotFoundError) as error:
            await self.store.deliveries.settle(forge, delivery_id, DeliveryState.DEAD, error=str(error))
            return
        try:
            state = await self._route(event, delivery.digest)
        except Exception as error:
            await self._count(delivery, error)
            raise
        await self.store.deliveries.settle(forge, delivery_id, state)

    async def _route(self, event: Event, digest: str) -> DeliveryState:  # noqa: PLR0911 - one return for every kind
        match event:
            case Unused() | Pinged():
                return DeliveryState.IGNORED
            case InstallationChanged():
                await self.follow(event)
                return DeliveryState.ROUTED
            case CheckFailed():
                return DeliveryState.ROUTED if await self.see_failures(event) else DeliveryState.IGNORED
            case LabelAdded() | Assigned() | Reacted() if not await self.see_marks(event):
                return DeliveryState.IGNORED
            case Reacted(taken_back=True):
                return DeliveryState.ROUTED if await self.take_back(event) else DeliveryState.IGNORED
            case PullRequestChanged(marked=LabelAdded() | Assigned() as marked):
                states = {await self._route(each, digest) for each in (replace(event, marked=None), marked)}
                return DeliveryState.ROUTED if DeliveryState.ROUTED in states else DeliveryState.IGNORED
            case (
                CommentPosted()
                | CommentEdited()
                | PullRequestChanged()
                | LabelAdded()
                | Assigned()
                | Reacted()
                | CheckActionRequested()
                | CheckRerequested()
                | DecidedOnPage()
                | BranchPushed()
            ):
                intents = intents_of(event, mention=await self.forge.mention(event.repository.forge), digest=digest)
                noticed = isinstance(event, PullRequestChanged | BranchPushed) and await self.notice(event)
                if intents or noticed:
                    await self.store.registry.repository(event.repository)
                for intent in intents:
                    await self.act(intent)
                return DeliveryState.ROUTED if intents or noticed else DeliveryState.IGNORED
            case _:
                assert_never(event)

    async def _count(self, delivery: Delivery, error: Exception) -> None:
        """Count a failure, unless waiting will help: then time decides, for the person knows of no failure."""
        waited = self.clock.now() - delivery.received_at
        if isinstance(error, BusyError | ForgeUnavailableError) and waited < _PATIENCE:
            return
        words = str(error) if isinstance(error, FlowForgeError) else f"an unexpected error ({type(error).__name__})"
        failures = await self.store.deliveries.failed_attempt(delivery.forge, delivery.delivery_id, error=words)
        if failures < _MAX_ATTEMPTS:
            return
        await self.store.deliveries.settle(delivery.forge, delivery.delivery_id, DeliveryState.DEAD, error=words)
        await self.store.audit.append(
            actor="flowforge",
            verb="delivery.dead",
            subject=delivery.delivery_id,
            data={"error": words},
        )
