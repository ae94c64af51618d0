"""Pods that come to nothing: refused, waited for, evicted, deleted, without an image or a node. No run is lost.

The API server is real; the tests themselves are the kubelet.
"""

import asyncio
import copy
import time
from typing import Any

import pytest

from bot.model.runs import RunOutcome, RunState, SandboxPending, SandboxRunning
from runners.backends.cluster.api import Object
from runners.manifests import make_job
from runners.sandbox import sandbox_name
from tests.cluster.bench import ClusterBench, eventually, install
from tests.cluster.played import finish, launched, seen, state_of


async def test_without_quota_a_pod_is_waited_for(bench: ClusterBench) -> None:
    await asyncio.to_thread(install, bench.plane, bench.namespace, quota={"enabled": True, "hard": {"pods": "1"}})
    worker = bench.worker()
    first = await launched(bench, worker)
    await bench.play_running(first.run_id)
    second = await launched(bench, worker)

    async def waits() -> bool:
        found = await worker.runner.observe(second.run_id)
        return isinstance(found, SandboxPending) and found.reason.startswith("quota exceeded")

    await eventually(waits, "the reason")
    await finish(bench, first)
    assert (await bench.bench.ended(first.run_id)).outcome is RunOutcome.SUCCEEDED
    await eventually(lambda: bench.pods(second.run_id), "room for the second pod", seconds=60)
    await bench.play_running(second.run_id)
    await finish(bench, second)
    assert (await bench.bench.ended(second.run_id)).outcome is RunOutcome.SUCCEEDED
    await bench.settled(pods=2)


async def test_what_never_gets_its_pod_is_given_up_and_uses_no_attempt(bench: ClusterBench) -> None:
    await asyncio.to_thread(install, bench.plane, bench.namespace, quota={"enabled": True, "hard": {"pods": "0"}})
    worker = bench.worker(pending_seconds=2)
    task = await launched(bench, worker)
    ended = await bench.bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.INFRA_RETRYABLE
    assert "quota exceeded" in ended.run.detail
    await bench.settled(pods=0)


async def test_a_quota_of_jobs_is_no_fault_of_the_settings(bench: ClusterBench) -> None:
    hard = {"count/jobs.batch": "0"}
    await asyncio.to_thread(install, bench.plane, bench.namespace, quota={"enabled": True, "hard": hard})
    worker = bench.worker()

    async def refused() -> Any:
        task = await launched(bench, worker)
        return (await bench.bench.ended(task.run_id)).run

    run = await refused()
    assert run.outcome is RunOutcome.INFRA_RETRYABLE
    assert "quota of Jobs is used up" in run.detail
    await bench.settled(pods=0)


async def test_a_pod_that_pod_security_refuses_ends_the_run_with_the_reason(bench: ClusterBench) -> None:
    task, job_id = await bench.prepare()
    job = copy.deepcopy(make_job(task, bench.spec, bench.placement))
    job["spec"]["template"]["spec"]["hostNetwork"] = True
    bench.plane.admin.create(job)
    await bench.worker().supervisor.launch(task, job_id=job_id)
    ended = await bench.bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.INFRA_TERMINAL
    assert 'violates PodSecurity "restricted' in ended.run.detail
    await bench.settled(pods=0)


