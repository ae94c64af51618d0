"""The two servers that ``benchmarks.intake`` compares ``flowforge web`` with and that have no name of their own.

``bare``: the signature is checked, and nothing kept; what uvicorn can do at most. ``one-insert``: FlowForge's own
intake, but every delivery has a transaction of its own. Both take the settings of ``flowforge web`` from the
environment, and say their address as a JSON line.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Any, cast

import uvloop

from app.http.server import bind, serving
from app.http.service import create_service
from app.http.webhooks import Door, Intake
from app.jobs.queue import ArqQueue, open_pool
from app.settings import ServiceSettings, load_settings
from app.store.deliveries import SqlDeliveries
from app.store.engine import Database, create_engine
from app.system import SystemClock
from app.telemetry import configure_logging
from bot.forges.github.deliveries import DECODED_EVENTS, SignatureVerifier, identify
from bot.model.deliveries import Delivery
from bot.model.forge import ForgeKind
from bot.ports.store import Deliveries


class OneInsert:
    """Keeps each delivery in a transaction of its own: whoever comes meanwhile waits for a turn and a commit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, delivery: Delivery) -> bool:
        """As ``Deliveries.add``, over an inbox that nobody else uses."""
        return await SqlDeliveries(self._database, SystemClock()).add(delivery)


def bare(verifier: SignatureVerifier) -> Any:
    """An ASGI application that reads, checks and answers."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event["body"], event["more_body"]
        signature = next(value for name, value in scope["headers"] if name == b"x-hub-signature-256")
        status = 202 if verifier.verify({"x-hub-signature-256": signature.decode("ascii")}, body) else 401
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return application


@contextlib.asynccontextmanager
async def one_insert(settings: ServiceSettings, verifier: SignatureVerifier) -> AsyncIterator[Any]:
    """FlowForge's service over ``OneInsert``."""
    database = Database(create_engine(settings.database_url.get_secret_value()))
    redis = open_pool(settings.redis_url.get_secret_value())
    intake = Intake(
        doors=(Door(forge=ForgeKind.GITHUB, verify=verifier.verify, identify=identify, events=DECODED_EVENTS),),
        deliveries=cast("Deliveries", OneInsert(database)),  # the intake asks for nothing else
        ring=ArqQueue(redis).ring,
        clock=SystemClock(),
        max_bytes=settings.max_delivery_bytes,
    )
    try:
        yield create_service(intake=intake, probes={})
    finally:
        await redis.aclose()
        await database.close()


async def main(name: str) -> None:
    """Serve until killed."""
    settings = load_settings(ServiceSettings)
    configure_logging(settings.log_level)
    verifier = SignatureVerifier([secret.get_secret_value().encode() for secret in settings.github_webhook_secrets])
    async with contextlib.AsyncExitStack() as stack:
        if name == "bare":
            application = bare(verifier)
        else:
            application = await stack.enter_async_context(one_insert(settings, verifier))
        url = await stack.enter_async_context(serving(application, bind("127.0.0.1", 0), fast=True))
        print(json.dumps({"event": "started", "web": url}), file=sys.stderr, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
