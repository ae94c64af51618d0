"""The web service, wired: it takes deliveries in and rings. It starts nothing.

Where people can sign in to the approval page, it asks their forge who they are and what they may do; else it reaches
no forge.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping

from litestar import Litestar

from app.http.health import Probe
from app.http.proposals import Pages
from app.http.service import create_service
from app.http.webhooks import Intake
from app.jobs.queue import ArqQueue, open_pool
from app.probes import database_probe, migrations_probe, redis_probe
from app.settings import ServiceSettings
from app.store.database import SqlStore
from app.system import SystemClock, SystemIds, SystemTimer
from app.wiring_forges import doors, open_forges
from app.wiring_pages import forges_with_pages, open_pages
from bot.ports.system import Clock


def create_web(
    settings: ServiceSettings,
    *,
    store: SqlStore,
    queue: ArqQueue,
    clock: Clock,
    probes: Mapping[str, Probe],
    pages: Pages | None,
) -> Litestar:
    """The web service over parts that are open already."""
    intake = Intake(
        doors=doors(settings, clock),
        deliveries=store.deliveries,
        ring=queue.ring,
        clock=clock,
        max_bytes=settings.max_delivery_bytes,
    )
    return create_service(intake=intake, probes=probes, pages=pages)


@contextlib.asynccontextmanager
async def open_web(settings: ServiceSettings) -> AsyncIterator[Litestar]:
    """The web service over connections of its own, closed in the end.

    Raises:
        SettingsError: something cannot be made with these settings.
    """
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        store = SqlStore.open(
            settings.database_url.get_secret_value(), clock, SystemIds(), limits=settings.database_limits
        )
        stack.push_async_callback(store.close)
        redis = open_pool(settings.redis_url.get_secret_value())
        stack.push_async_callback(redis.aclose)
        probes = {
            "database": database_probe(store),
            "redis": redis_probe(redis),
            "migrations": migrations_probe(store),
        }
        queue = ArqQueue(redis)
        pages = None
        if forges_with_pages(settings):
            forge = await open_forges(settings, store, clock, SystemTimer(), stack)
            pages = await open_pages(settings, store=store, forge=forge, queue=queue, clock=clock, stack=stack)
        yield create_web(settings, store=store, queue=queue, clock=clock, probes=probes, pages=pages)
