"""The chart says to FlowForge what FlowForge understands, and what the values say."""

import json

import pytest
import yaml

from app.settings import CommonSettings, GatewaySettings, ServiceSettings, Settings
from tests.chart.objects import containers, environment, pods
from tests.chart.render import CHART, VALUES, Object, objects, render, values

KNOWN = {f"FLOWFORGE_{name.upper()}" for name in Settings.model_fields} | {"FLOWFORGE_SECRETS_DIR"}


def env(name: str, process: str) -> dict[str, str]:
    (container,) = pods(render(name))[f"Deployment/flowforge-{process}"]["spec"]["containers"]
    return environment(container)


@pytest.mark.parametrize("name", VALUES)
def test_every_name_is_a_setting(name: str) -> None:
    for key, template in pods(render(name)).items():
        if not key.startswith("StatefulSet/"):
            for container in containers(template):
                assert set(environment(container)) <= KNOWN


@pytest.mark.parametrize("name", VALUES)
def test_each_process_gets_what_it_cannot_do_without(name: str) -> None:
    needed: dict[str, type[CommonSettings]] = {
        "web": ServiceSettings,
        "worker": ServiceSettings,
        "gateway": GatewaySettings,
    }
    for process, kind in needed.items():
        required = {name for name, field in kind.model_fields.items() if field.is_required()}
        (volume, *_) = pods(render(name))[f"Deployment/flowforge-{process}"]["spec"]["volumes"]
        files = {
            item["path"]
            for source in volume["projected"]["sources"]
            for item in source.get("secret", {}).get("items", ())
        }
        if name == "gvisor":
            files = {f"flowforge_{secret}" for secret in required}
        assert {f"FLOWFORGE_{setting.upper()}" for setting in required} <= {*env(name, process), *map(str.upper, files)}


def test_the_charts_defaults_are_flowforges() -> None:
    """A default that differs would be a second truth."""
    given = env("minimal", "worker")
    chosen = {
        "FLOWFORGE_GATEWAY_URL",
        "FLOWFORGE_GITHUB_APP_ID",
        "FLOWFORGE_GITHUB_APP_SLUG",
        "FLOWFORGE_HOST",
        "FLOWFORGE_RUNNER",
        "FLOWFORGE_RUN_IMAGE",
        "FLOWFORGE_SECRETS_DIR",
        "FLOWFORGE_WORKER_HOST",
    }
    defaults = {f"FLOWFORGE_{name.upper()}": field.default for name, field in Settings.model_fields.items()}
    for name, text in given.items():
        if name not in chosen:
            assert text_of(defaults[name]) == normal(text), name


