"""What the pods may do in the cluster: the worker a little in the runs' namespace, nobody anything else."""

import pytest

from tests.chart.objects import kinds, one, pods
from tests.chart.render import VALUES, render

RULES = [
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get", "list", "delete"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "delete"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
]
"""Jobs, pods and their logs. Events hold the only reason why a Job gets no pod."""


@pytest.mark.parametrize("name", VALUES)
def test_the_worker_has_exactly_these_rights(name: str) -> None:
    (role,) = kinds(render(name), "Role")
    (binding,) = kinds(render(name), "RoleBinding")
    assert role["rules"] == RULES
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "flowforge-runs"
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "flowforge-worker", "namespace": "flowforge"}]


@pytest.mark.parametrize("name", VALUES)
def test_nothing_is_granted_in_the_whole_cluster(name: str) -> None:
    assert not kinds(render(name), "ClusterRole")
    assert not kinds(render(name), "ClusterRoleBinding")


@pytest.mark.parametrize("name", VALUES)
def test_only_the_worker_gets_a_token(name: str) -> None:
    tokens = {key: pod["spec"]["automountServiceAccountToken"] for key, pod in pods(render(name)).items()}
    assert [key for key, token in tokens.items() if token] == ["Deployment/flowforge-worker"]
    assert all(item["automountServiceAccountToken"] is False for item in kinds(render(name), "ServiceAccount"))


@pytest.mark.parametrize("name", VALUES)
def test_every_process_has_an_account_of_its_own(name: str) -> None:
    accounts = {pod["spec"].get("serviceAccountName") for pod in pods(render(name)).values()} - {None}
    made = {item["metadata"]["name"] for item in kinds(render(name), "ServiceAccount")}
    assert made == accounts | {"flowforge-run"}
    assert one(render(name), "ServiceAccount", "flowforge-run")["metadata"]["namespace"] == "flowforge-runs"


@pytest.mark.parametrize("name", VALUES)
def test_the_runs_namespace_enforces_restricted(name: str) -> None:
    labels = one(render(name), "Namespace", "flowforge-runs")["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


@pytest.mark.parametrize("name", VALUES)
def test_runs_are_bounded_together_and_each(name: str) -> None:
    (quota,) = kinds(render(name), "ResourceQuota")
    (limits,) = kinds(render(name), "LimitRange")
    assert quota["metadata"]["namespace"] == limits["metadata"]["namespace"] == "flowforge-runs"
    hard = quota["spec"]["hard"]
    assert {hard["services"], hard["persistentvolumeclaims"]} == {"0"}
    assert {"pods", "limits.cpu", "limits.memory", "limits.ephemeral-storage"} <= set(hard)
    (container,) = limits["spec"]["limits"]
    assert container["type"] == "Container"
