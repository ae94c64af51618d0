"""What a Job and its pod say about a run. Pure; whatever the objects hold, nothing here raises.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from signal import SIGKILL
from typing import Any, Final

from bot.model.runs import RunOutcome, SandboxExited, SandboxLost, SandboxPending
from runners.manifests import CONTAINER
from runners.sandbox import AGED_SECONDS, PROBE_AGED_SECONDS, PROBE_LABEL, RUN_LABEL
from runners.text import one_line

_MAX_WORDS: Final = 240
_KILLED: Final = 128 + SIGKILL
_ENDED_PHASES: Final = frozenset({"Succeeded", "Failed"})
_PULL_FAILS: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed"}
)
_CREATE_FAILS: Final = frozenset({"CreateContainerError", "RunContainerError", "CrashLoopBackOff"})
_NOT_BEGUN: Final = frozenset({"StartError", "ContainerCannotRun"})
_NODE_GONE: Final = frozenset({"DeletionByTaintManager", "DeletionByPodGC"})
"""The kubelet's words, https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/images/types.go and
https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/kuberuntime/kuberuntime_container.go; and
https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRuns:
    """The guest is at work. ``since`` is when its container started."""

    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodStuck:
    """The node tries again what failed; if that does not help soon, the run is lost with ``outcome``."""

    reason: str
    outcome: RunOutcome


PodView = PodRuns | PodStuck | SandboxPending | SandboxExited | SandboxLost
JobView = SandboxPending | SandboxExited | SandboxLost


def run_of(thing: Mapping[str, Any]) -> str:
    """The run that a Job or pod belongs to, by its label; empty when it has none."""
    return _text(_mapping(_metadata(thing).get("labels")).get(RUN_LABEL))


def name_of(thing: Mapping[str, Any]) -> str:
    """The name of an object."""
    return _text(_metadata(thing).get("name"))


def uid_of(thing: Mapping[str, Any]) -> str:
    """What tells an object from every other one of its name."""
    return _text(_metadata(thing).get("uid"))


def created_at(thing: Mapping[str, Any]) -> datetime | None:
    """When an object was created, by the API server's clock."""
    return _time(_metadata(thing).get("creationTimestamp"))


def is_aged(thing: Mapping[str, Any], *, now: datetime) -> bool:
    """Whether an object is so old that a run which it belongs to has its row, and whoever waited for a probe is gone.

    ``now`` is by the API server's clock.
    """
    created = created_at(thing)
    age = PROBE_AGED_SECONDS if PROBE_LABEL in _mapping(_metadata(thing).get("labels")) else AGED_SECONDS
    return created is not None and created <= now - timedelta(seconds=age)


def is_going(thing: Mapping[str, Any]) -> bool:
    """Whether somebody asked for an object's end already."""
    return bool(_metadata(thing).get("deletionTimestamp"))


def has_ended(pod: Mapping[str, Any]) -> bool:
    """Whether no process of a pod is left."""
    return _phase(pod) in _ENDED_PHASES or bool(_state(pod, "terminated"))


def is_out_of_reach(pod: Mapping[str, Any]) -> bool:
    """Whether the cluster does not hear of the pod's node any more: nobody there would end the pod."""
    if _phase(pod) in _ENDED_PHASES:
        return False
    if _phase(pod) == "Unknown" or _status(pod).get("reason") == "NodeLost":
        return True
    ready, containers_ready = _condition(pod, "Ready"), _condition(pod, "ContainersReady")
    # The node's controller changes only the first of the two; the kubelet always changes both.
    # https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/util/node/controller_utils.go
    if ready.get("status") == "Unknown" or (
        ready.get("status") == "False" and containers_ready.get("status") == "True"
    ):
        return True
    return _text(_condition(pod, "DisruptionTarget").get("reason")) in _NODE_GONE


