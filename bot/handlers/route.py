"""From a kept delivery to intents, each acted on once."""

from dataclasses import dataclass
from typing import Final, assert_never

from bot.errors import FlowForgeError, PayloadError
from bot.handlers.act import ActOnIntent
from bot.intents import intents_of
from bot.model.deliveries import Delivery, DeliveryState
from bot.model.events import (
    BranchPushed,
    CheckActionRequested,
    CheckRerequested,
    CommentEdited,
    CommentPosted,
    Event,
    InstallationAction,
    InstallationChanged,
    Pinged,
    PullRequestChanged,
    Unused,
)
from bot.model.forge import ForgeKind
from bot.ports.forge import Forge
from bot.ports.store import Store

_MAX_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDelivery:
    """Decode a delivery and act on what it asks for. ``mention`` is the login that people may address."""

    store: Store
    forge: Forge
    act: ActOnIntent
    mention: str

    async def __call__(self, kind: ForgeKind, delivery_id: str) -> None:
        """Route one delivery; routing it again changes nothing.

        An error is counted and raised; after five of them the delivery is dead, which the audit trail shows.
        """
        delivery = await self.store.deliveries.get(kind, delivery_id)
        if delivery is None or delivery.state is not DeliveryState.NEW:
            return
        try:
            event = self.forge.decode(delivery)
        except PayloadError as error:
            await self.store.deliveries.settle(kind, delivery_id, DeliveryState.DEAD, error=str(error))
            return
        try:
            state = await self._route(event)
        except FlowForgeError as error:
            await self._count(delivery, error)
            raise
        await self.store.deliveries.settle(kind, delivery_id, state)

    async def _route(self, event: Event) -> DeliveryState:
        match event:
            case Unused() | Pinged():
                return DeliveryState.IGNORED
            case InstallationChanged():
                await self._installation(event)
                return DeliveryState.ROUTED
            case (
                CommentPosted()
                | CommentEdited()
                | PullRequestChanged()
                | CheckActionRequested()
                | CheckRerequested()
                | BranchPushed()
            ):
                intents = intents_of(event, mention=self.mention)
                if intents:
                    await self.store.registry.repository(event.repository)
                for intent in intents:
                    await self.act(intent)
                return DeliveryState.ROUTED if intents else DeliveryState.IGNORED
            case _:
                assert_never(event)

    async def _installation(self, event: InstallationChanged) -> None:
        active = event.action not in {InstallationAction.DELETED, InstallationAction.SUSPENDED}
        await self.store.registry.installation(self.forge.kind, event.installation_id, event.account, active=active)
        await self.store.audit.append(
            actor=f"installation:{event.installation_id}",
            verb=f"installation.{event.action.value}",
            subject=event.account,
            data={"delivery": event.delivery_id},
        )

    async def _count(self, delivery: Delivery, error: FlowForgeError) -> None:
        failures = await self.store.deliveries.failed_attempt(delivery.forge, delivery.delivery_id, error=str(error))
        if failures >= _MAX_ATTEMPTS:
            await self.store.deliveries.settle(
                delivery.forge,
                delivery.delivery_id,
                DeliveryState.DEAD,
                error=str(error),
            )
            await self.store.audit.append(
                actor="flowforge",
                verb="delivery.dead",
                subject=delivery.delivery_id,
                data={"error": str(error)},
            )
