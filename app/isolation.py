"""Proves at start and every hour that sandboxes are sealed; while that is not proved, none is started.

A violation counts until a whole and clean answer has come. An answer that did not come says nothing new: what was
proved before counts until it is too old.
"""

import asyncio
import contextlib
import hashlib
import ipaddress
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog

from app.settings import RunnerKind, ServiceSettings
from app.store.database import SqlStore
from app.store.engine import parse_url
from app.telemetry import ISOLATION_PROVED, ISOLATION_VIOLATIONS
from bot.errors import SettingsError, StoreError
from bot.ports.runner import AgentRunner
from bot.ports.system import Clock, Ids
from runners.backends.cluster.api import ClusterApi
from runners.guest.probe_network import RUNS
from runners.guest.probe_words import Address, Outcome, ProbeTargets
from runners.isolation import OTHER_WORKSPACE, Attempt, IsolationProbe, IsolationReport

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 60.0
"""How soon it is tried again after nothing, or something bad, was proved."""

INTERNET: Final = (
    Address(name="the Internet", host="1.1.1.1", port=443),
    Address(name="the Internet", host="8.8.8.8", port=53),
    Address(name="the Internet (IPv6)", host="2606:4700:4700::1111", port=443),
)
"""Addresses that answer everywhere: Cloudflare's and Google's public name servers."""

METADATA: Final = (
    Address(name="the cloud's metadata service", host="169.254.169.254", port=80),
    Address(name="the cloud's metadata service (IPv6)", host="fd00:ec2::254", port=80),
)
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html ; the first is the same at
Google, Azure and others."""

NAMES: Final = ("kubernetes.default.svc.cluster.local", "github.com", "api.anthropic.com")

_OUTSIDE: Final = (*INTERNET, *METADATA)
_OTHER_PORTS: Final = (22, 443, 2375, 2379, 5432, 6379, 6443, 8080, 8082, 8083, 10250)
"""Tried where the gateway is, besides its own port: ours, and those of databases, engines, etcd, Kubernetes."""

_POSTGRESQL_PORT: Final = 5432
_REDIS_PORT: Final = 6379
_MAX_ADDRESSES: Final = 4
_RESOLV_CONF: Final = Path("/etc/resolv.conf")

Prove = Callable[[], Awaitable[IsolationReport]]
ProveBeside = Callable[[str], Awaitable[IsolationReport]]
"""Proves it while a run of this id exists; the id is empty where there is none."""

Sleep = Callable[[float], Awaitable[None]]


class Isolation:
    """Knows whether sandboxes are sealed. ``reason`` is a ``Guard`` of the supervisor, ``ready`` a health probe."""

    def __init__(
        self,
        prove: Prove,
        *,
        clock: Clock,
        every_seconds: float,
        retry_seconds: float = RETRY_SECONDS,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Ask ``prove`` every so often. A clean proof counts for twice ``every_seconds``."""
        self._prove = prove
        self._clock = clock
        self._every_seconds = every_seconds
        self._retry_seconds = min(retry_seconds, every_seconds)
        self._sleep = sleep
        self._clean_at: datetime | None = None
        self._broken: str | None = None
        self._problem: str | None = None
        self._weak: tuple[Attempt, ...] = ()
        self.looked = asyncio.Event()
        """Set when the first look is over, whatever came of it."""

    def reason(self) -> str | None:
        """Why no sandbox may be started now, None when one may."""
        reason = self._reason()
        ISOLATION_PROVED.set(reason is None)
        return reason

    def _reason(self) -> str | None:
        if self._broken is not None:
            return self._broken
        if self._clean_at is None:
            return self._problem or "isolation is not proved yet"
        if self._clock.now() - self._clean_at >= timedelta(seconds=2 * self._every_seconds):
            return self._problem or "the last proof of isolation is too old"
        return None

    async def ready(self) -> str | None:
        """The same, for ``/health/ready``."""
        return self.reason()

    async def look(self) -> IsolationReport:
        """Prove it now, and remember what came of it."""
        report = await self._prove()
        self._problem = report.problem and f"isolation is not proved: {report.problem}"
        if report.violations:
            self._broken, self._clean_at = report.reason(), None
            for one in report.violations:
                ISOLATION_VIOLATIONS.labels(kind=one.kind).inc()
            log.error("isolation broken", violations=[str(one) for one in report.violations], problem=report.problem)
        elif report.problem is not None:
            log.error("isolation not proved", problem=report.problem)
        else:
            self._broken, self._clean_at = None, report.at
            log.info("isolation proved", attempts=len(report.attempts), untried=list(report.untried))
        if report.weaknesses != self._weak:
            self._weak = report.weaknesses
            log.warning("isolation could be better", weaknesses=[str(one) for one in self._weak])
        self.reason()
        self.looked.set()
        return report

    async def run(self) -> None:
        """Look again and again, sooner where nothing was proved; ends only when cancelled."""
        while True:
            try:
                proved = (await self.look()).proved
            except Exception:  # a fault of ours: nothing was proved, and the next look may do better
                log.exception("isolation probe failed")
                self._problem, proved = "isolation is not proved: the probe failed, see the worker's log", False
                self.reason()
                self.looked.set()
            await self._sleep(self._every_seconds if proved else self._retry_seconds)


