"""What can go wrong between a worker and its cluster. The API server is real; the tests themselves are the kubelet.

After each of these no run is lost, none was there twice, and nothing is left in the namespace.
"""

import asyncio
import contextlib
import functools
import secrets
import socket
import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from app.system import SystemClock
from bot.errors import SandboxError, SandboxRefusedError
from bot.model.runs import RunOutcome, RunState, RunTask, SandboxMissing, SandboxPending, SandboxRunning
from runners.backends.cluster import ClusterRunner
from runners.backends.cluster.api import ClusterApi, Listing, Object
from runners.manifests import make_job
from runners.sandbox import RUN_LABEL, sandbox_name
from tests.cluster.bench import INTERVAL_SECONDS, ClusterBench, Worker, eventually
from tests.cluster.played import RESULT, finish, json_job, launched, record_start, seen, state_of

SLOW_SECONDS = 300
"""For tests that wait for a minute to pass, or for Kubernetes' own controllers to find the API server again."""

STEPS = ["started", "created", "running", "result", "ended", "recorded"]


async def test_a_run_from_its_launch_to_its_end(bench: ClusterBench) -> None:
    worker = bench.worker()
    task = await launched(bench, worker)
    await seen(worker.runner, task.run_id, SandboxPending)
    await bench.play_running(task.run_id)
    running = await seen(worker.runner, task.run_id, SandboxRunning)
    assert running.since is not None
    await finish(bench, task)
    ended = await bench.bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.SUCCEEDED
    await bench.settled(pods=1)


async def go_on(bench: ClusterBench, task: RunTask, steps: list[str]) -> None:
    """The cluster and the guest take these steps, whoever looks on."""
    for step in steps:
        match step:
            case "running":
                await bench.play_running(task.run_id)
            case "result":
                await bench.play_result(task, RESULT)
            case "ended":
                await bench.play_ended(task.run_id)
            case _:
                pass


@pytest.mark.parametrize("step", STEPS)
async def test_a_worker_that_is_killed_loses_nothing(bench: ClusterBench, step: str) -> None:
    done = STEPS[: STEPS.index(step) + 1]
    task, job_id = await bench.prepare()
    first = bench.worker()
    if step == "started":
        await record_start(bench, task)
    else:
        await first.supervisor.launch(task, job_id=job_id)
        await go_on(bench, task, [name for name in done if name != "ended"])
        await see_all(first, task, done)
    await first.die()
    if step == "ended":
        await go_on(bench, task, ["ended"])
    if step == "recorded":
        await go_on(bench, task, ["ended"])
        await bench.bench.store.runs.ended(task.run_id, RunOutcome.SUCCEEDED, detail="")
        bench.ended.append(task.run_id)
        bench.bench.ends[task.run_id].set()
        second = bench.worker()
        await second.supervisor.reap(SystemClock().now())
        await second.runner.forget(task.run_id)  # what the sinker does with what is a minute old
        await bench.settled(pods=1)
        return
    second = bench.worker()
    adopting = asyncio.create_task(bench.adopted_by(second, task.run_id))
    if step != "started":
        await go_on(bench, task, [name for name in STEPS if name not in done])
    ended = await adopting
    lost = step == "started"
    assert ended.outcome is (RunOutcome.INFRA_RETRYABLE if lost else RunOutcome.SUCCEEDED)
    await bench.settled(pods=0 if lost else 1)


async def see_all(worker: Worker, task: RunTask, done: list[str]) -> None:
    """Let a worker notice what happened."""
    await seen(worker.runner, task.run_id, SandboxRunning if "running" in done else SandboxPending)


