"""One run as a Kubernetes Job: from the task to the object that the API server is given. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bot.model.runs import RunTask
from runners.environment import guest_environment
from runners.sandbox import CLAUDE, TASK_DIR, USER_ID, SandboxSpec, sandbox_labels, sandbox_name

CONTAINER: Final = "guest"
"""The name of a pod's only container."""

QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
"""https://kueue.sigs.k8s.io/docs/tasks/run/jobs/"""

_KEPT_SECONDS: Final = 600
_SPARE_SECONDS: Final = 120
_GRACE_SECONDS: Final = 5
_CPU_SHARE: Final = 0.25
_TMP_SHARE: Final = 4
_TMP_DIR: Final = "/tmp"  # noqa: S108 - a volume of the pod's own
# A pod without DNS must name a name server all the same. At its own loopback none listens, so that every look-up
# fails at once and no packet leaves the pod.
# https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-dns-config
_NO_DNS: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where and how the cluster runs the pods of one installation.

    Attributes:
        namespace: holds nothing but runs.
        service_account: the pods' own, with no rights.
        gateway_host: the host in the run's gateway URL.
        gateway_ip: the address of that host; it goes into the pod's ``/etc/hosts``, for the pod has no DNS.
        pending_seconds: how long the supervisor waits for a pod to come to work.
        image_pull_policy: ``IfNotPresent``, ``Always`` or ``Never``.
        image_pull_secrets: names of Secrets in the namespace; the kubelet reads them, the pod does not.
        runtime_class: such as ``gvisor`` or ``kata``.
        node_selector: as in a pod.
        tolerations: as in a pod.
        affinity: as in a pod.
        queue: a Kueue LocalQueue: the Job is created suspended and Kueue decides when it runs. Probes do not queue.
        user_namespace: gives the pod a user namespace of its own. That needs Linux 6.3, a container runtime that maps
            mounts, and Kubernetes 1.33; elsewhere the pod does not start, so nobody gets it without asking.
            https://kubernetes.io/docs/concepts/workloads/pods/user-namespaces/
    """

    namespace: str
    service_account: str
    gateway_host: str
    gateway_ip: str
    pending_seconds: float = 600.0
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    runtime_class: str | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    affinity: Mapping[str, Any] | None = None
    queue: str | None = None
    user_namespace: bool = False


def make_job(task: RunTask, spec: SandboxSpec, placement: Placement) -> dict[str, Any]:
    """The Job of a run: exactly one pod, once.

    https://kubernetes.io/docs/concepts/workloads/controllers/job/

    * No pod is ever replaced: ``backoffLimit`` is 0, and a pod that the cluster takes away (``DisruptionTarget``) fails
      the Job. The rule ``Ignore`` would start the run anew without anybody knowing; whether there is another try is for
      the job's state machine to say.
    * ``activeDeadlineSeconds`` stands behind the supervisor's own deadline, for the case that none is alive: the run's
      time, the time that a pod may take to come to work, and some to spare. Suspended time does not count.
    * ``ttlSecondsAfterFinished`` leaves the supervisor time to read the log; it removes what nobody removed.

    The only secret is the run's token. Nothing comes from Secrets or ConfigMaps. ``spec.pids`` has no place in a pod:
    the kubelet's ``podPidsLimit`` is what bounds processes.

    Raises:
        SandboxError: this kind of run has no guest.
    """
    labels = sandbox_labels(task.run_id, spec, probe=bool(task.probe))
    name = sandbox_name(task.run_id)
    # A probe that stood in line behind runs would say too late that no run may be started.
    queue: dict[str, Any] = {QUEUE_LABEL: placement.queue} if placement.queue and not task.probe else {}
    deadline = task.limits.deadline_seconds + placement.pending_seconds + _SPARE_SECONDS
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": placement.namespace, "labels": labels | queue},
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 0,
            "activeDeadlineSeconds": math.ceil(deadline),
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                ]
            },
            **({"suspend": True} if queue else {}),
            "template": {
                "metadata": {"labels": labels, "annotations": _annotations()},
                "spec": _pod(task, spec, placement),
            },
        },
    }


def _annotations() -> dict[str, str]:
    """Ask those who tidy up nodes to let the run end first.

    https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md
    https://karpenter.sh/docs/concepts/disruption/#pod-level-controls
    """
    return {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}


def _pod(task: RunTask, spec: SandboxSpec, placement: Placement) -> dict[str, Any]:
    return {
        "restartPolicy": "Never",
        "serviceAccountName": placement.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": [_NO_DNS]},
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(task, spec, placement)],
        "volumes": [
            {"name": "task", "emptyDir": {"sizeLimit": str(spec.disk_bytes)}},
            {"name": "tmp", "emptyDir": {"sizeLimit": str(spec.disk_bytes // _TMP_SHARE)}},
        ],
        **_host_aliases(placement),
        **_wishes(placement),
    }


def _container(task: RunTask, spec: SandboxSpec, placement: Placement) -> dict[str, Any]:
    environment = guest_environment(task, claude=CLAUDE, task_dir=TASK_DIR)
    always = {"memory": str(spec.memory_bytes), "ephemeral-storage": str(spec.disk_bytes)}
    return {
        "name": CONTAINER,
        "image": spec.image,
        "imagePullPolicy": placement.image_pull_policy,
        "env": [{"name": name, "value": environment[name]} for name in sorted(environment)],
        # An agent waits for its model most of the time: processors are shared, memory and disk are not.
        "resources": {
            "requests": {"cpu": _cpus(spec.cpus * _CPU_SHARE), **always},
            "limits": {"cpu": _cpus(spec.cpus), **always},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # What the guest might write there is never read; a log has no place in the pod's status either.
        "terminationMessagePolicy": "File",
        "volumeMounts": [{"name": "task", "mountPath": TASK_DIR}, {"name": "tmp", "mountPath": _TMP_DIR}],
    }


def _cpus(cpus: float) -> str:
    return f"{math.ceil(cpus * 1000)}m"


def _host_aliases(placement: Placement) -> dict[str, Any]:
    if placement.gateway_host == placement.gateway_ip:
        return {}
    return {"hostAliases": [{"ip": placement.gateway_ip, "hostnames": [placement.gateway_host]}]}


def _wishes(placement: Placement) -> dict[str, Any]:
    """What an operator asked for, and nothing of what nobody asked for."""
    wishes = {
        "imagePullSecrets": [{"name": name} for name in placement.image_pull_secrets],
        "runtimeClassName": placement.runtime_class,
        "nodeSelector": dict(placement.node_selector),
        "tolerations": [dict(toleration) for toleration in placement.tolerations],
        "affinity": dict(placement.affinity or {}),
    }
    host_users = {"hostUsers": False} if placement.user_namespace else {}
    return {name: wish for name, wish in wishes.items() if wish} | host_users
