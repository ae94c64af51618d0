"""Deliveries: webhook requests as they arrived, and as they are kept."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.model.forge import ForgeName


class DeliveryState(StrEnum):
    """Where a delivery stands: ``new`` until it was routed; ``dead`` when it cannot be."""

    NEW = "new"
    ROUTED = "routed"
    IGNORED = "ignored"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One authentic webhook request: its signature was verified over exactly ``body``.

    ``event`` is the forge's name of the event (``issue_comment``), ``headers`` those worth keeping, never a signature.
    """

    forge: ForgeName
    delivery_id: str
    event: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    state: DeliveryState = DeliveryState.NEW
    attempts: int = 0

    @property
    def digest(self) -> str:
        """The SHA-256 of the body: the same for what is told again, under whatever id."""
        return hashlib.sha256(self.body).hexdigest()