async def test_two_workers_that_start_the_same_run_make_one_job(bench: ClusterBench) -> None:
    tasks = [(await bench.prepare())[0] for _ in range(5)]
    workers = [bench.worker(), bench.worker()]
    for task in tasks:
        await record_start(bench, task)
    await asyncio.gather(*(worker.runner.start(task) for task in tasks for worker in workers))
    assert len(bench.jobs()) == len(tasks)
    await eventually(lambda: len(bench.pods()) == len(tasks), "a pod for each")
    for task in tasks:
        await bench.play_running(task.run_id)
        await finish(bench, task)
    for _ in tasks:
        await asyncio.gather(*(worker.supervisor.reap(SystemClock().now()) for worker in workers))
    ended = [await bench.bench.ended(task.run_id) for task in tasks]
    assert [one.outcome for one in ended] == [RunOutcome.SUCCEEDED] * len(tasks)
    await bench.settled(pods=len(tasks))


class Hasty(ClusterApi):
    """Looks for the Job a moment before another worker creates it."""

    looked = False

    async def find_job(self, name: str) -> Object | None:
        found = await super().find_job(name)
        first, self.looked = not self.looked, True
        return None if first else found


async def test_a_job_that_another_worker_created_meanwhile_is_adopted(bench: ClusterBench) -> None:
    """409."""
    task, job_id = await bench.prepare()
    await bench.worker().runner.start(task)
    api = Hasty.open(bench.namespace, kubeconfig=bench.kubeconfig, context=None)
    hasty = ClusterRunner(api, spec=bench.spec, placement=bench.placement, interval_seconds=INTERVAL_SECONDS)
    await bench.worker(hasty).supervisor.launch(task, job_id=job_id)
    await bench.play_running(task.run_id)
    await finish(bench, task)
    assert (await bench.bench.ended(task.run_id)).outcome is RunOutcome.SUCCEEDED
    await bench.settled(pods=1)


async def test_a_job_of_somebody_else_is_not_adopted(bench: ClusterBench) -> None:
    task, _ = await bench.prepare()
    bench.plane.admin.create(json_job(bench, task, task.run_id, "other"))
    worker = bench.worker()
    with pytest.raises(SandboxRefusedError, match="not this installation's"):
        await worker.runner.start(task)
    await worker.runner.forget(task.run_id)
    assert len(bench.jobs()) == 1
    assert await worker.runner.observe(task.run_id) == SandboxMissing()


class Compacting(ClusterApi):
    """Between the first page and the second, the store forgets what the first page belonged to."""

    etcd = ""
    gone = 0

    def _request(self, method: str, path: str, query: Mapping[str, str], *more: Any) -> Any:
        if "continue" in query:
            self._compact()
        try:
            return super()._request(method, path, query, *more)
        except Exception as error:
            self.gone += getattr(error, "status", 0) == httpx.codes.GONE
            raise

    def _compact(self) -> None:
        with httpx.Client(base_url=self.etcd, trust_env=False) as etcd:
            written = etcd.post("/v3/kv/put", json={"key": "eA==", "value": "eA=="}).json()
            # Two at a time are one too many for etcd; one is enough.
            etcd.post("/v3/kv/compaction", json={"revision": written["header"]["revision"], "physical": True})


async def test_a_list_whose_rest_is_gone_is_read_anew(bench: ClusterBench) -> None:
    """410."""
    api = Compacting.open(bench.namespace, kubeconfig=bench.kubeconfig, context=None, page=1)
    api.etcd = bench.plane._etcd
    runner = ClusterRunner(api, spec=bench.spec, placement=bench.placement, interval_seconds=INTERVAL_SECONDS)
    worker = bench.worker(runner)
    tasks = [await launched(bench, worker) for _ in range(3)]
    for task in tasks:
        await bench.play_running(task.run_id)
    for task in tasks:
        await seen(runner, task.run_id, SandboxRunning)
        await finish(bench, task)
        assert (await bench.bench.ended(task.run_id)).outcome is RunOutcome.SUCCEEDED
    assert api.gone > 0
    await bench.settled(pods=3)


