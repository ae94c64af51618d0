"""What a worker makes fits into the namespace that the chart makes, and every process takes the chart's settings."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from kubernetes.utils.quantity import parse_quantity

from app.settings import CommonSettings, GatewaySettings, ServiceSettings, load_settings
from bot.model.runs import RunLimits, RunTask
from runners.manifests import Placement, make_job
from runners.sandbox import SandboxSpec
from tests.chart.objects import containers, environment, kinds, one, pods
from tests.chart.render import VALUES, Object, render

PROCESSES: dict[str, type[CommonSettings]] = {
    "web": ServiceSettings,
    "worker": ServiceSettings,
    "gateway": GatewaySettings,
}
FILES = {
    "flowforge_database_url": "postgresql://flowforge:password@db/flowforge",
    "flowforge_redis_url": "redis://:password@redis:6379/0",
    "flowforge_github_private_key": "a private key",
    "flowforge_github_webhook_secrets": "sixteen-characters-at-least",
    "flowforge_anthropic_api_key": "the model key",
    # of a further forge, named in FLOWFORGE_FORGES
    "ghes_private_key": "a private key",
    "ghes_webhook_secrets": "sixteen-characters-at-least",
}
MOUNTED = re.compile(r"/(?:etc/flowforge|vault)/secrets/")
"""Where the pod has its files; a test has them in a directory of its own."""


def env(name: str, process: str) -> dict[str, str]:
    return environment(containers(pods(render(name))[f"Deployment/flowforge-{process}"])[-1])


def settings(
    monkeypatch: pytest.MonkeyPatch, directory: Path, name: str, process: str, kind: type[CommonSettings]
) -> CommonSettings:
    """The settings of a process as it reads them in its pod."""
    for file, text in FILES.items():
        (directory / file).write_text(text, encoding="utf-8")
    for key, value in env(name, process).items():
        monkeypatch.setenv(key, MOUNTED.sub(f"{directory}/", value))
    monkeypatch.setenv("FLOWFORGE_SECRETS_DIR", str(directory))
    return load_settings(kind)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_takes_its_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, process: str
) -> None:
    found = settings(monkeypatch, tmp_path, name, process, PROCESSES[process])
    assert found.gateway_url == "http://flowforge-gateway.flowforge.svc:8081"
    if isinstance(found, ServiceSettings):
        assert (found.environment, found.runner) == ("production", "cluster")


def quantity(text: str) -> Decimal:
    """A quantity of Kubernetes as a number: ``2Gi``, ``500m``."""
    return Decimal(parse_quantity(text))  # type: ignore[no-untyped-call]


def job(name: str) -> dict[str, Any]:
    """The Job that a worker with this chart's settings makes."""
    given = env(name, "worker")
    limits = RunLimits(
        deadline_seconds=1800,
        stall_seconds=300,
        budget_usd=5.0,
        max_turns=40,
        max_workspace_bytes=2**26,
        max_result_bytes=2**24,
        max_result_files=500,
        max_log_bytes=2**25,
    )
    task = RunTask(
        run_id="0" * 32,
        token="the-run-token-of-this-test",
        gateway_url=given["FLOWFORGE_GATEWAY_URL"],
        model=given["FLOWFORGE_MODEL"],
        limits=limits,
    )
    spec = SandboxSpec(
        image=given["FLOWFORGE_RUN_IMAGE"],
        instance="7f3a",
        cpus=float(given["FLOWFORGE_RUN_CPUS"]),
        memory_bytes=int(given["FLOWFORGE_RUN_MEMORY_BYTES"]),
        pids=int(given["FLOWFORGE_RUN_PIDS"]),
        disk_bytes=int(given["FLOWFORGE_RUN_DISK_BYTES"]),
    )
    placement = Placement(
        namespace=given["FLOWFORGE_CLUSTER_NAMESPACE"],
        service_account=ServiceSettings.model_fields["cluster_service_account"].default,
        gateway_host="flowforge-gateway.flowforge.svc",
        gateway_ip="10.96.0.17",
    )
    return make_job(task, spec, placement)


@pytest.mark.parametrize("name", VALUES)
def test_a_run_uses_the_namespace_and_the_account_of_the_chart(name: str) -> None:
    account = one(render(name), "ServiceAccount", "flowforge-run")
    made = job(name)
    assert made["metadata"]["namespace"] == account["metadata"]["namespace"]
    assert made["spec"]["template"]["spec"]["serviceAccountName"] == account["metadata"]["name"]


@pytest.mark.parametrize("name", VALUES)
def test_the_policy_to_the_gateway_selects_a_runs_pod(name: str) -> None:
    labels = job(name)["spec"]["template"]["metadata"]["labels"].items()
    policy = one(render(name), "NetworkPolicy", "runs-to-gateway")["spec"]
    gateway = one(render(name), "NetworkPolicy", "flowforge-gateway")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels
    assert gateway["ingress"][0]["from"][0]["podSelector"]["matchLabels"].items() <= labels


@pytest.mark.parametrize("name", VALUES)
def test_no_pod_of_flowforges_own_passes_for_a_run(name: str) -> None:
    assert "flowforge-run" not in {
        pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in pods(render(name)).values()
    }


@pytest.mark.parametrize("name", VALUES)
def test_the_limit_range_admits_a_run(name: str) -> None:
    (limits,) = kinds(render(name), "LimitRange")
    most = limits["spec"]["limits"][0]["max"]
    (guest,) = job(name)["spec"]["template"]["spec"]["containers"]
    for resource, amount in guest["resources"]["limits"].items():
        assert quantity(amount) <= quantity(most[resource])


def used(name: str) -> Object:
    (guest,) = job(name)["spec"]["template"]["spec"]["containers"]
    return {
        f"{kind}.{resource}": quantity(amount)
        for kind in ("requests", "limits")
        for resource, amount in guest["resources"][kind].items()
    }


@pytest.mark.parametrize("name", VALUES)
def test_the_quota_admits_as_many_runs_as_it_has_pods(name: str) -> None:
    """Otherwise its number of pods would promise more than its memory holds."""
    (quota,) = kinds(render(name), "ResourceQuota")
    hard = quota["spec"]["hard"]
    for resource, amount in used(name).items():
        assert amount * int(hard["pods"]) <= quantity(hard[resource]), resource
