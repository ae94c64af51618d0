"""Every pod of ours satisfies Pod Security "restricted", and no image can change under its name."""

import re

import pytest

from tests.chart.objects import containers, kinds, one, pods
from tests.chart.render import VALUES, Object, render

_FIXED = re.compile(r"(:[^/:@]+|@sha256:[0-9a-f]{64})$")
RESOURCES = {"cpu", "memory", "ephemeral-storage"}


def all_pods() -> list[tuple[str, str]]:
    return [(name, pod) for name in VALUES for pod in pods(render(name))]


@pytest.mark.parametrize(("name", "pod"), all_pods())
def test_a_pod_satisfies_restricted(name: str, pod: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    spec = pods(render(name))[pod]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(spec)
    sources = {source for volume in spec["volumes"] for source in volume if source != "name"}
    assert sources <= {"emptyDir", "projected", "secret", "persistentVolumeClaim"}
    for container in containers({"spec": spec}):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not [port for port in container.get("ports", ()) if "hostPort" in port]


@pytest.mark.parametrize(("name", "pod"), all_pods())
def test_a_pod_is_bounded(name: str, pod: str) -> None:
    template = pods(render(name))[pod]
    for container in containers(template):
        assert set(container["resources"]["limits"]) == RESOURCES
        assert set(container["resources"]["requests"]) == RESOURCES
    empty = [volume["emptyDir"] for volume in template["spec"]["volumes"] if "emptyDir" in volume]
    assert all(set(volume) == {"sizeLimit"} for volume in empty)


@pytest.mark.parametrize(("name", "pod"), all_pods())
def test_a_pod_gets_no_service_links(name: str, pod: str) -> None:
    """They would set FLOWFORGE_GATEWAY_PORT to an URL."""
    assert pods(render(name))[pod]["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize(("name", "pod"), all_pods())
def test_no_image_can_change_under_its_name(name: str, pod: str) -> None:
    for container in containers(pods(render(name))[pod]):
        assert _FIXED.search(container["image"])
        assert not container["image"].endswith(":latest")


@pytest.mark.parametrize("name", VALUES)
def test_the_image_of_runs_is_fixed_too(name: str) -> None:
    (container,) = pods(render(name))["Deployment/flowforge-worker"]["spec"]["containers"]
    (image,) = (entry["value"] for entry in container["env"] if entry["name"] == "FLOWFORGE_RUN_IMAGE")
    assert _FIXED.search(image)


def test_what_the_evaluation_brings_is_named_by_digest() -> None:
    images = {name: containers(pod)[0]["image"] for name, pod in pods(render("k3s")).items() if "StatefulSet" in name}
    assert set(images) == {"StatefulSet/flowforge-postgresql", "StatefulSet/flowforge-redis"}
    assert all("@sha256:" in image for image in images.values())


def probes(container: Object) -> dict[str, str]:
    return {
        kind: f"{container[kind]['httpGet']['port']}{container[kind]['httpGet']['path']}"
        for kind in ("startupProbe", "livenessProbe", "readinessProbe")
    }


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(
    ("process", "port", "number"), [("web", "http", 8080), ("worker", "http", 8082), ("gateway", "admin", 8083)]
)
def test_a_process_is_asked_how_it_is(name: str, process: str, port: str, number: int) -> None:
    (container,) = pods(render(name))[f"Deployment/flowforge-{process}"]["spec"]["containers"]
    assert container["args"] == [process]
    assert probes(container) == {
        "startupProbe": f"{port}/health/live",
        "livenessProbe": f"{port}/health/live",
        "readinessProbe": f"{port}/health/ready",
    }
    assert {"name": port, "containerPort": number} in container["ports"]


@pytest.mark.parametrize("name", VALUES)
def test_a_drain_takes_one_pod_of_a_kind_at_most(name: str) -> None:
    budgets = {item["metadata"]["name"]: item["spec"] for item in kinds(render(name), "PodDisruptionBudget")}
    assert set(budgets) == {"flowforge-web", "flowforge-worker", "flowforge-gateway"}
    for deployment, spec in budgets.items():
        assert spec["maxUnavailable"] == 1
        assert spec["selector"] == one(render(name), "Deployment", deployment)["spec"]["selector"]


@pytest.mark.parametrize("name", VALUES)
def test_pods_of_a_kind_are_spread(name: str) -> None:
    for process in ("web", "worker", "gateway"):
        spec = pods(render(name))[f"Deployment/flowforge-{process}"]["spec"]
        keys = [item["topologyKey"] for item in spec["topologySpreadConstraints"]]
        assert keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]


@pytest.mark.parametrize("name", VALUES)
def test_every_selector_finds_exactly_the_pods_of_its_kind(name: str) -> None:
    labels = {key: pod["metadata"]["labels"] for key, pod in pods(render(name)).items()}
    for service in kinds(render(name), "Service"):
        selector = service["spec"]["selector"].items()
        (found,) = (key for key, given in labels.items() if selector <= given.items())
        ports = {port["name"] for item in containers(pods(render(name))[found]) for port in item.get("ports", ())}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