@pytest.mark.timeout(SLOW_SECONDS)
async def test_the_api_server_may_be_down_for_half_a_minute(bench: ClusterBench) -> None:
    worker = bench.worker(blind_seconds=180)
    running = await launched(bench, worker)
    waiting = await launched(bench, worker)
    await bench.play_running(running.run_id)
    await seen(worker.runner, running.run_id, SandboxRunning)
    await asyncio.to_thread(bench.plane.stop_api_server)
    began = time.monotonic()
    # Meanwhile the guest, which reaches the gateway all the same, brings its result; and another run begins.
    await bench.play_result(running, RESULT)
    unlucky = await launched(bench, worker)
    assert (await bench.bench.ended(unlucky.run_id)).outcome is RunOutcome.INFRA_RETRYABLE
    await eventually(lambda: time.monotonic() - began > 30, "half a minute", seconds=40)
    assert await state_of(bench, running.run_id) is RunState.STARTED
    assert await state_of(bench, waiting.run_id) is RunState.STARTED
    await asyncio.to_thread(bench.plane.start_api_server)
    await bench.play_ended(running.run_id)
    assert (await bench.bench.ended(running.run_id)).outcome is RunOutcome.SUCCEEDED
    await bench.play_running(waiting.run_id)
    await finish(bench, waiting)
    assert (await bench.bench.ended(waiting.run_id)).outcome is RunOutcome.SUCCEEDED
    await bench.settled(pods=2)


@pytest.mark.timeout(SLOW_SECONDS)
async def test_a_sandbox_that_nobody_can_see_is_given_up(bench: ClusterBench) -> None:
    worker = bench.worker(blind_seconds=2)
    task = await launched(bench, worker)
    await bench.play_running(task.run_id)
    await seen(worker.runner, task.run_id, SandboxRunning)
    await asyncio.to_thread(bench.plane.stop_api_server)
    ended = await bench.bench.ended(task.run_id)
    await asyncio.to_thread(bench.plane.start_api_server)
    assert ended.outcome is RunOutcome.INFRA_RETRYABLE
    assert "could not be observed" in ended.run.detail

    async def sunk() -> bool:
        """As the sinker does with what is a minute old; Kubernetes' own controllers are slow to come back."""
        with contextlib.suppress(SandboxError):
            await worker.runner.forget(task.run_id)
            return True
        return False

    await eventually(sunk, "the sinker's success", seconds=60)
    await bench.settled(pods=1)


@pytest.mark.timeout(SLOW_SECONDS)
async def test_the_sinker_takes_what_is_a_minute_old_and_has_no_live_run(bench: ClusterBench) -> None:
    worker = bench.worker()
    alive = await launched(bench, worker)
    left, _ = await bench.prepare()
    await record_start(bench, left)
    await worker.runner.start(left)
    await bench.bench.store.runs.ended(left.run_id, RunOutcome.CANCELLED, detail="")
    bench.ended.append(left.run_id)
    bench.bench.ends[left.run_id].set()
    unknown, foreign, orphan = (secrets.token_hex(16) for _ in range(3))
    for run_id, instance in ((unknown, "test"), (foreign, "other")):
        bench.plane.admin.create(json_job(bench, alive, run_id, instance))
    bench.plane.admin.create(lone_pod(bench, alive, orphan))
    assert await worker.supervisor.sink() == 0  # all of it is young
    began = time.monotonic()
    await eventually(lambda: time.monotonic() - began > 61, "a minute", seconds=70)
    assert await worker.supervisor.sink() == 3
    assert {job["metadata"]["labels"][RUN_LABEL] for job in bench.jobs()} == {alive.run_id, foreign}
    bench.plane.admin.remove("Job", sandbox_name(foreign), bench.namespace)
    await bench.play_running(alive.run_id)
    await finish(bench, alive)
    assert (await bench.bench.ended(alive.run_id)).outcome is RunOutcome.SUCCEEDED
    await eventually(lambda: not bench.pods(), "the other installation's pod to go")
    await bench.settled(pods=4)


