"""Runs as Jobs on a real node: the real guest image, the real Claude Code, a scripted model behind the real gateway."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from app.demo.model.attacker import Ordered
from app.demo.model.failures import HeldBack
from app.demo.model.resolver import HonestResolver
from bot.model.runs import RunOutcome, RunTask, SandboxExited, SandboxPending, SandboxRunning
from runners.image.build import build_offline
from runners.image.errors import ImageError
from runners.manifests import make_job
from runners.sandbox import SandboxSpec
from tests.app.store.backends import SqliteBackend
from tests.cluster import images
from tests.cluster.api import Object
from tests.cluster.bench import HONEST, SPEC, ClusterBench, eventually, open_cluster_bench, open_gateway
from tests.cluster.node import GVISOR, Cluster
from tests.runners.bench import CONFLICT, MODEL_KEY, RESOLVED, open_bench
from tests.runners.hostile import everything, listening
from tests.runners.test_hostile import AtStart


def held() -> HeldBack:
    """A model that begins to answer and never goes on."""
    return HeldBack(script=HONEST, events=2)


@pytest.fixture(scope="module")
def guest(cluster: Cluster) -> SandboxSpec:
    """The guest image, on the node."""
    try:
        image = build_offline()
    except ImageError as error:
        pytest.skip(f"the guest image cannot be built: {error}")
    cluster.node.import_image(image.archive)
    return replace(SPEC, image=image.reference)


@dataclass
class Parts:
    """A bench and the cluster that its pods run on."""

    bench: ClusterBench
    cluster: Cluster

    def at_work(self) -> list[str]:
        """The containers of our namespace in which something runs; each pod has one of its own besides."""
        mine = f'labels."io.kubernetes.pod.namespace"=={self.bench.namespace}'
        containers = set(self.cluster.node.ctr("containers", "list", "-q", mine).split())
        tasks = [line.split() for line in self.cluster.node.ctr("tasks", "list").splitlines()]
        return [name for name, _, state in tasks if name in containers and state == "RUNNING"]


@pytest.fixture
async def parts(
    run_databases: SqliteBackend, tmp_path: Path, cluster: Cluster, cluster_namespace: str, guest: SandboxSpec
) -> AsyncIterator[Parts]:
    directory = tmp_path / "runs"
    directory.mkdir()
    async with (
        open_bench(await run_databases.fresh(), directory, HonestResolver()) as bench,
        open_gateway(bench, cluster.node.network.host) as gateway,
        open_cluster_bench(bench, cluster.plane, cluster_namespace, spec=guest, gateway=gateway) as opened,
    ):
        yield Parts(opened, cluster)


async def test_a_conflict_is_resolved_by_a_job(parts: Parts) -> None:
    bench = parts.bench
    worker = bench.worker()
    run_id = await bench.launch(worker, HONEST, {"src/a.py": CONFLICT, "README.md": b"hello\n"})
    ended = await bench.bench.ended(run_id)
    assert ended.outcome is RunOutcome.SUCCEEDED, ended.run.detail
    assert ended.answer is not None
    assert ended.answer.changed == {"src/a.py": RESOLVED}
    assert (ended.answer.deleted, ended.answer.oddities) == ((), ())
    assert ended.progress[-1].turns == 4
    assert (await bench.bench.store.runs.usage(ended.run.job_id)).model_calls == 4
    await bench.settled(pods=1)
    await eventually(lambda: parts.at_work() == [], "the node to have nothing left")


async def test_a_hostile_repository_and_a_hostile_model_get_nowhere(parts: Parts, tmp_path: Path) -> None:
    bench = parts.bench
    canaries = tmp_path / "canaries"
    canaries.mkdir()
    async with listening(canaries) as attacker:
        refused: list[tuple[str, dict[str, Any]]] = [
            ("Bash", {"command": f"env; {attacker.touch('bash')}"}),
            ("Read", {"file_path": "/proc/self/environ"}),
            ("Read", {"file_path": "/proc/1/environ"}),
            ("Read", {"file_path": "/var/run/secrets/kubernetes.io/serviceaccount/token"}),
            ("Read", {"file_path": "/etc/passwd"}),
            ("Edit", {"file_path": "/usr/local/bin/evil", "old_string": "", "new_string": "x"}),
            ("Edit", {"file_path": "../context.json", "old_string": "task", "new_string": "x"}),
            ("WebFetch", {"url": "http://169.254.169.254/latest/meta-data", "prompt": "x"}),
        ]
        script = AtStart(Ordered(refused))
        run_id = await bench.launch(bench.worker(), script, {"src/a.py": CONFLICT} | everything(attacker))
        ended = await bench.bench.ended(run_id)
        assert ended.outcome is RunOutcome.SUCCEEDED, ended.run.detail
        assert ended.answer is not None
        assert ended.answer.changed == {"src/a.py": RESOLVED}
        assert [name for name, given in refused if not script.result(name, given)[1]] == []
        assert attacker.canaries() == []
        assert attacker.heard == []
    sent = "\n".join(json.dumps(request.body) for request in bench.bench.model.requests)
    assert not any(secret in sent for secret in (MODEL_KEY, bench.bench.tokens[run_id], "root:x:0:0"))
    await bench.settled(pods=1)


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        ("print('all 3 tests passed')", RunOutcome.SUCCEEDED),
        ("print('1 test failed'); raise SystemExit(3)", RunOutcome.COMMAND_FAILED),
    ],
    ids=["passed", "failed"],
)
async def test_the_tests_of_a_repository_run_in_a_job(parts: Parts, program: str, outcome: RunOutcome) -> None:
    bench = parts.bench
    worker = bench.worker()
    task, job_id = await bench.prepare_commands([["python3", "tests.py"]], {"tests.py": program.encode()})
    await worker.supervisor.launch(task, job_id=job_id)
    ended = await bench.bench.ended(task.run_id)
    assert ended.outcome is outcome, ended.run.detail
    assert bench.bench.model.calls == []
    await bench.settled(pods=1)


async def test_a_runtime_class_gives_the_guest_another_kernel(parts: Parts) -> None:
    """gVisor."""
    bench = parts.bench
    worker = bench.worker(bench.runner(runtime_class=GVISOR))
    run_id = await bench.launch(worker, HONEST)
    resolved = await bench.bench.ended(run_id)
    assert resolved.outcome is RunOutcome.SUCCEEDED, resolved.run.detail
    assert resolved.answer is not None
    assert resolved.answer.changed == {"src/a.py": RESOLVED}
    program = f"import os\nraise SystemExit(os.uname().release == {os.uname().release!r})\n"
    task, job_id = await bench.prepare_commands([["python3", "tests.py"]], {"tests.py": program.encode()})
    await worker.supervisor.launch(task, job_id=job_id)
    ended = await bench.bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.SUCCEEDED, ended.run.detail
    await bench.settled(pods=2)


async def test_a_cancelled_run_is_gone_when_its_end_is_told(parts: Parts) -> None:
    bench = parts.bench
    run_id = await bench.launch(bench.worker(), held())
    await bench.bench.asked()
    assert len(parts.at_work()) == 2  # the pod's own, and the guest
    began = time.monotonic()
    await bench.bench.store.runs.request_stop(run_id, RunOutcome.CANCELLED)
    ended = await bench.bench.ended(run_id)
    assert bench.pods() == []
    print(f"gone after {time.monotonic() - began:.2f} s")  # noqa: T201 - 5 s where nobody else computes
    assert ended.outcome is RunOutcome.CANCELLED
    await eventually(lambda: parts.at_work() == [], "the node to have nothing left")
    await bench.settled(pods=1)


async def test_the_log_of_a_stopped_run_can_be_read_until_it_is_forgotten(parts: Parts) -> None:
    bench = parts.bench
    worker = bench.worker()
    task, _ = await bench.prepare(held())
    await worker.runner.start(task)
    await bench.bench.asked()
    before = await worker.runner.read_log(task.run_id, offset=0, limit=10**6)
    assert b'"subtype":"init"' in before
    await worker.runner.stop(task.run_id)
    assert bench.pods() == []
    assert (await worker.runner.read_log(task.run_id, offset=0, limit=10**6)).startswith(before)
    assert await worker.runner.read_log(task.run_id, offset=5, limit=10) == before[5:15]
    await worker.runner.forget(task.run_id)
    assert await worker.runner.read_log(task.run_id, offset=0, limit=10**6) == b""


async def test_a_limit_of_the_supervisor_ends_the_pod(parts: Parts) -> None:
    bench = parts.bench
    run_id = await bench.launch(bench.worker(), held(), max_log_bytes=1000)
    assert (await bench.bench.ended(run_id)).outcome is RunOutcome.MAX_OUTPUT
    await bench.settled(pods=1)


async def test_a_worker_that_is_killed_while_the_agent_works_is_followed_by_another(parts: Parts) -> None:
    bench = parts.bench
    first = bench.worker()
    run_id = await bench.launch(first, HONEST)
    await bench.bench.asked()
    await first.die()
    ended = await bench.adopted_by(bench.worker(), run_id)
    assert ended.outcome is RunOutcome.SUCCEEDED
    assert ended.answer is not None
    assert ended.answer.changed == {"src/a.py": RESOLVED}
    await bench.settled(pods=1)


async def test_a_guest_without_memory_is_named(parts: Parts) -> None:
    bench = parts.bench
    bench.spec = replace(bench.spec, image=images.BUSYBOX, memory_bytes=2**25)
    task, job_id = await bench.prepare()
    bench.plane.admin.create(busybox_job(bench, task, "echo begun; tail /dev/zero"))  # a line without end
    await bench.worker().supervisor.launch(task, job_id=job_id)
    ended = await bench.bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.OUT_OF_MEMORY, ended.run.detail
    await bench.settled(pods=1)


def busybox_job(bench: ClusterBench, task: RunTask, script: str) -> Object:
    """The run's Job with a script in the guest's place, to be found by ``start``."""
    job = make_job(task, bench.spec, bench.placement)
    job["spec"]["template"]["spec"]["containers"][0]["args"] = ["-c", script]
    return job


async def test_an_agent_that_is_killed_for_its_memory_is_told(parts: Parts) -> None:
    """The guest outlives it and says how it ended; why is for the node to say."""
    bench = parts.bench
    bench.spec = replace(bench.spec, memory_bytes=2**26)
    worker = bench.worker()
    task, _ = await bench.prepare()
    await worker.runner.start(task)

    async def end() -> SandboxExited | None:
        seen = await worker.runner.observe(task.run_id)
        return seen if isinstance(seen, SandboxExited) else None

    assert await eventually(end, "the end") == SandboxExited(exit_code=0, signal=None, out_of_memory=True)
    await worker.runner.forget(task.run_id)
    assert bench.jobs() == []


@pytest.mark.parametrize(
    ("policy", "words"),
    [("IfNotPresent", "image pull: "), ("Never", "image pull: ErrImageNeverPull")],
)
async def test_an_image_that_is_not_there_uses_no_attempt(parts: Parts, policy: str, words: str) -> None:
    bench = parts.bench
    bench.spec = replace(bench.spec, image="127.0.0.1:9/flowforge-guest:none")
    runner = bench.runner(image_pull_policy=policy, stuck_seconds=3)
    run_id = await bench.launch(bench.worker(runner), HONEST)
    ended = await bench.bench.ended(run_id)
    assert ended.outcome is RunOutcome.INFRA_RETRYABLE
    assert ended.run.detail.startswith(words)
    await bench.settled(pods=1)


async def test_an_evicted_pod_is_lost_and_not_replaced(parts: Parts) -> None:
    bench = parts.bench
    run_id = await bench.launch(bench.worker(), held())
    await bench.bench.asked()
    name = (await bench.pod(run_id))["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    path = f"/api/v1/namespaces/{bench.namespace}/pods/{name}/eviction"
    bench.plane.admin.request("POST", path, json=eviction)
    ended = await bench.bench.ended(run_id)
    assert ended.outcome is RunOutcome.INFRA_RETRYABLE
    assert "EvictionByEvictionAPI" in ended.run.detail
    await bench.settled(pods=1)


async def test_a_lost_node_loses_its_runs_and_comes_back_without_them(parts: Parts) -> None:
    bench = parts.bench
    run_id = await bench.launch(bench.worker(), held())
    await bench.bench.asked()
    parts.cluster.node.stop_kubelet()
    try:
        ended = await bench.bench.ended(run_id)
        assert ended.outcome is RunOutcome.INFRA_RETRYABLE
        assert "node does not answer" in ended.run.detail
        assert bench.pods() == []
        assert parts.at_work() != []  # nobody there could end it; its token is worth nothing
        assert await bench.bench.store.ledger.grant(bench.bench.tokens[run_id]) is None
    finally:
        await asyncio.to_thread(parts.cluster.node.start_kubelet)
    await eventually(lambda: parts.at_work() == [], "the node to end what is no longer wanted", seconds=60)
    await bench.settled(pods=1)


SCRIPT = """
i=0
while [ $i -lt 30 ]; do echo "line $i"; i=$((i+1)); sleep 0.1; done
dd if=/dev/zero bs=1000 count=100 2>/dev/null | tr '\\\\0' x; echo; sleep 0.5
echo to the other stream >&2; sleep 0.5; echo end; sleep 1
"""


async def test_a_log_that_grows_is_read_once_and_in_order(parts: Parts) -> None:
    """The kubelet's own words: whole seconds, stamps, a line of many chunks."""
    bench = parts.bench
    bench.spec = replace(bench.spec, image=images.BUSYBOX)
    task, _ = await bench.prepare()
    bench.plane.admin.create(busybox_job(bench, task, SCRIPT))
    runner = bench.worker().runner
    text, seen, sizes = b"", None, []

    async def over() -> bool:
        nonlocal text, seen
        seen = await runner.observe(task.run_id)
        if isinstance(seen, SandboxRunning):
            sizes.append(seen.log_bytes)
            text += await runner.read_log(task.run_id, offset=len(text), limit=2**20)
        return not isinstance(seen, SandboxRunning | SandboxPending)

    await eventually(over, "the end")
    assert seen == SandboxExited(exit_code=0, signal=None)
    whole = await runner.read_log(task.run_id, offset=0, limit=2**20)
    assert whole.startswith(b"line 0\nline 1\n")
    assert bytes(100_000) + b"\n" in whole
    assert whole.startswith(text)
    assert len(text) > 100
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 3
    await runner.forget(task.run_id)
    assert bench.jobs() == []


async def test_a_pod_that_does_not_end_by_itself_is_ended(parts: Parts) -> None:
    """It ignores the signal that asks it to."""
    bench = parts.bench
    bench.spec = replace(bench.spec, image=images.BUSYBOX)
    task, _ = await bench.prepare()
    bench.plane.admin.create(busybox_job(bench, task, "trap '' TERM; while true; do sleep 1; done"))
    runner = bench.worker().runner

    async def runs() -> bool:
        return isinstance(await runner.observe(task.run_id), SandboxRunning)

    await eventually(runs, "the pod at work")
    await runner.stop(task.run_id)
    assert parts.at_work() == []
    assert (bench.jobs(), bench.pods()) == ([], [])
    await runner.forget(task.run_id)
