"""The gateway process, wired: what sandboxes reach, and what tells how it is."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import httpx
from litestar.types import ASGIApp

from app.gateway.front import sandbox_service
from app.gateway.policy import LOOPBACK_HOSTS, GatewayPolicy, hosts_of
from app.gateway.service import create_gateway
from app.http.health import Probe
from app.http.service import create_desk, create_watch
from app.probes import database_probe, migrations_probe
from app.settings import GatewaySettings
from app.store.database import SqlStore
from app.system import SystemClock, SystemIds
from runners.protocol import result_archive_cap

_CALL_SECONDS: Final = 90.0
"""How long a call of the model waits for a database that is away: less than an agent may be silent."""

_GUEST_SECONDS: Final = 45.0
"""How long the guest waits for it; the guest's own patience is 60 seconds, four times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A wired gateway: the application that sandboxes reach, and the one that an operator does."""

    front: ASGIApp
    watch: ASGIApp


@contextlib.asynccontextmanager
async def open_gateway(
    settings: GatewaySettings, *, around: Callable[[SqlStore], SqlStore] | None = None
) -> AsyncIterator[Gateway]:
    """The gateway over connections of its own, closed in the end.

    ``around`` puts something around the store, as a test does that wants to see each transaction.

    Raises:
        SettingsError: something cannot be made with these settings.
    """
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        store = SqlStore.open(
            settings.database_url.get_secret_value(), clock, SystemIds(), limits=settings.database_limits
        )
        stack.push_async_callback(store.close)
        store = store if around is None else around(store)
        # Neither a timeout nor a number of connections: a run's deadline and the number of runs bound the calls.
        http = httpx.AsyncClient(timeout=None, limits=httpx.Limits(), trust_env=False)  # noqa: S113 - see above
        await stack.enter_async_context(http)
        gateway = create_gateway(
            ledger=store.ledger,
            runs=store.runs,
            http=http,
            upstream=settings.anthropic_base_url,
            api_key=settings.anthropic_api_key.get_secret_value(),
            clock=clock,
            policy=GatewayPolicy(hosts=LOOPBACK_HOSTS | hosts_of(settings.gateway_url), patience_seconds=_CALL_SECONDS),
        )
        cap = result_archive_cap(settings.max_result_bytes, settings.max_result_files, settings.max_log_bytes)
        probes: Mapping[str, Probe] = {"database": database_probe(store), "migrations": migrations_probe(store)}
        desk = create_desk(store.runs, max_result_bytes=cap, patience_seconds=_GUEST_SECONDS)
        yield Gateway(
            front=sandbox_service(gateway=gateway, runs=desk),
            watch=create_watch(probes),
        )