def lone_pod(bench: ClusterBench, like: RunTask, run_id: str) -> Object:
    """A pod without its Job."""
    template = json_job(bench, like, run_id, "test")["spec"]["template"]
    about = {**template["metadata"], "name": sandbox_name(run_id), "namespace": bench.namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": template["spec"]}


async def test_one_list_serves_all_runs(bench: ClusterBench) -> None:
    """And no thread or connection is held by a run that nobody asks about."""
    api = Counting.open(bench.namespace, kubeconfig=bench.kubeconfig, context=None)
    runner = ClusterRunner(api, spec=bench.spec, placement=bench.placement, interval_seconds=60)
    worker = bench.worker(runner)
    tasks = [(await bench.prepare())[0] for _ in range(8)]
    for task in tasks:
        await record_start(bench, task)
        await runner.start(task)
    await eventually(lambda: len(bench.pods()) == len(tasks), "the pods")
    found = await asyncio.gather(*(runner.observe(task.run_id) for task in tasks for _ in range(5)))
    assert {type(one) for one in found} == {SandboxPending}
    assert api.lists == {"jobs": 1, "pods": 1}
    for task in tasks:
        await worker.runner.forget(task.run_id)
    assert (bench.jobs(), bench.pods()) == ([], [])


async def test_a_run_that_began_after_the_last_list_is_not_missing(bench: ClusterBench) -> None:
    runner = ClusterRunner(
        ClusterApi.open(bench.namespace, kubeconfig=bench.kubeconfig, context=None),
        spec=bench.spec,
        placement=bench.placement,
        interval_seconds=60,
    )
    bench.worker(runner)
    task, _ = await bench.prepare()
    assert await runner.observe(task.run_id) == SandboxMissing()
    await runner.start(task)
    assert await runner.observe(task.run_id) == SandboxPending(reason="just created")
    await runner.forget(task.run_id)
    assert await runner.observe(task.run_id) == SandboxMissing()


class Counting(ClusterApi):
    """Counts the lists of all runs."""

    lists: dict[str, int]

    async def items(self, resource: str, *, labels: str = "", fields: str = "") -> Listing:
        if RUN_LABEL not in labels:
            self.lists = {**getattr(self, "lists", {}), resource: getattr(self, "lists", {}).get(resource, 0) + 1}
        return await super().items(resource, labels=labels, fields=fields)


async def test_a_node_that_does_not_answer_holds_up_nobody_else(bench: ClusterBench) -> None:
    """Its kubelet takes connections and says nothing, as behind a network that broke."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        bench.plane.admin.create(node_at(silent.getsockname()[1]))
        silent_runs = [await on_node(bench, "silent") for _ in range(12)]
        fine = (await bench.prepare())[0]
        await record_start(bench, fine)
        runner = bench.worker().runner
        await runner.start(fine)
        await bench.play_running(fine.run_id)
        await asyncio.gather(*(runner.observe(run_id) for run_id in silent_runs))
        for _ in range(10):
            began = time.monotonic()
            assert isinstance(await runner.observe(fine.run_id), SandboxRunning)
            assert time.monotonic() - began < 5  # a silent kubelet is waited for as long
            await asyncio.sleep(INTERVAL_SECONDS)  # the next one is looked up anew
        for run_id in silent_runs:
            await eventually(functools.partial(unseen, runner, run_id), "the log's failure to be told")
        await asyncio.gather(*(runner.forget(run_id) for run_id in (*silent_runs, fine.run_id)))
    bench.plane.admin.remove("Node", "silent")
    assert (bench.jobs(), bench.pods()) == ([], [])


async def unseen(runner: ClusterRunner, run_id: str) -> bool:
    try:
        await runner.observe(run_id)
    except SandboxError as error:
        return "the log cannot be read" in str(error)
    return False


def node_at(port: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "silent"},
        "spec": {"unschedulable": True},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        },
    }


async def on_node(bench: ClusterBench, node: str) -> str:
    """A run whose pod is at work on a node."""
    task, _ = await bench.prepare()
    await record_start(bench, task)
    job = make_job(task, bench.spec, bench.placement)
    job["spec"]["template"]["spec"]["nodeName"] = node
    bench.plane.admin.create(job)
    await bench.play_running(task.run_id)
    return task.run_id
