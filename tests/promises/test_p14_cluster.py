"""P14 in a cluster: a network that enforces nothing is found out by a worker as it is wired, and no Job is made."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from app.http.server import serving_loopback
from app.settings import RunnerKind
from app.wiring import FlowForge, open_flowforge
from tests.app.jobs.parts import settings_of
from tests.promises.conftest import Pods
from tests.promises.listeners import Ears, listening_at
from tests.promises.test_p3_only_the_gateway import DNS, found_in, given
from tests.promises.test_p14_no_control_no_run import metric, ready, refusal

pytestmark = pytest.mark.xdist_group("cluster")


@dataclass(frozen=True)
class Case:
    """A worker as it is wired, and what listens where no pod may get."""

    pods: Pods
    instance: FlowForge
    ears: Ears

    @contextlib.contextmanager
    def without_policies(self) -> Iterator[None]:
        """As on a network plugin that does not know of policies."""
        admin, namespace = self.pods.bench.plane.admin, self.pods.bench.namespace
        policies = admin.items("NetworkPolicy", namespace)
        assert policies
        for policy in policies:
            admin.remove("NetworkPolicy", policy["metadata"]["name"], namespace)
        yield
        for policy in policies:
            about = {name: policy["metadata"][name] for name in ("name", "namespace")}
            admin.apply(
                {
                    "apiVersion": "networking.k8s.io/v1",
                    "kind": "NetworkPolicy",
                    "metadata": about,
                    "spec": policy["spec"],
                }
            )


@pytest.fixture
async def case(pods: Pods, imported_image: str, tmp_path: Path) -> AsyncIterator[Case]:
    bench, host = pods.bench, pods.cluster.node.network.host
    (tmp_path / "data").mkdir()
    async with listening_at(host, udp=DNS) as ears:
        settings = settings_of(
            tmp_path,
            database_url=bench.bench.url,
            redis_url="redis://127.0.0.1:9/0",
            gateway_url=f"http://{host}:{urlsplit(bench.gateway_url).port}",
            runner=RunnerKind.CLUSTER,
            run_image=imported_image,
            run_memory_bytes=2**30,
            run_disk_bytes=2**30,
            cluster_kubeconfig=bench.kubeconfig,
            cluster_context="test",
            cluster_namespace=bench.namespace,
            probe_targets=(f"{host}:{ears.tcp}",),
        )
        async with open_flowforge(settings, worker="this test") as instance:
            yield Case(pods, instance, ears)


async def test_where_no_policy_is_enforced_no_job_is_made(case: Case) -> None:
    """ADV-070; and the control of ADV-019: without policies a pod's question does reach the name server."""
    isolation, bench = case.instance.isolation, case.pods.bench
    assert isolation is not None
    with case.without_policies():
        report = await isolation.look()
        assert [one for one in report.violations if one.name.startswith("a forbidden address")], report
        detail = await refusal(case.instance)
        assert detail.startswith("sandboxes are not isolated: ")
        async with (
            serving_loopback(case.instance.watch) as url,
            httpx.AsyncClient(base_url=url, trust_env=False) as http,
        ):
            assert await ready(http) == (503, detail)
            assert await metric(http) == "0.0"
        case.ears.heard.clear()
        questions = given({"udp": [[case.ears.host, DNS]]})
        task, job_id = await bench.prepare_commands([["python3", "reach.py"]], questions)
        worker = bench.worker()
        await worker.supervisor.launch(task, job_id=job_id)
        found_in(await bench.bench.ended(task.run_id))
        assert any(b"secret" in heard for heard in case.ears.heard)
    case.ears.heard.clear()
    report = await isolation.look()
    assert report.reason() is None
    assert isolation.reason() is None
    assert case.ears.heard == []
    assert (bench.jobs(), bench.pods()) == ([], [])