def view_of_pod(pod: Mapping[str, Any]) -> PodView:
    """What a pod says about its run."""
    if _phase(pod) in _ENDED_PHASES:
        return _ended(pod)
    terminated = _state(pod, "terminated")
    if is_going(pod):
        return _taken(pod)
    if terminated:
        return _exit(terminated)
    if is_out_of_reach(pod):
        return _retryable("the pod's node does not answer any more")
    running = _state(pod, "running")
    if running is not None:
        return PodRuns(since=_time(running.get("startedAt")))
    waiting = _state(pod, "waiting")
    return _unscheduled(pod) if waiting is None else _waiting(_text(waiting.get("reason")), waiting)


def view_of_job(job: Mapping[str, Any], refusal: str | None) -> JobView:
    """What a Job without a pod says about its run; ``refusal`` is why its pod could last not be created."""
    failed = job_failure(job)
    if failed is not None:
        return failed
    if _condition(job, "Complete").get("status") == "True":
        return SandboxExited(exit_code=0, signal=None)
    if is_going(job):
        return _retryable("the Job is being deleted")
    if is_suspended(job):
        return SandboxPending(reason="the queue has not let it run yet", queued=True)
    if refusal is not None:
        return _refused(refusal)
    return SandboxPending(reason="no pod yet")


def is_suspended(job: Mapping[str, Any]) -> bool:
    """Whether somebody else decides when a Job runs."""
    return _mapping(job.get("spec")).get("suspend") is True


def is_finished(job: Mapping[str, Any]) -> bool:
    """Whether a Job makes no pod any more."""
    return job_failure(job) is not None or _condition(job, "Complete").get("status") == "True"


def job_failure(job: Mapping[str, Any]) -> SandboxLost | None:
    """Why the Job's controller gave it up, if it did."""
    for kind in ("Failed", "FailureTarget"):
        condition = _condition(job, kind)
        if condition.get("status") != "True":
            continue
        if condition.get("reason") == "DeadlineExceeded":
            # The supervisor's own deadline comes long before: nobody looked after the run all that time.
            return _retryable("the Job's own deadline passed")
        return _retryable(f"the pod was taken away: {_words(condition)}")
    return None


def passed_deadline(job: Mapping[str, Any]) -> bool:
    """Whether the Job's own deadline ended the run."""
    return any(_condition(job, kind).get("reason") == "DeadlineExceeded" for kind in ("Failed", "FailureTarget"))


def refusals_of(events: list[Any]) -> dict[str, str]:
    """From the ``FailedCreate`` events of Jobs to the newest reason for each, by the Job's uid."""
    newest: dict[str, tuple[str, str]] = {}
    for each in events:
        event = _mapping(each)
        uid = _text(_mapping(event.get("involvedObject")).get("uid"))
        when = _text(event.get("lastTimestamp") or event.get("eventTime") or _metadata(event).get("creationTimestamp"))
        if uid and when >= newest.get(uid, ("", ""))[0]:
            newest[uid] = (when, _text(event.get("message")))
    return {uid: message for uid, (_, message) in newest.items()}


def _refused(message: str) -> JobView:
    """Why the API server takes no pod of a Job. The Job's controller goes on trying, with longer and longer pauses."""
    words = one_line(message, _MAX_WORDS)
    if "exceeded quota" in message:
        return SandboxPending(reason=f"quota exceeded: {words}")
    if "error looking up service account" in message:
        return SandboxPending(reason=f"no service account: {words}")
    if "is forbidden" in message or "is invalid" in message:
        return SandboxLost(outcome=RunOutcome.INFRA_TERMINAL, detail=f"the cluster refuses the pod: {words}")
    return SandboxPending(reason=f"no pod yet: {words}")


def _ended(pod: Mapping[str, Any]) -> PodView:
    status = _status(pod)
    terminated = _state(pod, "terminated")
    if _phase(pod) == "Failed" and (
        status.get("reason") or _condition(pod, "DisruptionTarget").get("status") == "True"
    ):
        return _taken(pod)
    if terminated:
        return _exit(terminated)
    if _phase(pod) == "Succeeded":
        return SandboxExited(exit_code=0, signal=None)
    return _retryable("the pod failed and nobody knows why")