@contextlib.asynccontextmanager
async def proving(isolation: Isolation | None) -> AsyncIterator[None]:
    """Prove the isolation in the background while the context lasts; nothing where there is none to prove."""
    if isolation is None:
        yield
        return
    task = asyncio.create_task(isolation.run(), name="isolation")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def isolation_of(
    settings: ServiceSettings, runner: AgentRunner, *, store: SqlStore, clock: Clock, ids: Ids
) -> Isolation | None:
    """What watches the sandboxes of a backend; None for ``process``, which is no sandbox and for development only.

    Raises:
        SettingsError: an address in FLOWFORGE_PROBE_TARGETS is none, or FLOWFORGE_GATEWAY_URL names none.
    """
    if settings.runner is RunnerKind.PROCESS:
        return None
    _more_targets(settings)
    _gateway(settings)
    prove = prover_of(settings, runner, store=store, clock=clock, ids=ids)
    return Isolation(prove, clock=clock, every_seconds=settings.probe_seconds)


def prover_of(
    settings: ServiceSettings,
    runner: AgentRunner,
    *,
    store: SqlStore,
    clock: Clock,
    ids: Ids,
    outside: Iterable[Address] = _OUTSIDE,
) -> Prove:
    """One proof of a backend's isolation, with targets that are looked up anew each time.

    The other run whose workspace is asked for is there: a decoy in ``store``, removed afterwards.
    """
    waits = settings.run_pending_seconds
    probe = IsolationProbe(runner, gateway_url=settings.gateway_url, clock=clock, ids=ids, pending_seconds=waits)

    async def prove_beside(other_run: str) -> IsolationReport:
        try:
            targets = await targets_of(settings, os.environ, other_run=other_run, outside=outside)
        except SettingsError as error:
            return IsolationReport(at=clock.now(), problem=str(error))
        return await probe.prove(targets)

    async def prove() -> IsolationReport:
        return await prove_with_decoy(prove_beside, store=store, ids=ids)

    return prove


async def prove_with_decoy(prove: ProveBeside, *, store: SqlStore, ids: Ids) -> IsolationReport:
    """A proof while another run exists, open and with a workspace that nobody has fetched.

    Without the database the rest is tried all the same, and the whole is not proved.
    """
    run_id, token_sha256 = ids.new_id(), hashlib.sha256(ids.new_token().encode()).hexdigest()
    try:
        made = await store.decoys.make(run_id=run_id, token_sha256=token_sha256)
    except StoreError as error:
        return _unasked(await prove(""), str(error))
    if not made:
        return replace(await prove(""), untried=(f"{OTHER_WORKSPACE}: no other run existed",))
    try:
        report = await prove(run_id)
        return await _with_fate(report, store, run_id, token_sha256)
    finally:
        try:
            await store.decoys.remove(run_id)
        except StoreError as error:  # a later probe removes it
            log.warning("decoy cannot be removed", run_id=run_id, error=str(error))


async def _with_fate(report: IsolationReport, store: SqlStore, run_id: str, token_sha256: str) -> IsolationReport:
    """The report, and what really became of the decoy.

    That a stranger was refused its workspace means something only where it was there to be had: its own token has to
    get it, now that the probe is over.
    """
    try:
        if await store.runs.take_workspace(run_id, token_sha256) is not None:
            return report
        fetched = await store.decoys.was_fetched(run_id)
    except StoreError as error:
        return _unasked(report, str(error))
    if not fetched:
        return _unasked(report, "it went before the probe ended")
    violation = Attempt(kind=RUNS, name=OTHER_WORKSPACE, outcome=Outcome.SUCCEEDED, detail="it was handed out")
    others = (one for one in report.attempts if one.name != OTHER_WORKSPACE)
    return replace(report, attempts=(*others, violation))


def _unasked(report: IsolationReport, why: str) -> IsolationReport:
    return replace(report, problem=report.problem or f"{OTHER_WORKSPACE} could not be asked for: {why}")


async def targets_of(
    settings: ServiceSettings,
    environ: Mapping[str, str],
    *,
    other_run: str,
    outside: Iterable[Address] = _OUTSIDE,
    resolv_conf: Path = _RESOLV_CONF,
) -> ProbeTargets:
    """What no sandbox of this installation may reach.

    A sandbox has no name service, so names are looked up here: it would fail on the name, and that proves nothing.

    Raises:
        SettingsError: an address in the settings is none.
    """
    named = [*(await _own_parts(settings)), *(await _api_servers(settings, environ)), *_more_targets(settings)]
    looked_up = await asyncio.gather(*(_looked_up(address) for address in named))
    hosts = {address.host for address in named if not _is_address(address.host)}
    return ProbeTargets(
        nonce="",
        connect=tuple(dict.fromkeys([*outside, *(one for found in looked_up for one in found)])),
        resolve=tuple(dict.fromkeys([*NAMES, *sorted(hosts)])),
        nameservers=tuple(_nameservers(resolv_conf)),
        absent=tuple(_own_paths(settings)),
        other_run=other_run,
        sealed=settings.runner is RunnerKind.CONTAINER,
        gvisor=_wants_gvisor(settings),
    )


