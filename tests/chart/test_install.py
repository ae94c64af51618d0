"""The chart is installed, upgraded and removed by Helm on a real API server with all admission on.

No node is there, so no pod runs: the migration, for which Helm would wait, is left out.
"""

import base64
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import helm_python
import pytest

from runners.backends.cluster.api import ClusterApi
from runners.backends.cluster.rights import check_rights
from tests.chart.render import CHART, RELEASE, Object, values
from tests.chart.test_values import merged
from tests.cluster.api import Api, ApiError, until
from tests.cluster.plane import Plane, plane_obstacle, running_plane

PODS: Final = {
    "external": {"web", "worker", "gateway"},
    "gvisor": {"web", "worker", "gateway"},
    "k3s": {"web", "worker", "gateway", "postgresql", "redis"},
    "minimal": {"web", "worker", "gateway"},
}
"""The values that need nothing of other programs in the cluster, and whose pods come of them."""
SHUT: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
pytestmark = pytest.mark.xdist_group("cluster")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A release: Helm's access to it, its values, and its two namespaces."""

    helm: helm_python.Config
    given: Object
    own: str
    runs: str


@pytest.fixture(scope="module")
def plane() -> Iterator[Plane]:
    """A control plane."""
    if obstacle := plane_obstacle():
        pytest.skip(f"no control plane: {obstacle}")
    with running_plane() as plane:
        yield plane


@contextmanager
def installed(plane: Plane, name: str) -> Iterator[Installed]:
    """A release with ``ci/<name>-values.yaml`` in namespaces of its own; Pod Security is *restricted* in both."""
    own = plane.namespace(f"flowforge-{secrets.token_hex(4)}")
    runs = f"{own}-runs"
    given = merged(values(name), {"migrate": {"enabled": False}, "runs": {"namespace": {"name": runs}}})
    with helm_python.Config(kubeconfig_path=plane.admin_kubeconfig, namespace=own) as helm:
        helm.install(CHART, RELEASE, given, namespace=own, timeout=60)
        yield Installed(helm=helm, given=given, own=own, runs=runs)


@pytest.fixture(scope="module")
def release(plane: Plane) -> Iterator[Installed]:
    """One release for all tests that only look."""
    with installed(plane, "minimal") as release:
        yield release


def components(api: Api, namespace: str) -> set[str]:
    """Whose pods admission let in."""
    return {item["metadata"]["labels"]["app.kubernetes.io/component"] for item in api.items("Pod", namespace)}


@pytest.mark.parametrize("name", PODS)
def test_helm_installs_upgrades_and_removes_it(plane: Plane, name: str) -> None:
    with installed(plane, name) as release:
        until(lambda: components(plane.admin, release.own) == PODS[name], "the pods that restricted lets in")
        labels = plane.admin.read("Namespace", release.runs)["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        policies = {item["metadata"]["name"] for item in plane.admin.items("NetworkPolicy", release.runs)}
        assert policies == {"default-deny", "runs-to-gateway"}
        changed = merged(release.given, {"logLevel": "DEBUG"})
        release.helm.upgrade(CHART, RELEASE, changed, namespace=release.own, timeout=60)
        assert release.helm.status(RELEASE)["revision"] == 2
        release.helm.uninstall(RELEASE, timeout=60)
        for kind in ("Deployment", "NetworkPolicy", "Service", "Secret", "RoleBinding"):
            assert plane.admin.items(kind, release.own) == []
        assert plane.admin.read("Namespace", release.runs)["status"]["phase"] == "Terminating"


def test_an_upgrade_keeps_the_passwords_that_were_made(plane: Plane) -> None:
    def password(namespace: str) -> str:
        data = plane.admin.read("Secret", "flowforge-evaluation", namespace)["data"]
        return base64.b64decode(data["postgres_password"]).decode()

    with installed(plane, "k3s") as release:
        first = password(release.own)
        release.helm.upgrade(CHART, RELEASE, release.given, namespace=release.own, timeout=60)
        assert password(release.own) == first


def refused(api: Api, method: str, path: str, **more: object) -> bool:
    try:
        api.request(method, path, **more)
    except ApiError as error:
        return error.status == 403
    return False


def pod(namespace: str, **container: object) -> Object:
    described = {"name": "run", "image": "localhost/none:1", **container}
    spec = {"restartPolicy": "Never", "containers": [described]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "run", "namespace": namespace}, "spec": spec}


def test_a_workers_token_is_good_for_runs(plane: Plane, release: Installed) -> None:
    worker = plane.api(plane.token(release.own, "flowforge-worker"))
    about = {"name": "harmless", "namespace": release.runs}
    template = {"spec": pod(release.runs, securityContext=SHUT)["spec"]}
    worker.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": about, "spec": {"template": template}})
    assert worker.read("Job", "harmless", release.runs)["metadata"]["name"] == "harmless"
    (made,) = until(lambda: worker.items("Pod", release.runs), "the pod of the job")
    assert until(lambda: worker.events(release.runs, "harmless"), "the events of the job")
    worker.remove("Pod", made["metadata"]["name"], release.runs)
    worker.remove("Job", "harmless", release.runs)


def test_a_workers_token_is_good_for_nothing_else(plane: Plane, release: Installed) -> None:
    worker = plane.api(plane.token(release.own, "flowforge-worker"))
    runs = f"/api/v1/namespaces/{release.runs}"
    policies = f"/apis/networking.k8s.io/v1/namespaces/{release.runs}/networkpolicies"
    assert not refused(worker, "GET", f"{runs}/pods")
    assert refused(worker, "GET", f"{runs}/secrets")
    assert refused(worker, "GET", f"{runs}/configmaps")
    assert refused(worker, "POST", f"{runs}/pods", json=pod(release.runs))
    assert refused(worker, "POST", f"{runs}/pods/run/exec")
    assert refused(worker, "DELETE", f"{policies}/default-deny")
    assert refused(worker, "GET", f"/api/v1/namespaces/{release.own}/pods")
    assert refused(worker, "GET", f"/api/v1/namespaces/{release.own}/secrets")
    assert refused(worker, "GET", "/api/v1/nodes")


async def test_the_workers_own_look_at_its_rights_finds_them_just_right(plane: Plane, release: Installed) -> None:
    kubeconfig = plane.kubeconfig(release.own, "flowforge-worker")
    api = ClusterApi.open(release.runs, kubeconfig=kubeconfig, context=None)
    try:
        assert await check_rights(api) == []
    finally:
        await api.close()


@pytest.mark.parametrize("account", ["web", "gateway"])
def test_the_tokens_of_the_others_are_good_for_nothing(plane: Plane, release: Installed, account: str) -> None:
    api = plane.api(plane.token(release.own, f"flowforge-{account}"))
    for namespace in (release.runs, release.own):
        assert refused(api, "GET", f"/api/v1/namespaces/{namespace}/pods")
        assert refused(api, "GET", f"/apis/batch/v1/namespaces/{namespace}/jobs")


def test_a_pod_that_is_not_restricted_does_not_come_into_the_runs_namespace(plane: Plane, release: Installed) -> None:
    with pytest.raises(ApiError, match="violates PodSecurity"):
        plane.admin.create(pod(release.runs, securityContext={"privileged": True}))
