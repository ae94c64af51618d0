"""P3: from a run, only the gateway can be reached, and of it only what is this run's own.

A program that the repository brings tries it from inside, by plain sockets: the isolation probe is not asked.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.http.door import open_doors
from app.system import SystemClock
from bot.model.runs import RunKind, RunOutcome
from tests.cluster.api import ApiError
from tests.cluster.bench import HONEST
from tests.image.engine import needs_engine
from tests.promises.conftest import Pods
from tests.promises.listeners import listening_at
from tests.runners.bench import MODEL, Bench
from tests.runners.container.bench import ContainerBench, eventually

REACH = Path(__file__).with_name("reach.py").read_bytes()
LOOPBACK = "127.0.0.1"
METADATA = "169.254.169.254"
DNS = 53
KUBELET = 10250
NEIGHBOURS_PORT = 7777
CANARY = "canary-of-another-run"
WAITS = f"""\
import pathlib, socket
for place in ("/task", "/tmp", "/task/workspace"):
    pathlib.Path(place, {CANARY!r}).touch()
with socket.create_server(("", {NEIGHBOURS_PORT})) as server:
    print("listening", flush=True)
    while True:
        server.accept()[0].close()
""".encode()
TOKEN_OF_THE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token"
QUESTION = {"model": MODEL, "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}


def found_in(ended: Any) -> dict[str, Any]:
    assert ended.said is not None, ended.run.detail
    found: dict[str, Any] = json.loads(ended.said.log_tail.splitlines()[-1])
    return found


def given(targets: Mapping[str, Any]) -> dict[str, bytes]:
    return {"reach.py": REACH, "targets.json": json.dumps(targets).encode()}


@needs_engine("runc")
async def test_from_a_container_nothing_can_be_reached_but_its_own_door(containers: ContainerBench) -> None:
    bench = containers.bench
    other, _ = await bench.prepare(HONEST)
    gateway = urlsplit(bench.gateway_url)
    bearer = {"Authorization": f"Bearer {other.token}"}
    async with listening_at(LOOPBACK) as ears:
        targets = {
            "tcp": [[LOOPBACK, gateway.port], [LOOPBACK, ears.tcp], [METADATA, 80], ["1.1.1.1", 443]],
            "udp": [[LOOPBACK, ears.udp], ["8.8.8.8", 53]],
            "names": ["secret.evil.invalid", "api.anthropic.com", "gateway.invalid"],
            "paths": [str(containers.directory), TOKEN_OF_THE_ACCOUNT, f"/run/flowforge/{other.run_id}", "/run/podman"],
            "door": "/run/flowforge/door.sock",
            "requests": [
                ["GET", "/health/ready", {}],
                ["GET", "/v1/models", {}],
                ["POST", "/v1/messages", bearer],
                ["GET", f"/runs/{other.run_id}/workspace", bearer],
                ["PUT", f"/runs/{other.run_id}/result", bearer],
                ["GET", f"http://{LOOPBACK}:{ears.tcp}/", {}],
                ["CONNECT", f"{LOOPBACK}:{ears.tcp}", {}],
            ],
        }
        ended = await bench.command([["python3", "reach.py"]], given(targets), kind=RunKind.TEST)
        found = found_in(ended)
        assert ears.heard == []
    assert found["interfaces"] == ["lo"]
    assert "connected" not in found["tcp"]
    assert "answered" not in found["udp"]
    assert "resolved" not in found["names"]
    assert found["paths"] == ["FileNotFoundError"] * 4
    assert [status for status in found["requests"] if status != 404] == []
    assert not [name for name in found["variables"] if name.startswith(("FLOWFORGE", "ANTHROPIC", "KUBERNETES"))]
    assert bench.model.requests == []
    assert await bench.store.runs.take_workspace(other.run_id, digest(other.token)) is not None, "nobody took it"


@pytest.mark.xdist_group("cluster")
async def test_from_a_pod_nothing_can_be_reached_but_the_gateway(pods: Pods) -> None:
    """A second pod, of another repository's run, listens; it has left a canary wherever it may write."""
    bench, node = pods.bench, pods.cluster.node
    worker = bench.worker()
    neighbour, neighbours_job = await bench.prepare_commands([["python3", "wait.py"]], {"wait.py": WAITS})
    await worker.supervisor.launch(neighbour, job_id=neighbours_job)
    address = await eventually(lambda: address_of(pods, neighbour.run_id), "the neighbour's address")
    await eventually(lambda: b"listening" in log_of(pods, neighbour.run_id), "the neighbour to listen")
    gateway = urlsplit(bench.gateway_url)
    async with listening_at(node.network.host, udp=DNS) as ears:
        targets = {
            "tcp": [
                [node.network.host, gateway.port],
                [node.network.host, ears.tcp],
                [node.network.host, bench.plane.port],
                [node.network.node, KUBELET],
                [address, NEIGHBOURS_PORT],
                [METADATA, 80],
                ["10.96.0.1", 443],
            ],
            "udp": [[node.network.host, DNS], ["8.8.8.8", DNS], ["10.96.0.10", DNS], ["127.0.0.1", DNS]],
            "names": ["secret.evil.invalid", "kubernetes.default.svc.cluster.local", "api.anthropic.com"],
            "paths": [TOKEN_OF_THE_ACCOUNT, *(f"{place}/{CANARY}" for place in ("/task", "/tmp", "/task/workspace"))],
            "door": [node.network.host, gateway.port],
            "requests": [
                ["GET", f"/runs/{neighbour.run_id}/workspace", {}],
                ["GET", f"/runs/{neighbour.run_id}/workspace", {"Authorization": f"Bearer {neighbour.token}x"}],
                ["POST", "/v1/messages", {}],
            ],
        }
        task, job_id = await bench.prepare_commands([["python3", "reach.py"]], given(targets))
        await worker.supervisor.launch(task, job_id=job_id)
        found = found_in(await bench.bench.ended(task.run_id))
        assert ears.heard == [], "ADV-019"
    await bench.bench.store.runs.request_stop(neighbour.run_id, RunOutcome.CANCELLED)
    await bench.bench.ended(neighbour.run_id)
    gateway_answers, *others = found["tcp"]
    assert gateway_answers == "connected"
    assert "connected" not in others
    assert "answered" not in found["udp"]
    assert "resolved" not in found["names"]
    assert found["resolv.conf"].split() == ["nameserver", "127.0.0.1"]
    assert found["paths"] == ["FileNotFoundError"] * 4, "ADV-016, ADV-073"
    assert not [name for name in found["variables"] if "SERVICE" in name or "KUBERNETES" in name], "ADV-016"
    assert [status for status in found["requests"] if status not in {401, 403, 404}] == []
    assert bench.bench.model.requests == []


