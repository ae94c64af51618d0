"""What Jobs and pods say about a run. The objects are as a real API server gave them, cut to what matters."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.runs import RunOutcome, SandboxExited, SandboxLost, SandboxPending
from runners.backends.cluster.observation import (
    JobView,
    PodRuns,
    PodStuck,
    PodView,
    created_at,
    has_ended,
    is_aged,
    is_finished,
    is_going,
    is_out_of_reach,
    is_suspended,
    job_failure,
    name_of,
    passed_deadline,
    refusals_of,
    run_of,
    uid_of,
    view_of_job,
    view_of_pod,
)

RETRYABLE, TERMINAL = RunOutcome.INFRA_RETRYABLE, RunOutcome.INFRA_TERMINAL


def pod(phase: str, state: dict[str, Any] | None = None, *, going: bool = False, **status: Any) -> dict[str, Any]:
    containers = [] if state is None else [{"name": "guest", "ready": "running" in state, "state": state}]
    return {
        "metadata": {"name": "p", "deletionTimestamp": "2026-11-28T12:00:09Z"} if going else {"name": "p"},
        "status": {"phase": phase, "containerStatuses": containers, **status},
    }


def condition(kind: str, status: str, reason: str = "", message: str = "") -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def ended(code: int, reason: str, **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, **more}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


RUNNING = {"running": {"startedAt": "2026-11-28T12:00:00Z"}}
READY = [condition("Ready", "True"), condition("ContainersReady", "True")]
EVICTION = condition("DisruptionTarget", "True", "EvictionByEvictionAPI", "Eviction API: evicting")

PODS: dict[str, tuple[dict[str, Any], PodView]] = {
    "no node yet": (pod("Pending"), SandboxPending(reason="the pod waits for a node")),
    "no node fits": (
        pod("Pending", conditions=[condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available")]),
        SandboxPending(reason="unschedulable: 0/3 nodes are available"),
    ),
    "held back by a gate": (
        pod("Pending", conditions=[condition("PodScheduled", "False", "SchedulingGated", "gated")]),
        SandboxPending(reason="the queue has not let it run yet", queued=True),
    ),
    "being prepared": (
        pod("Pending", waiting("ContainerCreating")),
        SandboxPending(reason="the node prepares the pod"),
    ),
    "pulling fails": (
        pod("Pending", waiting("ErrImagePull", "not found")),
        PodStuck(reason="image pull: ErrImagePull: not found", outcome=RETRYABLE),
    ),
    "pulling fails again": (
        pod("Pending", waiting("ImagePullBackOff", 'Back-off pulling image "x"')),
        PodStuck(reason='image pull: ImagePullBackOff: Back-off pulling image "x"', outcome=RETRYABLE),
    ),
    "no image and no pulling": (
        pod("Pending", waiting("ErrImageNeverPull", "not present")),
        SandboxLost(outcome=RETRYABLE, detail="image pull: ErrImageNeverPull: not present"),
    ),
    "no such name": (
        pod("Pending", waiting("InvalidImageName", "couldn't parse")),
        SandboxLost(outcome=TERMINAL, detail="image name: InvalidImageName: couldn't parse"),
    ),
    "root in the image": (
        pod("Pending", waiting("CreateContainerConfigError", "image will run as root")),
        PodStuck(reason="container: CreateContainerConfigError: image will run as root", outcome=TERMINAL),
    ),
    "runtime in trouble": (
        pod("Pending", waiting("CreateContainerError", "context deadline exceeded")),
        PodStuck(reason="container: CreateContainerError: context deadline exceeded", outcome=RETRYABLE),
    ),
    "nothing to execute": (
        pod("Failed", ended(128, "StartError", message="exec: no such file")),
        SandboxLost(outcome=RETRYABLE, detail="the container did not start: StartError: exec: no such file"),
    ),
    "ended well": (pod("Succeeded", ended(0, "Completed")), SandboxExited(exit_code=0, signal=None)),
    "ended badly": (pod("Failed", ended(70, "Error")), SandboxExited(exit_code=70, signal=None)),
    "ended a moment ago": (pod("Running", ended(1, "Error")), SandboxExited(exit_code=1, signal=None)),
    "killed": (pod("Failed", ended(137, "Error")), SandboxExited(exit_code=None, signal=9)),
    "a signal that is named": (pod("Failed", ended(0, "Error", signal=15)), SandboxExited(exit_code=None, signal=15)),
    "out of memory": (
        pod("Failed", ended(137, "OOMKilled")),
        SandboxExited(exit_code=None, signal=9, out_of_memory=True),
    ),
    "out of memory below": (
        pod("Failed", ended(71, "OOMKilled")),
        SandboxExited(exit_code=71, signal=None, out_of_memory=True),
    ),
    "evicted by the kubelet": (
        pod("Failed", reason="Evicted", message="The node was low on resource: memory."),
        SandboxLost(outcome=RETRYABLE, detail="the pod was taken away: Evicted: The node was low on resource: memory."),
    ),
    "evicted by the API, still there": (
        pod("Running", RUNNING, going=True, conditions=[EVICTION, *READY]),
        SandboxLost(outcome=RETRYABLE, detail="the pod was taken away: EvictionByEvictionAPI: Eviction API: evicting"),
    ),
    "evicted by the API, ended": (
        pod("Failed", ended(143, "Error"), going=True, conditions=[EVICTION]),
        SandboxLost(outcome=RETRYABLE, detail="the pod was taken away: EvictionByEvictionAPI: Eviction API: evicting"),
    ),
    "evicted too late": (
        pod("Succeeded", ended(0, "Completed"), conditions=[EVICTION]),
        SandboxExited(exit_code=0, signal=None),
    ),
    "refused by the node": (
        pod("Failed", reason="OutOfmemory", message="Node didn't have enough resource"),
        SandboxLost(outcome=RETRYABLE, detail="the pod was taken away: OutOfmemory: Node didn't have enough resource"),
    ),
    "deleted under us": (
        pod("Running", RUNNING, going=True),
        SandboxLost(outcome=RETRYABLE, detail="the pod is being deleted"),
    ),
    "node lost": (
        pod("Running", RUNNING, conditions=[condition("Ready", "False"), condition("ContainersReady", "True")]),
        SandboxLost(outcome=RETRYABLE, detail="the pod's node does not answer any more"),
    ),
    "nobody knows": (
        pod("Unknown", RUNNING),
        SandboxLost(outcome=RETRYABLE, detail="the pod's node does not answer any more"),
    ),
    "container lost": (
        pod("Failed", ended(137, "ContainerStatusUnknown")),
        SandboxLost(outcome=RETRYABLE, detail="the node lost the container"),
    ),
    "failed without a word": (
        pod("Failed"),
        SandboxLost(outcome=RETRYABLE, detail="the pod failed and nobody knows why"),
    ),
}


@pytest.mark.parametrize("name", sorted(PODS))
def test_what_a_pod_says(name: str) -> None:
    given_pod, expected = PODS[name]
    assert view_of_pod(given_pod) == expected


def test_a_pod_at_work_says_since_when() -> None:
    view = view_of_pod(pod("Running", RUNNING, conditions=READY))
    assert isinstance(view, PodRuns)
    assert view.since is not None
    assert view.since.isoformat() == "2026-11-28T12:00:00+00:00"


def test_a_container_beside_the_guest_that_is_not_ready_is_no_lost_node() -> None:
    conditions = [condition("Ready", "False"), condition("ContainersReady", "False")]
    assert isinstance(view_of_pod(pod("Running", RUNNING, conditions=conditions)), PodRuns)


def job(*conditions: dict[str, Any], suspend: bool = False, going: bool = False) -> dict[str, Any]:
    return {
        "metadata": {"deletionTimestamp": "2026-11-28T12:00:09Z"} if going else {},
        "spec": {"suspend": suspend},
        "status": {"conditions": list(conditions)},
    }


JOBS: dict[str, tuple[dict[str, Any], str | None, JobView]] = {
    "just created": (job(), None, SandboxPending(reason="no pod yet")),
    "suspended": (
        job(condition("Suspended", "True"), suspend=True),
        None,
        SandboxPending(reason="the queue has not let it run yet", queued=True),
    ),
    "pod deleted": (
        job(condition("Failed", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit")),
        None,
        SandboxLost(
            outcome=RETRYABLE,
            detail="the pod was taken away: BackoffLimitExceeded: Job has reached the specified backoff limit",
        ),
    ),
    "about to fail": (
        job(condition("FailureTarget", "True", "PodFailurePolicy")),
        None,
        SandboxLost(outcome=RETRYABLE, detail="the pod was taken away: PodFailurePolicy"),
    ),
    "late": (
        job(condition("Failed", "True", "DeadlineExceeded")),
        None,
        SandboxLost(outcome=RETRYABLE, detail="the Job's own deadline passed"),
    ),
    "done, its pod removed": (job(condition("Complete", "True")), None, SandboxExited(exit_code=0, signal=None)),
    "being deleted": (job(going=True), None, SandboxLost(outcome=RETRYABLE, detail="the Job is being deleted")),
    "refused by Pod Security": (
        job(),
        'Error creating: pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
        SandboxLost(
            outcome=TERMINAL,
            detail='the cluster refuses the pod: Error creating: pods "x" is forbidden: violates PodSecurity '
            '"restricted:latest": runAsNonRoot != true',
        ),
    ),
    "quota used up": (
        job(),
        'Error creating: pods "x" is forbidden: exceeded quota: runs, requested: pods=1, used: pods=2, limited: pods=2',
        SandboxPending(
            reason='quota exceeded: Error creating: pods "x" is forbidden: exceeded quota: runs, requested: pods=1, '
            "used: pods=2, limited: pods=2"
        ),
    ),
    "no such account": (
        job(),
        'Error creating: pods "x" is forbidden: error looking up service account a/b: serviceaccount "b" not found',
        SandboxPending(
            reason='no service account: Error creating: pods "x" is forbidden: error looking up service account a/b: '
            'serviceaccount "b" not found'
        ),
    ),
    "a webhook in trouble": (
        job(),
        "Error creating: Internal error occurred: failed calling webhook",
        SandboxPending(reason="no pod yet: Error creating: Internal error occurred: failed calling webhook"),
    ),
}


@pytest.mark.parametrize("name", sorted(JOBS))
def test_what_a_job_without_a_pod_says(name: str) -> None:
    given_job, refusal, expected = JOBS[name]
    assert view_of_job(given_job, refusal) == expected


def test_of_several_refusals_the_newest_counts() -> None:
    def event(uid: str, when: str, message: str) -> dict[str, Any]:
        return {"involvedObject": {"uid": uid}, "lastTimestamp": when, "message": message}

    events = [
        event("a", "2026-11-28T12:00:02Z", "newer"),
        event("a", "2026-11-28T12:00:01Z", "older"),
        event("b", "2026-11-28T12:00:00Z", "other"),
    ]
    assert refusals_of(events) == {"a": "newer", "b": "other"}


WORDS = [
    *("metadata", "labels", "flowforge.dev/run", "name", "uid", "creationTimestamp", "deletionTimestamp", "status"),
    *("phase", "conditions", "type", "reason", "message", "containerStatuses", "state", "running", "terminated"),
    *("waiting", "exitCode", "signal", "startedAt", "spec", "suspend", "involvedObject", "lastTimestamp"),
]
VALUES = st.sampled_from(
    ["Running", "Failed", "Succeeded", "Pending", "guest", "True", "False", "Ready", "DisruptionTarget", "9999-99-99"]
) | st.text(max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
    max_leaves=40,
)
STATES = st.dictionaries(st.sampled_from(["running", "terminated", "waiting"]), JSON, max_size=2)
THINGS = st.fixed_dictionaries(
    {},
    optional={
        "metadata": JSON,
        "spec": JSON,
        "status": JSON
        | st.fixed_dictionaries(
            {
                "phase": VALUES,
                "containerStatuses": st.lists(st.fixed_dictionaries({"name": VALUES, "state": STATES}), max_size=2),
                "conditions": st.lists(st.fixed_dictionaries({"type": VALUES, "status": VALUES, "reason": JSON})),
            }
        ),
    },
)


@pytest.mark.parametrize(
    ("labels", "young", "old"),
    [({}, 59, 60), ({"flowforge.dev/probe": "true"}, 600 + 120 + 60, 900)],
    ids=["run", "probe"],
)
def test_a_probe_is_left_alone_as_long_as_somebody_may_wait_for_it(
    labels: dict[str, str], young: int, old: int
) -> None:
    thing = {"metadata": {"creationTimestamp": "2026-11-28T12:00:00Z", "labels": labels}}
    made = datetime(2026, 11, 28, 12, tzinfo=UTC)
    assert not is_aged(thing, now=made + timedelta(seconds=young))
    assert is_aged(thing, now=made + timedelta(seconds=old))


@given(THINGS)
def test_no_object_is_too_strange(thing: dict[str, Any]) -> None:
    assert view_of_pod(thing) is not None
    assert view_of_job(thing, None) is not None
    for look in (
        *(has_ended, is_out_of_reach, run_of, name_of, uid_of, created_at, is_going, is_suspended, is_finished),
        *(job_failure, passed_deadline),
    ):
        look(thing)
    is_aged(thing, now=datetime(2026, 11, 28, 12, tzinfo=UTC))


@given(st.lists(JSON, max_size=4), st.text(max_size=50))
def test_no_event_is_too_strange(events: list[Any], message: str) -> None:
    refusals_of(events)
    assert view_of_job({}, message) is not None
