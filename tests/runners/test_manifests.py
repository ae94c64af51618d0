"""The Job of a run, as it goes to the API server."""

import json
from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest

from bot.errors import SandboxError
from bot.model.runs import RunKind, RunLimits, RunTask
from runners.manifests import QUEUE_LABEL, Placement, make_job
from runners.sandbox import PROBE_LABEL, SandboxSpec
from tests.conftest import Golden

VERSIONS = ("1.34", "1.35", "1.36", "1.37")
LIMITS = RunLimits(
    deadline_seconds=1800.5,
    stall_seconds=600,
    budget_usd=5.0,
    max_turns=40,
    max_workspace_bytes=2**26,
    max_result_bytes=2**24,
    max_result_files=500,
    max_log_bytes=2**25,
)
TASK = RunTask(
    run_id="0123456789abcdef0123456789abcdef",
    token="the-run-token-of-this-test",
    gateway_url="http://flowforge-gateway.flowforge.svc:8081",
    model="claude-sonnet-5-5",
    limits=LIMITS,
)
SPEC = SandboxSpec(
    image="registry.example/flowforge/guest@sha256:" + "0" * 64,
    instance="7f3a",
    cpus=2.0,
    memory_bytes=2 * 2**30,
    pids=512,
    disk_bytes=4 * 2**30,
)
PLACEMENT = Placement(
    namespace="flowforge-runs",
    service_account="flowforge-run",
    gateway_host="flowforge-gateway.flowforge.svc",
    gateway_ip="10.96.0.17",
)
EVERYTHING = replace(
    PLACEMENT,
    image_pull_policy="Always",
    image_pull_secrets=("registry",),
    runtime_class="gvisor",
    node_selector={"flowforge.dev/pool": "runs"},
    tolerations=({"key": "flowforge.dev/runs", "operator": "Exists", "effect": "NoSchedule"},),
    affinity={
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]
            }
        }
    },
    queue="runs",
    user_namespace=True,
)
JOBS = {
    "agent": make_job(TASK, SPEC, PLACEMENT),
    "test": make_job(replace(TASK, kind=RunKind.TEST), SPEC, PLACEMENT),
    "probe": make_job(replace(TASK, kind=RunKind.TEST, probe='{"targets": []}'), SPEC, PLACEMENT),
    "everything": make_job(TASK, SPEC, EVERYTHING),
    "probe_of_everything": make_job(replace(TASK, probe='{"targets": []}'), SPEC, EVERYTHING),
}


@pytest.mark.parametrize("name", sorted(JOBS))
def test_the_job_is_as_in_its_golden_file(golden: Golden, name: str) -> None:
    golden.check(f"manifests/{name}.json", json.dumps(JOBS[name], indent=2) + "\n")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", sorted(JOBS))
def test_the_schemas_of_kubernetes_accept_it_strictly(name: str, version: str) -> None:
    kubernetes_validate.validate(JOBS[name], version, strict=True)


def test_the_schemas_refuse_what_is_misspelt() -> None:
    job = json.loads(json.dumps(JOBS["agent"]))
    job["spec"]["template"]["spec"]["automountServiceAccountTokens"] = False
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, VERSIONS[-1], strict=True)


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = job["spec"]["template"]["spec"]
    return pod


def test_the_token_is_in_one_variable_and_nowhere_else() -> None:
    job = json.loads(json.dumps(JOBS["everything"]))
    (container,) = pod_of(job)["containers"]
    holding = [variable["name"] for variable in container["env"] if TASK.token in variable["value"]]
    assert holding == ["FLOWFORGE_RUN_TOKEN"]
    container["env"] = []
    assert TASK.token not in json.dumps(job)


def test_a_probe_says_that_it_is_one_and_does_not_queue_behind_runs() -> None:
    probe, run = JOBS["probe_of_everything"], JOBS["everything"]
    for thing in (probe, probe["spec"]["template"]):
        assert thing["metadata"]["labels"][PROBE_LABEL] == "true"
    assert QUEUE_LABEL not in probe["metadata"]["labels"]
    assert "suspend" not in probe["spec"]
    assert (run["metadata"]["labels"][QUEUE_LABEL], run["spec"]["suspend"]) == ("runs", True)
    assert PROBE_LABEL not in json.dumps(run)


def test_an_address_as_the_gateway_needs_no_name() -> None:
    job = make_job(TASK, SPEC, replace(PLACEMENT, gateway_host="10.96.0.17"))
    assert "hostAliases" not in pod_of(job)


def test_a_part_of_a_second_is_not_cut_off() -> None:
    assert JOBS["agent"]["spec"]["activeDeadlineSeconds"] == 1801 + 600 + 120


def test_a_direct_call_has_no_job() -> None:
    with pytest.raises(SandboxError):
        make_job(replace(TASK, kind=RunKind.DIRECT), SPEC, PLACEMENT)
