"""While it is not proved that sandboxes are sealed, none is started; health, metric and log say why."""

import asyncio
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.isolation import (
    INTERNET,
    METADATA,
    RETRY_SECONDS,
    Isolation,
    isolation_of,
    prover_of,
    proving,
    targets_of,
)
from app.settings import RunnerKind, ServiceSettings
from app.store.database import SqlStore
from app.system import SystemClock, SystemIds
from app.telemetry import REGISTRY, configure_logging
from bot.errors import SettingsError
from runners.guest.probe_words import Outcome
from runners.isolation import Attempt, IsolationReport
from tests.app.jobs.parts import settings_of
from tests.app.store.backends import SqliteBackend
from tests.runners.sealed_backend import SealedRunner

HOUR = 3600.0


@dataclass
class HandClock:
    time: datetime = datetime(2026, 11, 28, 22, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def pass_(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


HOLE = Attempt(kind="network", name="Redis at 10.0.0.7:6379", outcome=Outcome.SUCCEEDED, detail="connected")
WEAK = Attempt(kind="privileges", name="a user namespace", outcome=Outcome.WEAK, detail="one can be made")
WALL = Attempt(kind="files", name="writing into /etc", outcome=Outcome.HELD, detail="no")


@dataclass
class Found:
    """What the next probes find."""

    clock: HandClock
    attempts: tuple[Attempt, ...] = (WALL,)
    problem: str | None = None
    looks: int = 0

    async def prove(self) -> IsolationReport:
        self.looks += 1
        return IsolationReport(at=self.clock.now(), attempts=self.attempts, problem=self.problem)


@dataclass
class Watch:
    """An ``Isolation`` that a test drives by hand."""

    clock: HandClock = field(default_factory=HandClock)
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.found = Found(self.clock)
        self.isolation = Isolation(self.found.prove, clock=self.clock, every_seconds=HOUR, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) >= 3:
            raise asyncio.CancelledError

    async def look(self, *attempts: Attempt, problem: str | None = None) -> str | None:
        self.found.attempts, self.found.problem = attempts or (WALL,), problem
        await self.isolation.look()
        return self.isolation.reason()


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> SqliteBackend:
    return SqliteBackend(tmp_path_factory.mktemp("databases"))


@pytest.fixture
async def store(databases: SqliteBackend) -> AsyncIterator[SqlStore]:
    store = SqlStore.open(await databases.fresh(), SystemClock(), SystemIds())
    yield store
    await store.close()


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


# --- what counts


async def test_before_the_first_proof_nothing_may_start() -> None:
    watch = Watch()
    assert watch.isolation.reason() == "isolation is not proved yet"
    assert await watch.isolation.ready() == "isolation is not proved yet"
    assert metric("flowforge_isolation_proved") == 0
    assert await watch.look() is None
    assert await watch.isolation.ready() is None
    assert metric("flowforge_isolation_proved") == 1


async def test_a_proof_counts_for_two_periods() -> None:
    watch = Watch()
    await watch.look()
    watch.clock.pass_(2 * HOUR - 1)
    assert watch.isolation.reason() is None
    watch.clock.pass_(1)
    assert watch.isolation.reason() == "the last proof of isolation is too old"
    assert metric("flowforge_isolation_proved") == 0


async def test_a_violation_counts_at_once_and_until_a_clean_proof() -> None:
    watch = Watch()
    await watch.look()
    before = metric("flowforge_isolation_violations_total", kind="network")
    says = "sandboxes are not isolated: Redis at 10.0.0.7:6379 (connected)"
    assert await watch.look(WALL, HOLE) == says
    assert metric("flowforge_isolation_violations_total", kind="network") == before + 1
    assert await watch.look(problem="the image is missing") == says
    assert await watch.look() is None


async def test_no_answer_says_nothing_new_until_the_old_one_is_too_old() -> None:
    watch = Watch()
    assert await watch.look(problem="no node is free") == "isolation is not proved: no node is free"
    assert await watch.look() is None
    watch.clock.pass_(HOUR)
    assert await watch.look(problem="no node is free") is None
    watch.clock.pass_(HOUR)
    assert watch.isolation.reason() == "isolation is not proved: no node is free"


async def test_a_weakness_does_not_stop_anything() -> None:
    assert await Watch().look(WALL, WEAK) is None


async def test_it_is_tried_again_sooner_after_bad_news() -> None:
    watch = Watch()
    watch.found.attempts = (HOLE,)
    with pytest.raises(asyncio.CancelledError):
        await watch.isolation.run()
    assert watch.slept == [RETRY_SECONDS] * 3
    watch = Watch()
    with pytest.raises(asyncio.CancelledError):
        await watch.isolation.run()
    assert watch.slept == [HOUR] * 3


@dataclass
class Faulty:
    """A probe that fails in a way nobody thought of, then works again."""

    found: Found
    faults: int = 1

    async def prove(self) -> IsolationReport:
        self.faults -= 1
        if self.faults >= 0:
            raise ZeroDivisionError
        return await self.found.prove()


async def test_a_fault_of_ours_proves_nothing_and_does_not_end_the_watch() -> None:
    watch = Watch()
    faulty = Faulty(watch.found)
    reasons: list[str | None] = []

    async def sleep(seconds: float) -> None:
        reasons.append(isolation.reason())
        await watch.sleep(seconds)

    isolation = Isolation(faulty.prove, clock=watch.clock, every_seconds=HOUR, sleep=sleep)
    with pytest.raises(asyncio.CancelledError):
        await isolation.run()
    assert watch.slept == [RETRY_SECONDS, HOUR, HOUR]
    assert reasons == ["isolation is not proved: the probe failed, see the worker's log", None, None]
    assert isolation.looked.is_set()


@pytest.mark.parametrize("url", ["http://gateway:80810", "http://gateway:http", "http://:8081", "gateway"])
async def test_a_gateway_that_is_no_address_is_refused_by_its_name(tmp_path: Path, store: SqlStore, url: str) -> None:
    settings = service(tmp_path).model_copy(update={"gateway_url": url})  # past what looks at it first
    with pytest.raises(SettingsError, match="FLOWFORGE_GATEWAY_URL"):
        await asked(settings)
    with pytest.raises(SettingsError, match="FLOWFORGE_GATEWAY_URL"):
        isolation_of(settings, SealedRunner(tmp_path), store=store, clock=SystemClock(), ids=SystemIds())


async def test_a_quota_that_leaves_the_probe_no_room_leaves_an_earlier_proof_alone() -> None:
    watch = Watch()
    await watch.look()
    watch.found.problem = "the namespace's quota of Jobs is used up"
    with pytest.raises(asyncio.CancelledError):
        await watch.isolation.run()
    assert watch.slept == [RETRY_SECONDS] * 3
    assert watch.isolation.reason() is None


async def test_the_log_names_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    try:
        watch = Watch()
        await watch.look(HOLE, WEAK)
        await watch.look(problem="no node is free")
    finally:
        logging.getLogger().handlers = []
    broken, weak, not_proved, *_ = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (broken["level"], broken["event"]) == ("error", "isolation broken")
    assert broken["violations"] == ["Redis at 10.0.0.7:6379 (connected)"]
    assert (weak["level"], weak["weaknesses"]) == ("warning", ["a user namespace (one can be made)"])
    assert (not_proved["level"], not_proved["problem"]) == ("error", "no node is free")


async def test_in_the_background_it_goes_on_and_ends_with_the_process() -> None:
    watch = Watch()
    forever = asyncio.Event()
    waiting = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        waiting.set()
        await forever.wait()

    isolation = Isolation(watch.found.prove, clock=watch.clock, every_seconds=HOUR, sleep=sleep)
    async with proving(isolation):
        await waiting.wait()
        assert isolation.reason() is None
    assert watch.found.looks == 1
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "isolation"]
    async with proving(None):
        pass


def test_the_process_backend_has_no_isolation_to_prove(tmp_path: Path, store: SqlStore) -> None:
    settings = settings_of(tmp_path, database_url="sqlite:///x.db", redis_url="redis://x")
    runner = SealedRunner(tmp_path)
    assert isolation_of(settings, runner, store=store, clock=SystemClock(), ids=SystemIds()) is None
    sealed_ = settings.model_copy(update={"runner": RunnerKind.CONTAINER})
    assert isolation_of(sealed_, runner, store=store, clock=SystemClock(), ids=SystemIds()) is not None


# --- what is tried


def service(directory: Path, **changes: Any) -> ServiceSettings:
    values: dict[str, Any] = {"runner": RunnerKind.CONTAINER, "run_image": "x"}
    given = {"database_url": "postgresql://u:pw@127.0.0.2:5433/f", "redis_url": "redis://:hunter2@127.0.0.3/0"}
    if changes.get("runner") is RunnerKind.CLUSTER:
        given["gateway_url"] = "http://10.9.9.9:8081"
    return settings_of(directory, **(given | values | changes))


async def asked(settings: ServiceSettings, environ: dict[str, str] | None = None) -> dict[tuple[str, int], str]:
    targets = await targets_of(settings, environ or {}, other_run="f" * 32, resolv_conf=Path("/nowhere"))
    return {(one.host, one.port): one.name for one in targets.connect}


async def test_our_own_parts_the_internet_and_the_clouds_metadata_are_tried(tmp_path: Path) -> None:
    found = await asked(service(tmp_path, gateway_url="http://127.0.0.9:8081", probe_targets=("127.0.0.4:7",)))
    assert found["127.0.0.2", 5433] == "the database"
    assert found["127.0.0.3", 6379] == "Redis"
    assert found["127.0.0.4", 7] == "a forbidden address"
    assert found["127.0.0.9", 22] == "the gateway's host"
    assert ("127.0.0.9", 8081) not in found
    assert found["127.0.0.1", 8082] == "this worker"
    assert {(one.host, one.port) for one in (*INTERNET, *METADATA)} <= set(found)


async def test_names_are_looked_up_here_and_no_password_goes_in(tmp_path: Path) -> None:
    settings = service(tmp_path, redis_url="redis://:hunter2@localhost/0")
    targets = await targets_of(settings, {}, other_run="", resolv_conf=Path("/nowhere"))
    redis = [one for one in targets.connect if one.name == "Redis (localhost)"]
    assert redis
    assert {one.host for one in redis} <= {"127.0.0.1", "::1"}
    assert "localhost" in targets.resolve
    assert "hunter2" not in repr(targets)
    assert "pw" not in repr(targets)


async def test_a_slow_name_service_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own look-ups wait; none of them does so where everything else would wait with it."""
    waited: list[bool] = []

    def watched(look_up: Callable[..., Any]) -> Callable[..., Any]:
        def looked_up(*given: Any, **named: Any) -> Any:
            waited.append(threading.current_thread() is threading.main_thread())
            return look_up(*given, **named)

        return looked_up

    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        monkeypatch.setattr(socket, name, watched(getattr(socket, name)))
    found = await asked(service(tmp_path, host="0.0.0.0", worker_host="0.0.0.0"))  # noqa: S104 - compared, not bound
    assert "this worker" in found.values()
    assert "the web service" in found.values()
    assert True not in waited
    assert len(waited) >= 2


async def test_places_on_this_machine_must_not_be_seen(tmp_path: Path) -> None:
    settings = service(
        tmp_path,
        database_url=f"sqlite:///{tmp_path}/f.db",
        redis_url="unix:///run/redis/redis.sock",
    )
    targets = await targets_of(settings, {}, other_run="", resolv_conf=Path("/nowhere"))
    assert set(targets.absent) == {str(tmp_path / "data"), str(tmp_path / "f.db"), "/run/redis/redis.sock"}
    over_socket = service(tmp_path, database_url="postgresql://u@/f?host=/run/postgresql")
    targets = await targets_of(over_socket, {}, other_run="", resolv_conf=Path("/nowhere"))
    assert "/run/postgresql" in targets.absent


async def test_the_api_server_is_that_of_the_pod_or_of_the_kubeconfig(tmp_path: Path) -> None:
    pod = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    assert (await asked(service(tmp_path), pod))["10.96.0.1", 443] == "the API server"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": "https://10.1.2.3:6443"}}],
                "users": [{"name": "u", "user": {"token": "never-shown"}}],
            }
        )
    )
    cluster = service(tmp_path, runner=RunnerKind.CLUSTER, cluster_kubeconfig=kubeconfig)
    assert (await asked(cluster))["10.1.2.3", 6443] == "the API server"
    with pytest.raises(SettingsError, match="Kubernetes"):
        await asked(service(tmp_path, runner=RunnerKind.CLUSTER, cluster_kubeconfig=tmp_path / "none"))


async def test_the_workers_name_servers_are_tried(tmp_path: Path) -> None:
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("# a comment\nnameserver 10.96.0.10\nnameserver\nnameserver fe80::1%eth0\noptions x\n")
    targets = await targets_of(service(tmp_path), {}, other_run="", resolv_conf=resolv_conf)
    assert targets.nameservers == ("10.96.0.10", "fe80::1%eth0")


@pytest.mark.parametrize("target", ["10.0.0.1", "host:", ":80", "host:http", "host:99999"])
async def test_a_target_that_is_no_address_is_refused(tmp_path: Path, store: SqlStore, target: str) -> None:
    with pytest.raises(SettingsError, match="FLOWFORGE_PROBE_TARGETS"):
        await asked(service(tmp_path, probe_targets=(target,)))
    with pytest.raises(SettingsError, match="FLOWFORGE_PROBE_TARGETS"):
        isolation_of(
            service(tmp_path, probe_targets=(target,)),
            SealedRunner(tmp_path),
            store=store,
            clock=SystemClock(),
            ids=SystemIds(),
        )


async def test_settings_that_turn_out_wrong_later_prove_nothing(tmp_path: Path, store: SqlStore) -> None:
    kubeconfig = tmp_path / "removed"
    settings = service(tmp_path, runner=RunnerKind.CLUSTER, cluster_kubeconfig=kubeconfig)
    prove = prover_of(settings, SealedRunner(tmp_path), store=store, clock=SystemClock(), ids=SystemIds(), outside=())
    report = await prove()
    assert not report.proved
    assert "Kubernetes" in (report.reason() or "")


@pytest.mark.parametrize(
    ("changes", "gvisor", "no_network"),
    [
        ({"container_runtime": "runsc"}, True, True),
        ({"container_runtime": "/usr/local/bin/runsc-ptrace"}, True, True),
        ({"container_runtime": "crun"}, False, True),
        ({}, False, True),
        ({"runner": RunnerKind.CLUSTER, "cluster_runtime_class": "gVisor"}, True, False),
        ({"runner": RunnerKind.CLUSTER, "cluster_runtime_class": "kata"}, False, False),
        ({"runner": RunnerKind.CLUSTER}, False, False),
    ],
)
async def test_a_kernel_of_its_own_is_looked_for_where_it_was_asked_for(
    tmp_path: Path, changes: dict[str, Any], gvisor: bool, no_network: bool
) -> None:
    targets = await targets_of(service(tmp_path, **changes), {}, other_run="", resolv_conf=Path("/nowhere"))
    assert (targets.gvisor, targets.sealed) == (gvisor, no_network)
