"""P14 for pods: whatever is wrong with one is refused, by the real API server, by our own rules, or by the probe."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.runs import RunKind
from runners.manifests import Placement, make_job
from runners.sandbox import SandboxSpec
from tests.cluster.api import ApiError
from tests.cluster.plane import Plane
from tests.promises.pod_rules import Pod, faults
from tests.runners.test_manifests import EVERYTHING, PLACEMENT, SPEC, TASK

GVISOR = replace(PLACEMENT, runtime_class="gvisor")
Change = Callable[[Pod, Pod], object]
"""Spoils a pod's spec; its second argument is the container's security context."""

REFUSED_BY_THE_SERVER: dict[str, Change] = {
    "privileged": lambda _pod, inside: inside.update(privileged=True, allowPrivilegeEscalation=True),
    "hostPath": lambda pod, _: pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    "hostNetwork": lambda pod, _: pod.update(hostNetwork=True),
    "hostPID": lambda pod, _: pod.update(hostPID=True),
    "runAsUser 0": lambda pod, _: pod["securityContext"].update(runAsUser=0),
    "runAsNonRoot unset": lambda pod, _: pod["securityContext"].pop("runAsNonRoot"),
    "add NET_RAW": lambda _pod, inside: inside.update(capabilities={"drop": ["ALL"], "add": ["NET_RAW"]}),
    "drop nothing": lambda _pod, inside: inside.pop("capabilities"),
    "escalation": lambda _pod, inside: inside.pop("allowPrivilegeEscalation"),
    "seccomp unset": lambda pod, _: pod["securityContext"].pop("seccompProfile"),
    "seccomp unconfined": lambda _pod, inside: inside.update(seccompProfile={"type": "Unconfined"}),
}
"""What Pod Security *restricted* forbids."""

LEFT_TO_US: dict[str, Change] = {
    "readOnlyRootFilesystem false": lambda _pod, inside: inside.update(readOnlyRootFilesystem=False),
    "runtimeClassName unset": lambda pod, _: pod.pop("runtimeClassName"),
    "secret volume": lambda pod, _: pod["volumes"].append({"name": "s", "secret": {"secretName": "app-key"}}),
    "service account's token": lambda pod, _: pod.pop("automountServiceAccountToken"),
    "service links": lambda pod, _: pod.pop("enableServiceLinks"),
    "DNS": lambda pod, _: pod.update(dnsPolicy="ClusterFirst"),
    "a variable from a secret": lambda pod, _: pod["containers"][0]["env"].append(
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "app-key", "key": "pem"}}}
    ),
    "a second container": lambda pod, _: pod["containers"].append({**pod["containers"][0], "name": "second"}),
    "no limits": lambda pod, _: pod["containers"][0]["resources"].update(limits={}),
    "a volume without a limit": lambda pod, _: pod["volumes"][0].update(emptyDir={}),
}
"""What it does not know of."""


def pod_of(job: dict[str, Any]) -> Pod:
    found: Pod = copy.deepcopy(job["spec"]["template"]["spec"])
    return found


def spoilt(change: Change) -> Pod:
    pod = pod_of(make_job(TASK, SPEC, GVISOR))
    change(pod, pod["containers"][0]["securityContext"])
    return pod


@pytest.mark.parametrize("name", [*REFUSED_BY_THE_SERVER, *LEFT_TO_US])
def test_our_rules_name_whatever_is_wrong(name: str) -> None:
    """ADV-068: a change of the one builder that opened a wall would not pass."""
    assert faults(spoilt((REFUSED_BY_THE_SERVER | LEFT_TO_US)[name]), runtime_class="gvisor") != []


TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
PLACEMENTS = st.builds(
    Placement,
    namespace=TEXTS,
    service_account=TEXTS,
    gateway_host=TEXTS,
    gateway_ip=TEXTS,
    pending_seconds=st.floats(min_value=1, max_value=10**6),
    image_pull_policy=st.sampled_from(["Always", "IfNotPresent", "Never"]),
    image_pull_secrets=st.lists(TEXTS, max_size=2).map(tuple),
    runtime_class=st.none() | TEXTS.filter(bool),
    node_selector=st.dictionaries(TEXTS, TEXTS, max_size=2),
    tolerations=st.lists(st.dictionaries(TEXTS, TEXTS, max_size=2), max_size=2).map(tuple),
    affinity=st.none() | st.dictionaries(TEXTS, TEXTS, max_size=2),
    queue=st.none() | TEXTS,
    user_namespace=st.booleans(),
)
SPECS = st.builds(
    SandboxSpec,
    image=TEXTS,
    instance=TEXTS,
    cpus=st.floats(min_value=0.1, max_value=100),
    memory_bytes=st.integers(1, 2**40),
    pids=st.integers(1, 10**6),
    disk_bytes=st.integers(1, 2**45),
)
TASKS = st.builds(
    lambda model, url, token, kind, probe: replace(
        TASK, model=model, gateway_url=url, token=token, kind=kind, probe=probe
    ),
    TEXTS,
    TEXTS,
    TEXTS,
    st.sampled_from([kind for kind in RunKind if kind is not RunKind.DIRECT]),
    st.just("") | TEXTS,
)


@given(task=TASKS, spec=SPECS, placement=PLACEMENTS)
def test_no_settings_and_no_task_make_another_pod(task: Any, spec: SandboxSpec, placement: Placement) -> None:
    pod = pod_of(make_job(task, spec, placement))
    assert faults(pod, runtime_class=placement.runtime_class) == []


def created(plane: Plane, namespace: str, pod: Pod) -> None:
    """Ask the API server for a pod, with all admission, and without one coming to be."""
    path = plane.admin.path("Pod", namespace)
    about = {"generateName": "ff-run-", "namespace": namespace}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": pod | {"serviceAccountName": "default"}}
    plane.admin.request("POST", path, json=body, params={"dryRun": "All"})


@pytest.mark.xdist_group("cluster")
def test_the_api_server_takes_no_pod_that_restricted_forbids(plane: Plane, plane_namespace: str) -> None:
    about = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "gvisor"}}
    plane.admin.apply({**about, "handler": "runsc"})
    created(plane, plane_namespace, pod_of(make_job(TASK, SPEC, replace(EVERYTHING, queue=None))))
    for name, change in REFUSED_BY_THE_SERVER.items():
        with pytest.raises(ApiError, match="violates PodSecurity") as refused:
            created(plane, plane_namespace, spoilt(change))
        assert refused.value.status == 403, name
    for name, change in LEFT_TO_US.items():
        # So that nobody takes the server's word for more than it says.
        try:
            created(plane, plane_namespace, spoilt(change))
        except ApiError as error:
            raise AssertionError(f"{name} moved: the API server refuses it now: {error}") from error
    plane.admin.remove("RuntimeClass", "gvisor")
