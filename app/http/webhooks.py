"""Webhook intake: verify, keep, answer, ring. Nothing else happens in the request."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from app.telemetry import DELIVERIES, current_trace_headers, span
from bot.errors import StoreError
from bot.model.deliveries import Delivery
from bot.model.forge import ForgeKind
from bot.ports.store import Deliveries
from bot.ports.system import Clock

_DELIVERY_ID: Final = re.compile(r"[A-Za-z0-9-]{8,64}")
_EVENT: Final = re.compile(r"[a-z_]{2,40}")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What the intake needs: how to verify, where to keep, whom to ring. ``events`` are the names the bot uses."""

    verify: Callable[[bytes, str | None], bool]
    deliveries: Deliveries
    ring: Callable[[str, str], Awaitable[None]]
    clock: Clock
    events: frozenset[str]
    max_bytes: int


def github_webhook(intake: Intake) -> HTTPRouteHandler:
    """The handler of ``POST /webhooks/github``.

    GitHub wants an answer within ten seconds and never retries by itself:
    https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries
    """

    @post("/webhooks/github", request_max_body_size=intake.max_bytes, status_code=202)
    async def receive(request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
        body = await request.body()
        if not intake.verify(body, request.headers.get("x-hub-signature-256")):
            DELIVERIES.labels(outcome="forged").inc()
            return _answer(401, "the signature does not match")
        delivery_id = request.headers.get("x-github-delivery", "")
        event = request.headers.get("x-github-event", "")
        if not _DELIVERY_ID.fullmatch(delivery_id) or not _EVENT.fullmatch(event):
            return _answer(400, "X-GitHub-Delivery or X-GitHub-Event is missing or malformed")
        if event not in intake.events:
            DELIVERIES.labels(outcome="unused").inc()
            return _answer(202, "not used")
        with span("delivery", delivery_id=delivery_id):
            return await _keep(intake, delivery_id, event, body)

    return receive


async def _keep(intake: Intake, delivery_id: str, event: str, body: bytes) -> Response[dict[str, str]]:
    delivery = Delivery(
        forge=ForgeKind.GITHUB,
        delivery_id=delivery_id,
        event=event,
        headers=current_trace_headers(),
        body=body,
        received_at=intake.clock.now(),
    )
    try:
        new = await intake.deliveries.add(delivery)
    except StoreError as error:
        DELIVERIES.labels(outcome="unavailable").inc()
        log.error("delivery not kept", error=str(error))  # noqa: TRY400 - a database that is away is no fault of ours
        return _answer(503, "the database is away; deliver again later")
    if not new:
        DELIVERIES.labels(outcome="duplicate").inc()
        return _answer(202, "known already")
    DELIVERIES.labels(outcome="accepted").inc()
    log.info("delivery accepted", webhook_event=event)
    await intake.ring("delivery", f"{ForgeKind.GITHUB}:{delivery_id}")
    return _answer(202, "accepted")


def _answer(status: int, detail: str) -> Response[dict[str, str]]:
    return Response({"detail": detail}, status_code=status)
