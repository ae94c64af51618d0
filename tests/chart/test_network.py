"""Who may talk to whom. Whether a cluster's network plugin enforces it is for the isolation probe."""

import pytest

from tests.chart.objects import kinds, one, pods
from tests.chart.render import VALUES, Object, objects, render, values

RUN = {"matchLabels": {"app.kubernetes.io/name": "flowforge-run"}}


def of_runs(found: list[Object]) -> dict[str, Object]:
    policies = kinds(found, "NetworkPolicy")
    return {
        item["metadata"]["name"]: item["spec"] for item in policies if item["metadata"]["namespace"] == "flowforge-runs"
    }


def ours(name: str, component: str) -> Object:
    spec: Object = one(render(name), "NetworkPolicy", f"flowforge-{component}")["spec"]
    return spec


def component(spec: Object) -> str:
    return str(spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"])


@pytest.mark.parametrize("name", VALUES)
def test_nothing_goes_in_or_out_of_the_runs_namespace(name: str) -> None:
    assert of_runs(render(name))["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("name", VALUES)
def test_the_one_exception_is_the_gateways_port_for_runs(name: str) -> None:
    policies = of_runs(render(name))
    assert set(policies) == {"default-deny", "runs-to-gateway"}
    spec = policies["runs-to-gateway"]
    assert spec["podSelector"] == RUN
    assert spec["policyTypes"] == ["Egress"]
    (rule,) = spec["egress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 8081}]
    (peer,) = rule["to"]
    assert peer["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "flowforge"}}
    gateway = pods(render(name))["Deployment/flowforge-gateway"]["metadata"]["labels"]
    assert peer["podSelector"]["matchLabels"].items() <= gateway.items()
    assert component(peer) == "gateway"


def test_the_policies_of_runs_cannot_be_switched_off() -> None:
    found = objects(values("minimal") | {"networkPolicy": {"enabled": False}})
    assert set(of_runs(found)) == {"default-deny", "runs-to-gateway"}
    assert len(kinds(found, "NetworkPolicy")) == 2


@pytest.mark.parametrize("name", VALUES)
def test_runs_and_workers_reach_the_gateway_and_monitoring_its_other_port(name: str) -> None:
    sandboxes, *monitoring = ours(name, "gateway")["ingress"]
    assert sandboxes["ports"] == [{"protocol": "TCP", "port": "gateway"}]
    runs, workers = sandboxes["from"]
    assert runs == {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "flowforge-runs"}},
        "podSelector": RUN,
    }
    assert set(workers) == {"podSelector"}
    assert component(workers) == "worker"
    for rule in monitoring:
        assert rule["ports"] == [{"protocol": "TCP", "port": "admin"}]
        assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert len(monitoring) == (0 if name == "k3s" else 1)


@pytest.mark.parametrize("name", VALUES)
def test_nobody_calls_a_worker_but_monitoring(name: str) -> None:
    rules = ours(name, "worker")["ingress"] or []
    assert [rule["from"] for rule in rules] == (
        []
        if name == "k3s"
        else [[{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]]
    )


@pytest.mark.parametrize("name", VALUES)
def test_every_process_has_a_policy_for_both_directions(name: str) -> None:
    selected = {
        component(item["spec"]): item["spec"]
        for item in kinds(render(name), "NetworkPolicy")
        if item["metadata"]["namespace"] == "flowforge"
    }
    assert set(selected) == {
        pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods(render(name)).values()
    }
    assert all(spec["policyTypes"] == ["Ingress", "Egress"] for spec in selected.values())


@pytest.mark.parametrize("name", VALUES)
def test_no_process_reaches_the_metadata_address_by_default(name: str) -> None:
    for process in ("web", "worker", "gateway"):
        blocks = [
            peer["ipBlock"]
            for rule in ours(name, process)["egress"]
            for peer in rule.get("to", ())
            if "ipBlock" in peer
        ]
        wide = [block for block in blocks if block["cidr"] == "0.0.0.0/0"]
        assert wide
        assert all("169.254.0.0/16" in block["except"] for block in wide)


def test_the_gateway_reaches_neither_redis_nor_the_kubernetes_api() -> None:
    ports = {port["port"] for rule in ours("minimal", "gateway")["egress"] for port in rule["ports"]}
    assert ports == {53, 5432, 443}


def test_only_workers_reach_the_kubernetes_api() -> None:
    def ports(process: str) -> set[int]:
        return {port["port"] for rule in ours("minimal", process)["egress"] for port in rule["ports"]}

    assert [process for process in ("web", "worker", "gateway", "migrate") if 6443 in ports(process)] == ["worker"]


def test_outside_reaches_the_webhooks_only() -> None:
    (ingress,) = kinds(render("production"), "Ingress")
    (rule,) = ingress["spec"]["rules"]
    assert [path["path"] for path in rule["http"]["paths"]] == ["/webhooks"]
    assert ingress["spec"]["tls"] == [{"hosts": ["flowforge.example.com"], "secretName": "flowforge-tls"}]


@pytest.mark.parametrize("name", VALUES)
def test_a_sandboxs_address_has_one_port_and_keeps_a_client_on_one_pod(name: str) -> None:
    spec = one(render(name), "Service", "flowforge-gateway")["spec"]
    assert [port["port"] for port in spec["ports"]] == [8081]
    assert spec["sessionAffinity"] == "ClientIP"
