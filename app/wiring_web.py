"""The web service, wired: it takes deliveries in and rings. It reaches no forge and starts nothing."""

import contextlib
from collections.abc import AsyncIterator, Mapping

from litestar import Litestar

from app.http.health import Probe
from app.http.service import create_service
from app.http.webhooks import Intake
from app.jobs.queue import ArqQueue, open_pool
from app.probes import database_probe, migrations_probe, redis_probe
from app.settings import ServiceSettings
from app.store.database import SqlStore
from app.system import SystemClock, SystemIds
from app.wiring_forges import doors
from bot.ports.system import Clock


def create_web(
    settings: ServiceSettings, *, store: SqlStore, queue: ArqQueue, clock: Clock, probes: Mapping[str, Probe]
) -> Litestar:
    """The web service over parts that are open already."""
    intake = Intake(
        doors=doors(settings, clock),
        deliveries=store.deliveries,
        ring=queue.ring,
        clock=clock,
        max_bytes=settings.max_delivery_bytes,
    )
    return create_service(intake=intake, probes=probes)


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
        yield create_web(settings, store=store, queue=ArqQueue(redis), clock=clock, probes=probes)