def text_of(default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(str(item) for item in default)
    return normal(str(default))


def normal(text: str) -> str:
    """``1800.0`` and ``1800``, ``True`` and ``true`` are the same setting."""
    return text.removesuffix(".0").replace("True", "true").replace("False", "false")


def test_production_says_what_its_values_say_of_runs() -> None:
    given = env("production", "worker")
    runs = values("production")["runs"]
    assert given["FLOWFORGE_RUN_IMAGE"] == runs["image"]
    assert given["FLOWFORGE_CLUSTER_QUEUE"] == "flowforge"
    assert given["FLOWFORGE_CLUSTER_IMAGE_PULL_SECRETS"] == "registry"
    assert given["FLOWFORGE_PROBE_TARGETS"] == "vault.vault.svc:8200"
    assert json.loads(given["FLOWFORGE_CLUSTER_NODE_SELECTOR"]) == runs["nodeSelector"]
    assert json.loads(given["FLOWFORGE_CLUSTER_TOLERATIONS"]) == runs["tolerations"]


def test_gvisor_is_the_runs_runtime_class() -> None:
    given = env("gvisor", "worker")
    assert given["FLOWFORGE_CLUSTER_RUNTIME_CLASS"] == "gvisor"
    assert given["FLOWFORGE_CLUSTER_USER_NAMESPACE"] == "true"
    assert json.loads(given["FLOWFORGE_CLUSTER_AFFINITY"]) == values("gvisor")["runs"]["affinity"]
    assert "runtimeClassName" not in pods(render("gvisor"))["Deployment/flowforge-worker"]["spec"]


@pytest.mark.parametrize("name", VALUES)
def test_a_sandbox_is_told_the_gateways_service(name: str) -> None:
    addresses = {env(name, process)["FLOWFORGE_GATEWAY_URL"] for process in ("web", "worker", "gateway")}
    assert addresses == {"http://flowforge-gateway.flowforge.svc:8081"}


def test_names_follow_the_release() -> None:
    found = objects(values("minimal"), name="two", namespace="elsewhere")
    (container,) = pods(found)["Deployment/two-flowforge-worker"]["spec"]["containers"]
    assert environment(container)["FLOWFORGE_GATEWAY_URL"] == "http://two-flowforge-gateway.elsewhere.svc:8081"


def deployments(given: Object) -> Object:
    return {item["metadata"]["name"]: item["spec"] for item in objects(given) if item["kind"] == "Deployment"}


def test_what_scales_by_itself_has_no_fixed_number() -> None:
    scaled = deployments(values("production"))
    assert "replicas" not in scaled["flowforge-web"]
    assert "replicas" not in scaled["flowforge-worker"]
    assert scaled["flowforge-gateway"]["replicas"] == 2
    assert {name: spec["replicas"] for name, spec in deployments(values("minimal")).items()} == {
        "flowforge-web": 1,
        "flowforge-worker": 1,
        "flowforge-gateway": 1,
    }


def test_a_volume_for_one_pod_is_given_up_before_the_next_takes_it() -> None:
    strategies = {name: deployments(values(name))["flowforge-worker"]["strategy"]["type"] for name in VALUES}
    assert strategies == {
        "external": "Recreate",
        "gvisor": "RollingUpdate",
        "k3s": "Recreate",
        "minimal": "RollingUpdate",
        "production": "RollingUpdate",
    }


def test_the_charts_version_is_flowforges() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    project = (CHART.parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{chart["appVersion"]}"\n' in project


@pytest.mark.parametrize("name", VALUES)
def test_tables_are_made_before_what_needs_them(name: str) -> None:
    jobs = [item for item in render(name) if item["kind"] == "Job"]
    first = [
        [
            container["args"]
            for container in pods(render(name))[f"Deployment/flowforge-{process}"]["spec"].get("initContainers", ())
        ]
        for process in ("web", "worker", "gateway")
    ]
    if name == "k3s":  # its database comes with the release, after any hook
        assert not jobs
        assert first == [[["migrate"]]] * 3
    else:
        assert first == [[], [], []]
        (job,) = jobs
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert containers(job["spec"]["template"])[0]["args"] == ["migrate"]


@pytest.mark.parametrize("name", VALUES)
def test_what_the_migration_needs_is_there_before_it(name: str) -> None:
    """Hooks run before anything else of the release exists."""
    for item in render(name):
        if item["metadata"]["name"] == "flowforge-migrate" and item["kind"] != "Job":
            assert item["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
            assert int(item["metadata"]["annotations"]["helm.sh/hook-weight"]) < 0


@pytest.mark.parametrize(("replicas", "keda", "parts"), [(3, False, "3"), (3, True, "8"), (40, False, "16")])
def test_each_worker_knows_how_many_may_ask_github(replicas: int, keda: bool, parts: str) -> None:
    """The pace is divided by the most workers there may be: KEDA's where it scales them, 16 at most."""
    given = values("production")
    worker = {**given["worker"], "replicas": replicas, "keda": {**given["worker"]["keda"], "enabled": keda}}
    (container,) = pods(objects({**given, "worker": worker}))["Deployment/flowforge-worker"]["spec"]["containers"]
    assert environment(container)["FLOWFORGE_FORGE_PROCESSES"] == parts