async def test_a_pod_beyond_the_limit_range_ends_the_run_with_the_reason(bench: ClusterBench) -> None:
    small = {"enabled": True, "max": {"cpu": "1"}, "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}}
    await asyncio.to_thread(install, bench.plane, bench.namespace, limitRange=small)
    task = await launched(bench, bench.worker())
    ended = await bench.bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.INFRA_TERMINAL
    assert "maximum cpu usage per Container is 1" in ended.run.detail
    await bench.settled(pods=0)


async def test_an_evicted_pod_is_lost_and_not_replaced(bench: ClusterBench) -> None:
    worker = bench.worker()
    task = await launched(bench, worker)
    await bench.play_running(task.run_id)
    await seen(worker.runner, task.run_id, SandboxRunning)
    name = (await bench.pod(task.run_id))["metadata"]["name"]
    path = f"/api/v1/namespaces/{bench.namespace}/pods/{name}"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    bench.plane.admin.request("POST", f"{path}/eviction", json=eviction)
    ended = await bench.bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.INFRA_RETRYABLE
    assert "taken away" in ended.run.detail
    await bench.settled(pods=1)


async def test_a_pod_that_its_node_evicts_is_lost_and_not_replaced(bench: ClusterBench) -> None:
    task = await launched(bench, bench.worker())
    await bench.play_running(task.run_id)
    words = "The node was low on resource: ephemeral-storage."
    await bench.play(task.run_id, phase="Failed", reason="Evicted", message=words)
    ended = await bench.bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.INFRA_RETRYABLE
    assert words in ended.run.detail
    await bench.settled(pods=1)


@pytest.mark.parametrize("kind", ["Pod", "Job"])
async def test_what_somebody_deletes_is_lost_and_not_replaced(bench: ClusterBench, kind: str) -> None:
    worker = bench.worker()
    task = await launched(bench, worker)
    await bench.play_running(task.run_id)
    await seen(worker.runner, task.run_id, SandboxRunning)
    things = bench.pods(task.run_id) if kind == "Pod" else bench.jobs(task.run_id)
    bench.plane.admin.remove(kind, things[0]["metadata"]["name"], bench.namespace)
    ended = await bench.bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.INFRA_RETRYABLE
    await bench.settled(pods=1)


async def test_a_queue_decides_when_a_run_begins(bench: ClusterBench) -> None:
    """As Kueue does, the test lets the suspended Job run; that takes longer than a pod may take."""
    worker = bench.worker(bench.runner(queue="runs"), pending_seconds=1)
    task = await launched(bench, worker)
    assert (await seen(worker.runner, task.run_id, SandboxPending)).queued
    (job,) = bench.jobs(task.run_id)
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "runs"
    began = time.monotonic()
    await eventually(lambda: time.monotonic() - began > 2, "more than the allowance")
    assert await state_of(bench, task.run_id) is RunState.STARTED
    assert bench.pods() == []
    bench.plane.admin.merge("Job", sandbox_name(task.run_id), bench.namespace, {"spec": {"suspend": False}})
    await bench.play_running(task.run_id)
    await finish(bench, task)
    assert (await bench.bench.ended(task.run_id)).outcome is RunOutcome.SUCCEEDED
    await bench.settled(pods=1)


async def test_a_queue_that_takes_a_sandbox_back_loses_the_run(bench: ClusterBench) -> None:
    worker = bench.worker(bench.runner(queue="runs"))
    task = await launched(bench, worker)
    suspended = {"spec": {"suspend": True}}
    bench.plane.admin.merge("Job", sandbox_name(task.run_id), bench.namespace, {"spec": {"suspend": False}})
    await bench.play_running(task.run_id)
    await seen(worker.runner, task.run_id, SandboxRunning)
    bench.plane.admin.merge("Job", sandbox_name(task.run_id), bench.namespace, suspended)
    assert (await bench.bench.ended(task.run_id)).outcome is RunOutcome.INFRA_RETRYABLE
    await bench.settled(pods=1)


async def test_a_pod_whose_image_cannot_be_had_is_lost_after_a_while(bench: ClusterBench) -> None:
    worker = bench.worker(bench.runner(stuck_seconds=1))
    task = await launched(bench, worker)
    waits = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    await bench.play(task.run_id, phase="Pending", containerStatuses=[{**stuck(), "state": waits}])
    ended = await bench.bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.INFRA_RETRYABLE
    assert ended.run.detail == "image pull: ImagePullBackOff: Back-off pulling image"
    await bench.settled(pods=1)


def stuck() -> Object:
    return {"name": "guest", "image": "x", "imageID": "", "ready": False, "restartCount": 0}


async def test_an_image_name_that_is_none_is_for_the_operator(bench: ClusterBench) -> None:
    task = await launched(bench, bench.worker())
    waits = {"waiting": {"reason": "InvalidImageName", "message": "couldn't parse image name"}}
    await bench.play(task.run_id, phase="Pending", containerStatuses=[{**stuck(), "state": waits}])
    ended = await bench.bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.INFRA_TERMINAL
    assert ended.run.detail == "image name: InvalidImageName: couldn't parse image name"
    await bench.settled(pods=1)


async def test_a_pod_whose_node_is_lost_is_lost(bench: ClusterBench) -> None:
    """As the node's controller marks it."""
    worker = bench.worker()
    task = await launched(bench, worker)
    await bench.play_running(task.run_id)
    conditions = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]
    await bench.play(task.run_id, conditions=conditions)
    ended = await bench.bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.INFRA_RETRYABLE
    assert "node does not answer" in ended.run.detail
    await bench.settled(pods=1)