async def _own_parts(settings: ServiceSettings) -> list[Address]:
    """Our own services, and what else might listen where the gateway does."""
    found = []
    database = parse_url(settings.database_url.get_secret_value())
    if database.host:
        found.append(Address(name="the database", host=database.host, port=database.port or _POSTGRESQL_PORT))
    redis = urlsplit(settings.redis_url.get_secret_value())
    if redis.scheme != "unix":
        found.append(Address(name="Redis", host=redis.hostname or "127.0.0.1", port=redis.port or _REDIS_PORT))
    gateway, own = _gateway(settings)
    ports = sorted({*_OTHER_PORTS, settings.port, settings.worker_port} - {own, 0})
    found += [Address(name="the gateway's host", host=gateway, port=port) for port in ports]
    for name, host, port in (
        ("the web service", settings.host, settings.port),
        ("this worker", settings.worker_host, settings.worker_port),
    ):
        if port:
            found.append(Address(name=name, host=await _own_host() if _is_any(host) else host, port=port))
    return found


def _gateway(settings: ServiceSettings) -> tuple[str, int]:
    """The gateway's host and port. Raises ``SettingsError``."""
    parts = urlsplit(settings.gateway_url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise SettingsError(f"FLOWFORGE_GATEWAY_URL: {settings.gateway_url!r} names no host, or an impossible port")
    return host, port or (443 if parts.scheme == "https" else 80)


async def _own_host() -> str:
    """The address under which others reach this machine or pod. A name service may take long to say it."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError, UnicodeError):
        found = await loop.getaddrinfo(socket.gethostname(), None, family=socket.AF_INET, type=socket.SOCK_STREAM)
        return str(found[0][4][0])
    return "127.0.0.1"


def _own_paths(settings: ServiceSettings) -> list[str]:
    """Places of ours on this machine."""
    found = [str(settings.data_dir)]
    database = parse_url(settings.database_url.get_secret_value())
    if database.get_backend_name() == "sqlite" and database.database:
        found.append(str(Path(database.database).resolve()))
    elif isinstance(directory := database.query.get("host"), str):
        found.append(directory)
    redis = urlsplit(settings.redis_url.get_secret_value())
    if redis.scheme == "unix":
        found.append(redis.path)
    return found


async def _api_servers(settings: ServiceSettings, environ: Mapping[str, str]) -> list[Address]:
    """Kubernetes' API server, as this process is told of it."""
    urls = []
    if environ.get("KUBERNETES_SERVICE_HOST"):
        host = environ["KUBERNETES_SERVICE_HOST"]
        bracketed = f"[{host}]" if ":" in host else host
        urls.append(f"https://{bracketed}:{environ.get('KUBERNETES_SERVICE_PORT', '443')}")
    if settings.runner is RunnerKind.CLUSTER and settings.cluster_kubeconfig is not None:
        urls.append(await _server_of(settings))
    parts = [urlsplit(url) for url in urls]
    return [Address(name="the API server", host=one.hostname, port=one.port or 443) for one in parts if one.hostname]


async def _server_of(settings: ServiceSettings) -> str:
    api = ClusterApi.open(
        settings.cluster_namespace, kubeconfig=settings.cluster_kubeconfig, context=settings.cluster_context
    )
    try:
        return api.server
    finally:
        await api.close()


def _more_targets(settings: ServiceSettings) -> list[Address]:
    found = []
    for target in settings.probe_targets:
        parts = urlsplit(f"//{target}")
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or not port:
            raise SettingsError(f"FLOWFORGE_PROBE_TARGETS: {target!r} is not of the form host:port")
        found.append(Address(name="a forbidden address", host=host, port=port))
    return found


async def _looked_up(address: Address) -> list[Address]:
    """The address with numbers in place of a name, as far as they are known here."""
    if _is_address(address.host):
        return [address]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return [address]
    hosts = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))[:_MAX_ADDRESSES]
    return [Address(name=f"{address.name} ({address.host})", host=host, port=address.port) for host in hosts]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_any(host: str) -> bool:
    return host in {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound


def _nameservers(resolv_conf: Path) -> list[str]:
    """The name servers that this process asks: in a cluster, the cluster's."""
    try:
        lines = resolv_conf.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = [words[1] for words in (line.split() for line in lines) if len(words) > 1 and words[0] == "nameserver"]
    return list(dict.fromkeys(server for server in found if _is_address(server.partition("%")[0])))[:_MAX_ADDRESSES]


def _wants_gvisor(settings: ServiceSettings) -> bool:
    """Whether the settings name gVisor: by its runtime's name, or by a RuntimeClass that is called after it."""
    if settings.runner is RunnerKind.CONTAINER:
        return Path(settings.container_runtime or "").name.startswith("runsc")
    name = (settings.cluster_runtime_class or "").lower()
    return settings.runner is RunnerKind.CLUSTER and ("gvisor" in name or "runsc" in name)
