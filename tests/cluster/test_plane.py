"""The control plane of the tests is a real one: it refuses what a cluster refuses."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cluster.api import Api, ApiError, Object, until
from tests.cluster.plane import ADMIN, Plane, running_plane

SHUT = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def job(name: str, namespace: str, **container: Any) -> Object:
    """A Job whose container may be shut or not."""
    described = {"name": "run", "image": "localhost/none:1", "imagePullPolicy": "Never"} | container
    pod = {"restartPolicy": "Never", "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 1}
    template = {"spec": {**pod, "containers": [described]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"backoffLimit": 0, "template": template},
    }


def events(api: Api, namespace: str, about: str, reason: str) -> list[str]:
    """What the events with this reason say of an object."""
    return [each["message"] for each in api.events(namespace, about) if each["reason"] == reason]


def test_a_restricted_namespace_takes_a_job_and_refuses_its_open_pod(plane: Plane, plane_namespace: str) -> None:
    plane.admin.create(job("open", plane_namespace))

    said = until(lambda: events(plane.admin, plane_namespace, "open", "FailedCreate"), "a refused pod")

    assert 'violates PodSecurity "restricted:latest"' in said[0]
    assert plane.admin.items("Pod", plane_namespace) == []


def test_a_shut_pod_is_made_and_waits_for_a_node(plane: Plane, plane_namespace: str) -> None:
    plane.admin.create(job("shut", plane_namespace, securityContext=SHUT))

    (pod,) = until(lambda: plane.admin.items("Pod", plane_namespace), "a pod")

    name = pod["metadata"]["name"]
    said = until(lambda: events(plane.admin, plane_namespace, name, "FailedScheduling"), "the scheduler's word")
    assert "no nodes available" in said[0]


def test_a_service_account_may_only_what_a_role_lets_it(plane: Plane, plane_namespace: str) -> None:
    rules = [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]}]
    about = {"name": "runner", "namespace": plane_namespace}
    group = "rbac.authorization.k8s.io"
    plane.admin.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": about, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": about,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "runner"},
            "subjects": [{"kind": "ServiceAccount", **about}],
        },
    )
    runner = plane.api(plane.token(plane_namespace, "runner"))

    runner.create(job("allowed", plane_namespace, securityContext=SHUT))

    for attempt in (
        lambda: runner.items("Job", plane_namespace),
        lambda: runner.items("Secret", plane_namespace),
        lambda: runner.create(job("elsewhere", "default", securityContext=SHUT)),
    ):
        with pytest.raises(ApiError) as refused:
            attempt()
        assert refused.value.status == httpx.codes.FORBIDDEN


def test_a_token_is_whose_it_says_and_a_made_up_one_is_nobodys(plane: Plane, plane_namespace: str) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

    account = plane.api(plane.token(plane_namespace)).request("POST", path, json=review).json()
    admin = plane.admin.request("POST", path, json=review).json()

    assert account["status"]["userInfo"]["username"] == f"system:serviceaccount:{plane_namespace}:default"
    assert admin["status"]["userInfo"]["username"] == ADMIN
    with pytest.raises(ApiError) as refused:
        plane.api("made-up").items("Pod", plane_namespace)
    assert refused.value.status == httpx.codes.UNAUTHORIZED


def test_a_quota_holds(plane: Plane, plane_namespace: str) -> None:
    about = {"name": "one", "namespace": plane_namespace}
    plane.admin.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": about, "spec": {"hard": {"pods": "1"}}})
    until(lambda: plane.admin.read("ResourceQuota", "one", plane_namespace).get("status", {}).get("used"), "a count")

    plane.admin.create(job("first", plane_namespace, securityContext=SHUT))
    until(lambda: plane.admin.items("Pod", plane_namespace), "the first pod")
    plane.admin.create(job("second", plane_namespace, securityContext=SHUT))

    said = until(lambda: events(plane.admin, plane_namespace, "second", "FailedCreate"), "a refused pod")
    assert "exceeded quota: one" in said[0]


def test_the_api_server_can_be_away_and_knows_all_when_it_is_back() -> None:
    with running_plane() as plane:
        plane.namespace("kept")
        plane.stop_api_server()
        with pytest.raises(httpx.ConnectError):
            plane.admin.items("Pod", "kept")

        plane.start_api_server()

        assert plane.admin.read("Namespace", "kept")["status"]["phase"] == "Active"
        plane.admin.create(job("later", "kept", securityContext=SHUT))
        until(lambda: plane.admin.items("Pod", "kept"), "a pod: the controllers are back too")
        directory = plane.directory
    assert not directory.exists()


KILLED = """
import sys
from tests.cluster.plane import running_plane
with running_plane() as plane:
    print(plane.directory, flush=True)
    sys.stdin.read()
"""


def test_nothing_is_left_of_a_test_that_was_killed() -> None:
    test = subprocess.Popen(
        [sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with test:
        assert test.stdout is not None
        directory = Path(test.stdout.readline().strip())
        assert len(processes_with(str(directory))) == 5  # the keeper and its four programs

        os.kill(test.pid, signal.SIGKILL)

        until(lambda: not directory.exists(), "the end of the files")
        until(lambda: not processes_with(str(directory)), "the end of the programs")


def processes_with(word: str) -> list[int]:
    """The processes that have ``word`` in their command line."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if word.encode() in each.read_bytes():
                found.append(int(each.parent.name))
    return found
