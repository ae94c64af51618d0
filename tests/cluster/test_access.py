"""What the worker may do in a cluster, and what it says when it may not start a run."""

from pathlib import Path
from typing import Any

import pytest

from bot.errors import SandboxRefusedError, SettingsError
from bot.model.runs import RunOutcome
from runners.backends.cluster import ClusterRunner
from runners.backends.cluster.api import ClusterApi
from tests.cluster.bench import ClusterBench
from tests.cluster.played import launched


@pytest.mark.parametrize(
    ("placement", "words"),
    [
        ({"image_pull_policy": "Sometimes"}, "does not accept the Job"),
        ({"namespace": "nowhere"}, "may not create Jobs"),
    ],
    ids=["invalid", "not ours"],
)
async def test_what_can_never_start_says_what_to_change(
    bench: ClusterBench, placement: dict[str, Any], words: str
) -> None:
    api = ClusterApi.open(placement.get("namespace", bench.namespace), kubeconfig=bench.kubeconfig, context="test")
    runner = ClusterRunner(api, spec=bench.spec, placement=bench.runner(**placement)._placement)
    task = await launched(bench, bench.worker(runner))
    ended = await bench.bench.ended(task.run_id)
    assert ended.outcome is RunOutcome.INFRA_TERMINAL
    assert words in ended.run.detail
    await bench.settled(pods=0)


async def test_a_namespace_that_is_not_there_is_named(bench: ClusterBench) -> None:
    api = ClusterApi.open("nowhere", kubeconfig=bench.plane.admin_kubeconfig, context=None)
    runner = ClusterRunner(api, spec=bench.spec, placement=bench.runner(namespace="nowhere")._placement)
    task, _ = await bench.prepare()
    bench.worker(runner)
    with pytest.raises(SandboxRefusedError, match="namespace nowhere has to be created first"):
        await runner.start(task)


async def test_the_workers_rights_are_just_right(bench: ClusterBench) -> None:
    assert await bench.worker().runner.check_rights() == []


async def test_rights_that_are_too_many_or_too_few_are_named(bench: ClusterBench) -> None:
    admin = ClusterApi.open(bench.namespace, kubeconfig=bench.plane.admin_kubeconfig, context=None)
    runner = ClusterRunner(admin, spec=bench.spec, placement=bench.placement)
    bench.worker(runner)
    much = await runner.check_rights()
    assert f"too much: secrets: get, list in namespace {bench.namespace}" in much
    assert "too much: pods/exec: create in all namespaces" in much
    nobody = ClusterApi.open(
        bench.namespace, kubeconfig=bench.plane.kubeconfig(bench.namespace, "flowforge-run"), context=None
    )
    poor = ClusterRunner(nobody, spec=bench.spec, placement=bench.placement)
    bench.worker(poor)
    assert await poor.check_rights() == [
        f"missing: jobs: create, get, list, delete in namespace {bench.namespace}",
        f"missing: pods: list, delete in namespace {bench.namespace}",
        f"missing: pods/log: get in namespace {bench.namespace}",
        f"missing: events: list in namespace {bench.namespace}",
    ]


async def test_the_cluster_is_named(bench: ClusterBench) -> None:
    words = bench.worker().runner.describe()
    assert words == f"context test ({bench.plane.url}), namespace {bench.namespace}"


def test_without_a_cluster_the_settings_are_wrong(bench: ClusterBench, tmp_path: Path) -> None:
    for kubeconfig, context in ((None, None), (tmp_path / "none", None), (bench.kubeconfig, "nowhere")):
        with pytest.raises(SettingsError, match="no access to a Kubernetes cluster"):
            ClusterRunner.open(kubeconfig=kubeconfig, context=context, spec=bench.spec, placement=bench.placement)
