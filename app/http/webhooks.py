"""Webhook intake: verify, keep, answer, ring. Nothing else happens in the request.

It is a bare ASGI application inside Litestar: most of a delivery's time in this process would else be spent on making a
request and a response out of one header and three words. See ``benchmarks/intake.py``.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import structlog
from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, HTTPScope, Receive, Scope, Send

from app.telemetry import DELIVERIES, current_trace_headers, is_traced, span
from bot.errors import StoreError
from bot.model.deliveries import Delivery
from bot.model.forge import ForgeName
from bot.ports.store import Deliveries
from bot.ports.system import Clock

_KEEP_SECONDS: Final = 8.0
"""The forges hang up after ten: a database that stands still must not hold us longer."""

log = structlog.get_logger(__name__)


Headers = Mapping[str, str]
"""A request's headers by their lower-case names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How one forge delivers.

    ``verify`` says whether a request came from it, ``identify`` what it calls the delivery and the event, None where it
    does not say; ``events`` are the names of those that the bot uses. With ``always_well``, whatever is authentic is
    answered with a success, since the forge stops sending after failures.
    """

    forge: ForgeName
    verify: Callable[[Headers, bytes], bool]
    identify: Callable[[Headers, bytes], tuple[str, str] | None]
    events: frozenset[str]
    always_well: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What the intake needs: who may deliver, where to keep, whom to ring."""

    doors: Sequence[Door]
    deliveries: Deliveries
    ring: Callable[[str, str], Awaitable[None]]
    clock: Clock
    max_bytes: int


class _Answer:
    """A status and its sentence, in the form of the service's other answers; made once, sent often."""

    def __init__(self, status: HTTPStatus, detail: str, *headers: tuple[bytes, bytes]) -> None:
        body = json.dumps({"detail": detail}).encode()
        length = (b"content-length", str(len(body)).encode())
        self._start: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", b"application/json"), length, *headers],
        }
        self._body: HTTPResponseBodyEvent = {"type": "http.response.body", "body": body, "more_body": False}

    async def send(self, send: Send) -> None:
        await send(self._start)
        await send(self._body)


_ACCEPTED: Final = _Answer(HTTPStatus.ACCEPTED, "accepted")
_KNOWN: Final = _Answer(HTTPStatus.ACCEPTED, "known already")
_UNUSED: Final = _Answer(HTTPStatus.ACCEPTED, "not used")
_FORGED: Final = _Answer(HTTPStatus.UNAUTHORIZED, "the signature does not match")
_MALFORMED: Final = _Answer(HTTPStatus.BAD_REQUEST, "the delivery's id or its event is missing or malformed")
_NOT_POST: Final = _Answer(HTTPStatus.METHOD_NOT_ALLOWED, "deliveries are posted", (b"allow", b"POST"))
_TOO_LARGE: Final = _Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large")
_AWAY: Final = _Answer(HTTPStatus.SERVICE_UNAVAILABLE, "the database is away; deliver again later")


class _HungUpError(Exception):
    """Whoever delivered was gone before the end of the body."""


def webhooks(intake: Intake) -> list[ASGIRouteHandler]:
    """The handlers of ``POST /webhooks/<name>``, one for each door.

    GitHub wants an answer within ten seconds and never retries by itself:
    https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries
    GitLab stops sending to who fails four times in a row:
    https://docs.gitlab.com/user/project/integrations/webhooks/#auto-disabled-webhooks
    """
    return [_webhook(intake, door) for door in intake.doors]


def _webhook(intake: Intake, door: Door) -> ASGIRouteHandler:
    @asgi(f"/webhooks/{door.forge}", copy_scope=False)
    async def receive_delivery(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(_HungUpError):
            await (await _received(intake, door, scope, receive)).send(send)

    return receive_delivery


async def _received(intake: Intake, door: Door, scope: Scope, receive: Receive) -> _Answer:
    asked: HTTPScope = scope  # type: ignore[assignment]  # no server of ours speaks WebSocket
    if asked["method"] != "POST":
        return _NOT_POST
    headers = _headers(asked["headers"])
    body = await _body(receive, headers.get("content-length", ""), intake.max_bytes)
    if body is None:
        return _TOO_LARGE
    if not door.verify(headers, body):
        DELIVERIES.labels(outcome="forged").inc()
        return _FORGED
    told = door.identify(headers, body)
    if told is None:
        return _UNUSED if door.always_well else _MALFORMED
    delivery_id, event = told
    if event not in door.events:
        DELIVERIES.labels(outcome="unused").inc()
        return _UNUSED
    # A span that goes nowhere costs a fifth of the request; the ring says which delivery it is by itself.
    with span("delivery", delivery_id=delivery_id) if is_traced() else contextlib.nullcontext():
        return await _keep(intake, door.forge, delivery_id, event, body)


def _headers(sent: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name, those sent twice joined as one value: none of ours may be sent twice, and none then fits."""
    found: dict[str, str] = {}
    for sent_name, value in sent:
        name, text = sent_name.decode("latin-1"), value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


async def _body(receive: Receive, length: str, most: int) -> bytes | None:
    """The whole body, None when it has more than ``most`` bytes."""
    if length.isdecimal() and int(length) > most:
        return None
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise _HungUpError
        chunks.append(event["body"])
        size += len(event["body"])
        if size > most:
            return None
        if not event["more_body"]:
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _keep(intake: Intake, forge: ForgeName, delivery_id: str, event: str, body: bytes) -> _Answer:
    delivery = Delivery(
        forge=forge,
        delivery_id=delivery_id,
        event=event,
        headers=current_trace_headers(),
        body=body,
        received_at=intake.clock.now(),
    )
    try:
        # What is written after all, once the database moves again, is known when it is delivered again.
        async with asyncio.timeout(_KEEP_SECONDS):
            new = await intake.deliveries.add(delivery)
    except (StoreError, TimeoutError) as error:
        DELIVERIES.labels(outcome="unavailable").inc()
        # A database that is away is no fault of ours: no traceback.
        log.error("delivery not kept", forge=forge, delivery_id=delivery_id, error=str(error) or "timeout")  # noqa: TRY400
        return _AWAY
    if not new:
        DELIVERIES.labels(outcome="duplicate").inc()
        return _KNOWN
    DELIVERIES.labels(outcome="accepted").inc()
    # The inbox has its row, and the worker's lines have its id: a line here would cost as much as all the rest.
    log.debug("delivery accepted", delivery_id=delivery_id, webhook_event=event)
    await intake.ring("delivery", f"{forge}:{delivery_id}")
    return _ACCEPTED