def _taken(pod: Mapping[str, Any]) -> SandboxLost:
    """The cluster ended the pod: evicted, preempted, drained, refused by the node, deleted."""
    disruption = _condition(pod, "DisruptionTarget")
    if disruption.get("status") == "True":
        return _retryable(f"the pod was taken away: {_words(disruption)}")
    if _status(pod).get("reason"):
        return _retryable(f"the pod was taken away: {_words(_status(pod))}")
    return _retryable("the pod is being deleted")


def _exit(terminated: Mapping[str, Any]) -> SandboxExited | SandboxLost:
    reason = _text(terminated.get("reason"))
    if reason in _NOT_BEGUN:
        return _retryable(f"the container did not start: {_words(terminated)}")
    if reason == "ContainerStatusUnknown":
        return _retryable("the node lost the container")
    code = terminated.get("exitCode")
    number = terminated.get("signal")
    if code == _KILLED and not number:
        number = int(SIGKILL)
    if isinstance(number, int) and number > 0:
        return SandboxExited(exit_code=None, signal=number, out_of_memory=reason == "OOMKilled")
    if isinstance(code, int):
        return SandboxExited(exit_code=code, signal=None, out_of_memory=reason == "OOMKilled")
    return _retryable("the container ended and nobody knows how")


def _waiting(reason: str, waiting: Mapping[str, Any]) -> PodView:
    if reason in _PULL_FAILS:
        return PodStuck(reason=f"image pull: {_words(waiting)}", outcome=RunOutcome.INFRA_RETRYABLE)
    if reason == "ErrImageNeverPull":
        # This node has not got the image and may not fetch it; another one may have it.
        return _retryable(f"image pull: {_words(waiting)}")
    if reason == "InvalidImageName":
        return SandboxLost(outcome=RunOutcome.INFRA_TERMINAL, detail=f"image name: {_words(waiting)}")
    if reason == "CreateContainerConfigError":
        return PodStuck(reason=f"container: {_words(waiting)}", outcome=RunOutcome.INFRA_TERMINAL)
    if reason in _CREATE_FAILS:
        return PodStuck(reason=f"container: {_words(waiting)}", outcome=RunOutcome.INFRA_RETRYABLE)
    return SandboxPending(reason="the node prepares the pod")


def _unscheduled(pod: Mapping[str, Any]) -> SandboxPending:
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") != "False":
        return SandboxPending(reason="the pod waits for a node")
    if scheduled.get("reason") == "SchedulingGated":
        return SandboxPending(reason="the queue has not let it run yet", queued=True)
    return SandboxPending(reason=f"unschedulable: {one_line(_text(scheduled.get('message')), _MAX_WORDS)}")


def _retryable(detail: str) -> SandboxLost:
    return SandboxLost(outcome=RunOutcome.INFRA_RETRYABLE, detail=detail)


def _words(said: Mapping[str, Any]) -> str:
    """The reason and the message of a condition or state, as one short line."""
    both = [_text(said.get(key)) for key in ("reason", "message")]
    return one_line(": ".join(words for words in both if words), _MAX_WORDS)


def _state(pod: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """The guest's container's state if it is of this kind, else None."""
    for each in _sequence(_status(pod).get("containerStatuses")):
        status = _mapping(each)
        if status.get("name") == CONTAINER:
            state = _mapping(status.get("state"))
            return _mapping(state.get(kind)) if state.get(kind) is not None else None
    return None


def _condition(thing: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    for each in _sequence(_status(thing).get("conditions")):
        condition = _mapping(each)
        if condition.get("type") == kind:
            return condition
    return {}


def _phase(pod: Mapping[str, Any]) -> str:
    return _text(_status(pod).get("phase"))


def _status(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(thing.get("status"))


def _metadata(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(thing.get("metadata"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _time(value: object) -> datetime | None:
    """An instant as the API writes it; without a zone it is none."""
    try:
        instant = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None
