"""Every object that the chart renders passes a real API server's admission, in a dry run."""

import pytest

from tests.chart.render import NAMESPACE, VALUES, Object, render
from tests.chart.test_valid import OTHERS
from tests.cluster.plane import Plane

WORKLOADS = frozenset({"Deployment", "StatefulSet", "Job"})


def restricted(name: str) -> Object:
    labels = {f"pod-security.kubernetes.io/{level}": "restricted" for level in ("enforce", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod_of(workload: Object) -> Object:
    """The pod that a controller would make: of a Deployment the server takes any template."""
    template = workload["spec"]["template"]
    claims = [claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ())]
    volumes = [*template["spec"].get("volumes", ()), *({"name": name, "emptyDir": {}} for name in claims)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": workload["metadata"]["name"], "namespace": NAMESPACE},
        "spec": {**template["spec"], "volumes": volumes, "serviceAccountName": "default"},
    }


@pytest.mark.parametrize("name", VALUES)
def test_every_object_and_every_pod_is_admitted(plane: Plane, name: str) -> None:
    objects = [thing for thing in render(name) if thing["kind"] not in OTHERS]
    # What comes into a namespace is looked at in it, so it has to be there.
    plane.admin.apply(restricted(NAMESPACE), *(thing for thing in objects if thing["kind"] == "Namespace"))
    assert {"Deployment", "NetworkPolicy", "Role", "ResourceQuota"} <= {thing["kind"] for thing in objects}
    for thing in objects:
        (taken,) = plane.admin.apply(thing, dry_run=True)
        assert taken["metadata"]["name"] == thing["metadata"]["name"]
    pods = [pod_of(thing) for thing in objects if thing["kind"] in WORKLOADS]
    assert len(pods) >= 3
    plane.admin.apply(*pods, dry_run=True)