def address_of(pods: Pods, run_id: str) -> str | None:
    found = [pod["status"].get("podIP") for pod in pods.bench.pods(run_id)]
    return found[0] if found else None


def log_of(pods: Pods, run_id: str) -> bytes:
    (pod,) = pods.bench.pods(run_id)
    with contextlib.suppress(ApiError):  # its container is only being made
        return pods.bench.plane.admin.logs(pod["metadata"]["name"], pods.bench.namespace).encode()
    return b""


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@pytest.mark.parametrize("header", ["x-api-key", "Authorization"])
async def test_a_door_passes_no_other_run_s_token(bench: Bench, places: Path, header: str) -> None:
    """ADV-020: whoever got hold of a token can do nothing with it behind the door of another sandbox."""
    mine, _ = await bench.prepare(HONEST)
    other, _ = await bench.prepare(HONEST)
    for task in (mine, other):
        later = SystemClock().now() + timedelta(minutes=1)
        await bench.store.runs.started(task.run_id, owner="this test", deadline=later, lease_until=later)
    async with open_doors() as doors:
        path = await doors.open(mine, places)
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway.invalid") as http:

            async def ask(token: str) -> int:
                shown = token if header == "x-api-key" else f"Bearer {token}"
                answer = await http.post("/v1/messages", json=QUESTION, headers={header: shown})
                return answer.status_code

            assert await ask(other.token) == 401
            assert bench.model.requests == []
            assert await ask(mine.token) == 200
    assert (await bench.store.runs.model_calls(other.run_id), await bench.store.runs.model_calls(mine.run_id)) == (0, 1)
